// @ts-check
/** Where a page's socket is, and where somebody goes who is no longer logged in: the page says both. */

import { at } from "../parts/address.js";

export function address() {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${at("ws/live/")}`;
}

export function toLogin() {
  location.assign(`${document.body.dataset.login}?next=${encodeURIComponent(location.pathname + location.search)}`);
}
