// Rows and chart of a result, with the ways to take them along.

import { request } from "./api.js";
import { ResultChart } from "./chart.js";
import { button, element, icon, toast } from "./dom.js";
import { fileName, saveFile, toMarkdown, toTsv } from "./formats.js";
import { load, save } from "./storage.js";
import { emptyTable, ResultTable } from "./table.js";

const FILES = [["CSV", "csv", "csv"], ["JSON", "json", "json"], ["Markdown", "markdown", "md"]];

/** `context`: sql, database, question, copy(text, what). */
export function resultView(result, context) {
  if (result.rows.length === 0) return [emptyTable(result)];
  const table = new ResultTable(result, context.question);
  const chart = result.chart && result.rows.length > 1 ? new ResultChart(result, context.question) : null;
  const takeAlong = element("div", { class: "take-along" }, copyTools(table, context), downloadTools(context));
  const views = chart && element("div", {}, viewSwitch(table.element, chart.element));
  return [views, chart?.element, table.element, takeAlong].filter(Boolean);
}

/** Two buttons, one pressed; the choice is kept for the next answers. */
function viewSwitch(table, chart) {
  const views = { chart, table };
  const buttons = Object.keys(views).map((name) => button(name === "chart" ? "Chart" : "Table", name, () => choose(name), { class: "segment" }));
  const choose = (name) => {
    Object.entries(views).forEach(([other, view], index) => {
      view.hidden = other !== name;
      buttons[index].setAttribute("aria-pressed", String(other === name));
    });
    save("view", name);
  };
  choose(load("view", "chart") === "table" ? "table" : "chart");
  return element("div", { class: "segments", role: "group", "aria-label": "Show as" }, buttons);
}

function copyTools(table, { copy }) {
  const sorted = () => ({ columns: table.result.columns, rows: table.rows });
  return element("div", { class: "tool-group", role: "group", "aria-label": "Copy the rows" },
    element("span", { class: "label muted small-text" }, icon("copy"), "Copy rows"),
    button("TSV", null, () => copy(toTsv(sorted()), "Rows")),
    button("Markdown", null, () => copy(toMarkdown(sorted()), "Rows")));
}

function downloadTools(context) {
  return element("div", { class: "tool-group", role: "group", "aria-label": "Download all rows" },
    element("span", { class: "label muted small-text" }, icon("download"), "Download all"),
    FILES.map(([label, format, extension]) => button(label, null, () => download(context, format, extension))));
}

/** The server runs the SQL again, so a file has the rows that the page cut off. */
async function download({ sql, database, question }, format, extension) {
  try {
    const response = await request("export", { method: "POST", json: { sql, database: database.id, format } });
    saveFile(await response.blob(), fileName(question, extension));
    if (response.headers.get("X-Truncated") === "true") toast("There are more rows than the file may hold");
  } catch (error) {
    toast(`Not downloaded: ${error.message}`);
  }
}
