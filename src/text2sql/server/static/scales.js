// Axes: readable ticks, and positions for numbers and dates.

const DAY = 86_400_000;

/** A step of 1, 2 or 5 times a power of ten that cuts `span` into about `wanted` parts. */
export function niceStep(span, wanted) {
  const rough = span / Math.max(1, wanted);
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * ([1, 2, 5].find((factor) => factor * power >= rough * 0.999) ?? 10);
}

/** Ticks that enclose [low, high]. */
export function ticks(low, high, wanted = 5) {
  if (low === high) [low, high] = low === 0 ? [0, 1] : [low - Math.abs(low) / 2, high + Math.abs(high) / 2];
  const step = niceStep(high - low, wanted);
  const first = Math.floor(low / step + 1e-9);
  const last = Math.ceil(high / step - 1e-9);
  return Array.from({ length: last - first + 1 }, (_, index) => Number(((first + index) * step).toPrecision(12)));
}

/** Milliseconds of an ISO date ("2021", "2021-03", "2021-03-04 10:00:00"), or NaN. */
export function parseDate(text) {
  const match = /^(\d{4})(?:-(\d{2})(?:-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2}))?.*)?)?)?$/.exec(String(text));
  if (!match) return NaN;
  const [year, month = "1", day = "1", hour = "0", minute = "0", second = "0"] = match.slice(1);
  return Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second));
}

/** Ticks of a time axis: whole years, months, days or hours, whichever gives about `wanted`. */
export function dateTicks(low, high, wanted = 5) {
  const span = Math.max(high - low, 1);
  const months = span / (30.44 * DAY);
  if (months > 12 * 2) return calendarTicks(low, high, 12 * Math.max(1, Math.ceil(niceStep(months / 12, wanted))));
  if (months > 2) return calendarTicks(low, high, [1, 2, 3, 6, 12].find((step) => months / step <= wanted + 1) ?? 12);
  const unit = span > 2 * DAY ? DAY : span > 2 * DAY / 24 ? DAY / 24 : 60_000;
  const step = unit * Math.max(1, Math.ceil(span / unit / wanted));
  return Array.from({ length: Math.floor(span / step) + 1 }, (_, index) => (Math.ceil(low / step) + index) * step)
    .filter((tick) => tick <= high).concat(low === high ? [low] : []);
}

function calendarTicks(low, high, step) {
  const start = new Date(low);
  const first = Math.ceil((start.getUTCFullYear() * 12 + start.getUTCMonth()) / step) * step;
  const found = [];
  for (let month = first; Date.UTC(Math.floor(month / 12), month % 12, 1) <= high; month += step) {
    found.push(Date.UTC(Math.floor(month / 12), month % 12, 1));
  }
  const inside = found.filter((tick) => tick >= low);
  return inside.length > 1 ? inside : [low, high];
}

/** A date tick as short as its distance to the next allows. */
export function dateLabel(time, span) {
  const text = new Date(time).toISOString();
  if (span > 2 * 366 * DAY) return text.slice(0, 4);
  if (span > 62 * DAY) return text.slice(0, 7);
  return span > 2 * DAY ? text.slice(0, 10) : text.slice(11, 16);
}

/** A number for an axis or a bar: 12500000 is 12.5M, 17.826666 is 17.83, a year stays a year. */
export function numberLabel(value, plain = false) {
  if (plain) return String(value);
  const size = Math.abs(value);
  if (size >= 100_000) return new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 4 }).format(value);
  return new Intl.NumberFormat("en", size >= 1 ? { maximumFractionDigits: 2 } : { maximumSignificantDigits: 3 }).format(value);
}

/** A function from [low, high] onto [from, to]. */
export function linear(low, high, from, to) {
  const span = high - low || 1;
  return (value) => from + ((value - low) / span) * (to - from);
}
