// @ts-check
/** A job's log: lines are added as they arrive; the view follows the end until the reader scrolls away from it. */

import { show } from "./time.js";

const NEAR_PX = 24;

export class Log {
  /** @param {HTMLElement} element @param {HTMLTemplateElement} template @param {HTMLButtonElement|null} follow */
  constructor(element, template, follow) {
    this.element = element;
    this.template = template;
    this.follow = follow;
    this.last = Number(/** @type {HTMLElement|null} */ (element.lastElementChild)?.dataset.seq ?? 0);
    follow?.addEventListener("click", () => this.#set(follow.getAttribute("aria-pressed") !== "true"));
    element.addEventListener("scroll", () => this.#set(this.#atEnd), { passive: true });
    if (this.#following) this.#end();
  }

  get #following() {
    return this.follow?.getAttribute("aria-pressed") === "true";
  }

  get #atEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.element;
    return scrollHeight - scrollTop - clientHeight < NEAR_PX;
  }

  /** @param {import("./store.js").Line[]} lines  may hold old ones */
  add(lines) {
    const fresh = lines.filter((line) => line.seq > this.last);
    if (!fresh.length) return;
    const following = this.#following;
    this.last = fresh[fresh.length - 1].seq;
    this.element.append(...fresh.map((line) => this.#make(line)));
    if (following) this.#end();
  }

  /** @param {import("./store.js").Line} line */
  #make(line) {
    const row = /** @type {HTMLElement} */ (document.importNode(this.template.content, true).firstElementChild);
    row.dataset.seq = String(line.seq);
    row.dataset.level = line.level;
    const time = row.querySelector("time");
    if (time) show(time, line.at);
    const [level, text] = [row.querySelector(".level"), row.querySelector("[data-text]")];
    if (level) level.textContent = line.level;
    if (text) text.textContent = line.text;
    return row;
  }

  /** @param {boolean} on */
  #set(on) {
    if (on === this.#following) return;
    this.follow?.setAttribute("aria-pressed", String(on));
    if (on) this.#end();
  }

  #end() {
    this.element.scrollTop = this.element.scrollHeight;
  }
}
