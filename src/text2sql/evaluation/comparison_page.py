"""A comparison as one HTML file that needs nothing else: the metrics, and a list of examples to browse and filter.

Questions, queries and answers come from models and databases, so they are hostile: the page gets them as data, writes
them as text only, and its policy forbids it to load or send anything.
"""

from __future__ import annotations

import html
import json
from typing import Any

from text2sql.evaluation.comparison import Comparison
from text2sql.evaluation.summary import is_right


def comparison_page(comparison: Comparison) -> str:
    """The page as HTML text."""
    first, second = comparison.names
    title = f"{first} against {second}: {comparison.after.dataset}, {comparison.after.split}"
    metrics = "".join(
        f"<tr><td>{html.escape(m.name)}</td><td>{m.count}</td><td>{100 * m.before:.2f}</td><td>{100 * m.after:.2f}</td>"
        f"<td>{100 * (m.after - m.before):+.2f}</td><td>{100 * m.low:+.2f} to {100 * m.high:+.2f}</td>"
        f"<td>{m.gained}</td><td>{m.lost}</td><td>{m.p_value:.3g}</td></tr>"
        for m in comparison.metrics
    )
    rows = [_row(*pair) for pair in zip(comparison.before.examples, comparison.after.examples, strict=True)]
    data = {"names": comparison.names, "rows": rows}
    replaced = {
        "@TITLE@": html.escape(title),
        "@FIRST@": html.escape(first),
        "@SECOND@": html.escape(second),
        "@COUNT@": str(len(rows)),
        "@METRICS@": metrics,
        "@DATA@": _safe_json(data),
    }
    page = _PAGE
    for mark, text in replaced.items():  # the data comes last, so that no mark within it is replaced
        page = page.replace(mark, text)
    return page


def _row(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    sides = [
        {
            "right": is_right(entry),
            "sql": entry["prediction"],
            "answer": entry.get("predicted_answer", ""),
            "reason": entry.get("reason") or entry.get("error") or "",
        }
        for entry in (before, after)
    ]
    return {
        "id": str(before["id"]),
        "db": str(before.get("db_id", "")),
        "group": str(before.get("hardness", before.get("conditions", ""))),
        "question": before.get("question", ""),
        "gold": before.get("gold", ""),
        "answer": before.get("gold_answer") or after.get("gold_answer") or "",
        "sides": sides,
    }


def _safe_json(data: Any) -> str:
    """JSON that no HTML parser can leave: without `<`, `>` and `&`, all else in ASCII."""
    text = json.dumps(data)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>@TITLE@</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; }
table { border-collapse: collapse; margin: 1rem 0; } th, td { padding: .2rem .7rem; text-align: right; }
th:first-child, td:first-child { text-align: left; } tr:nth-child(even) { background: #f4f4f4; }
form { display: flex; flex-wrap: wrap; gap: .7rem; position: sticky; top: 0; background: #fff; padding: .6rem 0; }
article { border: 1px solid #ccc; border-radius: 6px; padding: .6rem .9rem; margin: .8rem 0; }
article p { margin: .2rem 0; } pre { white-space: pre-wrap; margin: .1rem 0; font-size: 13px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem .9rem; margin: .4rem 0; } dd { margin: 0; }
.right { color: #06632e; } .wrong { color: #9b1c1c; } .small { color: #666; font-size: 13px; }
</style></head><body>
<h1>@TITLE@</h1>
<table><thead><tr><th>metric</th><th>examples</th><th>@FIRST@</th><th>@SECOND@</th><th>difference</th>
<th>95 % interval</th><th>only @SECOND@</th><th>only @FIRST@</th><th>p</th></tr></thead>
<tbody>@METRICS@</tbody></table>
<h2>Examples (@COUNT@)</h2>
<form id="filters">
<label>Show <select id="outcome">
<option value="flipped">flipped</option><option value="wrong">any wrong</option>
<option value="01">only @SECOND@ right</option><option value="10">only @FIRST@ right</option>
<option value="00">both wrong</option><option value="11">both right</option><option value="all">all</option>
</select></label>
<label>Group <select id="group"><option value="">all</option></select></label>
<label>Database <select id="db"><option value="">all</option></select></label>
<label>Text <input id="text" type="search"></label>
<button type="button" id="previous">previous</button><button type="button" id="next">next</button>
<span id="shown"></span>
</form>
<div id="list"></div>
<noscript>The list of examples needs JavaScript; the Markdown report has the flipped ones.</noscript>
<script type="application/json" id="data">@DATA@</script>
<script>
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const field = name => document.getElementById(name);
const size = 50;
let start = 0;
for (const name of ["group", "db"]) {
  for (const value of [...new Set(data.rows.map(row => row[name]))].sort()) {
    const option = document.createElement("option");
    option.value = option.textContent = value;
    field(name).append(option);
  }
}
function add(parent, tag, text, kind) {
  const node = document.createElement(tag);
  node.textContent = text;
  if (kind) node.className = kind;
  parent.append(node);
  return node;
}
function wanted(row) {
  const outcome = row.sides.map(side => Number(side.right)).join("");
  const chosen = field("outcome").value;
  const fits = { all: true, flipped: outcome === "01" || outcome === "10", wrong: outcome !== "11" };
  const text = field("text").value.toLowerCase();
  const words = [row.id, row.question, row.gold, ...row.sides.map(side => side.sql)].join(" ").toLowerCase();
  return (chosen in fits ? fits[chosen] : chosen === outcome) && words.includes(text)
    && (!field("group").value || field("group").value === row.group)
    && (!field("db").value || field("db").value === row.db);
}
function show(row) {
  const card = document.createElement("article");
  add(card, "p", [row.id, row.db, row.group].filter(Boolean).join(" · "), "small");
  add(card, "p", row.question);
  const list = add(card, "dl", "");
  const entry = (name, sql, notes, kind) => {
    add(list, "dt", name, kind);
    const cell = add(list, "dd", "");
    add(cell, "pre", sql || "(no SQL)");
    for (const note of notes.filter(Boolean)) add(cell, "p", note, "small");
  };
  entry("gold", row.gold, [row.answer && "answer: " + row.answer]);
  row.sides.forEach((side, number) => entry(data.names[number], side.sql,
    [side.answer && "answer: " + side.answer, side.reason], side.right ? "right" : "wrong"));
  return card;
}
function draw() {
  const rows = data.rows.filter(wanted);
  start = Math.max(0, Math.min(start, Math.floor((rows.length - 1) / size) * size));
  field("list").replaceChildren(...rows.slice(start, start + size).map(show));
  field("shown").textContent = rows.length
    ? `${start + 1} to ${Math.min(start + size, rows.length)} of ${rows.length}` : "none";
}
field("filters").addEventListener("input", () => { start = 0; draw(); });
field("filters").addEventListener("submit", event => event.preventDefault());
field("previous").addEventListener("click", () => { start -= size; draw(); });
field("next").addEventListener("click", () => { start += size; draw(); });
draw();
</script></body></html>
"""
