// @ts-check
/**
 * Moments and lengths of time in the reader's zone, by the server's clock. Elements say what they want:
 * <time datetime data-format="since|until|ago|clock|minute|words">; one timer a second brings those that move up to date.
 */

import { ago, rough } from "./duration.js";
import { put } from "./put.js";

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
}

/** The exact moment, worked out only for what the pointer or the focus comes to. @param {Event} event */
function explain(event) {
  const element = event.target instanceof Element ? event.target.closest("time") : null;
  if (element?.dateTime && !element.title) element.title = exact.format(Date.parse(element.dateTime));
}

/** @param {ParentNode} [root] */
export function refresh(root = document) {
  for (const element of root.querySelectorAll("time")) show(element);
}

export function start() {
  refresh();
  document.addEventListener("pointerover", explain);
  setInterval(() => {
    if (document.hidden) return;
    for (const element of /** @type {NodeListOf<HTMLTimeElement>} */ (document.querySelectorAll("time:not([data-format=clock], [data-format=minute], [data-format=words])"))) show(element);
  }, 1000);
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
}
