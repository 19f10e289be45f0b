// @ts-check
/**
 * The board's lists. What a row says changes in place at once; which rows there are and in which order waits while
 * the reader holds them, and a button says how many came meanwhile.
 */

import { showCounts } from "../parts/counts.js";
import { Hold } from "../parts/hold.js";
import { List } from "../parts/list.js";
import { hide, put } from "../parts/put.js";
import { fill, make } from "../parts/row.js";
import { inTurns, ORDERS, SECTIONS } from "../parts/job_text.js";
import { Tallies } from "../parts/tallies.js";
import { showApps } from "../parts/watched.js";
import { Verdict } from "../parts/verdict.js";

/** @typedef {import("../live/store.js").Summary} Summary */

const WRITE_MS = 400; // between two writes of how far jobs are, while much changes; a change after a rest is shown at once
const MOVE_MS = 1000; // between two moves of rows: what moves all the time cannot be read
const AT_ONCE = 3; // moves after a rest that are shown at once: a job that waits, runs and ends
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
  /** Up to when moves have used up the time between two of them. */
  #used = 0;
  /** Whether numbers wait to be shown. */
  #counted = false;
  /** Whether the reader held the rows when they were last shown. */
  #held = false;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;
  #due = Infinity;

  /** @param {HTMLElement} root @param {import("../live/store.js").Store} store */
  constructor(root, store) {
    this.root = root;
    this.store = store;
    for (const section of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-section]"))) {
      const element = /** @type {HTMLElement} */ (section.querySelector("[data-list]"));
      this.#sections.set(section.dataset.section ?? "", { list: new List(element, { key: "job", fill, make }), head: section, stale: false });
      section.querySelector("[data-new]")?.addEventListener("click", () => this.#render(true));
    }
    this.tallies = new Tallies(root, store);
    this.apps = /** @type {HTMLElement|null} */ (root.querySelector("[data-apps]"));
    const verdict = /** @type {HTMLElement|null} */ (root.querySelector("[data-verdict-look]"));
    this.verdict = verdict && new Verdict(verdict, store);
    this.hold = new Hold(root, () => this.#release());
    store.subscribe((change) => this.#note(change));
  }

  /** @param {boolean} paused */
  pause(paused) {
    this.hold.paused = paused;
    this.#used = 0;
    this.#counted = true;
    this.#release();
  }

  /** Rows may perhaps move again. */
  #release() {
    this.#held = false;
    this.#soon();
  }

  /** @param {number} alerts  that are open */
  recount(alerts) {
    if (this.verdict) this.verdict.alerts = alerts;
    this.#counted = true;
    this.#soon();
  }

  /** @param {import("../live/store.js").Change} change */
  #note(change) {
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
    this.#counted ||= change.stats || change.queues || !!change.gauge || change.frame === "snapshot";
    this.#soon();
  }

  /** @param {string|undefined} name */
  #spoil(name) {
    const section = name && this.#sections.get(name);
    if (section) section.stale = true;
  }

  get #stale() {
    return [...this.#sections.values()].some(({ stale }) => stale);
  }

  /** When rows may move again. */
  get #free() {
    return this.#used - (AT_ONCE - 1) * MOVE_MS;
  }

  /**
   * In the next frame in which something may be shown; not at all in a hidden tab, which catches up when it is looked
   * at. A row, its place and the numbers of its state are shown together.
   */
  #soon() {
    const write = this.#changed.size || this.#held ? this.#written + WRITE_MS : Infinity;
    const due = Math.min(write, this.#held ? Infinity : this.#stale ? this.#free : this.#counted ? 0 : Infinity);
    if (this.#frame || this.hold.paused || due >= this.#due) return;
    clearTimeout(this.#timer);
    this.#due = due;
    const rest = due - performance.now();
    if (rest > 0) this.#timer = setTimeout(() => this.#draw(), rest);
    else this.#draw();
  }

  #draw() {
    this.#frame ||= requestAnimationFrame(() => this.#render());
  }

  /** @param {boolean} [now] move rows although they are held */
  #render(now = false) {
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#timer);
    this.#frame = 0;
    this.#due = Infinity;
    if (this.hold.paused && !now) return;
    this.#written = performance.now();
    this.#held = this.hold.rows && !now;
    const moves = this.#held || now || !this.#stale || this.#free <= this.#written;
    if (moves) this.#arrange();
    this.#patch(moves);
    if (!moves || this.#changed.size) this.#soon();
  }

  #arrange() {
    if (this.#stale && !this.#held) this.#used = Math.max(this.#used, this.#written) + MOVE_MS;
    for (const [name, section] of this.#sections) {
      if (section.stale) this.#move(name, section);
      this.#head(name, section);
    }
    this.#counts();
  }

  #counts() {
    this.#counted = false;
    if (this.store.stats) showCounts(this.root, this.store.stats);
    if (this.store.stats && this.apps) showApps(this.apps, this.store.stats.apps ?? []);
    this.tallies.show();
    this.verdict?.show();
  }

  /** @param {string} name @param {{list: List<Summary>, head: HTMLElement, stale: boolean}} section */
  #move(name, section) {
    const jobs = this.#sorted(name);
    section.stale = this.#held;
    if (!jobs) return;
    if (!this.#held) section.list.arrange(jobs);
    announce(section.head, this.#held ? news(section.list, jobs) : "");
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

  /**
   * What rows say, the longest known change first; what takes too long is left to the next frame. While rows may not
   * move, those in another state now keep their words.
   * @param {boolean} moves
   */
  #patch(moves) {
    const end = performance.now() + SLICE_MS;
    for (const id of this.#changed) {
      const job = this.store.jobs.get(id);
      const lists = [...this.#sections.values()].map(({ list }) => list).filter((list) => list.rows.has(id));
      if (job && !moves && lists.some((list) => list.rows.get(id)?.dataset.state !== job.state)) continue;
      this.#changed.delete(id);
      if (job) for (const list of lists) list.patch(job);
      if (performance.now() > end) return;
    }
  }

  /** @param {string} name @param {{list: List<Summary>, head: HTMLElement}} section */
  #head(name, { list, head }) {
    const shown = list.rows.size;
    const all = this.store.stats?.now[name] ?? shown;
    const whole = name === "finished" || name === "failed" || all <= shown;
    const cut = name === "failed" && shown === FAILED;
    put(head.querySelector("[data-total]"), cut ? `newest ${shown}` : whole ? `${shown}` : `${shown} of ${all}`);
    hide(head.querySelector("[data-empty]"), shown > 0);
    if (name === "failed") hide(head, !shown); // the verdict says that there are none
    const fold = /** @type {HTMLElement|null} */ (head.querySelector("[data-fold]"));
    hide(fold, shown <= (fold?.closest("[data-folded=short]") ? 10 : 20));
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
  hide(button, !words);
}
