// @ts-check
/** What each state is called, where it stands on the board, and which of its moments matters. Knows no DOM. */

/** @typedef {import("./store.js").Summary} Summary */

/** @type {Record<string, string>} */
export const WORDS = {
  scheduled: "Scheduled", queued: "Queued", running: "Running", retrying: "Retrying",
  succeeded: "Succeeded", failed: "Failed", cancelled: "Cancelled", lost: "Lost", released: "Released", fenced: "Fenced",
};

export const FINAL = new Set(["succeeded", "failed", "cancelled"]);

/** The board's section for a state; scheduled jobs are only counted. @type {Record<string, string>} */
export const SECTIONS = {
  running: "running", queued: "queued", retrying: "retrying",
  succeeded: "finished", failed: "finished", cancelled: "finished",
};

/** Sorts before: oldest start, next to run, next due, newest end. @type {Record<string, (a: Summary, b: Summary) => number>} */
export const ORDERS = {
  running: (a, b) => text(a.started_at, b.started_at) || text(a.id, b.id),
  queued: (a, b) => b.priority - a.priority || text(a.id, b.id),
  retrying: (a, b) => text(a.due_at, b.due_at) || text(a.id, b.id),
  finished: (a, b) => text(b.finished_at, a.finished_at) || text(b.id, a.id),
};

/** @param {string|null} a @param {string|null} b */
function text(a, b) {
  const [left, right] = [a ?? "", b ?? ""];
  return left < right ? -1 : left > right ? 1 : 0;
}

/**
 * The moment a reader asks about first, and how to tell it.
 * @param {Summary} job
 * @returns {{tell: "since"|"until"|"ago", at: string|null}}
 */
export function moment(job) {
  if (FINAL.has(job.state)) return { tell: "ago", at: job.finished_at };
  if (job.state === "running") return { tell: "since", at: job.started_at };
  if (job.state === "queued") return { tell: "since", at: job.due_at ?? job.created_at };
  return { tell: "until", at: job.due_at };
}

/** What stands in small beside a job: owner, queue, and what is out of the ordinary. @param {Summary} job */
export function remarks(job) {
  return [
    job.queue,
    job.owner ?? "",
    job.attempt > 1 || (job.attempt > 0 && job.state === "retrying") ? `attempt ${job.attempt} of ${job.max_attempts}` : "",
    job.priority !== 5 ? `priority ${job.priority}` : "",
    job.cancel_requested && !FINAL.has(job.state) ? "cancel requested" : "",
  ];
}

/** The bar of a job: none, of unknown length (total null), or done of total. @param {Summary} job */
export function travel(job) {
  const { done, total } = job.progress;
  const started = job.state === "running" || ((job.state === "retrying" || job.state === "failed" || job.state === "cancelled") && total > 0);
  if (!started) return null;
  return total > 0 ? { done: Math.min(done, total), total } : { done, total: null };
}

/** One line about it: what went wrong, or where it is. @param {Summary} job */
export function note(job) {
  const wrong = job.state === "failed" || job.state === "retrying";
  return wrong && job.error ? { text: firstLine(job.error), wrong: true } : { text: job.progress.note, wrong: false };
}

/** @param {string} text */
function firstLine(text) {
  const end = text.indexOf("\n");
  return end < 0 ? text : text.slice(0, end);
}
