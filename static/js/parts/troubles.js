// @ts-check
/** What keeps jobs from starting, in the sentences of the gauge `troubles`. */

import { put } from "./put.js";
import { copy } from "./template.js";

/** @typedef {{about: string, look: string, words: string}} Trouble */

/** The banners of a page, kept up from frames: what is new is said once. @param {HTMLElement} region @param {import("../live/store.js").Store} store @param {(words: string) => void} say */
export function keep(region, store, say) {
  store.subscribe((change) => {
    if (change.gauge !== "troubles") return;
    /** @type {Trouble[]} */
    const now = store.gauges.get("troubles");
    /** @type {Map<string|undefined, HTMLElement>} */
    const here = new Map([.../** @type {Iterable<HTMLElement>} */ (region.children)].map((child) => [child.dataset.trouble, child]));
    const notices = now.map((trouble) => {
      const notice = here.get(trouble.about) ?? copy("trouble-notice");
      if (!here.has(trouble.about)) say(trouble.words);
      notice.dataset.trouble = trouble.about;
      notice.dataset.look = trouble.look;
      put(notice.querySelector("[data-words]"), trouble.words);
      return notice;
    });
    if (notices.length || region.childElementCount) region.replaceChildren(...notices);
  });
}
