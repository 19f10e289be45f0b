// @ts-check
/** The line above the page: how many alerts are open, and what they say, as painted and as news say it since. */

import { at } from "../parts/address.js";
import { address } from "./link.js";
import { Socket } from "./socket.js";

/** @typedef {{id: string, sentence: string}} AlertInfo */

export const TOPIC = "alerts";
export const WATCH = { type: "watch", news: [TOPIC] };

/** @param {{type: string, alerts?: AlertInfo[]}} frame */
export function update(frame) {
  const region = document.querySelector("[data-alerts]");
  if (!region || frame.type !== "news" || !frame.alerts) return;
  const bar = /** @type {HTMLElement | null} */ (region.querySelector("[data-alert-bar]"));
  const known = new Set((bar?.dataset.ids ?? "").split(" "));
  const fresh = frame.alerts.filter((alert) => !known.has(alert.id));
  const voice = document.querySelector("[data-announce]");
  if (voice && fresh.length) voice.textContent = fresh.map((alert) => alert.sentence).join(" ");
  if (!frame.alerts.length) return region.replaceChildren();
  fill(bar ?? region.appendChild(line()), frame.alerts);
}

/** On a page that watches nothing else. */
export function listen() {
  if (!document.querySelector("[data-alerts]")) return;
  const socket = new Socket(address(), { onFrame: update });
  socket.watch(TOPIC, WATCH);
  addEventListener("online", () => socket.reconnectNow());
  addEventListener("pagehide", () => socket.close());
  addEventListener("pageshow", (event) => event.persisted && socket.open());
  socket.open();
}

/** @param {HTMLElement} bar @param {AlertInfo[]} alerts */
function fill(bar, alerts) {
  const words = /** @type {[string, string][]} */ ([
    ["[data-alert-count]", `${alerts.length} alert${alerts.length === 1 ? "" : "s"}`],
    ["[data-alert-text]", alerts.map((alert) => alert.sentence).join(" · ")],
  ]);
  bar.dataset.ids = alerts.map((alert) => alert.id).join(" ");
  for (const [where, text] of words) {
    const place = bar.querySelector(where);
    if (place && place.textContent !== text) place.textContent = text;
  }
}

function line() {
  const bar = document.createElement("p");
  bar.className = "notice";
  bar.dataset.look = "danger";
  bar.dataset.alertBar = "";
  const count = document.createElement("b");
  count.dataset.alertCount = "";
  const words = document.createElement("span");
  words.className = "one-line";
  words.dataset.alertText = "";
  const link = document.createElement("a");
  link.href = at("alerts/");
  link.textContent = "Alerts";
  bar.append(count, " ", words, " ", link);
  return bar;
}
