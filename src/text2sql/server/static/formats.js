// Cells and rows as text, the clipboard, and files to save.

/** A cell as text; NULL is the empty text here, the table shows it apart. */
export function cellText(value) {
  if (value === null || value === undefined) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

export function toTsv({ columns, rows }) {
  const line = (cells) => cells.map((cell) => cellText(cell).replace(/[\t\r\n]+/g, " ")).join("\t");
  return [columns, ...rows].map(line).join("\n");
}

export function toMarkdown({ columns, rows }) {
  const escape = (cell) => cellText(cell).replace(/[\\|]/g, "\\$&").replace(/\r?\n/g, " ").replace(/</g, "&lt;");
  const line = (cells) => `| ${cells.map(escape).join(" | ")} |`;
  return [line(columns), line(columns.map(() => "---")), ...rows.map(line)].join("\n");
}

/** Copies text; without a secure context (plain http from another machine) through a hidden text area. */
export async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const focused = document.activeElement;
  const field = document.createElement("textarea");
  field.className = "visually-hidden";
  field.value = text;
  document.body.append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  focused?.focus();
  if (!copied) throw new Error("the browser did not allow copying");
}

/** A file name from a question: letters and digits, at most 50 of them. */
export function fileName(question, extension) {
  const stem = question.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").slice(0, 50).replace(/^-|-$/g, "");
  return `${stem || "rows"}.${extension}`;
}

export function saveFile(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
