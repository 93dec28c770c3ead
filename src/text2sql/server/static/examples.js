// Example questions made from the schema: a count, a superlative, a grouping.

/** `shop.OrderItems` in natural words: `order items`. */
const words = (name) => name.replace(/^\w+\.(?=\w+$)/, "").replace(/([a-z0-9])([A-Z])/g, "$1 $2").replace(/[_\s]+/g, " ").trim().toLowerCase();

export function plural(noun) {
  if (/(s|data|info|staff|people|children)$/.test(noun)) return noun;
  if (/[^aeiou]y$/.test(noun)) return `${noun.slice(0, -1)}ies`;
  return /(x|z|ch|sh)$/.test(noun) ? `${noun}es` : `${noun}s`;
}

export function singular(noun) {
  if (/(ss|us|is|news|series)$/.test(noun)) return noun;
  if (/ies$/.test(noun)) return `${noun.slice(0, -3)}y`;
  return noun.replace(/(x|z|ch|sh)es$/, "$1").replace(/s$/, "");
}

const isKey = (column) => column.primary_key || column.references || /(^|[_ ])id$|Id$|^id/i.test(column.name);
const isNumber = (column) => /int|num|real|dec|dou|flo|money/i.test(column.type) && !isKey(column);
/** A number that one asks the highest of: no year, no number that only names. */
const isMeasure = (column) => isNumber(column) && !/year|number|code|zip|phone|minute/i.test(column.name);
const isText = (column) => /char|text|string/i.test(column.type) && !isKey(column);
const isName = (column) => isText(column) && /name|title/i.test(column.name);
const isCategory = (column) => isText(column) && /countr|city|type|kind|categor|genre|status|state|region|gender|class|group|colou?r|league/i.test(column.name);

/** Up to three questions; plain tables that look like things come first. */
export function exampleQuestions(tables) {
  const filled = tables.filter((table) => table.columns.length > 0 && table.rows !== 0);
  const ranked = [...filled].sort((one, other) => score(other) - score(one));
  const questions = [];
  const main = ranked[0];
  if (main) questions.push(`How many ${plural(words(main.name))} are there?`);
  const ordered = ranked.find((table) => table.columns.some(isMeasure));
  if (ordered) {
    const number = ordered.columns.find(isMeasure);
    questions.push(`Which ${singular(words(ordered.name))} has the highest ${words(number.name)}?`);
  }
  const groupable = ranked.filter((table) => table.columns.some(isCategory));
  const grouped = groupable.find((table) => table !== main) ?? groupable[0];
  const listed = ranked.find((table) => table.columns.some(isText)) ?? ranked[1];
  if (grouped) {
    const category = grouped.columns.find(isCategory);
    questions.push(`How many ${plural(words(grouped.name))} are there for each ${words(category.name)}?`);
  } else if (listed) {
    const column = listed.columns.find(isName) ?? listed.columns.find(isText) ?? listed.columns[0];
    questions.push(`What are the ${plural(words(column.name))} of all ${plural(words(listed.name))}?`);
  }
  if (questions.length < 3 && ranked[1]) questions.push(`How many ${plural(words(ranked[1].name))} are there?`);
  if (questions.length < 3 && main) questions.push(`Show all ${plural(words(main.name))}.`);
  return [...new Set(questions)].slice(0, 3);
}

function score(table) {
  const kinds = [isName, isMeasure, isCategory].filter((kind) => table.columns.some(kind)).length;
  return kinds * 2 - (table.columns.filter(isKey).length > table.columns.length / 2 ? 3 : 0);
}
