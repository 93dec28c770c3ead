// How sure the answer is, what it rests on, and the other readings of a question.

import { element } from "./dom.js";

const percent = (confidence) => `${Math.round(confidence * 100)}%`;

export function confidence(choice) {
  const value = Math.min(1, Math.max(0, choice.confidence));
  const level = element("meter", { min: 0, max: 1, low: 0.5, high: 0.8, optimum: 1, value });
  const parts = [element("label", { class: "confidence" }, "Confidence ", level, element("span", { class: "percent" }, percent(value)))];
  if (choice.sure === false) parts.push(element("span", { class: "tag unsure" }, "not sure"));
  return parts;
}

/** Buttons for the readings of a question, shown where the model is not sure; the shown one is pressed. */
export function choices(asked, shownSql, onChoose) {
  if (!asked || asked.sure || asked.alternatives.length === 0) return [];
  const buttons = [asked, ...asked.alternatives].map((choice) => element("li", {},
    element("button", { type: "button", class: "choice", "aria-pressed": String(choice.sql === shownSql), onclick: () => onChoose(choice.sql) },
      element("code", {}, choice.sql), element("span", { class: "percent" }, percent(choice.confidence)))));
  return [element("div", { class: "doubts", role: "group", "aria-label": "Other readings of the question" },
    element("p", {}, "I am not sure. Did you mean one of these?"), element("ul", {}, buttons))];
}

function linkText({ kind, table, column, value }) {
  if (kind === "table") return table;
  return kind === "cell" ? `${table}.${column} = ${value}` : `${table}.${column}`;
}

/** Chips: the words of the question and what they were found to mean. */
export function linkedItems(links) {
  if (!links || links.length === 0) return [];
  const chips = links.map((link) => element("li", { class: `chip ${link.kind === "cell" ? "cell" : ""}` },
    link.words && element("span", { class: "chip-words" }, link.words), link.words && element("span", { class: "arrow", "aria-label": "is" }, "→"),
    element("code", {}, linkText(link))));
  return [element("div", { class: "linked" }, element("span", { class: "block-title" }, "Matched"), element("ul", {}, chips))];
}
