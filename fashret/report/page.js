"use strict";
// Shows the rows of the gallery that fit the filters. Everything is on the page already; without this script it is
// all visible.
const gallery = document.getElementById("gallery");
if (gallery) {
  const rows = Array.from(gallery.querySelectorAll(".query"));
  const fields = ["kind", "category", "found"].map((name) => [name, document.getElementById("filter-" + name)]);
  const shown = document.getElementById("shown");
  const apply = () => {
    let count = 0;
    for (const row of rows) {
      const fits = fields.every(([name, field]) => !field || field.value === "" || row.dataset[name] === field.value);
      row.hidden = !fits;
      count += fits;
    }
    shown.textContent = count === rows.length ? `${rows.length} queries` : `${count} of ${rows.length} queries`;
    document.getElementById("none").hidden = count > 0;
  };
  for (const [, field] of fields) if (field) field.addEventListener("change", apply);
  document.getElementById("reset").addEventListener("click", () => {
    for (const [, field] of fields) if (field) field.value = "";
    apply();
  });
  document.getElementById("filters").hidden = false;
  apply();
}
