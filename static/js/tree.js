// @ts-check
/** Any JSON value as a readable tree: the same markup as templates/jobs/_tree.html. */

const LONG = 4096;
const MANY = 20;

/** @param {unknown} value @param {number} [depth] @returns {HTMLElement} */
export function tree(value, depth = 0) {
  if (typeof value !== "object" || value === null) return leaf(value);
  const entries = Object.entries(value);
  const list = Array.isArray(value);
  if (!entries.length) return span("empty", list ? "empty list" : "empty");
  const body = node("dl", "tree");
  for (const [name, item] of entries) {
    body.append(node("dt", "", list ? String(Number(name) + 1) : name));
    const place = node("dd", "");
    place.append(tree(item, depth + 1));
    body.append(place);
  }
  if (!depth) return body;
  const size = list ? `${entries.length} in a list` : `${entries.length} fields`;
  return folded(entries.length === 1 ? size.replace("fields", "field") : size, body, depth < 2 && entries.length <= MANY);
}

/** @param {unknown} value */
function leaf(value) {
  if (value === null || value === undefined) return span("null", "none");
  if (value === true || value === false) return span("boolean", value ? "yes" : "no");
  if (value === "") return span("empty", "empty text");
  const text = String(value);
  const shown = span(typeof value, text);
  return text.length > LONG ? folded(`${(text.length / 1024).toFixed(0)} KiB of text`, shown, false) : shown;
}

/** @param {string} words @param {HTMLElement} body @param {boolean} open */
function folded(words, body, open) {
  const details = /** @type {HTMLDetailsElement} */ (node("details", ""));
  details.open = open;
  details.append(node("summary", "", words), body);
  return details;
}

/** @param {string} type @param {string} words */
function span(type, words) {
  const element = node("span", "value", words);
  element.dataset.type = type;
  return element;
}

/** @param {string} name @param {string} look @param {string} [words] */
function node(name, look, words) {
  const element = document.createElement(name);
  if (look) element.className = look;
  if (words !== undefined) element.textContent = words;
  return element;
}
