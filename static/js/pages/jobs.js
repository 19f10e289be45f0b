// @ts-check
/**
 * The Jobs page: shown rows stay current, however old their jobs are; the next page is fetched when its link comes
 * near. New jobs that match are counted in a button and not inserted.
 */

import { put } from "../parts/put.js";
import { fill } from "../parts/row.js";
import { refresh } from "../parts/time.js";

/** @typedef {import("../live/store.js").Summary} Summary */

const WATCHED = 25; // jobs at once, of those on the screen
const REST_MS = 1000; // the page must have rested so long before other rows are watched
const UNFRUITFUL = 10; // searches in a row that found nothing, until the reader scrolls or asks
const AGAIN_AT_MOST = 10; // pages that coming back to this one fetches again

export class JobsPage {
  /** @type {Map<string, HTMLElement>} */
  rows = new Map();
  /** @type {Set<Element>} */
  #visible = new Set();
  /** @type {Set<string>} */
  #watched = new Set();
  /** @type {Set<string>} */
  #fresh = new Set();
  /** What rows have yet to show. @type {Map<string, Summary>} */
  #pending = new Map();
  #frame = 0;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;
  #pages = 1;
  /** Searches in a row that have found nothing. */
  #empty = 0;
  /** @type {Promise<void>|null} */
  #fetching = null;

  /**
   * @param {HTMLElement} root @param {import("../live/store.js").Store} store @param {import("../live/socket.js").Socket} socket
   * @param {(words: string) => void} say
   */
  constructor(root, store, socket, say) {
    this.root = root;
    this.store = store;
    this.socket = socket;
    this.say = say;
    this.list = root.querySelector("[data-list=jobs]");
    if (!this.list) return;
    this.match = root.dataset.match ? /** @type {Record<string, string[][]>} */ (JSON.parse(root.dataset.match)) : null;
    this.onScreen = new IntersectionObserver((seen) => this.#look(seen));
    this.nearEnd = new IntersectionObserver((seen) => seen.some((each) => each.isIntersecting) && this.more(), { rootMargin: "800px" });
    for (const row of /** @type {HTMLCollectionOf<HTMLElement>} */ (this.list.children)) this.#keep(row);
    root.addEventListener("click", (event) => this.#click(event));
    store.subscribe((change) => this.#note(change));
    addEventListener("scroll", () => this.#scrolled(), { passive: true });
    void this.#comeBack();
  }

  /** A job that is watched is no more. @param {string} id */
  gone(id) {
    const row = this.rows.get(id);
    this.#watched.delete(id);
    if (!row) return;
    const inside = row.contains(document.activeElement);
    const next = row.nextElementSibling ?? row.previousElementSibling;
    if (inside) /** @type {HTMLElement|null|undefined} */ (next?.querySelector("a"))?.focus({ preventScroll: true });
    this.rows.delete(id);
    this.#visible.delete(row);
    row.remove();
  }

  /**
   * Add the next page; once, however often it is asked for.
   * @param {boolean} [asked] not only because its link is near @param {boolean} [focus] go to what is added
   */
  more(asked = false, focus = asked) {
    const link = /** @type {HTMLAnchorElement|null} */ (this.root.querySelector("[data-older]"));
    const tired = this.#empty >= UNFRUITFUL || link?.dataset.older !== "soon";
    if (!link || (!asked && tired)) return Promise.resolve();
    this.#fetching ??= this.#fetch(link, focus).finally(() => (this.#fetching = null));
    return this.#fetching;
  }

  /** @param {HTMLAnchorElement} link @param {boolean} focus */
  async #fetch(link, focus) {
    this.nearEnd?.disconnect();
    link.dataset.busy = "";
    const answer = await fetch(link.href, { headers: { Accept: "text/html" } }).catch(() => null);
    if (answer?.redirected) location.assign(link.href); // to the login page
    if (!answer?.ok || answer.redirected) {
      delete link.dataset.busy;
      link.dataset.older = "asked";
      this.say("Could not load more jobs. Try again.");
      put(link, "Could not load: try again");
      return;
    }
    this.#add(new DOMParser().parseFromString(await answer.text(), "text/html"), focus);
    this.#pages += 1;
    history.replaceState({ ...history.state, pages: this.#pages }, "");
  }

  /** @param {Document} page @param {boolean} focus */
  #add(page, focus) {
    const fresh = /** @type {HTMLElement[]} */ ([...page.querySelectorAll("[data-list=jobs] > [data-job]")])
      .filter((row) => !this.rows.has(row.dataset.job ?? "")).map((row) => document.adoptNode(row));
    const end = this.root.querySelector("[data-more]");
    const next = page.querySelector("[data-more]");
    const held = focus || (end?.contains(document.activeElement) ?? false);
    this.list?.append(...fresh);
    this.#empty = fresh.length ? 0 : this.#empty + 1;
    if (end && next) end.replaceWith(document.adoptNode(next));
    refresh(this.root);
    for (const row of fresh) {
      this.#keep(row);
      const known = this.store.jobs.get(row.dataset.job ?? "");
      if (known) this.#queue(known);
    }
    const empty = /** @type {HTMLElement|null} */ (this.root.querySelector("[data-empty]"));
    if (empty) empty.hidden = this.rows.size > 0;
    const target = fresh[0]?.querySelector("a") ?? this.root.querySelector("[data-older]");
    if (held && target instanceof HTMLElement) target.focus({ preventScroll: true });
    if (fresh.length) this.say(`${fresh.length} more job${fresh.length === 1 ? "" : "s"}.`);
    else if (!this.root.querySelector("[data-older]")) this.say("No more jobs.");
    this.#wait();
  }

  /** Coming back from a job, the reader finds the page as long as it was. */
  async #comeBack() {
    const { pages = 1, y = 0 } = history.state ?? {};
    for (let n = 1; n < Math.min(pages, AGAIN_AT_MOST); n += 1) await this.more(true, false);
    if (pages > 1) scrollTo(0, y);
    addEventListener("pagehide", () => history.replaceState({ ...history.state, y: scrollY }, ""));
    this.#wait();
  }

  /** A reader who scrolls wants to see more, also after many searches that found nothing. */
  #scrolled() {
    if (this.#empty < UNFRUITFUL) return;
    this.#empty = 0;
    this.#wait();
  }

  /** Wait for the end to come near. */
  #wait() {
    const link = this.root.querySelector("[data-older=soon]");
    if (link) this.nearEnd?.observe(link);
  }

  /** @param {HTMLElement} row */
  #keep(row) {
    this.rows.set(row.dataset.job ?? "", row);
    this.onScreen?.observe(row);
  }

  /** @param {Event} event */
  #click(event) {
    const link = event.target instanceof Element ? event.target.closest("[data-older]") : null;
    const plain = event instanceof MouseEvent && !(event.ctrlKey || event.metaKey || event.shiftKey);
    if (!link || !plain) return;
    event.preventDefault();
    void this.more(true);
  }

