// The SQL of an answer: highlighted, editable, run again with Ctrl/Cmd+Enter.
// A transparent text area lies over the coloured text; both share one grid cell, so the text sets the height.

import { element } from "./dom.js";
import { highlight } from "./highlight.js";

export class SqlEditor {
  /** `onRun(sql)` runs the text, `onChange(sql)` hears of every edit by hand. */
  constructor({ label, onRun, onChange }) {
    this.colours = element("pre", { class: "sql-colours", "aria-hidden": "true" });
    this.field = element("textarea", {
      class: "sql-field", "aria-label": label, rows: 1, spellcheck: "false", autocapitalize: "off", autocomplete: "off",
    });
    this.element = element("div", { class: "sql-editor" }, this.colours, this.field);
    this.field.addEventListener("input", () => { this.paint(); onChange(this.sql); });
    this.field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      onRun(this.sql);
    });
  }

  get sql() { return this.field.value; }

  set sql(text) {
    this.field.value = text;
    this.paint();
  }

  set busy(busy) {
    this.field.readOnly = busy;
    this.element.classList.toggle("writing", busy);
  }

  paint() {
    this.colours.replaceChildren(...highlight(this.sql), "\n");
  }
}

/** Puts text where the cursor stands, with spaces around it where words would touch. */
export function insertText(field, text) {
  const { selectionStart: start, selectionEnd: end, value } = field;
  const before = start > 0 && /[\p{L}\p{N}_"]$/u.test(value.slice(0, start)) ? " " : "";
  const after = /^[\p{L}\p{N}_"]/u.test(value.slice(end)) ? " " : "";
  field.setRangeText(before + text + after, start, end, "end");
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.focus();
}
