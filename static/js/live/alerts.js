// @ts-check
/** The line above the page: how many alerts are open, and what they say, as painted and as news say it since. */

import { hide, put } from "../parts/put.js";

/** @typedef {{id: string, sentence: string}} AlertInfo */

export const WATCH = { type: "watch", news: ["alerts"] };

/** @param {{type: string, alerts?: AlertInfo[]}} frame */
export function update({ type, alerts }) {
  const bar = document.querySelector("[data-alert-bar]");
  if (!(bar instanceof HTMLElement) || type !== "news" || !alerts) return;
  const known = new Set((bar.dataset.ids ?? "").split(" "));
  const fresh = alerts.filter((alert) => !known.has(alert.id));
  if (fresh.length) put(document.querySelector("[data-announce]"), fresh.map((alert) => alert.sentence).join(" "));
  bar.dataset.ids = alerts.map((alert) => alert.id).join(" ");
  put(bar.querySelector("[data-alert-count]"), `${alerts.length} alert${alerts.length === 1 ? "" : "s"}`);
  put(bar.querySelector("[data-alert-text]"), alerts.map((alert) => alert.sentence).join(" · "));
  hide(bar, !alerts.length);
}
