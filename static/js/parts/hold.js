// @ts-check
/**
 * When rows must stay where they are: the pointer or the keyboard is on a list, something is picked, or the reader
 * paused. Knows elements, not jobs.
 */

export class Hold {
  #over = new Set();
  paused = false;

  /**
   * @param {HTMLElement} root
   * @param {() => void} onRelease  called when a reason to hold may have ended
   */
  constructor(root, onRelease) {
    this.root = root;
    for (const list of root.querySelectorAll("[data-list]")) {
      list.addEventListener("pointerenter", () => this.#over.add(list));
      list.addEventListener("pointerleave", () => {
        this.#over.delete(list);
        onRelease();
      });
      list.addEventListener("focusout", () => queueMicrotask(onRelease));
      list.addEventListener("change", onRelease);
    }
  }

  /** Rows may not move. */
  get rows() {
    return this.paused || this.#over.size > 0 || this.root.querySelector("[data-list] :is(:focus-visible, [data-pick]:checked)") !== null;
  }
}
