// Products as cards. Everything that comes from the catalogue is set as text, never as HTML.

export function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

const TITLES = ["title", "name", "product_name", "display_name"];
const PRICES = ["price", "sale_price"];
const LINKS = ["url", "link", "product_url"];
const CURRENCIES = ["currency"];
const BRANDS = ["brand", "maker", "vendor"];
const LONGEST = 160;

function first(columns, names) {
  const lower = Object.fromEntries(Object.entries(columns).map(([name, value]) => [name.toLowerCase(), value]));
  const name = names.find((each) => lower[each] !== undefined && lower[each] !== null && lower[each] !== "");
  return name === undefined ? null : lower[name];
}

const cut = (text) => (text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text);

export function titleOf(product) {
  const file = product.photo.split("/").pop().replace(/\.[a-z0-9]+$/i, "");
  return cut(String(first(product.columns, TITLES) ?? product.product ?? file));
}

function priceOf(columns) {
  const price = first(columns, PRICES);
  if (price === null) return "";
  const currency = first(columns, CURRENCIES);
  if (typeof price !== "number") return cut(String(price));
  const text = price.toLocaleString(undefined, Number.isInteger(price) ? {} : { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  return currency ? `${text} ${cut(String(currency))}` : text;
}

// Only addresses of the web: others could run something.
function linkOf(columns) {
  const link = first(columns, LINKS);
  try {
    const address = new URL(String(link));
    return ["http:", "https:"].includes(address.protocol) ? address.href : "";
  } catch {
    return "";
  }
}

export function card(product, onSimilar) {
  const title = titleOf(product);
  const frame = make("div", { className: "frame" });
  const instead = () => frame.prepend(make("span", { className: "none" }, "No picture"));
  if (product.picture) {
    const image = make("img", { src: product.picture, alt: title, loading: "lazy", decoding: "async" });
    image.addEventListener("error", () => { image.remove(); instead(); });
    frame.append(image);
  } else instead();
  if (product.distance !== undefined) {
    frame.append(make("span", { className: "match", title: `Distance ${product.distance.toFixed(4)}` }, `${product.rank}`));
  }
  const about = [first(product.columns, BRANDS), product.category].filter(Boolean).map((each) => cut(String(each)));
  const price = priceOf(product.columns);
  const link = linkOf(product.columns);
  const similar = make("button", { type: "button" }, "More like this");
  similar.setAttribute("aria-label", `More like ${title}`);
  similar.addEventListener("click", () => onSimilar(product));
  const does = make("div", { className: "does" }, similar);
  if (link) {
    const anchor = make("a", { href: link, rel: "noopener noreferrer", target: "_blank" }, "View in shop");
    anchor.setAttribute("aria-label", `View ${title} in the shop`);
    does.prepend(anchor);
  }
  return make(
    "li",
    { className: "product" },
    frame,
    make("h3", {}, title),
    ...(about.length ? [make("p", { className: "about" }, about.join(" · "))] : []),
    ...(price ? [make("p", { className: "price" }, price)] : []),
    does,
  );
}
