// What is drawn, and what may be: pure state, no screen. Nodes are numbers here; outside they go by their keys.

export class Network {
  constructor(data) {
    this.data = data;
    this.size = data.nodes.key.length;
    this.place = new Map(data.nodes.key.map((key, i) => [key, i]));
    this.near = Array.from({ length: this.size }, () => []);
    data.edges.a.forEach((a, e) => {
      const b = data.edges.b[e];
      this.near[a].push(b);
      this.near[b].push(a);
    });
    this.members = new Map();
    (data.nodes.inside ?? []).forEach((parent, i) => {
      if (parent < 0) return;
      if (!this.members.has(parent)) this.members.set(parent, []);
      this.members.get(parent).push(i);
    });
    this.selected = new Set();
    this.hidden = new Set();
    this.pinned = new Set();
    this.opened = new Set();
    this.kindsOff = new Set();
    this.trail = [];
  }

  places(keys) {
    return keys.map((key) => this.place.get(key)).filter((i) => i !== undefined);
  }

  keys(set) {
    return [...set].sort((a, b) => a - b).map((i) => this.data.nodes.key[i]);
  }

  state() {
    return { selection: this.keys(this.selected), hidden: this.keys(this.hidden), pinned: this.keys(this.pinned) };
  }

  // Everything but looking around can be taken back.
  remember() {
    this.trail.push({ selected: new Set(this.selected), hidden: new Set(this.hidden), pinned: new Set(this.pinned), opened: new Set(this.opened) });
    if (this.trail.length > 50) this.trail.shift();
  }

  undo() {
    const last = this.trail.pop();
    if (last) Object.assign(this, last);
    return Boolean(last);
  }

  // A member stands there once its cluster is open, and its cluster no longer; pinned nodes always stand there.
  shown(i) {
    if (this.pinned.has(i)) return true;
    if (this.hidden.has(i) || this.kindsOff.has(this.data.nodes.kind[i])) return false;
    const parent = this.data.nodes.inside?.[i] ?? -1;
    return parent >= 0 ? this.opened.has(parent) : !this.opened.has(i);
  }

  visible() {
    return Array.from({ length: this.size }, (_, i) => i).filter((i) => this.shown(i));
  }

  select(places, add = false) {
    this.remember();
    this.selected = new Set(add ? [...this.selected, ...places] : places);
  }

  toggle(i) {
    this.remember();
    if (!this.selected.delete(i)) this.selected.add(i);
  }

  grow() {
    const more = [...this.selected].flatMap((i) => this.near[i]).filter((i) => this.shown(i));
    this.select(more, true);
  }

  hide() {
    this.remember();
    this.selected.forEach((i) => this.hidden.add(i));
    this.selected = new Set();
  }

  isolate() {
    this.remember();
    const kept = new Set(this.selected);
    this.visible().forEach((i) => kept.has(i) || this.hidden.add(i));
  }

  pin() {
    this.remember();
    const all = [...this.selected].every((i) => this.pinned.has(i));
    this.selected.forEach((i) => (all ? this.pinned.delete(i) : this.pinned.add(i)));
  }

  showAll() {
    this.remember();
    this.hidden = new Set();
    this.kindsOff = new Set();
    this.opened = new Set();
  }

  find(text) {
    const wanted = text.trim().toLocaleLowerCase("en");
    if (!wanted) return [];
    return this.visible().filter((i) => this.data.nodes.label[i].toLocaleLowerCase("en").includes(wanted));
  }

  // Neighbours of what is selected; and the folded clusters in which something selected lies.
  around() {
    const folded = [...this.selected].map((i) => this.data.nodes.inside?.[i] ?? -1).filter((i) => i >= 0 && !this.opened.has(i));
    return new Set([...[...this.selected].flatMap((i) => this.near[i]), ...folded]);
  }

  // An edge in words; seen from one of its ends, by the name of the other.
  tell(e, from = null) {
    const { edges, nodes } = this.data;
    const [a, b] = [edges.a[e], edges.b[e]];
    const ends = from === null ? `${nodes.name[a]} – ${nodes.name[b]}` : nodes.name[a === from ? b : a];
    return `${ends}: ${edges.why[e]}`;
  }

  tally() {
    const there = this.visible().length;
    const edges = this.data.edges.a.filter((a, e) => this.shown(a) && this.shown(this.data.edges.b[e])).length;
    return { there, edges, selected: this.selected.size, hidden: this.size - there };
  }
}
