// The tables and columns as a tree: one tab stop, arrows move, Enter inserts a name, left and right fold.

import { byId, count, element, icon } from "./dom.js";

const OPEN_AT_START = 3; // databases with at most so many tables start unfolded
const MAX_TABLES = 300; // more are found through the filter

export class SchemaTree {
  /** `onInsert(name)` gets the name of a chosen table or column. */
  constructor(onInsert) {
    this.onInsert = onInsert;
    this.tree = byId("schema-tree");
    this.filter = byId("schema-filter");
    this.filter.addEventListener("input", () => this.draw());
    this.filter.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown") { event.preventDefault(); this.focus(this.visible()[0]); }
    });
    this.tree.addEventListener("keydown", (event) => this.onKey(event));
    this.clear("");
  }

  clear(note) {
    this.tables = [];
    this.tree.replaceChildren();
    this.filter.disabled = true;
    byId("schema-count").textContent = "";
    byId("schema-note").textContent = note;
  }

  show(tables) {
    this.tables = tables;
    this.filter.value = "";
    this.filter.disabled = tables.length === 0;
    byId("schema-count").textContent = count(tables.length, "table");
    this.draw();
  }

  draw() {
    const words = this.filter.value.trim().toLowerCase();
    const matches = (text) => text.toLowerCase().includes(words);
    const found = this.tables.filter((table) => matches(table.name) || table.columns.some((column) => matches(column.name)));
    const items = found.slice(0, MAX_TABLES).map((table) => {
      const columns = matches(table.name) ? table.columns : table.columns.filter((column) => matches(column.name));
      return this.tableItem(table, columns, words ? !matches(table.name) : this.tables.length <= OPEN_AT_START);
    });
    this.tree.replaceChildren(...items);
    items[0]?.setAttribute("tabindex", "0");
    const left = found.length - items.length;
    byId("schema-note").textContent = found.length === 0 ? (words ? "Nothing has that name." : "This database has no tables.")
      : left > 0 ? `${count(left, "more table")}: use the filter.` : "";
  }

  tableItem(table, columns, open) {
    const rows = table.rows === null ? "" : count(table.rows, "row");
    const row = element("div", { class: "tree-row", title: table.comment || null, onclick: () => this.toggle(item) },
      element("span", { class: "chevron" }, icon("chevron")),
      element("span", { class: "tree-name" }, table.name),
      this.insertButton(table.name),
      element("span", { class: "tree-info" }, table.rows === null ? "" : table.rows.toLocaleString("en")));
    const group = element("ul", { role: "group" });
    const item = element("li", { role: "treeitem", tabindex: -1, "aria-level": 1, "aria-expanded": "false",
      "aria-label": [`table ${table.name}`, rows].filter(Boolean).join(", ") }, row, group);
    item.fill = () => group.replaceChildren(...columns.map((column) => this.columnItem(column)));
    item.choose = () => this.onInsert(table.name);
    if (open) this.toggle(item);
    return item;
  }

  insertButton(name) {
    const insert = (event) => { event.stopPropagation(); this.onInsert(name); };
    return element("button", { type: "button", class: "insert", tabindex: -1, onclick: insert, title: `Insert ${name}`,
      "aria-label": `Insert ${name}` }, icon("plus"));
  }

  columnItem(column) {
    const keys = [column.primary_key && "primary key", column.references && `references ${column.references}`].filter(Boolean);
    const hint = [column.comment, ...keys].filter(Boolean).join("; ");
    const choose = () => this.onInsert(column.name);
    const item = element("li", { role: "treeitem", tabindex: -1, "aria-level": 2,
      "aria-label": [column.name, column.type, ...keys].filter(Boolean).join(", ") },
    element("div", { class: "tree-row column", title: hint || `Insert ${column.name}`, onclick: choose },
      element("span", { class: "tree-name" }, column.name),
      column.primary_key && element("span", { class: "key-mark" }, icon("key")),
      column.references && element("span", { class: "key-mark reference" }, icon("link")),
      element("span", { class: "tree-info" }, column.type)));
    item.choose = choose;
    return item;
  }

  toggle(item, open = item.getAttribute("aria-expanded") !== "true") {
    item.setAttribute("aria-expanded", String(open));
    const group = item.querySelector("[role=group]");
    if (open) item.fill();
    else group.replaceChildren();
  }

  visible() { return [...this.tree.querySelectorAll("[role=treeitem]")]; }

  focus(item) {
    if (!item) return;
    for (const other of this.tree.querySelectorAll("[tabindex='0']")) other.setAttribute("tabindex", "-1");
    item.setAttribute("tabindex", "0");
    item.focus();
  }

  onKey(event) {
    const item = event.target.closest("[role=treeitem]");
    const items = this.visible();
    const place = items.indexOf(item);
    const expanded = item?.getAttribute("aria-expanded");
    const moves = {
      ArrowDown: () => this.focus(items[place + 1]),
      ArrowUp: () => (place > 0 ? this.focus(items[place - 1]) : this.filter.focus()),
      Home: () => this.focus(items[0]),
      End: () => this.focus(items.at(-1)),
      Enter: () => item.choose(),
      " ": () => (expanded ? this.toggle(item) : item.choose()),
      ArrowRight: () => (expanded === "false" ? this.toggle(item, true) : expanded && this.focus(items[place + 1])),
      ArrowLeft: () => (expanded === "true" ? this.toggle(item, false) : this.focus(item.parentElement.closest("[role=treeitem]"))),
    };
    if (!item || !moves[event.key]) return;
    event.preventDefault();
    moves[event.key]();
  }
}
