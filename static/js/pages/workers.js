// @ts-check
/** The workers page: one card for each worker, one row for each queue, from the same frames as the board. */

import { at, inAddress } from "../parts/address.js";
import { brief, rough } from "../parts/duration.js";
import { List } from "../parts/list.js";
import { hide, put } from "../parts/put.js";
import { copy } from "../parts/template.js";

/** @typedef {import("../live/store.js").WorkerInfo} WorkerInfo */
/** @typedef {import("../live/store.js").QueueInfo} QueueInfo */

/** @param {any} row @param {string} part @param {string} words */
function write(row, part, words) {
  put(row.querySelector(`[data-part="${part}"]`), words);
}

/** Ages come in steps of five seconds: finer ones would send a frame for every beat. @param {number} s */
const steps = (s) => rough(Math.floor(s / 5) * 5000);

/** @param {number|null} s */
const beat = (s) => (s === null ? "never" : s < 5 ? "just now" : `${steps(s)} ago`);

/** @typedef {WorkerInfo & {id: string, jobs: {id: string, kind: string, title: string}[]}} Card */

/** @param {any} card @param {Card} worker */
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
  const links = worker.jobs.map(link);
  const same = [...(slots?.querySelectorAll("a") ?? [])].map((a) => a.href + a.textContent).join() === links.map(({ a }) => a.href + a.textContent).join();
  if (!same) slots?.replaceChildren(...links.map(({ item }) => item));
}

/** @param {{id: string, kind: string, title: string}} job */
function link({ id, kind, title }) {
  const item = document.createElement("li");
  const a = document.createElement("a");
  a.href = at(`jobs/${id}/`);
  a.textContent = `${kind} ${title || id.slice(-6)}`;
  item.append(a);
  return { item, a };
}

/** @typedef {{wait_p50_s: number|null, wait_p95_s: number|null, run_p50_s: number|null, run_p95_s: number|null}} Times */
/** @typedef {QueueInfo & {id: string, times?: Times}} Row */

/** @param {HTMLElement} row @param {Row} queue */
function fillQueue(row, queue) {
  row.dataset.paused = String(queue.paused);
  write(row, "name", queue.name);
  write(row, "state", queue.paused ? "Paused" : queue.workers ? "Open" : "No worker");
  write(row, "queued", String(queue.queued));
  write(row, "oldest", queue.oldest_s === null ? "–" : steps(queue.oldest_s));
  write(row, "running", String(queue.running));
  write(row, "rate", String(queue.started_per_min));
  write(row, "workers", String(queue.workers));
  if (queue.times) {
    write(row, "waited", `${brief(queue.times.wait_p50_s)} · ${brief(queue.times.wait_p95_s)}`);
    write(row, "ran", `${brief(queue.times.run_p50_s)} · ${brief(queue.times.run_p95_s)}`);
  }
  hide(row.querySelector("[data-if-open]"), queue.paused);
  hide(row.querySelector("[data-if-paused]"), !queue.paused);
}

/** @param {string} of @param {string} name */
function make(of, name) {
  const row = copy(of);
  for (const [selector, attribute] of [["form", "action"], ["a[data-part=name]", "href"]]) {
    for (const each of row.querySelectorAll(selector)) {
      each.setAttribute(attribute, each.getAttribute(attribute).replace("/-/", `/${inAddress(name)}/`));
    }
  }
  return row;
}

export class WorkersPage {
  /** @param {HTMLElement} root @param {import("../live/store.js").Store} store */
  constructor(root, store) {
    /** @type {List<Card>} */
    const cards = new List(/** @type {HTMLElement} */ (root.querySelector("[data-workers]")), { key: "worker", fill: fillWorker, make: ({ name }) => make("worker-card", name) });
    /** @type {List<Row>} */
    const rows = new List(/** @type {HTMLElement} */ (root.querySelector("[data-queues]")), { key: "queue", fill: fillQueue, make: ({ name }) => make("queue-row", name) });
    const show = () => {
      cards.show(store.workers.map((worker) => ({ ...worker, id: worker.name, jobs: worker.running.map((id) => ({ id, kind: store.jobs.get(id)?.kind ?? "", title: store.jobs.get(id)?.title ?? "" })) })));
      const times = store.gauges.get("queues");
      rows.show(store.queues.map((queue) => ({ ...queue, id: queue.name, times: times && (times[queue.name] ?? {}) })));
      hide(root.querySelector("[data-empty]"), store.workers.length > 0);
    };
    store.subscribe((change) => {
      if (store.ready && (change.workers || change.queues || change.gauge)) show();
    });
    root.addEventListener("acted", (event) => {
      const changed = /** @type {CustomEvent<QueueInfo>} */ (event).detail;
      store.apply({ type: "local", queues: store.queues.map((queue) => (queue.name === changed.name ? changed : queue)) });
    });
  }
}
