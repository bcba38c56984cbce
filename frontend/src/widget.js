// The graph view of a live notebook: an anywidget whose selection is Python's, both ways.
import { mount } from "./view.js";

const same = (a, b) => a.length === b.length && a.every((value, i) => value === b[i]);

function render({ model, el }) {
  let view = null;
  const open = () => {
    view?.destroy();
    view = mount(el, model.get("data"), {
      selection: model.get("selection"),
      hidden: model.get("hidden"),
      pinned: model.get("pinned"),
      onChange(state) {
        // What Python has just said is not said back to it.
        const changed = ["selection", "hidden", "pinned"].filter((name) => !same(state[name], model.get(name)));
        changed.forEach((name) => model.set(name, state[name]));
        if (changed.length) model.save_changes();
      },
      code: () => model.get("code"),
      onOpen(key) {
        model.send({ open: key });
      },
    });
  };
  const follow = () => view?.apply({ selection: model.get("selection"), hidden: model.get("hidden"), pinned: model.get("pinned") });
  open();
  model.on("change:data", open);
  for (const name of ["selection", "hidden", "pinned"]) model.on(`change:${name}`, follow);
  return () => {
    model.off("change:data", open);
    for (const name of ["selection", "hidden", "pinned"]) model.off(`change:${name}`, follow);
    view?.destroy();
  };
}

export default { render };
