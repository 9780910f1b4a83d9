// The page: what is asked for is kept in the address, so that it can be shared and the back button works.
// A photo stays on this side; the address names it by a number that is good until the page is closed.

import * as api from "./api.js";
import { BoxEditor, place } from "./box.js";
import { Camera } from "./camera.js";
import { card, make, titleOf } from "./cards.js";
import { Facets } from "./facets.js";

const $ = (id) => document.getElementById(id);
const AT_ONCE = 24;
const MOST = 192;

const photos = []; // of this visit: { blob, address, size, garments }
let state = { photo: null, box: null, row: null, filters: {}, top: AT_ONCE };
let known = null;
let running = null;

const facets = new Facets($("facets"), () => go({ filters: facets.chosen, top: AT_ONCE }));
const editor = new BoxEditor($("stage"), $("shown"), $("box"), (box) => go({ box, top: AT_ONCE }));
const camera = new Camera($("video"), () => { $("camera").hidden = false; $("drop").hidden = true; }, () => { $("camera").hidden = true; showQuery(); });

// --- the address ---

function toAddress(of) {
  const parts = new URLSearchParams();
  if (of.photo !== null) parts.set("photo", of.photo);
  if (of.box) parts.set("box", of.box.map((side) => Math.round(side * 10) / 10).join(","));
  if (of.row !== null) parts.set("like", of.row);
  if (of.top !== AT_ONCE) parts.set("top", of.top);
  if (Object.keys(of.filters).length) parts.set("filters", JSON.stringify(of.filters));
  const text = parts.toString();
  return text ? `?${text}` : location.pathname;
}

function fromAddress() {
  const parts = new URLSearchParams(location.search);
  const whole = (name) => (/^\d{1,9}$/.test(parts.get(name) || "") ? Number(parts.get(name)) : null);
  const box = (parts.get("box") || "").split(",").map(Number);
  let filters = {};
  try {
    const read = JSON.parse(parts.get("filters") || "{}");
    filters = Object.fromEntries(Object.entries(read).filter(([, value]) => Array.isArray(value)).map(([name, value]) => [name, value.map(String)]));
  } catch { /* an address that somebody changed */ }
  const photo = whole("photo");
  const there = photo !== null && photos[photo] !== undefined;
  return {
    photo: there ? photo : null,
    box: there && box.length === 4 && box.every(Number.isFinite) && box[0] < box[2] && box[1] < box[3] ? box : null,
    row: whole("like"),
    filters,
    top: Math.min(Math.max(whole("top") || AT_ONCE, AT_ONCE), MOST),
  };
}

function go(change, replace = false) {
  state = { ...state, ...change };
  history[replace ? "replaceState" : "pushState"](null, "", toAddress(state));
  return show();
}

// --- what is shown ---

function showQuery() {
  const photo = state.photo === null ? null : photos[state.photo];
  $("drop").hidden = Boolean(photo) || state.row !== null;
  $("photo").hidden = !photo;
  $("like").hidden = state.row === null;
  if (!photo) return;
  if ($("shown").src !== photo.address) $("shown").src = photo.address;
  editor.setSize(photo.size.width, photo.size.height);
  const chosen = photo.garments.findIndex((each) => same(each.box, state.box));
  const pick = (each) => () => { drawing(false); go({ box: each.box, top: AT_ONCE }); };
  $("boxes").replaceChildren(...photo.garments.map((each, i) => {
    const spot = make("button", { type: "button", className: "spot", onclick: pick(each), tabIndex: -1 });
    spot.dataset.number = each.number;
    spot.setAttribute("aria-hidden", "true"); // the buttons beside the photo are the same
    spot.setAttribute("aria-pressed", i === chosen);
    place(spot, each.box, photo.size);
    return spot;
  }));
  $("garments").replaceChildren(...photo.garments.map((each, i) => {
    const button = make("button", { type: "button", onclick: pick(each) }, `${each.number} ${each.category || each.label}`);
    button.setAttribute("aria-pressed", i === chosen);
    return button;
  }));
  editor.show(chosen >= 0 || !state.box ? null : state.box);
  $("hint").textContent = hint(photo, chosen);
}

function hint(photo, chosen) {
  if (editor.drawing) return "Draw a box around the garment with mouse or finger. With the keyboard, arrow keys move it and Shift with them changes its size.";
  if (state.box && chosen < 0) return "Move the box, or pull its corners.";
  if (chosen >= 0) return `Searching for garment ${photo.garments[chosen].number}.`;
  return photo.garments.length ? "Choose a garment, or draw a box around one." : "Searching for the whole photo. Draw a box around a garment for better results.";
}

const same = (one, other) => Boolean(one && other) && one.every((side, i) => Math.abs(side - other[i]) < 0.2);

async function show() {
  showQuery();
  facets.set(state.filters);
  $("clear").hidden = $("filter-count").hidden = !facets.count;
  $("filter-count").textContent = facets.count;
  if (running) running.abort();
  const mine = (running = new AbortController());
  $("results").classList.add("busy");
  $("results").setAttribute("aria-busy", "true");
  try {
    await fill(facets.where(), mine.signal);
    $("error").hidden = true;
  } catch (error) {
    if (error.name === "AbortError") return;
    failed(error);
  }
  if (mine !== running) return;
  $("results").classList.remove("busy");
  $("results").removeAttribute("aria-busy");
}

