"use strict";
(() => {
  const status = document.getElementById("status");
  const say = (text) => { status.textContent = text; };

  // Charts: no expression is ever evaluated as code (interpreter), and nothing is loaded.
  const refuse = () => Promise.reject(new Error("offline"));
  const offline = { load: refuse, sanitize: refuse, http: refuse, file: refuse };
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;

  // Charts above one another cannot measure their place themselves: their common width gives what is over, or takes it.
  const fit = async (place, spec, view) => {
    const over = () => place.querySelector("svg").getBoundingClientRect().width - place.clientWidth;
    if (spec.vconcat && Math.abs(over()) > 1) await view.width(Math.max(200, view.width() - over())).runAsync();
  };
  const charts = [...document.querySelectorAll(".vega")].map((place) => {
    const spec = JSON.parse(document.getElementById(place.dataset.spec).textContent);
    return vegaEmbed(place, spec, {
      ast: true, expr: vegaInterpreter.expressionInterpreter, actions: false, renderer: "svg", loader: offline, hover: true,
      defaultStyle: false, logLevel: 1, tooltip: { theme: dark ? "dark" : "light" },
    }).then(({ view }) => fit(place, spec, view))
      .catch((error) => { place.textContent = "This chart could not be drawn: " + error.message; });
  });
  Promise.all(charts).then(() => document.documentElement.setAttribute("data-ready", "yes"));

  // Tables: click a heading to sort; numbers by value, everything else as text.
  const text = new Intl.Collator("en");
  document.querySelectorAll("th .sort").forEach((button) => button.addEventListener("click", () => {
    const head = button.closest("th"), body = head.closest("table").tBodies[0], column = head.cellIndex;
    const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    const number = (row) => { const value = parseFloat(row.cells[column].dataset.sort); return Number.isNaN(value) ? -Infinity : value; };
    const order = head.classList.contains("number")
      ? (a, b) => number(a) === number(b) ? 0 : number(a) - number(b)
      : (a, b) => text.compare(a.cells[column].textContent, b.cells[column].textContent);
    [...body.rows].sort((a, b) => sign * order(a, b)).forEach((row) => body.append(row));
    head.parentElement.querySelectorAll("th").forEach((other) => other.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    say("Sorted by " + button.textContent + (sign > 0 ? ", ascending" : ", descending"));
  }));

  // Masks: revealed one by one, or all together, by intent.
  const masks = document.querySelectorAll(".mask");
  const reveal = (mask, shown) => {
    mask.classList.toggle("shown", shown);
    if (shown) mask.removeAttribute("aria-label"); else mask.setAttribute("aria-label", "masked; press to reveal");
  };
  masks.forEach((mask) => mask.addEventListener("click", () => reveal(mask, !mask.classList.contains("shown"))));

  const toggle = (id, act, on, off) => document.getElementById(id)?.addEventListener("click", (event) => {
    const button = event.currentTarget, pressed = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(pressed));
    button.textContent = pressed ? on : off;
    act(pressed);
  });
  toggle("toggle-code", (shown) => {
    document.body.classList.toggle("with-code", shown);
    document.querySelectorAll("details.code").forEach((cell) => { cell.open = shown; });
  }, "Hide code", "Show code");
  toggle("toggle-mask", (shown) => {
    masks.forEach((mask) => reveal(mask, shown));
    say(masks.length + (shown ? " values revealed" : " values masked"));
  }, "Mask again", "Reveal masked values");

  // On a narrow screen the contents start folded, and everything opens before printing what folds.
  if (matchMedia("(max-width: 62rem)").matches) document.querySelector("#toc details").open = false;
  addEventListener("beforeprint", () => document.querySelectorAll(".finding details").forEach((d) => { d.open = true; }));
})();
