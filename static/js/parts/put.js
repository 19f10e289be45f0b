// @ts-check
/** Words into an element. What is the same stays; what differs changes inside its text node: to the browser that is
 * no new child, so no selector that asks for children or their absence has to be judged again. */

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

/** What is hidden already is not hidden again: the browser would judge its styles anew. @param {Element|null|undefined} element @param {boolean} hidden */
export function hide(element, hidden) {
  if (element instanceof HTMLElement && element.hidden !== hidden) element.hidden = hidden;
}
