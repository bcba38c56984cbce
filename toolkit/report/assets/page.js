"use strict";
(() => {
  const status = document.getElementById("status");
  const say = (text) => { status.textContent = text; };

  // Charts: no expression is ever evaluated as code (interpreter), and nothing is loaded.
  const offline = { load: () => Promise.reject(new Error("offline")), sanitize: () => Promise.reject(new Error("offline")) };
  const charts = [...document.querySelectorAll(".vega")].map((place) => {
    const spec = JSON.parse(document.getElementById(place.dataset.spec).textContent);
    return vegaEmbed(place, spec, {
      ast: true, expr: vegaInterpreter.expressionInterpreter, actions: false, renderer: "svg", loader: offline, hover: true,
    }).catch((error) => { place.textContent = "This chart could not be drawn: " + error.message; });
  });
  Promise.all(charts).then(() => document.documentElement.setAttribute("data-ready", "yes"));

  // Tables: click a heading to sort; numbers by value, everything else as text.
  document.querySelectorAll("th .sort").forEach((button) => button.addEventListener("click", () => {
    const head = button.closest("th"), body = head.closest("table").tBodies[0], column = head.cellIndex;
    const ascending = head.getAttribute("aria-sort") !== "ascending", numeric = head.classList.contains("number");
    const value = (row) => row.cells[column]?.textContent ?? "";
    const order = (a, b) => numeric ? (parseFloat(value(a)) || 0) - (parseFloat(value(b)) || 0) : value(a).localeCompare(value(b));
    [...body.rows].sort((a, b) => (ascending ? 1 : -1) * order(a, b)).forEach((row) => body.append(row));
    head.parentElement.querySelectorAll("th").forEach((other) => other.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    say("Sorted by " + button.textContent + (ascending ? ", ascending" : ", descending"));
  }));

  // Masks: revealed one by one, or all together, by intent.
  const reveal = (mask, shown) => { mask.classList.toggle("shown", shown); mask.setAttribute("aria-label", shown ? "revealed; press to mask" : "masked; press to reveal"); };
  document.querySelectorAll(".mask").forEach((mask) => mask.addEventListener("click", () => reveal(mask, !mask.classList.contains("shown"))));
  const toggle = (id, act, on, off) => {
    const button = document.getElementById(id);
    button.addEventListener("click", () => {
      const pressed = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(pressed));
      button.textContent = pressed ? on : off;
      act(pressed);
    });
  };
  toggle("toggle-code", (shown) => document.body.classList.toggle("with-code", shown), "Hide code", "Show code");
  toggle("toggle-mask", (shown) => { const all = document.querySelectorAll(".mask"); all.forEach((m) => reveal(m, shown)); say(all.length + (shown ? " values revealed" : " values masked")); }, "Mask again", "Reveal masked text");
})();
