// @ts-check
/** The address of a page of ours, wherever the product lies on its host. Knows the page's body, and no pages. */

/** @param {string} path below the board, without a slash in front */
export function at(path) {
  return (document.body.dataset.root ?? "/") + path;
}

/** A name as a part of an address; tasks/web/names.py reads it. @param {string} name */
export function inAddress(name) {
  if (/^\.+$/.test(name)) return name.replaceAll(".", "~2E");
  return encodeURIComponent(name).replaceAll("~", "~7E").replaceAll("%", "~") || "~";
}
