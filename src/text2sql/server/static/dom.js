// Small helpers to build the page. Text only ever enters as text nodes, so nothing from a server can become markup.

const SVG = "http://www.w3.org/2000/svg";

const ICONS = {
  brand: "M5 7h9M5 12h5M5 17h7M18.5 18.5 21 21M16 12.5a3.2 3.2 0 1 0 0 6.4 3.2 3.2 0 0 0 0-6.4Z",
  menu: "M4 7h16M4 12h16M4 17h10",
  history: "M4 12a8 8 0 1 0 2.5-5.8M4 4v4h4M12 8v4l3 2",
  theme: "M12 4a8 8 0 1 0 0 16V4ZM12 4a8 8 0 0 1 0 16",
  keyboard: "M3 7h18v10H3ZM7 10.5h.01M11 10.5h.01M15 10.5h.01M8 14h8",
  close: "M6 6l12 12M18 6 6 18",
  plus: "M12 5v14M5 12h14",
  stop: "M7 7h10v10H7Z",
  new: "M12 20h8M4 20l1-4L16 5l3 3L8 19l-4 1Z",
  database: "M4 6c0-1.7 3.6-3 8-3s8 1.3 8 3-3.6 3-8 3-8-1.3-8-3Zm0 0v12c0 1.7 3.6 3 8 3s8-1.3 8-3V6M4 12c0 1.7 3.6 3 8 3s8-1.3 8-3",
  upload: "M12 16V4m0 0L7 9m5-5 5 5M4 16v4h16v-4",
  download: "M12 4v12m0 0 5-5m-5 5-5-5M4 20h16",
  copy: "M9 9h11v11H9ZM5 15H4V4h11v1",
  run: "M7 5v14l11-7Z",
  chevron: "M9 6l6 6-6 6",
  table: "M4 5h16v14H4ZM4 10h16M10 10v9",
  chart: "M4 20V4M4 20h16M8 17v-5M13 17V8M18 17v-8",
  key: "M15 4a5 5 0 1 0 0 10 5 5 0 0 0 0-10ZM11.5 12.5 4 20m3-3 3 3",
  link: "M10 14 20 4m0 0h-6m6 0v6M18 14v6H4V6h6",
  warning: "M12 4 2.5 20h19ZM12 10v5M12 17.5v.01",
  words: "M4 5h16v11H9l-5 4Z",
  trash: "M5 7h14M10 4h4M7 7l1 13h8l1-13",
  again: "M20 12a8 8 0 1 1-2.5-5.8M20 4v4h-4",
};

export const byId = (id) => document.getElementById(id);

/** An element with attributes; `on...` functions become listeners, true/false sets or leaves out an attribute. */
export function element(tag, attributes = {}, ...children) {
  return furnish(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function vector(tag, attributes = {}, ...children) {
  return furnish(document.createElementNS(SVG, tag), attributes, children);
}

function furnish(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function icon(name) {
  const frame = { class: "icon", viewBox: "0 0 24 24", width: 18, height: 18, "aria-hidden": "true" };
  return vector("svg", frame, vector("path", { d: ICONS[name] }));
}

/** A button with an icon and a visible text. */
export function button(text, iconName, onclick, attributes = {}) {
  const { class: kind = "quiet small", ...others } = attributes;
  return element("button", { type: "button", class: kind, onclick, ...others }, iconName && icon(iconName), text);
}

/** Draws the icons that the HTML names by `data-icon`. */
export function placeIcons(root) {
  for (const holder of root.querySelectorAll("[data-icon]")) holder.prepend(icon(holder.dataset.icon));
}

/** Says a sentence to screen readers. The text is emptied first so that the same words are spoken again. */
export function announce(text) {
  const region = byId("announcer");
  region.textContent = "";
  requestAnimationFrame(() => { region.textContent = text; });
}

let toastTimer = 0;

/** Shows a short note that goes away by itself. */
export function toast(text) {
  const note = byId("toast");
  note.textContent = text;
  note.classList.add("visible");
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => note.classList.remove("visible"), 3500);
}

export function count(number, noun, plural = `${noun}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? noun : plural}`;
}
