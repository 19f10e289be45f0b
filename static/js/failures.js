// @ts-check
/**
 * The page of failures: when a job fails, or a failed one is tried again, the page is asked for anew, at most every few
 * seconds, and only the groups that differ are put in place. While nothing fails, nothing is asked.
 */

import * as time from "./time.js";

const EVERY_MS = 2000; // between two looks, however much fails

/** What a group says, without what differs each time it is painted. @param {Element} group */
const saying = (group) => group.outerHTML.replace(/(<time[^>]*>)[^<]*/g, "$1").replace(/(csrfmiddlewaretoken" value=")[^"]*/g, "$1");

export class FailuresPage {
  /** @type {WeakMap<Element, string>} */
  #said = new WeakMap();
  #asked = 0;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;

  /** @param {HTMLElement} root @param {import("./store.js").Store} store */
  constructor(root, store) {
    this.root = root;
    for (const group of this.#groups(root)) this.#said.set(group, saying(group));
    const painted = root.dataset.painted ?? "";
    store.subscribe((change) => {
      for (const [id, before] of change.jobs) {
        const job = store.jobs.get(id);
        const failed = job?.state === "failed" && (change.frame !== "snapshot" || (job.finished_at ?? "") > painted);
        const left = before?.state === "failed" || (change.frame !== "snapshot" && job?.state === "queued" && job.attempt > 0);
        if (failed || left) this.#soon();
      }
    });
  }

  /** @param {ParentNode} page @returns {HTMLElement[]} */
  #groups(page) {
    return [...page.querySelectorAll("[data-groups] > *")].map((group) => /** @type {HTMLElement} */ (group));
  }

  #soon() {
    this.#timer ??= setTimeout(() => this.#look(), Math.max(0, this.#asked + EVERY_MS - Date.now()));
  }

  async #look() {
    this.#asked = Date.now();
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
    this.#timer = undefined;
    if (answer?.redirected) location.reload();
    if (!answer?.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const list = this.root.querySelector("[data-groups]");
    if (list) this.#merge(list, this.#groups(page));
    time.refresh(this.root);
  }

  /** @param {Element} list @param {HTMLElement[]} fresh */
  #merge(list, fresh) {
    const here = new Map(this.#groups(list.parentElement ?? this.root).map((group) => [group.dataset.key, group]));
    const wanted = fresh.map((group) => {
      const kept = here.get(group.dataset.key);
      if (kept && this.#said.get(kept) === saying(group)) return kept;
      const words = saying(group);
      const made = document.importNode(group, true);
      this.#said.set(made, words);
      if (kept) refocus(kept, made);
      return made;
    });
    wanted.forEach((group, i) => list.children[i] === group || list.insertBefore(group, list.children[i] ?? null));
    while (list.children.length > wanted.length) list.lastElementChild?.remove();
  }
}

/** Who was in the old one is in the same place of the new one, once that is in the page. @param {Element} old @param {Element} fresh */
function refocus(old, fresh) {
  const places = [...old.querySelectorAll("a, button")];
  const at = document.activeElement ? places.indexOf(document.activeElement) : -1;
  const same = /** @type {HTMLElement|undefined} */ ([...fresh.querySelectorAll("a, button")][at]);
  if (same) queueMicrotask(() => same.focus({ preventScroll: true }));
}
