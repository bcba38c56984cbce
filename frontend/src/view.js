// One network on the screen: in a notebook, and in a saved page. Text from data reaches the screen by textContent and
// by canvas alone, and nothing is fetched.
import Graph from "graphology";
import Sigma from "sigma";
import { Network } from "./network.js";
import { SHAPES, ShapeProgram } from "./shapes.js";
import css from "./view.css";

const FADED = { light: "#d5d8de", dark: "#333a45" };
const INK = { light: "#223", dark: "#e8eaed" };
const HUB = { light: "#222", dark: "#fff" };
const PICK = "#d6249f";
const MOST_EVIDENCE = 12;

const make = (tag, props = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
};

function glyph(shape, colour) {
  const NS = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(NS, "svg");
  svg.setAttribute("viewBox", "-1 -1 2 2");
  svg.setAttribute("aria-hidden", "true");
  const paths = {
    circle: "M-.9 0a.9 .9 0 1 0 1.8 0a.9 .9 0 1 0 -1.8 0",
    square: "M-.8-.8H.8V.8H-.8Z",
    diamond: "M0-1L1 0L0 1L-1 0Z",
    "triangle-up": "M0-.95L.95 .75H-.95Z",
    "triangle-down": "M0 .95L.95-.75H-.95Z",
    cross: "M-.3-.9H.3V-.3H.9V.3H.3V.9H-.3V.3H-.9V-.3H-.3Z",
  };
  const path = document.createElementNS(NS, "path");
  path.setAttribute("d", paths[shape] ?? paths.circle);
  path.setAttribute("fill", colour);
  svg.append(path);
  return svg;
}

const canDraw = () => {
  const context = document.createElement("canvas").getContext("webgl2");
  context?.getExtension("WEBGL_lose_context")?.loseContext();
  return Boolean(context);
};

const insidePolygon = (points, x, y) => {
  let within = false;
  for (let i = 0, j = points.length - 1; i < points.length; j = i++) {
    const [xi, yi] = points[i], [xj, yj] = points[j];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) within = !within;
  }
  return within;
};

// Labels in the order in which they are wanted; one that would cover another is left to the tooltip.
function labelPainter(view) {
  return (context, data, settings) => {
    if (!data.label) return;
    context.font = `${data.picked ? "600 " : ""}${settings.labelSize}px ${settings.labelFont}`;
    const wide = context.measureText(data.label).width;
    const x = data.x + data.size + 3, y = data.y + settings.labelSize / 3;
    const box = [x, y - settings.labelSize, x + wide, y + 3];
    if (view.boxes.some((b) => box[0] < b[2] && b[0] < box[2] && box[1] < b[3] && b[1] < box[3])) return;
    if (!data.picked && view.spots().some(([px, py]) => px > box[0] && px < box[2] && py > box[1] && py < box[3])) return;
    view.boxes.push(box);
    context.lineWidth = 3;
    context.lineJoin = "round";
    context.strokeStyle = view.dark ? "#14171c" : "#fff";
    context.strokeText(data.label, x, y);
    context.fillStyle = view.dark ? INK.dark : INK.light;
    context.fillText(data.label, x, y);
  };
}

