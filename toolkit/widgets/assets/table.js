// Rows to choose from. Cells are text; what is masked comes from Python only when it is asked for.
const make = (tag, props = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
};

const CSS = `.tk-rows{font:13px/1.4 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;max-height:22rem;overflow:auto;border:1px solid #8886;border-radius:4px}
.tk-rows table{border-collapse:collapse;width:100%}
.tk-rows th{position:sticky;top:0;text-align:left;background:var(--jp-layout-color2,#eee);color:inherit}
.tk-rows th,.tk-rows td{padding:2px 8px;border-bottom:1px solid #8883;vertical-align:top;overflow-wrap:anywhere}
.tk-rows .number{text-align:right;font-variant-numeric:tabular-nums}
.tk-rows tr[aria-selected=true] td{background:#d6249f22}
.tk-rows tbody tr{cursor:pointer}
.tk-rows tbody tr:focus-visible{outline:2px solid #0072b2;outline-offset:-2px}
.tk-rows button{font:inherit;border:1px solid #8886;border-radius:3px;background:none;color:inherit;cursor:pointer}
.tk-rows-note{font-size:12px;opacity:.75;padding:2px 4px}`;

function render({ model, el }) {
  const note = make("div", { className: "tk-rows-note" });
  note.setAttribute("role", "status");
  const place = make("div", { className: "tk-rows" });
  const shown = new Map(); // row and column of what has been revealed
  const chosen = () => new Set(model.get("selected"));
  const set = (rows) => {
    model.set("selected", [...rows].sort((a, b) => a - b));
    model.save_changes();
    mark();
  };
  const mark = () => {
    const among = chosen();
    place.querySelectorAll("tbody tr").forEach((row, i) => row.setAttribute("aria-selected", String(among.has(i))));
    note.textContent = model.get("note") + (among.size ? `; ${among.size} chosen` : "");
  };
  const toggle = (i, add) => {
    const among = add ? chosen() : new Set([...chosen()].filter((row) => row === i));
    if (!among.delete(i)) among.add(i);
    set(among);
  };
  const draw = () => {
    shown.clear();
    const columns = model.get("columns"), rows = model.get("rows");
    const head = make("tr", {}, ...columns.map((c) => make("th", { textContent: c.title, className: c.number ? "number" : "", scope: "col" })));
    const body = make("tbody");
    rows.forEach((cells, i) => {
      const row = make("tr", { tabIndex: 0 });
      cells.forEach((cell, j) => {
        const td = make("td", { className: columns[j].number ? "number" : "" });
        if (columns[j].mask && cell !== "") {
          const button = make("button", { type: "button", textContent: "show", title: "Show this value; it is counted" });
          button.addEventListener("click", (event) => { event.stopPropagation(); model.send({ reveal: [i, j] }); });
          shown.set(`${i}/${j}`, td);
          td.append(button);
        } else td.append(make("bdi", { textContent: cell }));
        row.append(td);
      });
      row.addEventListener("click", (event) => toggle(i, event.ctrlKey || event.metaKey || event.shiftKey));
      row.addEventListener("keydown", (event) => {
        if (event.key === " " || event.key === "Enter") { event.preventDefault(); toggle(i, true); }
        if (event.key === "ArrowDown") { event.preventDefault(); row.nextElementSibling?.focus(); }
        if (event.key === "ArrowUp") { event.preventDefault(); row.previousElementSibling?.focus(); }
      });
      body.append(row);
    });
    place.replaceChildren(make("table", {}, make("thead", {}, head), body));
    mark();
  };
  const told = (message) => {
    const td = message.revealed && shown.get(message.revealed.join("/"));
    if (td) td.replaceChildren(make("bdi", { textContent: message.text }));
  };
  el.replaceChildren(make("style", { textContent: CSS }), place, note);
  draw();
  model.on("change:rows", draw);
  model.on("change:selected", mark);
  model.on("change:note", mark);
  model.on("msg:custom", told);
  return () => {
    model.off("change:rows", draw);
    model.off("change:selected", mark);
    model.off("change:note", mark);
    model.off("msg:custom", told);
  };
}

export default { render };
