// @ts-check
/** The workers page: one card for each worker, one row for each queue, from the same frames as the board. */

import { rough } from "./length.js";
import { List } from "./list.js";
import { put } from "./put.js";

/** @typedef {import("./store.js").WorkerInfo} WorkerInfo */
/** @typedef {import("./store.js").QueueInfo} QueueInfo */

/** @param {string} name @returns {HTMLTemplateElement} */
const template = (name) => /** @type {HTMLTemplateElement} */ (document.querySelector(`template[data-${name}]`));

/** @param {HTMLTemplateElement} from @returns {any} */
const copy = (from) => document.importNode(from.content, true).firstElementChild;

/** @param {any} row @param {string} part @param {string} words */
function write(row, part, words) {
  put(row.querySelector(`[data-part="${part}"]`), words);
}

/** Ages come in steps of five seconds: finer ones would make a frame of every breath. @param {number} s */
const steps = (s) => rough(Math.floor(s / 5) * 5000);

/** @param {number|null} s */
const beat = (s) => (s === null ? "never" : s < 5 ? "just now" : `${steps(s)} ago`);

/** @param {any} card @param {WorkerInfo} worker */
function fillWorker(card, worker) {
  card.dataset.alive = String(worker.alive);
  card.querySelector("use")?.setAttribute("href", worker.alive ? "#lamp-live" : "#lamp-lost");
  write(card, "name", worker.name);
  write(card, "state", worker.alive ? "Alive" : "Lost");
  write(card, "host", `${worker.host}, process ${worker.pid}`);
  write(card, "queues", worker.queues.join(", "));
  write(card, "busy", `${worker.running.length} of ${worker.concurrency}`);
  write(card, "beat", beat(worker.beat_age_s));
  const slots = card.querySelector("[data-part=running]");
  if (slots && slots.getAttribute("data-ids") !== worker.running.join()) {
    slots.setAttribute("data-ids", worker.running.join());
    slots.replaceChildren(...worker.running.map(link));
  }
}

/** @param {string} id */
function link(id) {
  const item = document.createElement("li");
  const a = document.createElement("a");
  a.href = `/jobs/${id}/`;
  a.textContent = id.slice(-6);
  item.append(a);
  return item;
}

/** @param {HTMLElement} row @param {QueueInfo} queue */
function fillQueue(row, queue) {
  write(row, "name", queue.name);
  write(row, "state", queue.paused ? "Paused" : queue.workers ? "Open" : "No worker");
  write(row, "queued", String(queue.queued));
  write(row, "oldest", queue.oldest_s === null ? "–" : steps(queue.oldest_s));
  write(row, "running", String(queue.running));
  write(row, "rate", String(queue.started_per_min));
  write(row, "workers", String(queue.workers));
}

export class WorkersPage {
  /** @param {HTMLElement} root @param {import("./store.js").Store} store */
  constructor(root, store) {
    /** @type {List<any>} */
    const cards = new List(/** @type {HTMLElement} */ (root.querySelector("[data-workers]")), painter("worker", "worker-card", fillWorker));
    /** @type {List<any>} */
    const rows = new List(/** @type {HTMLElement} */ (root.querySelector("[data-queues]")), painter("queue", "queue-row", fillQueue));
    const empty = /** @type {HTMLElement} */ (root.querySelector("[data-empty]"));
    store.subscribe((change) => {
      if (change.workers) lay(cards, store.workers);
      if (change.queues) lay(rows, store.queues);
      if (change.workers) empty.hidden = store.workers.length > 0;
    });
  }
}

/**
 * @param {string} key @param {string} from the template's name
 * @param {(row: HTMLElement, item: any) => void} fill
 * @returns {import("./list.js").Painter<any>}
 */
function painter(key, from, fill) {
  const make = (/** @type {any} */ item) => {
    const row = copy(template(from));
    row.dataset[key] = item.id;
    fill(row, item);
    return row;
  };
  return { key, fill, make };
}

/** @param {List<any>} list @param {{name: string}[]} items */
function lay(list, items) {
  const named = items.map((item) => ({ ...item, id: item.name }));
  list.arrange(named);
  for (const item of named) list.patch(item);
}
