// @ts-check
/** The instruments above the board: how many jobs are in each state now, and how many ended in the last hour. */

import { put } from "./put.js";

/** @param {ParentNode} root @param {import("../live/store.js").Stats} stats */
export function showCounts(root, stats) {
  const counts = { ...stats.now, ...stats.last_hour };
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-count]"))) {
    const n = counts[element.dataset.count ?? ""] ?? 0;
    const words = n.toLocaleString("en");
    put(element.querySelector("b"), words);
    element.toggleAttribute("data-zero", n === 0);
  }
}
