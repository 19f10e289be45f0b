// @ts-check
/** The badge in the header: live, catching up, stale, and how old the picture is. */

import { rough } from "../parts/duration.js";
import { put } from "../parts/put.js";
import * as time from "../parts/time.js";

/** @type {Record<string, string>} */
const WORDS = {
  connecting: "Connecting", live: "Live", "catching-up": "Catching up", stale: "Stale", paused: "Paused",
  forbidden: "Not allowed",
};
/** @type {Record<string, string>} */
const LAMPS = { live: "live", stale: "stale", forbidden: "stale" };

/** @typedef {{linked: boolean, ended: string, hint?: string, paused?: boolean}} Link  ended: why, for good; hint: what the link is doing */

export class Badge {
  /** @param {import("./freshness.js").Freshness} freshness @param {() => Link} link */
  constructor(freshness, link) {
    this.element = /** @type {HTMLElement|null} */ (document.querySelector("[data-live]"));
    this.freshness = freshness;
    this.link = link;
    time.also(() => this.show());
  }

  get #word() {
    const { linked, ended, paused } = this.link();
    const believed = this.freshness.word();
    return ended ? "forbidden" : paused ? "paused" : believed === "live" && !linked ? "catching-up" : believed;
  }

  /** After a frame: another word is shown at once, another age with the page's other times. */
  update() {
    if (this.element?.dataset.live !== this.#word) this.show();
  }

  show() {
    const [badge, word, age, { ended, hint = "" }] = [this.element, this.#word, this.freshness.age(), this.link()];
    if (!badge) return;
    if (badge.dataset.live !== word) {
      badge.dataset.live = word;
      badge.querySelector("use")?.setAttribute("href", `#lamp-${LAMPS[word] ?? "waiting"}`);
      put(badge.querySelector("[data-word]"), WORDS[word]);
    }
    put(badge.querySelector("[data-age]"), age === null ? "" : rough(age * 1000));
    if (badge.title !== (ended || hint)) badge.title = ended || hint;
    time.expect(document.hidden ? this.freshness.rest() : age === null ? Infinity : 1000);
  }
}
