// @ts-check
/** The address of a page of ours, wherever the product lies on its host. Knows the page's body, and no pages. */

/** @param {string} path below the board, without a slash in front */
export function at(path) {
  return (document.body.dataset.root ?? "/") + path;
}
