// @ts-check
/**
 * A list of rows kept in order: it adopts what the server painted, makes what is missing, removes what is gone and
 * moves as little as it can. Focus stays with its row, or goes to the next one when that row leaves.
 */

/**
 * @template T
 * @typedef {{make: (item: T) => HTMLElement, fill: (row: HTMLElement, item: T) => void, key: string}} Painter  a new row is filled, too
 */

/** @template {{id: string}} T */
export class List {
  /** @type {Map<string, HTMLElement>} */
  rows = new Map();

  /** @param {HTMLElement} element @param {Painter<T>} painter  key: the data attribute that holds a row's id */
  constructor(element, painter) {
    this.element = element;
    this.painter = painter;
    for (const row of /** @type {Iterable<HTMLElement>} */ (element.children)) {
      this.rows.set(row.dataset[painter.key] ?? "", row);
    }
  }

  /** Write into a row that is there, without moving anything. @param {T} item */
  patch(item) {
    const row = this.rows.get(item.id);
    if (row) this.painter.fill(row, item);
    return !!row;
  }

  /** Make the list these items, in this order, and write all of them. @param {T[]} items */
  show(items) {
    for (const item of items) this.patch(item);
    this.arrange(items);
  }

  /** Make the list these items, in this order. @param {T[]} items */
  arrange(items) {
    const wanted = new Set(items.map((item) => item.id));
    for (const [id, row] of this.rows) if (!wanted.has(id)) this.#leave(id, row);
    let next = this.element.firstElementChild;
    for (const item of items) {
      let row = this.rows.get(item.id);
      if (!row) {
        row = this.painter.make(item);
        row.dataset[this.painter.key] = item.id;
        this.rows.set(item.id, row);
        this.patch(item);
      }
      if (row === next) next = next.nextElementSibling;
      else place(this.element, row, next);
    }
  }

  /** @param {string} id @param {HTMLElement} row */
  #leave(id, row) {
    this.rows.delete(id);
    if (row.contains(document.activeElement)) {
      const same = `[data-part="${/** @type {HTMLElement} */ (document.activeElement).dataset.part}"]`;
      const neighbour = row.nextElementSibling ?? row.previousElementSibling;
      const target = /** @type {HTMLElement|null|undefined} */ (neighbour?.querySelector(same));
      target?.focus({ preventScroll: true });
    }
    row.remove();
  }
}

/** @param {HTMLElement} parent @param {HTMLElement} row @param {Element|null} next */
function place(parent, row, next) {
  const focused = row.contains(document.activeElement) ? /** @type {HTMLElement} */ (document.activeElement) : null;
  parent.insertBefore(row, next);
  focused?.focus({ preventScroll: true });
}
