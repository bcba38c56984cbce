// npm ci && npm run build: one source, two files. The page needs a plain script (its policy names it by hash), the
// widget a module. What is built is committed; nobody who uses the toolkit needs npm.
import { build } from "esbuild";

const out = "../toolkit/views/assets";
const common = {
  bundle: true,
  minify: true,
  legalComments: "none", // licences stand beside the built files
  loader: { ".css": "text" },
  target: "es2020",
};
await build({ ...common, entryPoints: ["src/page.js"], format: "iife", globalName: "toolkitGraph", outfile: `${out}/graph-view.min.js` });
await build({ ...common, entryPoints: ["src/widget.js"], format: "esm", outfile: `${out}/graph-widget.min.js` });
