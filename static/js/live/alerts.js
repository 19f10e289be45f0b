// @ts-check
/** The notices above the page: one for each open alert, as the server painted them and as news say them since. */

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
  const here = new Map([...region.children].map((child) => [/** @type {HTMLElement} */ (child).dataset.alert, child]));
  const fresh = frame.alerts.filter((alert) => !here.has(alert.id));
  const voice = document.querySelector("[data-announce]");
  if (voice && fresh.length) voice.textContent = fresh.map((alert) => alert.sentence).join(" ");
  region.replaceChildren(...frame.alerts.map((alert) => here.get(alert.id) ?? notice(alert)));
}

/** On a page that watches nothing else. */
export function listen() {
  if (!document.querySelector("[data-alerts]")) return;
  const socket = new Socket(address(), { onFrame: update });
  socket.watch(TOPIC, WATCH);
  addEventListener("online", () => socket.hurry());
  addEventListener("pagehide", () => socket.close());
  addEventListener("pageshow", (event) => event.persisted && socket.open());
  socket.open();
}

/** @param {AlertInfo} alert */
function notice(alert) {
  const line = document.createElement("p");
  line.className = "notice";
  line.dataset.look = "danger";
  line.dataset.alert = alert.id;
  const words = document.createElement("span");
  words.textContent = alert.sentence;
  const link = document.createElement("a");
  link.href = at("alerts/");
  link.textContent = "Alerts";
  line.append(words, " ", link);
  return line;
}
