// @ts-check
/**
 * Moments and lengths of time in the reader's zone, by the server's clock. Elements say what they want:
 * <time datetime data-format="since|until|ago|clock|minute|words">. The page has one timer for all that changes as time
 * passes: it fires when some words would differ, and what then differs changes together, so the browser draws once.
 */

import { ago, rough } from "./duration.js";
import { put } from "./put.js";

const STEP_MS = 1000;
const LONGEST_MS = 60_000; // a machine that slept shows old times no longer than that
const MOVING = new Set(["since", "until", "ago"]);
const MOVES = [...MOVING].map((format) => `time[data-format=${format}]`).join();

let skew = 0;
let known = false;

/** The server's clock, learnt from frames: the smallest delay seen is nearest to the truth. @param {{as_of?: string, age?: number}} frame */
export function learn(frame) {
  if (!frame.as_of || typeof frame.age !== "number") return;
  const seen = Date.parse(frame.as_of) + frame.age * 1000 - Date.now();
  if (!known || seen > skew || Math.abs(seen - skew) > 5000) skew = seen;
  known = true;
}

/** Milliseconds since the epoch, as the server counts them. */
export const now = () => Date.now() + skew;

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const minute = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long", year: "numeric" });
const exact = new Intl.DateTimeFormat("en-GB", {
  weekday: "short", day: "numeric", month: "short", year: "numeric",
  hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, timeZoneName: "short",
});

/** @param {number} at */
function clockTime(at, close = clock) {
  if (Math.abs(now() - at) < 12 * 3600 * 1000) return close.format(at);
  const date = named(at);
  return `${date.day} ${date.month.slice(0, 3)}${date.year === named(now()).year ? "" : ` ${date.year}`}, ${minute.format(at)}`;
}

/** The parts of a date; how they are put together differs from one browser to the next. @param {number} at @returns {Record<string, string>} */
const named = (at) => Object.fromEntries(day.formatToParts(at).map((part) => [part.type, part.value]));

/** @param {number} at */
function words(at) {
  const date = named(at);
  return `${date.weekday}, ${date.day} ${date.month} ${date.year}, ${clock.format(at).replace(/:00$/, "")}`;
}

/** @type {Record<string, (at: number) => string>} */
const FORMATS = {
  since: (at) => rough(now() - at),
  until: (at) => (at > now() ? `in ${rough(at - now() + 999)}` : "due now"),
  ago: (at) => ago(now() - at),
  clock: (at) => clockTime(at),
  minute: (at) => clockTime(at, minute),
  words,
};

/**
 * Bring one <time> up to date; with `at`, give it another moment first.
 * @param {HTMLTimeElement} element @param {string|null} [at] @param {string} [format]
 */
export function show(element, at, format) {
  if (format && element.dataset.format !== format) element.dataset.format = format;
  if (at !== undefined) {
    if ((at ?? "") !== element.dateTime) {
      element.dateTime = at ?? "";
      element.removeAttribute("title");
    }
  }
  const value = Date.parse(element.dateTime);
  const words = Number.isNaN(value) ? "" : (FORMATS[element.dataset.format ?? ""] ?? FORMATS.clock)(value);
  put(element, words);
  expect(restOf(element.dataset.format ?? "", Math.abs(now() - value)));
}

/** In how many milliseconds the words for a length of time change. @param {string} format @param {number} ms */
function restOf(format, ms) {
  if (Number.isNaN(ms) || !MOVING.has(format)) return Infinity;
  return ms < (format === "ago" ? 60_000 : 3_600_000) ? STEP_MS : LONGEST_MS;
}

/** What else changes as time passes. @type {Set<() => void>} */
const others = new Set();
/** @type {ReturnType<typeof setTimeout>|undefined} */
let timer;
let due = Infinity;

/** Call back whenever times are updated; what is called says with expect() when it will differ next. @param {() => void} other */
export const also = (other) => others.add(other);

/** Update times when about this many milliseconds have passed: at a whole step. @param {number} ms */
export function expect(ms) {
  const now = performance.now() / STEP_MS;
  const at = Math.max(Math.floor(now) + 1, Math.round(now + ms / STEP_MS)) * STEP_MS;
  if (at >= due) return;
  clearTimeout(timer);
  due = at;
  timer = setTimeout(tick, at - performance.now());
}

/** In a hidden page no time is updated; all are when the page is shown again. */
function tick() {
  clearTimeout(timer);
  due = Infinity;
  if (!document.hidden) refresh(document, MOVES);
  for (const other of others) other();
}

/** The exact moment, worked out only for what the pointer or the focus comes to. @param {Event} event */
function explain(event) {
  const element = event.target instanceof Element ? event.target.closest("time") : null;
  if (element?.dateTime && !element.title) element.title = exact.format(Date.parse(element.dateTime));
}

/** @param {ParentNode} [root] @param {string} [which] */
export function refresh(root = document, which = "time") {
  for (const element of /** @type {NodeListOf<HTMLTimeElement>} */ (root.querySelectorAll(which))) show(element);
}

export function start() {
  refresh();
  document.addEventListener("pointerover", explain);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) refresh();
    tick();
  });
}
