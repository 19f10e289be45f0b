// @ts-check
/** Where a page's socket is, and where somebody goes who is no longer logged in: the page says both. */

export function address() {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${document.body.dataset.socket}`;
}

export function toLogin() {
  location.assign(`${document.body.dataset.login}?next=${encodeURIComponent(location.pathname + location.search)}`);
}
