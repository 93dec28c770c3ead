// Charts drawn as SVG from the rows: bars, lines, points. Names and values are text nodes, numbers are coordinates.

import { element, vector } from "./dom.js";
import { cellText } from "./formats.js";
import { dateLabel, dateTicks, linear, numberLabel, parseDate, ticks } from "./scales.js";

const MAX_BARS = 40;
const SERIES = 6;
const LETTER = 6.8; // width of a label's letter at 12 px, in pixels
const LABEL_LETTERS = 22;

const shorten = (text) => (text.length > LABEL_LETTERS ? `${text.slice(0, LABEL_LETTERS - 1)}…` : text);
const numberOf = (value) => (value === null || value === "" ? NaN : Number(value));
const widest = (texts) => LETTER * Math.max(1, ...texts.map((text) => text.length));

/** A figure that draws itself anew when its width changes. */
export class ResultChart {
  constructor(result, caption) {
    this.result = result;
    this.caption = caption;
    this.drawing = element("div", { class: "chart-drawing" });
    this.element = element("figure", { class: "chart" }, legend(result), this.drawing, note(result));
    new ResizeObserver(() => this.draw()).observe(this.drawing);
  }

  draw() {
    const width = Math.floor(this.drawing.clientWidth);
    if (width === 0 || width === this.width) return;
    this.width = width;
    this.drawing.replaceChildren(drawChart(this.result, width, this.caption));
  }
}

function legend({ columns, chart }) {
  if (chart.y.length < 2) return null;
  const keys = chart.y.slice(0, SERIES).map((column, series) => element("li", {},
    vector("svg", { width: 12, height: 12, "aria-hidden": "true" },
      vector("rect", { class: `series-${series}`, width: 12, height: 12, rx: 3 })), columns[column]));
  return element("ul", { class: "legend" }, keys);
}

function note({ rows, chart }) {
  if (chart.kind !== "bar" || rows.length <= MAX_BARS) return null;
  return element("figcaption", { class: "muted small-text" }, `The first ${MAX_BARS} of ${rows.length} rows are drawn.`);
}

