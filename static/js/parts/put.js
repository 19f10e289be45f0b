// @ts-check
/** Writes words into an element, if they differ. The text node stays: a new child would make the browser match again
 * every selector that asks for children. */

/** @param {Element|null|undefined} element @param {string} words */
export function put(element, words) {
  if (!element) return;
  const text = element.firstChild;
  if (words && text instanceof Text && !text.nextSibling) {
    if (text.data !== words) text.data = words;
  } else if (element.textContent !== words) {
    element.textContent = words;
  }
}

/** Hides or shows an element, if that changes it: the browser would compute its styles again. @param {Element|null|undefined} element @param {boolean} hidden */
export function hide(element, hidden) {
  if (element instanceof HTMLElement && element.hidden !== hidden) element.hidden = hidden;
}
