// @ts-check
/** How many jobs run and wait, by queue and by kind: one chip for each that has any, in the order of names. */

import { List } from "./list.js";
import { put } from "./put.js";
import { copy } from "./template.js";

/** @typedef {{id: string, running: number, waiting: number}} Tally */

/** The same words as templates/jobs/_tally_chip.html. @param {{running: number, waiting: number}} tally */
export function words({ running, waiting }) {
  const said = [running ? `${running.toLocaleString("en")} running` : "", waiting ? `${waiting.toLocaleString("en")} waiting` : ""];
  return said.filter(Boolean).join(" · ");
}

export class Tallies {
  /** @type {Map<string, List<Tally>>} */
  #lists = new Map();

  /** @param {HTMLElement} root @param {import("../live/store.js").Store} store */
  constructor(root, store) {
    this.store = store;
    for (const list of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-tally]"))) {
      const by = list.dataset.tally ?? "";
      this.#lists.set(by, new List(list, { key: "name", make: (tally) => make(by, tally), fill }));
    }
  }

  show() {
    const tallies = /** @type {Record<string, Record<string, {running: number, waiting: number}>>|undefined} */ (this.store.gauges.get("tallies"));
    if (!tallies) return;
    for (const [by, found] of [["queue", tallies.queues], ["kind", tallies.kinds]]) {
      this.#lay(String(by), Object.entries(found).map(([id, counts]) => ({ id, ...counts })));
    }
  }

  /** @param {string} by @param {Tally[]} all */
  #lay(by, all) {
    const some = all.filter(({ running, waiting }) => running || waiting).sort((a, b) => (a.id < b.id ? -1 : 1));
    this.#lists.get(by)?.show(some);
  }
}

/** A name as a search takes it for one, as tasks/web/links.py writes it. @param {string} name */
function quoted(name) {
  return /[\s,"]|^\/\/|^$/.test(name) ? `"${name.replaceAll('"', '""')}"` : name;
}

/** @param {string} by @param {Tally} tally */
function make(by, tally) {
  const chip = copy("tally-chip");
  put(chip.querySelector("b"), tally.id.endsWith(":") ? `${tally.id} queue not known` : tally.id);
  const link = chip.querySelector("a");
  link.search = link.search.replace("?q=%3A", `?q=${by}%3A${encodeURIComponent(quoted(tally.id))}`);
  return chip;
}

/** @param {HTMLElement} chip @param {Tally} tally */
function fill(chip, tally) {
  put(chip.querySelector("span"), words(tally));
}
