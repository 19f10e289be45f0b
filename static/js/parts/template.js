// @ts-check
/** Copies the templates of the page, so that the server writes the markup of later rows too. */

/** @type {Map<string, DocumentFragment>} */
const known = new Map();

/** @param {string} name  of a <template data-name> @returns {any} its element */
export function copy(name) {
  const content = known.get(name) ?? /** @type {HTMLTemplateElement} */ (document.querySelector(`template[data-${name}]`)).content;
  known.set(name, content);
  return document.importNode(content, true).firstElementChild;
}
