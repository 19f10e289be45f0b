// @ts-check
/** The instruments above the board: how many jobs are in each state now, and how many ended in the last hour. */

import { put } from "./put.js";

/** How many jobs ended in the last hour, with the tasks of watched applications where the page shows those. @param {import("../live/store.js").Stats} stats */
export function lastHour(stats) {
  const ended = { ...stats.last_hour };
  for (const app of stats.apps ?? []) {
    for (const [outcome, n] of Object.entries(app.last_hour)) ended[outcome] = (ended[outcome] ?? 0) + n;
  }
  return ended;
}

/** @param {ParentNode} root @param {import("../live/store.js").Stats} stats */
export function showCounts(root, stats) {
  const counts = { ...stats.now, ...lastHour(stats) };
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-count]"))) {
    const n = counts[element.dataset.count ?? ""] ?? 0;
    const words = n.toLocaleString("en");
    put(element.querySelector("b"), words);
    element.toggleAttribute("data-zero", n === 0);
  }
}
