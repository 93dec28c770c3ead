// Colours SQL: a tokenizer of one regular expression, each piece a text node in a span.

import { element } from "./dom.js";

const KEYWORDS = new Set(`select from where group by order having limit offset join left right full inner outer cross on
  using as and or not in is null like ilike between exists case when then else end distinct union all intersect except
  asc desc with recursive cast true false over partition escape nulls first last fetch rows only interval values
  collate glob filter`.split(/\s+/));

const TOKEN = new RegExp([
  String.raw`(?<comment>--[^\n]*|/\*[\s\S]*?(?:\*/|$))`,
  String.raw`(?<string>'(?:[^']|'')*'?)`,
  "(?<name>\"(?:[^\"]|\"\")*\"?|`[^`]*`?|\\[[^\\]\\n]*\\])",
  String.raw`(?<number>\b\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\b)`,
  String.raw`(?<word>[\p{L}_][\p{L}\p{N}_$]*)`,
].join("|"), "gu");

/** The kind of a token: a class name of the style sheet, or null for plain text. */
function kindOf(match, sql) {
  const { comment, string, number, word } = match.groups;
  if (comment) return "sql-comment";
  if (string) return "sql-string";
  if (number) return "sql-number";
  if (!word) return null;
  if (KEYWORDS.has(word.toLowerCase())) return "sql-keyword";
  return /^\s*\(/.test(sql.slice(match.index + word.length)) ? "sql-function" : null;
}

/** The nodes of highlighted SQL. Joined together their text is exactly `sql`. */
export function highlight(sql) {
  const nodes = [];
  let end = 0;
  for (const match of sql.matchAll(TOKEN)) {
    const kind = kindOf(match, sql);
    if (!kind) continue;
    nodes.push(sql.slice(end, match.index), element("span", { class: kind }, match[0]));
    end = match.index + match[0].length;
  }
  return [...nodes, sql.slice(end)];
}
