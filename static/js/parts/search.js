// @ts-check
/**
 * The search box completes what is typed, from words that came with the page: a combobox over the filter at the caret.
 * Without this file the box is a plain input with the browser's own list.
 */

const MOST = 8;

/** @typedef {{value: string, about: string}} Word */

/**
 * The piece that the caret stands in: a space ends it, unless it is inside quotation marks.
 * @param {string} text @param {number} caret
 */
export function pieceAt(text, caret) {
  let start = 0;
  let quoted = false;
  for (let i = 0; i < caret; i += 1) {
    if (text[i] === '"') quoted = !quoted;
    if (text[i] === " " && !quoted) start = i + 1;
  }
  if (text[start] === "-" && start < caret) start += 1; // what is left out is completed alike
  const rest = text.slice(caret).search(/\s|$/);
  return { start, end: caret + rest, piece: text.slice(start, caret) };
}

/**
 * The words that complete a piece, those that begin with it first; then those whose value begins with it.
 * @param {Word[]} words @param {string} piece
 */
export function matching(words, piece) {
  const typed = piece.toLowerCase().replaceAll('"', "");
  const inside = typed.includes(":");
  const begins = (/** @type {string} */ text) => text.replaceAll('"', "").toLowerCase().startsWith(typed);
  const first = words.filter(({ value }) => begins(value) && (inside || typed || /[:.]$/.test(value)));
  const within = (/** @type {string} */ value) => begins(value.slice(value.indexOf(":") + 1)) || begins(value.replace(/^args\./, ""));
  const second = inside || !typed ? [] : words.filter(({ value }) => !begins(value) && within(value));
  return [...first, ...second].filter(({ value }) => value !== piece).slice(0, MOST);
}

class Completion {
  /** @type {Word[]} */
  #found = [];
  #active = -1;

  /** @param {HTMLInputElement} input @param {HTMLElement} list @param {Word[]} words */
  constructor(input, list, words) {
    this.input = input;
    this.list = list;
    this.words = words;
    input.addEventListener("input", () => this.#open());
    input.addEventListener("keydown", (event) => this.#key(event));
    input.addEventListener("blur", () => this.#close());
    list.addEventListener("pointerdown", (event) => {
      event.preventDefault(); // the focus stays in the box
      const option = event.target instanceof Element ? event.target.closest("[role=option]") : null;
      if (option) this.#take([...list.children].indexOf(option));
    });
  }

  #open() {
    const { piece } = pieceAt(this.input.value, this.input.selectionStart ?? 0);
    this.#show(piece ? matching(this.words, piece) : []);
  }

  /** @param {Word[]} found */
  #show(found) {
    this.#found = found;
    this.list.replaceChildren(...found.map((word, i) => option(word, `search-option-${i}`)));
    this.list.hidden = !found.length;
    this.input.setAttribute("aria-expanded", String(found.length > 0));
    this.#point(-1);
  }

  #close() {
    if (this.#found.length) this.#show([]);
  }

  /** @param {number} at */
  #point(at) {
    this.#active = at;
    [...this.list.children].forEach((each, i) => each.setAttribute("aria-selected", String(i === at)));
    if (at < 0) this.input.removeAttribute("aria-activedescendant");
    else this.input.setAttribute("aria-activedescendant", this.list.children[at].id);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const open = this.#found.length;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      if (open) this.#point((this.#active + step + open + (this.#active < 0 && step < 0 ? 1 : 0)) % open);
      else this.#show(matching(this.words, pieceAt(this.input.value, this.input.selectionStart ?? 0).piece));
    } else if (event.key === "Escape") {
      event.preventDefault(); // or else the browser would empty the box
      this.#close();
    } else if (event.key === "Enter" && this.#active >= 0) {
      event.preventDefault();
      this.#take(this.#active);
    }
  }

  /** Write a word in the place of the piece at the caret. @param {number} at */
  #take(at) {
    const { value } = this.#found[at];
    const { start, end } = pieceAt(this.input.value, this.input.selectionStart ?? 0);
    const word = /[:.]$/.test(value) ? value : `${value} `;
    const rest = this.input.value.slice(end).trimStart();
    this.input.value = this.input.value.slice(0, start) + word + rest;
    this.input.setSelectionRange(start + word.length, start + word.length);
    this.input.focus();
    this.#open();
  }
}

/** @param {Word} word @param {string} id */
function option({ value, about }, id) {
  const item = document.createElement("li");
  item.id = id;
  item.role = "option";
  const code = document.createElement("b");
  code.textContent = value;
  const words = document.createElement("span");
  words.textContent = about;
  item.append(code, " ", words);
  return item;
}

export function start() {
  const input = document.querySelector("[data-search]");
  const brought = input instanceof HTMLInputElement ? input.list : null;
  if (!(input instanceof HTMLInputElement) || !brought) return;
  const list = document.createElement("ul");
  list.className = "suggestions";
  list.id = "search-list";
  list.role = "listbox";
  list.ariaLabel = "Suggestions";
  list.hidden = true;
  input.after(list);
  input.removeAttribute("list");
  input.role = "combobox";
  for (const [name, value] of [["autocomplete", "list"], ["expanded", "false"], ["controls", list.id]]) {
    input.setAttribute(`aria-${name}`, value);
  }
  new Completion(input, list, [...brought.options].map(({ value, label }) => ({ value, about: label })));
}