  // --- what is shown stays true -----------------------------------------------------------------------------------

  /** @param {import("../live/store.js").Change} change */
  #note(change) {
    if (change.detail) this.#queue(change.detail);
    for (const [id, before] of change.jobs) {
      const job = /** @type {Summary} */ (this.store.jobs.get(id));
      if (this.rows.has(id)) this.#queue(job);
      else this.#count(job, before);
    }
    if (change.frame === "snapshot" || change.gone.size) this.#rested();
  }

  /** Once a frame, and not at all in a hidden tab. @param {Summary} job */
  #queue(job) {
    this.#pending.set(job.id, job);
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      for (const [id, news] of this.#pending) {
        const row = this.rows.get(id);
        if (row && news.version > Number(row.dataset.version)) fill(row, news);
      }
      this.#pending.clear();
    });
  }

  /** A job that is not shown: it is news if it would be, had it been there or had it matched when this page was read.
   * @param {Summary} job @param {Summary|undefined} before */
  #count(job, before) {
    if (!this.match) return;
    const since = job.created_at > (this.root.dataset.newsSince ?? "");
    const turned = before && !matches(this.match, before);
    if (matches(this.match, job) ? since || turned : false) this.#fresh.add(job.id);
    else if (!matches(this.match, job)) this.#fresh.delete(job.id);
    const link = /** @type {HTMLElement|null} */ (this.root.querySelector("[data-news]"));
    put(link, `${this.#fresh.size.toLocaleString("en")} new`);
    if (link) link.hidden = !this.#fresh.size;
  }

  /** @param {IntersectionObserverEntry[]} seen */
  #look(seen) {
    for (const { target, isIntersecting } of seen) {
      if (isIntersecting) this.#visible.add(target);
      else this.#visible.delete(target);
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#rested(), REST_MS);
  }

  /** The board's own jobs come anyway; the others on the screen are watched one by one. */
  #rested() {
    if (!this.store.ready) return;
    const ids = [...this.#visible].map((row) => /** @type {HTMLElement} */ (row).dataset.job ?? "");
    const wanted = new Set(ids.filter((id) => !this.store.jobs.has(id)).slice(0, WATCHED));
    for (const id of this.#watched) if (!wanted.has(id)) this.socket.unwatch(`job ${id}`, { type: "unwatch", job: id });
    for (const id of wanted) {
      if (!this.#watched.has(id)) this.socket.watch(`job ${id}`, { type: "watch", job: id, after: Number.MAX_SAFE_INTEGER });
    }
    this.#watched = wanted;
  }
}

/** @param {Record<string, (string|null)[][]>} query  for each column sets, of which each must hold its value @param {Summary} job */
export function matches(query, job) {
  const columns = /** @type {Record<string, any>} */ (job);
  return Object.entries(query).every(([name, sets]) => sets.every((set) => set.includes(columns[name])));
}
