// @ts-check
/** What keeps jobs from starting, in words that an operator can act on. tasks/monitor/diagnosis.py says it alike. */

/** @typedef {import("../live/store.js").QueueInfo} QueueInfo */
/** @typedef {import("../live/store.js").WorkerInfo} WorkerInfo */
/** @typedef {{about: string, look: string, words: string}} Trouble */

const STUCK_S = 60;

/** @param {number} n */
const jobs = (n) => `${n.toLocaleString("en")} job${n === 1 ? "" : "s"} wait${n === 1 ? "s" : ""}`;

/** @param {QueueInfo[]} queues @param {WorkerInfo[]} workers @param {string} prefix @returns {Trouble[]} */
export function troubles(queues, workers, prefix) {
  const alive = workers.filter((worker) => worker.alive);
  const waiting = queues.reduce((sum, queue) => sum + (queue.paused ? 0 : queue.queued), 0);
  if (waiting && !alive.length) {
    return [{ about: "", look: "danger", words: `No worker is running: ${jobs(waiting)}. Start one: celery -A project worker, or manage.py up.` }];
  }
  return queues.flatMap((queue) => {
    const serving = alive.filter((worker) => worker.queues.includes(queue.name));
    const theirs = new Set(serving.flatMap((worker) => worker.queues));
    const elsewhere = queues.reduce((sum, other) => sum + (theirs.has(other.name) ? other.started_per_min : 0), 0);
    return trouble(queue, serving, elsewhere, prefix);
  });
}

/** @param {QueueInfo} queue @param {WorkerInfo[]} workers @param {number} elsewhere @param {string} prefix @returns {Trouble[]} */
function trouble({ name, queued, paused, workers: serving, started_per_min: rate, oldest_s: oldest }, workers, elsewhere, prefix) {
  /** @param {string} look @param {string} words */
  const said = (look, words) => [{ about: name, look, words }];
  if (!queued) return [];
  if (paused) return said("caution", `Queue ${name} is paused: ${jobs(queued)}. Resume it to start them.`);
  if (!serving) return said("danger", `No worker serves queue ${name}, and ${jobs(queued)} in it. Start one: celery -A project worker -Q ${prefix}${name}.`);
  if (rate || (oldest ?? 0) < STUCK_S) return [];
  const free = workers.reduce((sum, worker) => sum + Math.max(0, worker.concurrency - worker.running.length), 0);
  const stands = `Nothing in queue ${name} started in the last minute: ${jobs(queued)} in it.`;
  if (elsewhere) {
    const started = `${elsewhere.toLocaleString("en")} job${elsewhere === 1 ? "" : "s"}`;
    return said("caution", `${stands} Its workers started ${started} from other queues, which have a higher priority.`);
  }
  if (!free) return said("caution", `${stands} Its workers are all busy. Wait, cancel a long job, or start another worker.`);
  const slots = `${free} slot${free === 1 ? "" : "s"} of its workers ${free === 1 ? "is" : "are"} free`;
  return said("danger", `${stands} ${slots}, but nothing started. Run the self test to find the cause. (Jobs with the same serial key wait for each other.)`);
}

/** The banners of a page, kept up from frames: what is new is said once. @param {HTMLElement} region @param {import("../live/store.js").Store} store @param {(words: string) => void} say */
export function keep(region, store, say) {
  const template = /** @type {HTMLTemplateElement} */ (document.querySelector("template[data-trouble-notice]"));
  store.subscribe((change) => {
    if (!change.queues && !change.workers) return;
    const now = troubles(store.queues, store.workers, region.dataset.prefix ?? "");
    /** @type {Map<string|undefined, HTMLElement>} */
    const here = new Map([.../** @type {Iterable<HTMLElement>} */ (region.children)].map((child) => [child.dataset.trouble, child]));
    const notices = now.map((trouble) => {
      const notice = here.get(trouble.about) ?? /** @type {HTMLElement} */ (document.importNode(template.content, true).firstElementChild);
      const words = /** @type {HTMLElement} */ (notice.querySelector("[data-words]"));
      if (!here.has(trouble.about)) say(trouble.words);
      notice.dataset.trouble = trouble.about;
      notice.dataset.look = trouble.look;
      if (words.textContent !== trouble.words) words.textContent = trouble.words;
      return notice;
    });
    if (notices.length || region.childElementCount) region.replaceChildren(...notices);
  });
}
