// @ts-check
/** A job's neighbours, kept current: each that can still move is watched, without its log; of many, the board tells. */

import { fill } from "./row.js";
import { FINAL } from "./job_text.js";

const WATCHED = 10; // each costs the server a reading whenever it changes
const NO_LINES = Number.MAX_SAFE_INTEGER;

export class Neighbours {
  /** @type {Map<string, HTMLElement[]>} */
  #rows = new Map();

  /** @param {HTMLElement} root @param {import("../live/store.js").Store} store @param {import("../live/socket.js").Socket} socket */
  constructor(root, store, socket) {
    const rows = [.../** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-near] [data-job]"))];
    for (const row of rows) this.#rows.set(row.dataset.job ?? "", [...(this.#rows.get(row.dataset.job ?? "") ?? []), row]);
    const moving = new Set(rows.filter((row) => !FINAL.has(row.dataset.state ?? "")).map((row) => row.dataset.job ?? ""));
    if (moving.size > WATCHED) socket.watch("board", { type: "watch", board: true, apps: true });
    else for (const job of moving) socket.watch(job, { type: "watch", job, after: NO_LINES });
    store.subscribe(({ jobs, detail }) => {
      for (const id of jobs.keys()) this.#show(store.jobs.get(id));
      if (detail) this.#show(detail);
    });
  }

  /** @param {import("../live/store.js").Summary|undefined} job */
  #show(job) {
    if (!job) return;
    for (const row of this.#rows.get(job.id) ?? []) if (job.version > Number(row.dataset.version)) fill(row, job);
  }

  /** One that was watched is no more. @param {string} id */
  gone(id) {
    for (const row of this.#rows.get(id) ?? []) row.remove();
    this.#rows.delete(id);
  }
}
