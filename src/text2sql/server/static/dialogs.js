// Dialogs, the drawer of narrow screens, and the theme.

import { byId } from "./dom.js";
import { saveTheme } from "./storage.js";

/** Close buttons, and a click beside the dialog, close it. */
export function bindDialogs() {
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog || event.target.closest("[data-close]")) dialog.close();
    });
  }
}

/** Resolves to the token that was typed, or to null. */
export function promptForToken(detail) {
  const dialog = byId("token-dialog");
  const field = byId("token");
  byId("token-detail").textContent = detail;
  field.value = "";
  if (!dialog.open) dialog.showModal();
  field.focus();
  return new Promise((resolve) => {
    let given = null;
    byId("token-form").onsubmit = (event) => {
      event.preventDefault();
      given = field.value.trim() || null;
      dialog.close();
    };
    dialog.onclose = () => resolve(given);
  });
}

/** The drawer: what lies behind it can't be reached while it is open. */
export class Drawer {
  constructor() {
    this.narrow = matchMedia("(max-width: 860px)");
    this.behind = [byId("main"), document.querySelector(".top")];
    byId("open-sidebar").addEventListener("click", () => this.set(true));
    byId("close-sidebar").addEventListener("click", () => this.set(false));
    byId("backdrop").addEventListener("click", () => this.set(false));
    this.narrow.addEventListener("change", () => this.set(false, false));
    this.set(false, false);
  }

  get isOpen() { return byId("sidebar").classList.contains("open"); }

  set(open, moveFocus = true) {
    const shown = open && this.narrow.matches;
    byId("sidebar").classList.toggle("open", shown);
    byId("sidebar").inert = this.narrow.matches && !shown;
    byId("backdrop").hidden = !shown;
    byId("open-sidebar").setAttribute("aria-expanded", String(shown));
    for (const part of this.behind) part.inert = shown;
    if (moveFocus && this.narrow.matches) byId(shown ? "close-sidebar" : "open-sidebar").focus();
  }
}

export function toggleTheme() {
  const root = document.documentElement;
  root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
  saveTheme(root.dataset.theme);
}
