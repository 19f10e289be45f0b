// @ts-check
/**
 * A job's log. Lines are added as they arrive; the view follows the end until the reader scrolls away from it, and says
 * how many came since. Level and search choose among the lines; earlier ones are asked for when they are wanted.
 */

import { put } from "./put.js";
import { copy } from "./template.js";
import { show } from "./time.js";

/** @typedef {import("../live/store.js").Line} Line */

const NEAR_PX = 24;
const MOST = 5_000; // lines in the page; of a longer log the oldest leave while the view follows
const LEVELS = ["debug", "info", "warning", "error"];
const PAUSE_MS = 150;

export class Log {
  #fresh = 0;
  #least = 0;
  #text = "";
  #shown = 0;
  /** @type {number|null} */
  #before;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;

  /** @param {HTMLElement} section */
  constructor(section) {
    this.section = section;
    this.list = /** @type {HTMLElement} */ (section.querySelector("[data-part=log]"));
    this.view = /** @type {HTMLElement} */ (section.querySelector("[data-scroll]"));
    this.follow = /** @type {HTMLElement} */ (section.querySelector("[data-follow]"));
    this.last = this.#seq(this.list.lastElementChild);
    this.#before = this.#first();
    this.follow.addEventListener("click", () => this.#set(!this.#following));
    this.view.addEventListener("scroll", () => this.#set(this.#atEnd), { passive: true });
    section.querySelector("[data-level]")?.addEventListener("change", (event) => {
      this.#least = LEVELS.indexOf(/** @type {HTMLSelectElement} */ (event.target).value);
      this.#sift();
    });
    section.querySelector("[data-find]")?.addEventListener("input", (event) => {
      this.#text = /** @type {HTMLInputElement} */ (event.target).value.toLowerCase();
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#sift(), PAUSE_MS);
    });
    section.querySelector("[data-earlier]")?.addEventListener("click", () => void this.#earlier());
    this.#shown = this.list.children.length;
    this.#showCount();
    if (this.#following) this.#end();
  }

  /** @param {Element|null} row */
  #seq(row) {
    return Number(/** @type {HTMLElement|null} */ (row)?.dataset.seq ?? 0);
  }

  /** The number before which lines may be missing here; null: none are. */
  #first() {
    const first = this.#seq(this.list.firstElementChild);
    return first > 1 ? first : null;
  }

  get #following() {
    return this.follow.getAttribute("aria-pressed") === "true";
  }

  get #atEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.view;
    return scrollHeight - scrollTop - clientHeight < NEAR_PX;
  }

  /** @param {Line[]} lines  may hold old ones */
  add(lines) {
    const fresh = lines.filter((line) => line.seq > this.last);
    if (!fresh.length) return;
    this.last = fresh[fresh.length - 1].seq;
    const rows = fresh.map((line) => this.#make(line));
    this.list.append(...rows);
    if (this.#following) this.#end();
    else this.#fresh += rows.filter((row) => !row.hidden).length;
    if (this.#text) this.#mark();
    this.#showCount();
  }

  /** @param {Line} line */
  #make(line) {
    const row = copy("line");
    row.dataset.seq = String(line.seq);
    row.dataset.level = line.level;
    show(row.querySelector("time"), line.at);
    put(row.querySelector(".level"), line.level);
    put(row.querySelector("[data-text]"), line.text);
    row.hidden = !this.#matches(row);
    this.#shown += Number(!row.hidden);
    return row;
  }

  /** @param {HTMLElement} row */
  #matches(row) {
    if (LEVELS.indexOf(row.dataset.level ?? "") < this.#least) return false;
    return !this.#text || (row.querySelector("[data-text]")?.textContent ?? "").toLowerCase().includes(this.#text);
  }

  #sift() {
    this.#shown = 0;
    for (const row of /** @type {HTMLCollectionOf<HTMLElement>} */ (this.list.children)) {
      row.hidden = !this.#matches(row);
      this.#shown += Number(!row.hidden);
    }
    this.#before = this.#first();
    if (this.#following) this.#end();
    this.#showCount();
    this.#mark();
    put(document.querySelector("[data-announce]"), this.section.querySelector("[data-count]")?.textContent ?? "");
  }

  /** Show where in the lines the text is, without touching them. */
  #mark() {
    if (!("highlights" in CSS)) return;
    const found = new Highlight();
    for (const row of /** @type {HTMLCollectionOf<HTMLElement>} */ (this.#text ? this.list.children : [])) {
      const text = row.hidden ? null : row.querySelector("[data-text]")?.firstChild;
      const at = text?.textContent?.toLowerCase().indexOf(this.#text) ?? -1;
      if (text && at >= 0 && at + this.#text.length <= (text.textContent ?? "").length) {
        found.add(new StaticRange({ startContainer: text, startOffset: at, endContainer: text, endOffset: at + this.#text.length }));
      }
    }
    CSS.highlights.set("found", found);
  }

  /** Lines before those that are here, of the chosen level and with the text that is looked for. */
  async #earlier() {
    const asked = new URLSearchParams({ before: String(this.#before ?? 1), level: LEVELS[this.#least], q: this.#text });
    const answer = await fetch(`${this.section.dataset.log}?${asked}`, { headers: { Accept: "application/json" } }).catch(() => null);
    if (!answer?.ok) return put(this.section.querySelector("[data-count]"), "The server did not answer. Try again.");
    /** @type {{lines: Line[], before: number|null}} */
    const { lines, before } = await answer.json();
    this.#set(false);
    const from = this.view.scrollHeight - this.view.scrollTop;
    this.list.prepend(...lines.map((line) => this.#make(line)));
    this.view.scrollTop = this.view.scrollHeight - from;
    this.#before = before;
    this.#showCount();
    this.#mark();
  }

  #showCount() {
    const [all, chosen] = [this.list.children.length, this.#least > 0 || this.#text !== ""];
    const many = (/** @type {number} */ n) => n.toLocaleString("en");
    const lines = `${many(all)} line${all === 1 ? "" : "s"}`;
    const words = chosen ? `${many(this.#shown)} of ${lines} match` : this.#before ? `Last ${lines}` : "";
    put(this.section.querySelector("[data-count]"), words);
    const earlier = /** @type {HTMLElement} */ (this.section.querySelector("[data-earlier]"));
    earlier.hidden = this.#before === null;
    put(earlier, chosen ? "Search older" : "Earlier lines");
    put(this.follow, this.#fresh ? `Follow (${many(this.#fresh)} new)` : "Follow");
  }

  /** @param {boolean} on */
  #set(on) {
    if (on === this.#following) return;
    this.follow.setAttribute("aria-pressed", String(on));
    if (on) this.#end();
    this.#showCount();
  }

  #end() {
    this.#fresh = 0;
    const rows = this.list.children;
    if (rows.length > MOST) {
      while (rows.length > MOST) rows[0].remove();
      this.#before = this.#first();
      this.#shown = [...rows].filter((row) => !(/** @type {HTMLElement} */ (row).hidden)).length;
    }
    this.view.scrollTop = this.view.scrollHeight;
  }
}
