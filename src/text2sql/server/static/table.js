// The rows: a table that sorts by type and turns pages, all in the browser.

import { button, count, element, icon } from "./dom.js";
import { cellText } from "./formats.js";
import { load, save } from "./storage.js";

const PAGE_SIZES = [10, 25, 50, 100];
const LONG_CELL = 240;
const isNumber = (value) => typeof value === "number" || typeof value === "bigint";
const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

/** Numbers before text, text by language with numbers in it by size. */
export function compare(left, right) {
  if (isNumber(left) && isNumber(right)) return left < right ? -1 : Number(left > right);
  if (isNumber(left) !== isNumber(right)) return isNumber(left) ? -1 : 1;
  return collator.compare(cellText(left), cellText(right));
}

/** Rows in the order of one column; NULL stays last both ways and equal rows keep their order. */
export function sortRows(rows, column, direction) {
  const filled = rows.filter((row) => row[column] !== null);
  const sign = direction === "descending" ? -1 : 1;
  filled.sort((left, right) => sign * compare(left[column], right[column]));
  return [...filled, ...rows.filter((row) => row[column] === null)];
}

export class ResultTable {
  constructor(result, caption) {
    this.result = result;
    this.rows = result.rows;
    this.sorted = { column: -1, direction: "none" };
    this.page = 0;
    const kept = load("pageSize", 10);
    this.size = PAGE_SIZES.includes(kept) ? kept : 10;
    this.numeric = result.columns.map((_, column) => this.isNumeric(column));
    this.element = this.build(caption);
    this.draw();
  }

  isNumeric(column) {
    const values = this.result.rows.map((row) => row[column]).filter((value) => value !== null);
    return values.length > 0 && values.every(isNumber);
  }

  get pages() { return Math.max(1, Math.ceil(this.rows.length / this.size)); }

  build(caption) {
    this.heads = this.result.columns.map((name, column) => this.head(name, column));
    this.body = element("tbody");
    const table = element("table", { class: "rows" },
      element("caption", { class: "visually-hidden" }, caption),
      element("thead", {}, element("tr", {}, this.heads)), this.body);
    const frame = { class: "table-frame", tabindex: 0, role: "region", "aria-label": `Rows: ${caption}` };
    return element("div", { class: "result-table" }, element("div", frame, table), this.pager());
  }

  head(name, column) {
    const sort = element("button", { type: "button", class: "sort", onclick: () => this.sortBy(column) },
      element("span", {}, name || "(no name)"), element("span", { class: "sort-mark", "aria-hidden": "true" }));
    const kind = this.numeric[column] ? "number" : null;
    return element("th", { scope: "col", class: kind, "aria-sort": "none" }, sort);
  }

  pager() {
    const select = element("select", { "aria-label": "Rows per page", onchange: () => this.resize(Number(select.value)) },
      PAGE_SIZES.map((size) => element("option", { value: size, selected: size === this.size }, `${size} rows`)));
    this.previous = button("", "chevron", () => this.turn(-1), { class: "icon-button small back", "aria-label": "Previous page" });
    this.next = button("", "chevron", () => this.turn(1), { class: "icon-button small", "aria-label": "Next page" });
    this.position = element("span", { class: "position", role: "status" });
    this.controls = element("div", { class: "pager-controls" }, select, this.previous, this.next);
    return element("div", { class: "pager" }, this.position, this.controls);
  }

  /** First click ascending, second descending, third the order of the answer. */
  sortBy(column) {
    const order = ["none", "ascending", "descending"];
    const current = this.sorted.column === column ? this.sorted.direction : "none";
    const direction = order[(order.indexOf(current) + 1) % order.length];
    this.sorted = { column, direction };
    this.rows = direction === "none" ? this.result.rows : sortRows(this.result.rows, column, direction);
    this.heads.forEach((head, index) => head.setAttribute("aria-sort", index === column ? direction : "none"));
    this.page = 0;
    this.draw();
  }

  resize(size) {
    this.page = Math.floor((this.page * this.size) / size);
    this.size = size;
    save("pageSize", size);
    this.draw();
  }

  turn(step) {
    this.page = Math.min(this.pages - 1, Math.max(0, this.page + step));
    this.draw();
  }

  draw() {
    const first = this.page * this.size;
    const shown = this.rows.slice(first, first + this.size);
    this.body.replaceChildren(...shown.map((row) => element("tr", {}, row.map((value, column) => this.cell(value, column)))));
    const all = this.rows.length;
    const range = all > this.size ? `Rows ${first + 1} to ${first + shown.length} of ${all.toLocaleString("en")}` : count(all, "row");
    this.position.textContent = range + (this.result.truncated ? ". There are more: only these were read" : "");
    this.controls.hidden = all <= PAGE_SIZES[0];
    this.previous.disabled = this.page === 0;
    this.next.disabled = this.page >= this.pages - 1;
  }

  cell(value, column) {
    const kind = this.numeric[column] ? "number" : null;
    if (value === null) return element("td", { class: `null ${kind ?? ""}` }, "NULL");
    const text = cellText(value);
    if (text === "") return element("td", { class: "null" }, "empty text");
    if (text.length <= LONG_CELL) return element("td", { class: kind }, text);
    const content = element("span", {}, `${text.slice(0, LONG_CELL)}…`);
    const more = button("show all", null, () => { content.textContent = text; more.remove(); }, { class: "link-button" });
    return element("td", { class: kind }, content, " ", more);
  }
}

/** What to show where a query found nothing. */
export function emptyTable(result) {
  const names = result.columns.filter(Boolean).join(", ");
  return element("p", { class: "no-rows" }, icon("table"), names ? `No rows. The columns would be: ${names}.` : "No rows.");
}