class View {
  constructor(el, data, options) {
    this.net = new Network(data);
    this.options = options;
    this.boxes = [];
    this.sigma = null;
    this.focus = null;
    this.lit = null;
    this.build(el);
    this.apply(options, false);
    // Browsers keep few WebGL contexts: a view that nobody sees gives its own back.
    this.seen = new IntersectionObserver((entries) => (entries.at(-1).isIntersecting ? this.wake() : this.sleep()), { rootMargin: "200px" });
    this.seen.observe(this.stage);
    this.sized = new ResizeObserver(() => {
      if (!this.sigma || !this.stage.clientWidth) return;
      this.sigma.resize();
      this.sigma.refresh();
    });
    this.sized.observe(this.stage);
    this.themed = new MutationObserver(() => this.theme());
    this.themed.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "class"] });
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.rescheme = () => this.theme();
    this.scheme.addEventListener("change", this.rescheme);
  }

  // ---------------------------------------------------------------- what stands on the screen

  build(el) {
    const { data } = this.net;
    this.style = make("style", { textContent: css });
    this.root = make("div", { className: "tk-graph" });
    this.root.setAttribute("role", "group");
    this.root.setAttribute("aria-label", data.title || "Network");
    const bar = make("div", { className: "tk-bar" });
    this.search = make("input", { type: "search", placeholder: "Find…" });
    this.search.setAttribute("aria-label", "Find nodes by name; Enter selects");
    this.search.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter") this.do(() => this.net.select(this.net.find(this.search.value)), true);
    });
    this.search.addEventListener("input", () => this.light(this.net.find(this.search.value)));
    const button = (text, hint, act) => {
      const made = make("button", { type: "button", textContent: text, title: hint });
      made.addEventListener("click", () => act(made));
      bar.append(made);
      return made;
    };
    bar.append(this.search);
    this.buttons = {
      grow: button("+1 hop", "Add the neighbours of what is selected (g)", () => this.do(() => this.net.grow())),
      isolate: button("Isolate", "Show what is selected, and nothing else (i)", () => this.do(() => this.net.isolate())),
      hide: button("Hide", "Take what is selected out of the picture (h)", () => this.do(() => this.net.hide())),
      pin: button("Pin", "Keep what is selected in the picture whatever is hidden (p)", () => this.do(() => this.net.pin())),
      clear: button("Clear", "Select nothing (Escape)", () => this.do(() => this.net.select([]))),
      undo: button("Undo", "Take the last step back (u)", () => this.do(() => this.net.undo())),
      all: button("Show all", "Show everything again (a)", () => this.do(() => this.net.showAll())),
      fit: button("Fit", "The whole picture (f)", () => this.fit()),
    };
    this.lasso = button("Lasso", "Draw around nodes to select them (l); or drag with Shift for a box", (made) => this.draw(made.getAttribute("aria-pressed") !== "true"));
    this.lasso.setAttribute("aria-pressed", "false");
    if (this.options.code) button("Code", "Code that gives the rows of what is selected; copies it", () => this.tellCode());
    this.legend = make("div", { className: "tk-legend" });
    this.legend.setAttribute("aria-label", "Kinds; press to hide or show one");
    data.kinds.forEach((kind, k) => {
      const chip = make("button", { type: "button" }, glyph(kind.shape, kind.colour), make("span", { textContent: kind.name }));
      chip.setAttribute("aria-pressed", "true");
      chip.addEventListener("click", () => this.do(() => {
        const off = this.net.kindsOff;
        if (!off.delete(k)) off.add(k);
        chip.setAttribute("aria-pressed", String(!off.has(k)));
      }));
      this.legend.append(chip);
    });
    this.stage = make("div", { className: "tk-stage", tabIndex: 0 });
    this.root.style.setProperty("--tk-high", `${this.options.height || 480}px`);
    this.stage.setAttribute("role", "application");
    this.stage.setAttribute("aria-label", "Network. Arrow keys go from node to node, Space selects, Enter opens a cluster, plus and minus zoom.");
    this.canvas = make("div", { className: "tk-sigma" });
    this.ground = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    this.ground.setAttribute("class", "tk-lasso");
    this.tip = make("div", { className: "tk-tip", hidden: true });
    this.stage.append(this.canvas, this.ground, this.tip);
    this.side = make("div", { className: "tk-side" }, make("p", { textContent: "Click a node or an edge to see what it rests on." }));
    this.side.setAttribute("aria-live", "polite");
    this.status = make("span", { role: "status" });
    this.foot = make("div", { className: "tk-foot" }, this.status, make("span", { textContent: data.note || "" }));
    this.root.append(bar, this.legend, make("div", { className: "tk-main" }, this.stage, this.side), this.foot);
    el.replaceChildren(this.style, this.root);
    this.stage.addEventListener("keydown", (event) => this.key(event));
    // The wheel belongs to the page until somebody means the picture: by Ctrl, or by having clicked into it.
    this.stage.addEventListener("wheel", (event) => event.ctrlKey || document.activeElement === this.stage || event.stopPropagation(), { capture: true });
    this.stage.addEventListener("pointerdown", (event) => this.press(event), { capture: true });
    // Sigma listens to the mouse, not to the pointer: a box must not drag the picture along.
    this.stage.addEventListener("click", (event) => {
      if (this.swallow) event.stopPropagation(); // the end of a box is no click on what lies under it
      this.swallow = false;
    }, { capture: true });
    this.stage.addEventListener("mousedown", (event) => (event.shiftKey || this.drawing) && event.stopPropagation(), { capture: true });
  }

  theme() {
    const light = document.body.dataset.jpThemeLight;
    const dark = light ? light === "false" : this.scheme ? this.scheme.matches : matchMedia("(prefers-color-scheme: dark)").matches;
    this.dark = dark;
    this.root.classList.toggle("tk-dark", dark);
    this.repaint();
  }

  // JupyterLab hides the page while it loads a theme: a picture drawn then would be one pixel wide, and stay so.
  repaint(frames = 300) {
    if (!this.sigma) return;
    if (!this.stage.clientWidth) {
      if (frames) requestAnimationFrame(() => this.repaint(frames - 1));
      return;
    }
    this.sigma.resize();
    this.sigma.refresh({ skipIndexation: true });
  }

  wake() {
    if (this.sigma || !this.stage.clientWidth) return;
    if (!canDraw()) {
      this.canvas.replaceChildren(make("p", { className: "tk-still", textContent: "This browser cannot draw the network here (no WebGL)." }));
      this.root.dataset.ready = "still";
      return;
    }
    const { nodes, edges, kinds } = this.net.data;
    const graph = new Graph({ multi: true, type: "undirected" });
    nodes.key.forEach((_, i) => graph.addNode(i, { x: nodes.x[i], y: nodes.y[i], size: nodes.size[i], color: kinds[nodes.kind[i]].colour, label: nodes.label[i] }));
    edges.a.forEach((a, e) => graph.addEdgeWithKey(e, a, edges.b[e], { size: edges.width[e] }));
    this.theme();
    this.sigma = new Sigma(graph, this.canvas, {
      defaultNodeType: "shape",
      nodeProgramClasses: { shape: ShapeProgram },
      nodeReducer: (i, about) => this.node(Number(i), about),
      edgeReducer: (e, about) => this.edge(Number(e), about),
      defaultDrawNodeLabel: labelPainter(this),
      defaultDrawNodeHover: () => {},
      enableEdgeEvents: nodes.key.length <= 10_000,
      hideEdgesOnMove: edges.a.length > 20_000,
      labelDensity: 0.6,
      labelGridCellSize: 70,
      labelRenderedSizeThreshold: nodes.key.length > 300 ? 7 : 3,
      labelFont: "system-ui, 'DejaVu Sans', sans-serif",
      labelSize: 11,
      zIndex: true,
      allowInvalidContainer: true,
    });
    if (this.camera) this.sigma.getCamera().setState(this.camera);
    this.sigma.on("beforeRender", () => {
      this.boxes = [];
      this.spotted = null;
    });
    this.sigma.on("clickNode", ({ node, event }) => this.click(Number(node), event.original.ctrlKey || event.original.metaKey));
    this.sigma.on("clickEdge", ({ edge }) => this.tellEdge(Number(edge)));
    this.sigma.on("clickStage", () => this.net.selected.size && this.do(() => this.net.select([])));
    this.sigma.on("doubleClickNode", (event) => { event.preventSigmaDefault(); this.open(Number(event.node)); });
    this.sigma.on("enterNode", ({ node, event }) => this.hover(Number(node), event));
    this.sigma.on("leaveNode", () => this.hover(null));
    this.sigma.on("enterEdge", ({ edge, event }) => this.say(this.net.tell(Number(edge)), event));
    this.sigma.on("leaveEdge", () => this.say(null));
    this.redraw(); // what was drawn while sigma was being made knew of no other labels
    this.root.dataset.ready = "yes";
  }

  sleep() {
    if (!this.sigma) return;
    this.camera = this.sigma.getCamera().getState();
    this.sigma.kill(); // gives its WebGL contexts back
    this.sigma = null;
    delete this.root.dataset.ready;
  }

  // ---------------------------------------------------------------- how a node and an edge look now

  node(i, about) {
    const { net } = this;
    if (!net.shown(i)) return { ...about, hidden: true };
    const mark = net.data.nodes.mark[i];
    const picked = net.selected.has(i);
    const dim = (net.selected.size && !picked && !this.near?.has(i)) || (this.lit && !this.lit.has(i));
    const shade = this.dark ? "dark" : "light";
    return {
      ...about,
      type: "shape",
      shape: net.data.kinds[net.data.nodes.kind[i]].shape,
      color: dim ? FADED[shade] : about.color,
      ring: picked ? PICK : net.pinned.has(i) || mark & 1 ? HUB[shade] : "",
      size: about.size * (picked || i === this.focus ? 1.25 : 1),
      label: dim ? "" : about.label,
      forceLabel: picked ? net.selected.size <= 30 : Boolean(mark & 2) || i === this.focus,
      picked,
      zIndex: picked ? 3 : dim ? 0 : mark & 2 ? 2 : 1,
    };
  }

  edge(e, about) {
    const { edges, nodes, kinds } = this.net.data;
    const [a, b] = [edges.a[e], edges.b[e]];
    if (!this.net.shown(a) || !this.net.shown(b)) return { ...about, hidden: true };
    const lit = !this.net.selected.size || this.net.selected.has(a) || this.net.selected.has(b);
    const kind = kinds[nodes.kind[kinds[nodes.kind[a]].account ? b : a]];
    const shade = this.dark ? "dark" : "light";
    return { ...about, color: lit ? `${kind.colour}${edges.a.length > 1_500 ? "a0" : "e6"}` : `${FADED[shade]}66`, zIndex: lit ? 1 : 0 };
  }

  // Where nodes stand in this frame: a label that would hide one is left to the tooltip.
  spots() {
    if (!this.sigma) return []; // sigma draws once while it is being made
    if (!this.spotted) {
      const shown = this.net.visible();
      const { x, y } = this.net.data.nodes;
      this.spotted = shown.length > 2_500 ? [] : shown.map((i) => Object.values(this.sigma.graphToViewport({ x: x[i], y: y[i] })));
    }
    return this.spotted;
  }

  redraw() {
    this.near = this.net.around();
    this.sigma?.refresh({ skipIndexation: false });
    const { there, edges, selected, hidden } = this.net.tally();
    const number = (n) => n.toLocaleString("en");
    this.status.textContent = `${number(there)} nodes, ${number(edges)} edges, ${number(selected)} selected${hidden ? `, ${number(hidden)} not shown` : ""}`;
    for (const name of ["grow", "isolate", "hide", "pin", "clear"]) this.buttons[name].disabled = !selected;
    this.buttons.undo.disabled = !this.net.trail.length;
  }

  // ---------------------------------------------------------------- what a reader does

  do(step, look = false) {
    step();
    this.redraw();
    if (look && this.net.selected.size) this.fit([...this.net.selected]);
    this.options.onChange?.(this.net.state());
    this.root.dispatchEvent(new CustomEvent("tk-select", { bubbles: true, detail: this.net.state() }));
  }

  // What somebody else has set (Python, another view): shown, not said back.
  apply({ selection, hidden, pinned }, draw = true) {
    if (selection) this.net.selected = new Set(this.net.places(selection));
    if (hidden) this.net.hidden = new Set(this.net.places(hidden));
    if (pinned) this.net.pinned = new Set(this.net.places(pinned));
    this.redraw();
    if (draw && this.net.selected.size === 1) this.tellNode([...this.net.selected][0]);
  }

  click(i, add) {
    this.stage.focus({ preventScroll: true });
    this.focus = i;
    this.do(() => (add ? this.net.toggle(i) : this.net.select([i])));
    this.tellNode(i);
    if (this.net.data.nodes.opens?.[i]) this.open(i);
  }

  open(i) {
    if (!this.net.data.nodes.opens?.[i]) return;
    if (!this.net.members.has(i)) {
      this.options.onOpen?.(this.net.data.nodes.key[i]);
      return;
    }
    this.do(() => {
      this.net.remember();
      this.net.opened.add(i);
      this.net.selected = new Set(this.net.members.get(i));
    }, true);
  }

  light(places) {
    this.lit = this.search.value.trim() ? new Set(places) : null;
    this.sigma?.refresh({ skipIndexation: true });
    if (this.lit) this.status.textContent = `${places.length.toLocaleString("en")} found; Enter selects them`;
    else this.redraw();
  }

  hover(i, event) {
    if (i === null) return this.say(null);
    const { nodes, kinds } = this.net.data;
    return this.say([nodes.name[i], kinds[nodes.kind[i]].name, nodes.about[i]].filter(Boolean).join("\n"), event);
  }

  say(text, event) {
    this.tip.hidden = !text;
    if (!text) return;
    this.tip.textContent = text;
    const { x, y } = event ?? { x: 20, y: 20 };
    this.tip.style.left = `${Math.min(x + 14, Math.max(0, this.stage.clientWidth - 230))}px`;
    this.tip.style.top = `${Math.min(y + 14, this.stage.clientHeight - 60)}px`;
  }

  tellNode(i) {
    const { nodes, kinds, edges } = this.net.data;
    const mine = [];
    for (let e = 0; e < edges.a.length && mine.length <= 400; e++) if (edges.a[e] === i || edges.b[e] === i) mine.push(e);
    mine.sort((a, b) => edges.width[b] - edges.width[a] || a - b);
    const list = make("ul");
    mine.slice(0, MOST_EVIDENCE).forEach((e) => list.append(make("li", { textContent: this.net.tell(e, i) })));
    const more = mine.length - MOST_EVIDENCE;
    this.side.replaceChildren(
      make("h4", { textContent: nodes.name[i] }),
      make("p", { textContent: [kinds[nodes.kind[i]].name, nodes.about[i]].filter(Boolean).join(". ") }),
      list,
      make("p", { textContent: more > 0 ? `and ${more.toLocaleString("en")} more` : "" }),
    );
  }

  tellEdge(e) {
    const { nodes, edges } = this.net.data;
    this.side.replaceChildren(
      make("h4", { textContent: `${nodes.name[edges.a[e]]} – ${nodes.name[edges.b[e]]}` }),
      make("p", { textContent: edges.why[e] }),
    );
  }

  async tellCode() {
    const code = make("pre", { textContent: this.options.code() }), said = make("p");
    this.side.replaceChildren(make("h4", { textContent: "Code" }), said, code);
    try {
      await navigator.clipboard.writeText(code.textContent);
      said.textContent = "Copied.";
    } catch {
      getSelection().selectAllChildren(code); // a page that is not served safely has no clipboard
      said.textContent = "Press Ctrl+C to copy.";
    }
  }

  fit(places = null) {
    if (!this.sigma) return;
    const camera = this.sigma.getCamera();
    const at = (places ?? this.net.visible()).map((i) => this.sigma.getNodeDisplayData(i)).filter(Boolean);
    if (!at.length) return;
    const xs = at.map((d) => d.x), ys = at.map((d) => d.y);
    const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const ratio = Math.min(1.1, Math.max(0.05, Math.max(right - left, high - low) * 1.3));
    camera.setState({ x: (left + right) / 2, y: (low + high) / 2, ratio, angle: 0 });
  }

  draw(on) {
    this.drawing = on;
    this.lasso.setAttribute("aria-pressed", String(on));
    this.stage.classList.toggle("tk-drawing", on);
  }

  press(event) {
    if (!this.sigma || event.button !== 0 || !(event.shiftKey || this.drawing)) return;
    event.preventDefault();
    event.stopPropagation();
    const frame = this.stage.getBoundingClientRect();
    const at = (e) => [e.clientX - frame.left, e.clientY - frame.top];
    const box = !this.drawing;
    const path = [at(event)];
    const shape = document.createElementNS("http://www.w3.org/2000/svg", "polygon");
    this.ground.replaceChildren(shape);
    const corners = () => {
      if (!box) return path;
      const [[x0, y0], [x1, y1]] = [path[0], path.at(-1)];
      return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];
    };
    const move = (e) => {
      path.push(at(e));
      shape.setAttribute("points", corners().map((p) => p.join(",")).join(" "));
    };
    const end = (e) => {
      removeEventListener("pointermove", move);
      removeEventListener("pointerup", end);
      this.ground.replaceChildren();
      this.swallow = true;
      setTimeout(() => (this.swallow = false));
      const around = corners();
      const { nodes } = this.net.data;
      const caught = this.net.visible().filter((i) => {
        const { x, y } = this.sigma.graphToViewport({ x: nodes.x[i], y: nodes.y[i] });
        return insidePolygon(around, x, y);
      });
      this.draw(false);
      this.stage.focus({ preventScroll: true });
      this.do(() => this.net.select(caught, e.ctrlKey || e.metaKey));
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", end);
  }

  key(event) {
    if (event.target !== this.stage || event.ctrlKey || event.metaKey || event.altKey) return;
    const camera = this.sigma?.getCamera();
    const acts = {
      g: () => this.do(() => this.net.grow()),
      h: () => this.do(() => this.net.hide()),
      i: () => this.do(() => this.net.isolate()),
      p: () => this.do(() => this.net.pin()),
      u: () => this.do(() => this.net.undo()),
      a: () => this.do(() => this.net.showAll()),
      f: () => this.fit(),
      l: () => this.draw(!this.drawing),
      "/": () => this.search.focus(),
      "+": () => camera?.setState({ ratio: camera.ratio / 1.3 }),
      "-": () => camera?.setState({ ratio: Math.min(camera.ratio * 1.3, 4) }),
      Escape: () => (this.drawing ? this.draw(false) : this.do(() => this.net.select([]))),
      ArrowRight: () => this.step(1),
      ArrowDown: () => this.step(1),
      ArrowLeft: () => this.step(-1),
      ArrowUp: () => this.step(-1),
      " ": () => this.focus !== null && this.do(() => this.net.toggle(this.focus)),
      Enter: () => this.focus !== null && this.open(this.focus),
    };
    const act = acts[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  // From node to node: among the neighbours of what is selected, else among all, the largest first.
  step(by) {
    const { size } = this.net.data.nodes;
    const pool = this.near?.size ? [...new Set([...this.net.selected, ...this.near])].filter((i) => this.net.shown(i)) : this.net.visible();
    if (!pool.length) return;
    pool.sort((a, b) => size[b] - size[a] || a - b);
    const place = pool.indexOf(this.focus);
    this.focus = pool[(place + by + pool.length) % pool.length] ?? pool[0];
    this.tellNode(this.focus);
    this.status.textContent = `${this.net.data.nodes.name[this.focus]}; Space selects`;
    this.sigma?.refresh({ skipIndexation: true });
  }

  destroy() {
    this.sleep();
    this.seen.disconnect();
    this.sized.disconnect();
    this.themed.disconnect();
    this.scheme.removeEventListener("change", this.rescheme);
    this.root.remove();
    this.style.remove();
  }
}

// Draw a network into an element. Gives back { apply, destroy, state, net, sigma }.
export function mount(el, data, options = {}) {
  const view = new View(el, data, options);
  return {
    apply: (state) => view.apply(state),
    destroy: () => view.destroy(),
    state: () => view.net.state(),
    get sigma() {
      return view.sigma;
    },
  };
}

export { SHAPES };
