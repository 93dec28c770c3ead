// One question and its answer: the sentence, the SQL, what it rests on, the rows and the chart.

import { explain } from "./api.js";
import { announce, button, count, element, icon, toast } from "./dom.js";
import { SqlEditor } from "./editor.js";
import { errorNotice, notice } from "./notices.js";
import { copy } from "./formats.js";
import { choices, confidence, linkedItems } from "./trust.js";
import { resultView } from "./result.js";

const LONG_SENTENCE = 110; // letters; longer ones are set as running text
let numbers = 0;

export class Turn {
  /** `actions.run(turn, sql)` runs SQL in this turn; `question` is "" for SQL run by hand. */
  constructor({ question, database, actions }) {
    this.question = question;
    this.database = database;
    this.actions = actions;
    this.answer = null;
    this.asked = null;
    this.id = `turn-${++numbers}`;
    this.build();
  }

  build() {
    const title = this.question || "SQL run by hand";
    this.fold = element("button", { type: "button", class: "fold", "aria-expanded": "true", "aria-controls": `${this.id}-body`,
      onclick: () => this.setOpen(this.fold.getAttribute("aria-expanded") !== "true") }, element("span", {}, title), icon("chevron"));
    this.understood = element("p", { class: "understood muted small-text", hidden: true });
    this.elapsed = element("span", { class: "elapsed" });
    this.status = element("p", { class: "status" }, element("span", { class: "pulse" }), element("span", { class: "status-text" }), this.elapsed);
    this.sentence = element("p", { class: "sentence" });
    this.problem = element("div");
    this.trust = element("div", { class: "trust", hidden: true });
    this.doubts = element("div");
    this.result = element("div", { class: "result" });
    this.body = element("div", { class: "turn-body", id: `${this.id}-body` }, this.problem, this.trust, this.doubts, this.sqlBlock(), this.result);
    this.element = element("article", { class: "turn", "aria-labelledby": `${this.id}-title` },
      element("h3", { class: "turn-title", id: `${this.id}-title` }, this.fold), this.understood, this.status, this.sentence, this.body);
  }

  sqlBlock() {
    this.editor = new SqlEditor({
      label: "SQL of this answer. Control Enter runs it.",
      onRun: (sql) => this.actions.run(this, sql),
      onChange: (sql) => this.markEdited(sql),
    });
    this.rerun = button("Run", "run", () => this.actions.run(this, this.editor.sql), { title: "Run this SQL (Ctrl Enter)" });
    this.edited = element("span", { class: "tag", hidden: true }, "edited");
    const tools = element("div", { class: "sql-tools" },
      element("span", { class: "block-title" }, "SQL"), this.edited, element("span", { class: "space" }),
      button("Explain", "words", () => this.explain()),
      button("Copy", "copy", () => this.copy(this.editor.sql, "SQL"), { "aria-label": "Copy SQL" }),
      this.rerun);
    this.explanation = element("p", { class: "explanation", role: "status", hidden: true });
    this.links = element("div", { class: "links" });
    this.sqlPart = element("div", { class: "sql-block", hidden: true }, tools, this.editor.element, this.explanation);
    return element("div", {}, this.sqlPart, this.links);
  }

  markEdited(sql) {
    this.edited.hidden = sql.trim() === (this.answer?.sql ?? "").trim();
    this.explanation.hidden = true;
  }

  setOpen(open) {
    this.fold.setAttribute("aria-expanded", String(open));
    this.body.hidden = !open;
  }

  /** Begins to wait; `text` says for what. */
  start(text) {
    this.setOpen(true);
    this.problem.replaceChildren();
    this.element.setAttribute("aria-busy", "true");
    this.status.querySelector(".status-text").textContent = text;
    this.status.hidden = false;
    this.sentence.hidden = true;
    this.result.classList.add("stale");
    this.editor.busy = true;
    this.rerun.disabled = true;
    const began = Date.now();
    this.elapsed.textContent = "";
    this.timer = setInterval(() => { this.elapsed.textContent = `${Math.round((Date.now() - began) / 1000)} s`; }, 1000);
  }

