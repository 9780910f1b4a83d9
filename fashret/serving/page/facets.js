// Filters: facets of the catalogue become checkboxes and ranges, these become conditions of the API.
// What is chosen is a plain object, column → list of values or [least, most], so that it fits into the address.

import { make } from "./cards.js";

// A name or value in quotes, as conditions have them.
const quoted = (text) => `"${String(text).replaceAll('"', '""')}"`;
const DATE = "date";

export class Facets {
  constructor(form, onChange) {
    this.form = form;
    this.known = [];
    this.chosen = {};
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", () => {
      this.chosen = this.#read();
      onChange();
    });
  }

  get count() {
    return Object.keys(this.chosen).length;
  }

  show(known) {
    this.known = known;
    this.form.replaceChildren(...known.map((facet, i) => (facet.values ? values(facet, i) : range(facet, i))));
    this.set(this.chosen);
  }

  set(chosen) {
    this.chosen = chosen;
    for (const input of this.form.elements) {
      if (input.tagName !== "INPUT") continue;
      const facet = this.known[input.dataset.facet];
      const mine = chosen[facet.column] || [];
      if (input.type === "checkbox") input.checked = mine.includes(String(facet.values[input.dataset.value].value));
      else input.value = mine[input.dataset.end] || "";
    }
  }

  // Conditions that the API understands.
  where() {
    return this.known.flatMap((facet) => {
      const mine = this.chosen[facet.column];
      if (!mine) return [];
      const name = quoted(facet.column);
      if (facet.values && facet.type === "boolean") return mine.length === 1 ? [`${name} = ${mine[0] === "true"}`] : [`${name} is not null`];
      if (facet.values) return [`${name} in (${mine.map(quoted).join(", ")})`];
      const bound = facet.type === DATE ? quoted : String;
      const end = facet.type === DATE && mine[1] ? `${mine[1]}T23:59:59.999999` : mine[1];
      return [...(mine[0] ? [`${name} >= ${bound(mine[0])}`] : []), ...(mine[1] ? [`${name} <= ${bound(end)}`] : [])];
    });
  }

  #read() {
    const chosen = {};
    for (const input of this.form.elements) {
      if (input.tagName !== "INPUT") continue;
      const facet = this.known[input.dataset.facet];
      const mine = chosen[facet.column] || (facet.values ? [] : ["", ""]);
      if (input.type === "checkbox") {
        if (input.checked) mine.push(String(facet.values[input.dataset.value].value));
      } else if (input.checkValidity()) mine[input.dataset.end] = input.value;
      if (mine.some((each) => each !== "")) chosen[facet.column] = mine;
    }
    return chosen;
  }
}

function values(facet, i) {
  const rows = facet.values.map(({ value, products }, j) => {
    const input = make("input", { type: "checkbox" });
    input.dataset.facet = i;
    input.dataset.value = j;
    const text = facet.type === "boolean" ? (value ? "Yes" : "No") : value;
    return make("label", { className: "value" }, input, make("span", {}, text), make("small", {}, products.toLocaleString()));
  });
  return make("fieldset", {}, make("legend", {}, named(facet.column)), ...rows);
}

function range(facet, i) {
  const inputs = [facet.least, facet.most].map((bound, end) => {
    const input = make("input", facet.type === DATE ? { type: "date" } : { type: "number", step: "any", placeholder: String(bound) });
    input.setAttribute("aria-label", `${named(facet.column)}, ${end ? "at most" : "at least"}`);
    input.dataset.facet = i;
    input.dataset.end = end;
    return input;
  });
  return make("fieldset", {}, make("legend", {}, named(facet.column)), make("div", { className: "range" }, inputs[0], make("span", {}, "to"), inputs[1]));
}

// A column's name as a heading.
export const named = (column) => column.charAt(0).toUpperCase() + column.slice(1).replaceAll("_", " ");