function drawChart(result, width, caption) {
  const { kind, x } = result.chart;
  const y = result.chart.y.slice(0, SERIES);
  const rows = kind === "bar" ? result.rows.slice(0, MAX_BARS) : result.rows;
  const data = { columns: result.columns, rows, x, y, width };
  const draw = { bar: drawBars, line: drawLines, scatter: drawPoints }[kind] ?? drawBars;
  const { height, parts } = draw(data);
  const name = `${kind} chart: ${y.map((column) => result.columns[column]).join(", ")} by ${result.columns[x]}. ${caption}`;
  const frame = { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": name };
  return vector("svg", frame, parts);
}

/** Limits of all drawn values; bars start at 0. */
function valueTicks({ rows, y }, fromZero, wanted = 5) {
  const values = rows.flatMap((row) => y.map((column) => numberOf(row[column]))).filter(Number.isFinite);
  const low = values.reduce((least, value) => Math.min(least, value), fromZero ? 0 : Infinity);
  const high = values.reduce((most, value) => Math.max(most, value), fromZero ? 0 : -Infinity);
  return Number.isFinite(low) && Number.isFinite(high) ? ticks(low, high, wanted) : [0, 1];
}

/** The name of the value axis; several series are named by the legend. */
const valueName = ({ columns, y }) => (y.length === 1 ? columns[y[0]] : "");

const text = (content, attributes) => vector("text", attributes, content);
const line = (x1, y1, x2, y2, kind) => vector("line", { class: kind, x1, y1, x2, y2 });
const tooltip = (...texts) => vector("title", {}, texts.join("\n"));

function tipOf({ columns, x }, row, column) {
  return tooltip(`${columns[x]}: ${row[x] === null ? "NULL" : cellText(row[x])}`, `${columns[column]}: ${cellText(row[column])}`);
}

function drawBars(data) {
  const labels = data.rows.map((row) => shorten(row[data.x] === null ? "NULL" : cellText(row[data.x])));
  const band = (data.width - 70) / Math.max(1, labels.length);
  return widest(labels) + 8 > band ? drawBarsAcross(data, labels) : drawBarsUp(data, labels);
}

/** Upright bars, for few and short labels. */
function drawBarsUp(data, labels) {
  const { columns, rows, x, y, width } = data;
  const marks = valueTicks(data, true);
  const left = widest(marks.map((mark) => numberLabel(mark))) + 14;
  const [top, bottom, height] = [30, 250, 296];
  const scale = linear(marks[0], marks.at(-1), bottom, top);
  const band = (width - left - 8) / Math.max(1, rows.length);
  const thick = Math.min(56, (band * 0.72) / y.length);
  const parts = [...upGrid(marks, scale, left, width - 8), text(valueName(data), { class: "axis-name", x: 0, y: 14 }),
    text(columns[x], { class: "axis-name", x: left + (width - left - 8) / 2, y: height - 6, "text-anchor": "middle" })];
  rows.forEach((row, index) => {
    const middle = left + band * (index + 0.5);
    parts.push(text(labels[index], { class: "tick", x: middle, y: bottom + 18, "text-anchor": "middle" }));
    y.forEach((column, series) => {
      const value = numberOf(row[column]);
      if (!Number.isFinite(value)) return;
      const start = middle + (series - y.length / 2) * thick;
      const [from, to] = [scale(0), scale(value)];
      const shape = { x: start + 1, y: Math.min(from, to), width: Math.max(1, thick - 2), height: Math.abs(from - to), rx: 3 };
      parts.push(vector("rect", { class: `mark series-${series}`, ...shape }, tipOf(data, row, column)));
      const over = { class: "value", x: start + thick / 2, y: Math.min(from, to) - 6, "text-anchor": "middle" };
      if (y.length === 1 && rows.length <= 12) parts.push(text(numberLabel(value), over));
    });
  });
  return { height, parts };
}

function upGrid(marks, scale, left, right) {
  return marks.flatMap((mark) => [
    line(left, scale(mark), right, scale(mark), mark === 0 ? "axis" : "grid"),
    text(numberLabel(mark), { class: "tick", x: left - 8, y: scale(mark) + 4, "text-anchor": "end" }),
  ]);
}

/** Lying bars: each label gets a line of its own. */
function drawBarsAcross(data, labels) {
  const { columns, rows, x, y, width } = data;
  const left = Math.min(widest(labels) + 12, width * 0.42);
  const right = width - 56;
  const marks = valueTicks(data, true, Math.max(3, Math.floor((right - left) / 80)));
  const scale = linear(marks[0], marks.at(-1), left, right);
  const thick = y.length === 1 ? 20 : 13;
  const band = thick * y.length + 10;
  const bottom = 28 + band * rows.length;
  const letters = Math.floor((left - 12) / LETTER);
  const parts = marks.flatMap((mark) => [line(scale(mark), 24, scale(mark), bottom, mark === 0 ? "axis" : "grid"),
    text(numberLabel(mark), { class: "tick", x: scale(mark), y: bottom + 18, "text-anchor": "middle" })]);
  parts.push(text(columns[x], { class: "axis-name", x: 0, y: 14 }),
    text(valueName(data), { class: "axis-name", x: (left + right) / 2, y: bottom + 40, "text-anchor": "middle" }));
  rows.forEach((row, index) => {
    const start = 28 + band * index;
    const label = labels[index].length > letters ? `${labels[index].slice(0, letters - 1)}…` : labels[index];
    parts.push(text(label, { class: "tick", x: left - 8, y: start + (thick * y.length) / 2 + 4, "text-anchor": "end" }));
    y.forEach((column, series) => {
      const value = numberOf(row[column]);
      if (!Number.isFinite(value)) return;
      const [from, to] = [scale(0), scale(value)];
      const shape = { x: Math.min(from, to), y: start + series * thick, width: Math.abs(to - from), height: thick - 2, rx: 3 };
      parts.push(vector("rect", { class: `mark series-${series}`, ...shape }, tipOf(data, row, column)));
      const over = { class: "value", x: Math.max(from, to) + 6, y: start + series * thick + thick / 2 + 3 };
      if (y.length === 1) parts.push(text(numberLabel(value), over));
    });
  });
  return { height: bottom + 50, parts };
}

/** Positions along the lower axis: by number, by date, or evenly in the order of the rows. */
function lowerAxis({ columns, rows, x, width }, left) {
  const right = width - 24;
  const values = rows.map((row) => row[x]);
  const filled = values.filter((value) => value !== null);
  const wanted = Math.max(2, Math.floor((right - left) / 90));
  const years = /year/i.test(columns[x]) || filled.every((value) => Number.isInteger(value) && value > 1500 && value < 2200);
  if (filled.every((value) => typeof value === "number" || typeof value === "bigint")) {
    const numbers = filled.map(Number);
    const marks = ticks(least(numbers), most(numbers), wanted).filter((mark) => !years || Number.isInteger(mark));
    const scale = linear(marks[0], marks.at(-1), left, right);
    return { marks: marks.map((mark) => [scale(mark), numberLabel(mark, years)]), place: (value) => scale(Number(value)), right };
  }
  const times = filled.map(parseDate);
  if (times.every(Number.isFinite)) {
    const [low, high] = [least(times), most(times)];
    const scale = linear(low, high, left, right);
    const marks = dateTicks(low, high, wanted).map((mark) => [scale(mark), dateLabel(mark, high - low)]);
    return { marks, place: (value) => scale(parseDate(value)), right };
  }
  const even = linear(0, Math.max(1, rows.length - 1), left + 20, right - 20);
  const every = Math.ceil((rows.length * Math.min(widest(filled.map(cellText)), 90)) / (right - left));
  const marks = values.map((value, index) => [even(index), shorten(cellText(value)).slice(0, 14)]).filter((_, index) => index % every === 0);
  return { marks, place: (_, index) => even(index), right, ordered: true };
}

const least = (numbers) => numbers.reduce((low, value) => Math.min(low, value), Infinity);
const most = (numbers) => numbers.reduce((high, value) => Math.max(high, value), -Infinity);

/** The frame that lines and points share: both axes, their names, and where a cell lies. */
function plane(data) {
  const { columns, x, y, width } = data;
  const marks = valueTicks(data, false);
  const left = widest(marks.map((mark) => numberLabel(mark))) + 14;
  const [top, bottom, height] = [30, 250, 296];
  const scale = linear(marks[0], marks.at(-1), bottom, top);
  const lower = lowerAxis(data, left);
  const parts = [...upGrid(marks, scale, left, lower.right), line(left, bottom, lower.right, bottom, "axis"),
    text(valueName(data), { class: "axis-name", x: 0, y: 14 }),
    text(columns[x], { class: "axis-name", x: left + (width - left - 24) / 2, y: height - 6, "text-anchor": "middle" }),
    ...lower.marks.map(([place, label]) => text(label, { class: "tick", x: place, y: bottom + 18, "text-anchor": "middle" }))];
  const points = (column) => data.rows
    .map((row, index) => ({ row, px: row[x] === null ? NaN : lower.place(row[x], index), py: scale(numberOf(row[column])) }))
    .filter(({ row, px }) => Number.isFinite(px) && row[column] !== undefined);
  return { height, parts, points, ordered: lower.ordered };
}

function drawLines(data) {
  const { height, parts, points, ordered } = plane(data);
  data.y.forEach((column, series) => {
    const places = ordered ? points(column) : points(column).sort((one, other) => one.px - other.px);
    let pen = "M";
    let path = "";
    for (const { px, py } of places) {
      path += Number.isFinite(py) ? `${pen}${px.toFixed(1)} ${py.toFixed(1)}` : "";
      pen = Number.isFinite(py) ? "L" : "M"; // NULL breaks the line
    }
    parts.push(vector("path", { class: `line series-${series}`, d: path }));
    parts.push(...circles(data, places, column, series, places.length > 80 ? 1.5 : 4));
  });
  return { height, parts };
}

function drawPoints(data) {
  const { height, parts, points } = plane(data);
  data.y.forEach((column, series) => parts.push(...circles(data, points(column), column, series, 4.5)));
  return { height, parts };
}

function circles(data, places, column, series, radius) {
  return places.filter(({ py }) => Number.isFinite(py)).map(({ row, px, py }) => vector("circle",
    { class: `mark point series-${series}`, cx: px.toFixed(1), cy: py.toFixed(1), r: radius }, tipOf(data, row, column)));
}
