// @ts-check
/** Copies of what the page's templates hold: the markup of rows that come later is the server's, too. */

/** @type {Map<string, DocumentFragment>} */
const known = new Map();

/** @param {string} name  of a <template data-name> @returns {any} its element */
export function copy(name) {
  const content = known.get(name) ?? /** @type {HTMLTemplateElement} */ (document.querySelector(`template[data-${name}]`)).content;
  known.set(name, content);
  return document.importNode(content, true).firstElementChild;
}
