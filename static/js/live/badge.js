// @ts-check
/** The badge in the header: live, catching up, stale, and how old the picture is. */

import { rough } from "../parts/duration.js";
import { put } from "../parts/put.js";

/** @type {Record<string, string>} */
const WORDS = {
  connecting: "Connecting", live: "Live", "catching-up": "Catching up", stale: "Stale", paused: "Paused",
  forbidden: "Not allowed",
};
/** @type {Record<string, string>} */
const LAMPS = { live: "live", stale: "stale", forbidden: "stale" };

/**
 * @param {HTMLElement} badge @param {string} word @param {number|null} age seconds
 * @param {string} hint what the link itself is doing
 */
export function showBadge(badge, word, age, hint) {
  if (badge.dataset.live !== word) {
    badge.dataset.live = word;
    badge.querySelector("use")?.setAttribute("href", `#lamp-${LAMPS[word] ?? "waiting"}`);
    put(badge.querySelector("[data-word]"), WORDS[word]);
  }
  put(badge.querySelector("[data-age]"), age === null ? "" : rough(age * 1000));
  if (badge.title !== hint) badge.title = hint;
}
