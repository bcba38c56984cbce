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
  const views = [];
  const charts = [...document.querySelectorAll(".vega")].map((place) => {
    const spec = JSON.parse(document.getElementById(place.dataset.spec).textContent);
    return vegaEmbed(place, spec, {
      ast: true, expr: vegaInterpreter.expressionInterpreter, actions: false, renderer: "svg", loader: offline, hover: true,
      defaultStyle: false, logLevel: 1, tooltip: { theme: dark ? "dark" : "light" },
    }).then(async ({ view }) => { await fit(place, spec, view); follow(spec, view); })
      .catch((error) => { place.textContent = "This chart could not be drawn: " + error.message; });
  });

  // Who is picked in one place is picked in all of them: the network, the lanes of the timeline, the rows of tables.
  const bar = document.getElementById("picked");
  const networks = [...document.querySelectorAll(".graph-view")].map((place) => {
    const data = JSON.parse(document.getElementById(place.dataset.graph).textContent);
    const network = toolkitGraph.mount(place, data, {});
    place.addEventListener("tk-select", ({ detail }) => pick(detail.selection.filter((key) => key.startsWith("account:")).map((key) => key.slice(8)), network));
    return network;
  });
  let picked = [];
  function pick(accounts, from) {
    if (accounts.join("\n") === picked.join("\n")) return;
    picked = accounts;
    const among = new Set(accounts);
    document.querySelectorAll("tr[data-account]").forEach((row) => {
      row.classList.toggle("picked", among.has(row.dataset.account));
      row.classList.toggle("unpicked", among.size > 0 && !among.has(row.dataset.account));
    });
    networks.filter((network) => network !== from).forEach((network) => network.apply({ selection: accounts.map((id) => "account:" + id) }));
    views.filter((each) => each !== from).forEach((each) => each.show(accounts));
    bar.hidden = !among.size;
    bar.firstElementChild.textContent = among.size + (among.size === 1 ? " account is picked; tables and lanes show it alone." : " accounts are picked; tables and lanes show them alone.");
  }
  bar.querySelector("button").addEventListener("click", () => pick([]));
  document.querySelectorAll("tr[data-account]").forEach((row) => row.addEventListener("click", (event) => {
    if (event.target.closest("button") || String(getSelection())) return;
    pick(picked.length === 1 && picked[0] === row.dataset.account ? [] : [row.dataset.account]);
  }));

  // A finding leads to the rows it rests on: those of its accounts, in the first table that has one of them.
  const rows = [...document.querySelectorAll("tr[data-account]")];
  document.querySelectorAll(".finding .rows").forEach((button) => {
    const accounts = [...button.closest(".finding").querySelectorAll("bdi[data-id]")].map((name) => name.dataset.id);
    const first = rows.find((row) => accounts.includes(row.dataset.account));
    button.hidden = !first;
    button.addEventListener("click", () => {
      pick(accounts);
      first.closest("figure").scrollIntoView({ block: "start" });
      first.closest(".scroll").focus({ preventScroll: true });
    });
  });

  // A chart of lanes says which account each lane is; its selection is kept in a table of its own.
  function follow(spec, view) {
    const lanes = Object.values(spec.datasets ?? {}).find((rows) => rows.length && "account" in rows[0] && "l" in rows[0]);
    if (!lanes || !JSON.stringify(spec).includes('"param":"picked"')) return;
    const number = new Map(lanes.map((row) => [row.account, row.l])), name = new Map(lanes.map((row) => [row.l, row.account]));
    let quiet = false;
    const each = {
      async show(accounts) {
        const unit = "";
        const rows = accounts.filter((id) => number.has(id)).map((id) => ({ unit, fields: [{ type: "E", field: "l" }], values: [number.get(id)] }));
        quiet = true;
        // Nobody of those picked has a lane here: then no lane is shown, not all of them.
        if (accounts.length && !rows.length) rows.push({ unit, fields: [{ type: "E", field: "l" }], values: [-1] });
        await view.data("picked_store", rows).runAsync();
        quiet = false;
      },
    };
    views.push(each);
    view.addDataListener("picked_store", (_, rows) => quiet || pick(rows.map((row) => name.get(row.values[0])).filter(Boolean), each));
  }
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
  // A print would carry the folder of this machine in every link to a file beside the page.
  const beside = [...document.querySelectorAll("a[href]:not([href^='#'])")].map((link) => [link, link.getAttribute("href")]);
  addEventListener("beforeprint", () => {
    document.querySelectorAll(".finding details").forEach((part) => { part.open = true; });
    beside.forEach(([link]) => link.removeAttribute("href"));
  });
  addEventListener("afterprint", () => beside.forEach(([link, address]) => link.setAttribute("href", address)));
})();
