// @ts-check
/**
 * Any JSON value as a readable tree: the same markup as templates/jobs/_tree.html, and the same rules as tasks/web/json_tree.py.
 * What is long is not shown at once: a link with its size leads to it, and unfolds it in its place.
 */

const LONG = 4096;
const BUDGET = 16_384;
const SHORT = 64;
const MANY = 20;
const PREVIEW = 80;

const bytes = new TextEncoder();

export class Tree {
  #left = BUDGET;

  /** @param {string} at the address that serves the parts of this value; none: everything is shown */
  constructor(at = "") {
    this.at = at;
  }

  /** @param {unknown} value @param {string} [pointer] @param {number} [depth] @returns {HTMLElement} */
  grow(value, pointer = "", depth = 0) {
    const inside = typeof value === "object" && value !== null;
    const size = weight(value);
    if (this.at && !(inside && !depth) && (size > LONG || size > Math.max(this.#left, SHORT))) return this.leftOut(value, pointer, size);
    if (!inside || !Object.keys(value).length) {
      this.#left -= size;
      return leaf(value);
    }
    const body = node("dl", "tree");
    const entries = Object.entries(value);
    const list = Array.isArray(value);
    let shown = 0;
    for (const [name, item] of entries) {
      if (this.at && this.#left <= 0) break;
      this.#left -= name.length;
      const place = node("dd", "");
      const step = name.replaceAll("~", "~0").replaceAll("/", "~1");
      place.append(this.grow(item, `${pointer}/${step}`, depth + 1));
      body.append(node("dt", "", list ? String(Number(name) + 1) : name), place);
      shown += 1;
    }
    if (shown < entries.length) {
      const place = node("dd", "");
      place.append(this.#link(pointer, `Show all, ${(entries.length - shown).toLocaleString("en")} more`, true));
      body.append(node("dt", "", "…"), place);
    }
    return depth ? folded(count(value), body, depth < 2 && entries.length <= MANY) : body;
  }

  /** @param {unknown} value @param {string} pointer @param {number} size bytes */
  leftOut(value, pointer, size) {
    const place = node("span", "left-out");
    const text = typeof value === "string";
    place.append(span("string", text ? `${value.slice(0, PREVIEW).split("\n", 1)[0]}…` : ""), " ");
    const kib = `${(size / 1024).toFixed(0)} KiB`;
    place.append(this.#link(pointer, `Show ${text ? `${kib} of text` : value === undefined ? kib : `${count(value)}, ${kib}`}`));
    return place;
  }

  /** @param {string} pointer @param {string} words @param {boolean} [whole] it stands for the value it is in */
  #link(pointer, words, whole = false) {
    const link = /** @type {HTMLAnchorElement} */ (node("a", "button", words));
    link.href = `${this.at}?at=${pointer.split("/").map(encodeURIComponent).join("/")}`;
    link.dataset.look = "small";
    link.dataset.unfold = "";
    if (whole) link.dataset.whole = "";
    return link;
  }
}

/** Links that unfold what they lead to, where they stand. @param {(words: string) => void} say */
export function start(say) {
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a[data-unfold]") : null;
    if (!(link instanceof HTMLAnchorElement) || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    void unfold(link, say);
  });
}

/** @param {HTMLAnchorElement} link @param {(words: string) => void} say */
async function unfold(link, say) {
  const answer = await fetch(link.href, { headers: { Accept: "application/json" } }).catch(() => null);
  if (!answer?.ok) return say("The value could not be had. Try again.");
  const value = new Tree().grow(await answer.json());
  value.classList.add("unfolded");
  value.tabIndex = -1;
  const place = link.dataset.whole === undefined ? link.closest(".left-out") : link.closest("dl");
  place?.replaceWith(value);
  value.focus({ preventScroll: true });
}

/** @param {unknown} value */
const count = (value) => {
  const n = Object.keys(/** @type {object} */ (value)).length;
  return `${n.toLocaleString("en")} ${Array.isArray(value) ? "in a list" : n === 1 ? "field" : "fields"}`;
};

/** Bytes as JSON; of a text, of the text itself. @param {unknown} value */
const weight = (value) => bytes.encode(typeof value === "string" ? value : (JSON.stringify(value) ?? "")).length;

/** @param {unknown} value */
function leaf(value) {
  if (value === null || value === undefined) return span("null", "none");
  if (value === true || value === false) return span("boolean", value ? "yes" : "no");
  if (value === "") return span("empty", "empty text");
  if (typeof value === "object") return span("empty", Array.isArray(value) ? "empty list" : "empty");
  return span(typeof value, String(value));
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
