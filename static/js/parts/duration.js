// @ts-check
/** Lengths of time in words; tasks/web/templatetags/signalbox.py says them alike. */

/** @param {number} ms */
export function length(ms) {
  if (ms < 1000) return `${Math.max(0, ms)} ms`;
  return ms < 10_000 ? `${(Math.floor(ms / 100) / 10).toFixed(1)} s` : rough(ms);
}

/** Whole seconds and larger: for what moves every second. @param {number} ms */
export function rough(ms) {
  const s = Math.floor(Math.max(0, ms) / 1000);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${two(Math.floor((s % 3600) / 60))} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

/** @param {number} ms */
export function ago(ms) {
  const s = Math.floor(Math.max(0, ms) / 1000);
  if (s < 60) return `${s} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ago`;
  return `${Math.floor(s / 86400)} d ago`;
}

/** @type {[number, string][]} */
const UNITS = [[86400, "d"], [3600, "h"], [60, "min"]];

/** How long something took, in one unit, where little room is. @param {number|null|undefined} s */
export function brief(s) {
  if (typeof s !== "number") return "–";
  const [ms, tenths] = [Math.floor(s * 1000 + 0.5), Math.floor(s * 10 + 0.5)];
  if (ms < 1000) return `${ms} ms`;
  if (tenths < 100) return `${(tenths / 10).toFixed(1)} s`;
  const [size, unit] = UNITS.find(([size]) => s >= size) ?? [1, "s"];
  const n = Math.floor((s / size) * 10 + 0.5);
  return size > 1 && n < 100 ? `${(n / 10).toFixed(1)} ${unit}` : `${Math.floor(s / size + 0.5)} ${unit}`;
}

/** @param {number} n */
const two = (n) => String(n).padStart(2, "0");
