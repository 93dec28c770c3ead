// Messages: what went wrong, and what can be done.

import { errorTitle } from "./api.js";
import { button, element, icon } from "./dom.js";

/** A box with a message; errors are spoken at once. */
export function notice(kind, text, title = "", ...actions) {
  return element("div", { class: `notice ${kind}`, role: kind === "error" ? "alert" : null }, icon(kind === "error" ? "warning" : "words"),
    element("div", { class: "notice-text" }, title && element("p", { class: "notice-title" }, title), element("p", {}, text)), actions);
}

/** A failed request, with a button that tries again. */
export function errorNotice(error, retry) {
  const detail = error.message || String(error);
  return notice("error", detail, errorTitle(error), retry && button("Try again", "again", retry, { class: "secondary small" }));
}
