// Asks the server. In: a question. Out: its answer, or an Error with `code` and a message for people.

export class ApiError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

async function asked(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { ...options, credentials: "same-origin" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("offline", "The server cannot be reached. Try again.");
  }
  const body = await response.json().catch(() => ({}));
  if (response.ok) return body;
  const { code = "unknown", message = `The server answered ${response.status}.` } = body.error || {};
  throw new ApiError(code, message);
}

function query(values) {
  const pairs = Object.entries(values).flatMap(([name, value]) => [value].flat().map((each) => [name, each]));
  return new URLSearchParams(pairs.filter(([, value]) => value !== "" && value !== null)).toString();
}

export const catalogue = () => asked("api/catalogue");
export const products = (where, skip, top, signal) => asked(`api/products?${query({ where, skip, top_k: top })}`, { signal });
export const similar = (row, where, top, signal) => asked(`api/rows/${row}/similar?${query({ where, top_k: top })}`, { signal });
export const detect = (photo) => asked("api/detect", posted(photo));
export const search = (photo, box, where, top, signal) =>
  asked(`api/search?${query({ where, top_k: top, box: box ? box.map((side) => side.toFixed(1)).join(",") : "" })}`, { ...posted(photo), signal });
export const session = (token) => asked("api/session", { method: "POST", body: token, headers: { "Content-Type": "application/octet-stream" } });

function posted(photo) {
  return { method: "POST", body: photo, headers: { "Content-Type": photo.type.startsWith("image/") ? photo.type : "application/octet-stream" } };
}