async function fill(where, signal) {
  if (state.photo !== null) {
    const found = await api.search(photos[state.photo].blob, state.box, where, state.top, signal);
    list("Products like your photo", found.hits, `${counted(found.hits.length)} in ${seconds(found.took.total)}`);
  } else if (state.row !== null) {
    const found = await api.similar(state.row, where, state.top, signal);
    $("like-picture").src = found.of.picture || "";
    $("like-picture").hidden = !found.of.picture;
    $("like-name").textContent = titleOf(found.of);
    list("Products like this one", found.hits, `${counted(found.hits.length)}`);
  } else {
    const found = await api.products(where, 0, Math.min(state.top, 96), signal);
    list("Products", found.products, found.count === found.products.length ? counted(found.count) : `${found.products.length} of ${counted(found.count)}`);
    $("more").hidden = found.products.length >= found.count || state.top >= 96;
  }
}

function list(heading, products, status) {
  $("heading").textContent = heading;
  $("status").textContent = products.length ? status : "Nothing fits these filters.";
  $("results").replaceChildren(...products.map((each) => card(each, (of) => { drawing(false); go({ photo: null, box: null, row: of.row, top: AT_ONCE }); toTop(); })));
  $("more").hidden = products.length < state.top || state.top >= MOST;
}

function failed(error) {
  if (error.code === "token") {
    askForToken();
    return;
  }
  $("error").textContent = error.message;
  $("error").hidden = false;
  $("status").textContent = "";
  if (error.code === "photo" || error.code === "too_large" || error.code === "kind") $("results").replaceChildren();
}

const counted = (number) => `${number.toLocaleString()} ${number === 1 ? "product" : "products"}`;
const seconds = (milliseconds) => (milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`);
const toTop = () => { window.scrollTo({ top: 0 }); $("heading").focus({ preventScroll: true }); };

// --- photos ---

async function take(blob) {
  if (!blob) return;
  const photo = { blob, address: URL.createObjectURL(blob), size: { width: 1, height: 1 }, garments: [] };
  const number = photos.push(photo) - 1;
  drawing(false);
  const image = new Image();
  image.src = photo.address;
  await image.decode().then(() => { photo.size = { width: image.naturalWidth, height: image.naturalHeight }; }, () => {});
  let box = null;
  if (known && known.detector) {
    $("status").textContent = "Looking for garments …";
    const found = await api.detect(blob).catch(() => null);
    if (found) {
      photo.garments = found.garments;
      photo.size = { width: found.width, height: found.height };
      box = found.garments.length ? found.garments[0].box : null;
    }
  }
  await go({ photo: number, box, row: null, top: AT_ONCE });
  toTop();
}

function drawing(on) {
  editor.draw(on);
  $("draw").setAttribute("aria-pressed", on);
}

const start = () => go({ photo: null, box: null, row: null, top: AT_ONCE });
$("choose").addEventListener("click", () => $("file").click());
$("other").addEventListener("click", () => $("file").click());
$("like-other").addEventListener("click", () => $("file").click());
for (const id of ["file", "capture"]) {
  $(id).addEventListener("change", () => { take($(id).files[0]); $(id).value = ""; });
}
$("take").addEventListener("click", async () => {
  $("shutter").disabled = true; // until there is a picture
  if (await camera.open()) $("shutter").disabled = false;
  else $("capture").click();
});
$("shutter").addEventListener("click", async () => take(await camera.take()));
$("stop").addEventListener("click", () => { camera.close(); $("take").focus(); });
$("draw").addEventListener("click", () => { drawing(!editor.drawing); showQuery(); if (editor.drawing) editor.focus(); });
$("whole").addEventListener("click", () => { drawing(false); go({ box: null, top: AT_ONCE }); });
$("back-to-all").addEventListener("click", start);
$("home").addEventListener("click", (event) => { event.preventDefault(); drawing(false); go({ photo: null, box: null, row: null, filters: {}, top: AT_ONCE }); });
$("more").addEventListener("click", () => go({ top: state.top + AT_ONCE }, true));
$("clear").addEventListener("click", () => { go({ filters: {}, top: AT_ONCE }); $("heading").focus(); });
$("open-filters").addEventListener("click", () => {
  const open = $("filters").classList.toggle("open");
  $("open-filters").setAttribute("aria-expanded", open);
});

const imageIn = (list) => [...(list || [])].find((each) => each.type.startsWith("image/") || /\.hei[cf]$/i.test(each.name));
document.addEventListener("paste", (event) => {
  const photo = imageIn(event.clipboardData && event.clipboardData.files);
  if (photo) { event.preventDefault(); take(photo); }
});
document.addEventListener("dragover", (event) => {
  if (![...event.dataTransfer.types].includes("Files")) return;
  event.preventDefault();
  $("over").hidden = false;
});
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) $("over").hidden = true; });
document.addEventListener("drop", (event) => {
  $("over").hidden = true;
  const photo = imageIn(event.dataTransfer.files);
  if (!event.dataTransfer.files.length) return;
  event.preventDefault();
  if (photo) take(photo);
  else failed(new api.ApiError("kind", "That is no photo."));
});
window.addEventListener("popstate", () => { drawing(false); state = fromAddress(); show(); });

// --- a token ---

function askForToken() {
  if (!$("token-dialog").open) $("token-dialog").showModal();
}

$("token-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await api.session($("token").value.trim());
    $("token-dialog").close();
    begin();
  } catch (error) {
    $("token-error").textContent = error.message;
    $("token-error").hidden = false;
  }
});

async function begin() {
  state = fromAddress();
  history.replaceState(null, "", toAddress(state));
  try {
    known = await api.catalogue();
  } catch (error) {
    failed(error);
    return;
  }
  const shown = known.catalogue.facets;
  facets.show(shown);
  $("filters").hidden = $("open-filters").hidden = !shown.length;
  document.querySelector(".columns").classList.toggle("with-filters", shown.length > 0);
  await show();
}

begin();
