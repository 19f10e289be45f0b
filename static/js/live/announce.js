// @ts-check
/** One polite voice for screen readers: it sums up what happened, a few times a minute, instead of reading each change. */

const EVERY_MS = 12_000;

/** @type {Record<string, string>} */
const SAID = { running: "started", succeeded: "succeeded", failed: "failed", cancelled: "cancelled", retrying: "retrying", unknown: "unknown" };

export class Announcer {
  /** @type {Map<string, number>} */
  #counts = new Map();
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;

  /** @param {Element} region */
  constructor(region) {
    this.region = region;
  }

  /** @param {import("./store.js").Change} change @param {Map<string, import("./store.js").Summary>} jobs */
  note(change, jobs) {
    if (change.frame === "snapshot") return;
    for (const [id, before] of change.jobs) {
      const state = jobs.get(id)?.state ?? "";
      if (before?.state !== state && SAID[state]) this.#counts.set(state, (this.#counts.get(state) ?? 0) + 1);
    }
    if (this.#counts.size) this.#timer ??= setTimeout(() => this.#speak(), EVERY_MS);
  }

  /** Something that cannot wait. @param {string} words */
  say(words) {
    this.region.textContent = words;
  }

  #speak() {
    this.#timer = undefined;
    const words = Object.keys(SAID).filter((state) => this.#counts.has(state)).map((state) => `${this.#counts.get(state)} ${SAID[state]}`);
    this.#counts.clear();
    this.say(`Jobs: ${words.join(", ")}.`);
  }
}