  stop() {
    clearInterval(this.timer);
    this.element.removeAttribute("aria-busy");
    this.status.hidden = true;
    this.result.classList.remove("stale");
    this.editor.busy = false;
    this.rerun.disabled = false;
  }

  /** The SQL so far, while the model writes. */
  stream(sql) {
    this.status.querySelector(".status-text").textContent = "Writing SQL";
    this.sqlPart.hidden = false;
    this.editor.sql = sql;
  }

  /** An answer: of the question, or (`byHand`) of SQL that was run in this turn. */
  show(answer, byHand) {
    this.stop();
    this.answer = answer;
    if (!byHand) this.asked = answer;
    const abstained = !answer.sql;
    this.sentence.hidden = false;
    this.sentence.textContent = abstained ? "This database can't answer that." : this.sentenceOf(answer);
    this.sentence.classList.toggle("long", this.sentence.textContent.length > LONG_SENTENCE);
    this.understood.hidden = byHand ? this.understood.hidden : !answer.rewritten || answer.rewritten === this.question;
    if (!byHand && answer.rewritten) this.understood.textContent = `Understood as: ${answer.rewritten}`;
    this.sqlPart.hidden = abstained;
    this.editor.sql = answer.sql;
    this.markEdited(answer.sql);
    this.showTrust(answer, byHand);
    this.showRows(answer, abstained);
    announce(`${this.sentence.textContent} ${answer.result && !answer.result.error ? count(answer.result.rows.length, "row") : ""}`);
  }

  /** The server's sentence; a failed query has its error in a box of its own. */
  sentenceOf({ sentence, error, result }) {
    if (error || !result || result.error) return "The query did not run.";
    return sentence || `${count(result.rows.length, "row")}.`;
  }

  showTrust(answer, byHand) {
    const own = byHand && !this.isChoice(answer.sql);
    this.trust.replaceChildren(...(own ? [element("span", { class: "tag" }, "Your SQL")] : answer.sql ? confidence(this.choiceOf(answer)) : []));
    this.trust.hidden = this.trust.childElementCount === 0;
    this.doubts.replaceChildren(...choices(this.asked, answer.sql, (sql) => this.actions.run(this, sql)));
    this.links.replaceChildren(...(byHand ? [] : linkedItems(answer.links)));
  }

  isChoice(sql) { return Boolean(this.asked && [this.asked, ...this.asked.alternatives].some((choice) => choice.sql === sql)); }

  /** Confidence belongs to a reading of the question: a run of an alternative carries the alternative's. */
  choiceOf(answer) {
    const choice = this.asked && [this.asked, ...this.asked.alternatives].find(({ sql }) => sql === answer.sql);
    return choice ?? answer;
  }

  showRows(answer, abstained) {
    const error = answer.error ?? answer.result?.error;
    if (abstained) this.problem.replaceChildren(notice("info", answer.abstained || error || "No SQL came out of this question."));
    else if (error) this.problem.replaceChildren(notice("error", error, "The database refused this SQL"));
    const rows = !error && answer.result;
    const context = { sql: answer.sql, database: this.database, question: this.question || answer.sentence, copy: (text, what) => this.copy(text, what) };
    this.result.replaceChildren(...(rows ? resultView(answer.result, context) : []));
  }

  fail(error, retry) {
    this.stop();
    if (!this.answer) this.sentence.hidden = true;
    else this.sentence.hidden = false;
    this.problem.replaceChildren(errorNotice(error, retry));
  }

  stopped(retry) {
    this.stop();
    this.sentence.hidden = !this.answer;
    this.problem.replaceChildren(notice("info", "Stopped.", "", button("Ask again", "again", retry, { class: "secondary small" })));
    announce("Stopped");
  }

  async explain() {
    this.explanation.hidden = false;
    this.explanation.textContent = "…";
    try {
      const { text } = await explain({ sql: this.editor.sql, database: this.database.id });
      this.explanation.textContent = text;
    } catch (error) {
      this.explanation.textContent = error.message;
    }
  }

  async copy(text, what) {
    try {
      await copy(text);
      toast(`${what} copied`);
    } catch (error) {
      toast(`Not copied: ${error.message}`);
    }
  }
}
