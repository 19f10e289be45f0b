// @ts-check
/** One line on the board for each watched application: how current what is shown of it is, and what nobody saw. */

import { at } from "./address.js";
import { hide, put } from "./put.js";
import { rough } from "./duration.js";

const BEHIND_S = 5; // more is said as loudly as a stale picture

/** The same words as tasks/web/templatetags/signalbox.py. @param {import("../live/store.js").WatchedApp} app */
export function words({ lag_s, unseen }) {
  const lag = lag_s === null ? "not read yet" : lag_s > BEHIND_S ? `${rough(lag_s * 1000)} behind` : "live";
  return unseen ? `${lag}, ${unseen.toLocaleString("en")} unseen` : lag;
}

/** @param {HTMLElement} list @param {import("../live/store.js").WatchedApp[]} apps */
export function showApps(list, apps) {
  hide(list.parentElement, !apps.length);
  apps.forEach((app, i) => {
    const item = /** @type {HTMLElement} */ (list.children[i] ?? list.appendChild(blank()));
    const link = /** @type {HTMLAnchorElement} */ (item.querySelector("a"));
    link.href = at(`apps/${app.name}/`);
    put(item.querySelector("b"), app.name);
    put(item.querySelector("span"), words(app));
    item.toggleAttribute("data-behind", app.lag_s === null || app.lag_s > BEHIND_S);
  });
  while (list.children.length > apps.length) list.lastElementChild?.remove();
}

function blank() {
  const item = document.createElement("li");
  const link = item.appendChild(document.createElement("a"));
  link.append(document.createElement("b"), " ", document.createElement("span"));
  return item;
}
