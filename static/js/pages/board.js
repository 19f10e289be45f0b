// @ts-check
/**
 * The board's lists. What a row says changes in place at once; which rows there are and in which order waits while
 * the reader holds them, and a button says how many came meanwhile.
 */

import { Hold } from "../parts/hold.js";
import { List } from "../parts/list.js";
import { put } from "../parts/put.js";
import { fill, make } from "../parts/row.js";
import { inTurns, ORDERS, SECTIONS } from "../parts/job_text.js";
import { Tallies } from "../parts/tallies.js";
import { showApps } from "../parts/watched.js";
import { Verdict } from "../parts/verdict.js";

/** @typedef {import("../live/store.js").Summary} Summary */

const WRITE_MS = 400; // between two writes of what rows say, while much changes; a change after a rest is shown at once
const MOVE_MS = 1000; // between two moves of rows: what moves all the time cannot be read
const FAILED = 20; // that stay in sight
const SLICE_MS = 6; // so long at a time may rows be written: what a reader does comes in between

export class Board {
  /** @type {Map<string, {list: List<Summary>, head: HTMLElement, stale: boolean}>} */
  #sections = new Map();
  /** @type {Set<string>} */
  #changed = new Set();
  /** Queues of which nothing starts. @type {Set<string>} */
  #paused = new Set();
  #frame = 0;
  #written = 0;
  #moved = 0;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;

  /** @param {HTMLElement} root @param {import("../live/store.js").Store} store */
  constructor(root, store) {
    this.store = store;
    const template = /** @type {HTMLTemplateElement} */ (document.querySelector("template[data-row]"));
    const painter = { key: "job", fill, make: (/** @type {Summary} */ job) => make(template, job) };
    for (const section of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-section]"))) {
      const element = /** @type {HTMLElement} */ (section.querySelector("[data-list]"));
      this.#sections.set(section.dataset.section ?? "", { list: new List(element, painter), head: section, stale: false });
      section.querySelector("[data-new]")?.addEventListener("click", () => this.#render(true));
    }
    this.tallies = new Tallies(root, store);
    this.apps = /** @type {HTMLElement|null} */ (root.querySelector("[data-apps]"));
    const verdict = /** @type {HTMLElement|null} */ (root.querySelector("[data-verdict-look]"));
    this.verdict = verdict && new Verdict(verdict, store);
    this.hold = new Hold(root, () => this.#soon());
    store.subscribe((change) => this.#note(change));
  }

  /** @param {boolean} paused */
  pause(paused) {
    this.hold.paused = paused;
    this.#moved = 0;
    this.#soon();
  }

  /** @param {number} alerts  that are open */
  recount(alerts) {
    if (this.verdict) this.verdict.alerts = alerts;
    this.#soon();
  }

  /** @param {import("../live/store.js").Change} change */
  #note(change) {
    if (change.stats && this.apps) showApps(this.apps, this.store.stats?.apps ?? []);
    for (const [id, before] of change.jobs) {
      this.#changed.add(id);
      const job = /** @type {Summary} */ (this.store.jobs.get(id));
      const [from, to] = [before && SECTIONS[before.state], SECTIONS[job.state]];
      if (from && from === to && before && ORDERS[to](before, job) === 0) continue;
      this.#spoil(from);
      this.#spoil(to);
    }
    const paused = this.store.queues.filter((queue) => queue.paused).map((queue) => queue.name);
    if (paused.join("\n") !== [...this.#paused].join("\n")) {
      this.#paused = new Set(paused);
      this.#spoil("queued");
    }
    if (change.gauge === "failures") this.#spoil("failed");
    // A job that is gone may stand in any list: in the one where it was last seen, if its move was held back.
    if (change.gone.size || change.frame === "snapshot") for (const name of this.#sections.keys()) this.#spoil(name);
    if (change.jobs.size || change.gone.size || change.stats || change.queues || change.gauge || change.frame === "snapshot") this.#soon();
  }

  /** @param {string|undefined} name */
  #spoil(name) {
    const section = name && this.#sections.get(name);
    if (section) section.stale = true;
  }

  /** In the next frame, or a little later if the last one was just now; not at all in a hidden tab, which catches up when it is looked at. */
  #soon() {
    if (this.#frame || this.#timer !== undefined) return;
    const rest = this.#written + WRITE_MS - performance.now();
    if (rest > 0) this.#timer = setTimeout(() => this.#draw(), rest);
    else this.#draw();
  }

  #draw() {
    this.#timer = undefined;
    this.#frame ||= requestAnimationFrame(() => this.#render());
  }

  /** @param {boolean} [now] move rows although they are held */
  #render(now = false) {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    if (this.hold.paused && !now) return;
    this.#written = performance.now();
    this.#patch();
    this.tallies.show();
    this.verdict?.show();
    const held = this.hold.rows && !now;
    const wait = this.#moved + MOVE_MS - this.#written;
    const moves = held || now || wait <= 0;
    let stale = false;
    for (const [name, section] of this.#sections) {
      if (section.stale && moves) this.#move(name, section, held);
      stale ||= section.stale && !held;
      this.#head(name, section);
    }
    if (stale) setTimeout(() => this.#soon(), wait);
  }

  /** @param {string} name @param {{list: List<Summary>, head: HTMLElement, stale: boolean}} section @param {boolean} held */
  #move(name, section, held) {
    const jobs = this.#sorted(name);
    if (!jobs) return;
    if (!held) {
      section.list.arrange(jobs);
      section.stale = false;
      this.#moved = this.#written;
    }
    announce(section.head, held ? news(section.list, jobs) : "");
  }

