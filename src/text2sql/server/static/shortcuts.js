// Keys: one list, from which both the behaviour and the help dialog are made.

import { byId, element } from "./dom.js";
import { load, save } from "./storage.js";

const FIXED = [
  [["Enter"], "Ask the question"],
  [["Shift", "Enter"], "Start a new line in the question"],
  [["↑"], "Bring back an earlier question (in an empty box)"],
  [["Ctrl", "Enter"], "Run the SQL that you are editing (⌘ Enter on a Mac)"],
  [["Esc"], "Stop the running question, close a dialog, leave a text field"],
  [["↑", "↓", "←", "→"], "Move, fold and unfold in the tree of tables; Enter inserts the name"],
];

const inField = (target) => target.closest?.("input, textarea, select, [contenteditable]");

/** `keys`: {"/": [description, action], ...}; `onEscape()` is called when no dialog is open. */
export function bindShortcuts(keys, onEscape) {
  const enabled = byId("single-keys");
  enabled.checked = load("singleKeys", true) !== false;
  enabled.addEventListener("change", () => save("singleKeys", enabled.checked));
  byId("shortcut-list").replaceChildren(...[...FIXED, ...Object.entries(keys).map(([key, [text]]) => [[key], text])].map(describe));
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]")) return;
    if (event.key === "Escape") onEscape(event);
    const known = keys[event.key];
    if (!known || !enabled.checked || event.ctrlKey || event.metaKey || event.altKey || inField(event.target)) return;
    event.preventDefault();
    known[1]();
  });
}

function describe([keys, text]) {
  return element("div", {}, element("dt", {}, keys.map((key) => element("kbd", {}, key))), element("dd", {}, text));
}
