// What was asked: in this session and, through the browser's storage, before. Rows are never kept.

import { button, byId, element } from "./dom.js";
import { load, save } from "./storage.js";

const KEPT = 200;
const sessionStart = Date.now();

export class History {
  /** `onRerun(entry)` asks or runs an entry again. */
  constructor(onRerun) {
    this.onRerun = onRerun;
    this.dialog = byId("history-dialog");
    this.list = byId("history-list");
    byId("clear-history").addEventListener("click", () => this.replace([]));
  }

  get entries() {
    const kept = load("history", []);
    return Array.isArray(kept) ? kept.filter((entry) => entry && typeof entry === "object") : [];
  }

  /** The latest questions, newest first, each once. */
  get questions() {
    return [...new Set(this.entries.map((entry) => entry.question).filter(Boolean))];
  }

  /** `entry`: {question ("" for SQL run by hand), sql, database, url, failed}. */
  add(entry) {
    const { question, sql, database, url, failed } = entry;
    save("history", [{ question, sql, database, url, failed, time: Date.now() }, ...this.entries].slice(0, KEPT));
  }

  replace(entries) {
    save("history", entries);
    this.draw();
    if (!this.dialog.contains(document.activeElement)) this.dialog.querySelector("[data-close]").focus();
  }

  open() {
    this.draw();
    this.dialog.showModal();
  }

  draw() {
    const entries = this.entries;
    byId("clear-history").hidden = entries.length === 0;
    const now = entries.filter((entry) => entry.time >= sessionStart);
    const before = entries.filter((entry) => !(entry.time >= sessionStart));
    this.list.replaceChildren(...this.group("This session", now), ...this.group("Earlier", before));
    if (entries.length === 0) this.list.replaceChildren(element("p", { class: "empty" }, "Nothing yet. Every question you ask is listed here."));
  }

  group(title, entries) {
    if (entries.length === 0) return [];
    return [element("h3", {}, title), element("ul", { class: "history" }, entries.map((entry) => this.item(entry)))];
  }

  item(entry) {
    const title = String(entry.question || entry.sql || "");
    const again = () => { this.dialog.close(); this.onRerun(entry); };
    const remove = () => this.replace(this.entries.filter((other) => other.time !== entry.time || other.sql !== entry.sql));
    const details = [entry.database, new Date(entry.time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" }),
      entry.failed && "failed"].filter(Boolean).join(" · ");
    return element("li", {},
      element("div", { class: "history-text" }, element("p", { class: entry.question ? "history-title" : "history-title code" }, title),
        element("p", { class: "muted small-text" }, details)),
      button("", "again", again, { class: "icon-button small", "aria-label": `Again: ${title}`, title: entry.question ? "Ask again" : "Run again" }),
      button("", "trash", remove, { class: "icon-button small", "aria-label": `Delete: ${title}`, title: "Delete" }));
  }
}