  /** The jobs of a section in their order; null: not known yet. @param {string} name */
  #sorted(name) {
    if (name === "failed") return this.#failed();
    const jobs = [...this.store.jobs.values()].filter((job) => SECTIONS[job.state] === name);
    return name === "queued" ? inTurns(jobs, this.#paused) : jobs.sort(ORDERS[name]);
  }

  /** The newest failures: those of the board, and those that successes have pushed out of it since. */
  #failed() {
    const kept = /** @type {Summary[]|undefined} */ (this.store.gauges.get("failures"));
    const section = this.#sections.get("failed");
    if (!kept && section?.list.rows.size) return null; // the server painted some, and their news has not come yet
    const jobs = new Map((kept ?? []).map((job) => [job.id, job]));
    for (const job of this.store.jobs.values()) {
      if (job.state === "failed") jobs.set(job.id, job);
      else if ((jobs.get(job.id)?.version ?? job.version) < job.version) jobs.delete(job.id);
    }
    return [...jobs.values()].sort(ORDERS.failed).slice(0, FAILED);
  }

  /** What rows say, the longest known change first; what takes too long is left to the next frame. */
  #patch() {
    const end = performance.now() + SLICE_MS;
    for (const id of this.#changed) {
      this.#changed.delete(id);
      const job = this.store.jobs.get(id);
      if (job) for (const { list } of this.#sections.values()) list.patch(job);
      if (performance.now() > end && this.#changed.size) return this.#soon();
    }
  }

  /** @param {string} name @param {{list: List<Summary>, head: HTMLElement}} section */
  #head(name, { list, head }) {
    const shown = list.rows.size;
    const all = this.store.stats?.now[name] ?? shown;
    put(head.querySelector("[data-total]"), name === "finished" || name === "failed" || all <= shown ? `${shown}` : `${shown} of ${all}`);
    const empty = /** @type {HTMLElement|null} */ (head.querySelector("[data-empty]"));
    if (empty && empty.hidden !== shown > 0) empty.hidden = shown > 0;
    if (name === "failed" && head.hidden !== !shown) head.hidden = !shown; // the verdict says that there are none
    const fold = /** @type {HTMLElement|null} */ (head.querySelector("[data-fold]"));
    const few = shown <= (fold?.closest("[data-folded=short]") ? 10 : 20);
    if (fold && fold.hidden !== few) fold.hidden = few;
  }
}

/** What the reader would see if rows could move. @param {List<Summary>} list @param {Summary[]} jobs */
function news(list, jobs) {
  const fresh = jobs.filter((job) => !list.rows.has(job.id)).length;
  const left = list.rows.size + fresh - jobs.length;
  return fresh ? `${fresh} new` : left ? `${left} moved on` : "";
}

/** @param {HTMLElement} head @param {string} words */
function announce(head, words) {
  const button = /** @type {HTMLElement|null} */ (head.querySelector("[data-new]"));
  if (!button) return;
  put(button, words);
  button.hidden = !words;
}
