// Code to read and to copy; it is text, whatever stands in it.
const make = (tag, props = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
};

const CSS = `.tk-code{font:13px/1.4 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;border:1px solid #8886;border-radius:4px;padding:2px 8px}
.tk-code summary{cursor:pointer}
.tk-code button{font:inherit;border:1px solid #8886;border-radius:3px;background:none;color:inherit;cursor:pointer}
.tk-code pre{max-height:14rem;overflow:auto;white-space:pre-wrap;overflow-wrap:anywhere;font-size:12px;margin:4px 0}`;

// A page that is not served safely has no clipboard: then the text is marked, ready for Ctrl+C.
async function copy(pre, button) {
  try {
    await navigator.clipboard.writeText(pre.textContent);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(pre);
    button.textContent = "Press Ctrl+C";
  }
}

function render({ model, el }) {
  const pre = make("pre");
  const button = make("button", { type: "button", title: "Copy this code: it gives the same rows" });
  button.addEventListener("click", () => copy(pre, button));
  const follow = () => {
    pre.textContent = model.get("code");
    button.textContent = "Copy";
  };
  el.replaceChildren(make("style", { textContent: CSS }), make("details", { className: "tk-code" }, make("summary", { textContent: "Code" }), button, pre));
  follow();
  model.on("change:code", follow);
  return () => model.off("change:code", follow);
}

export default { render };
