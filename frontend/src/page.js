// The graph view of a saved page: no kernel, no network.
export { mount } from "./view.js";
