// @ts-check
/** What each state is called, where it stands on the board, and what is worth saying of it. Knows no DOM. */

import { length } from "./duration.js";

/** @typedef {import("../live/store.js").Summary} Summary */

/** @type {Record<string, string>} */
export const WORDS = {
  scheduled: "Scheduled", queued: "Queued", running: "Running", retrying: "Retrying",
  succeeded: "Succeeded", failed: "Failed", cancelled: "Cancelled", unknown: "Unknown", lost: "Lost", released: "Released", fenced: "Fenced",
};

/** What stands before the moment at the head of a job's page. @type {Record<string, string>} */
export const LEADS = { scheduled: "starts", queued: "waiting for", running: "for", retrying: "next attempt" };

/** What people do to a job. @type {Record<string, string>} */
export const ACTIVITY = {
  submit: "submitted", cancel: "cancelled", retry: "retried", take_back: "undid the cancel",
  bulk: "started the bulk action", share: "created a share link", end_share: "revoked a share link",
  "watched.cancel": "asked its workers to skip it", "watched.terminate": "asked its worker to terminate it",
  "watched.run_again": "ran it again",
};

export const FINAL = new Set(["succeeded", "failed", "cancelled", "unknown"]);

/** The board's section for a state; scheduled jobs are only counted. @type {Record<string, string>} */
export const SECTIONS = {
  running: "running", queued: "queued", retrying: "retrying",
  succeeded: "finished", failed: "failed", cancelled: "finished", unknown: "finished",
};

/** Sorts before: oldest start, next to run, next due, newest end. @type {Record<string, (a: Summary, b: Summary) => number>} */
export const ORDERS = {
  running: (a, b) => text(a.started_at, b.started_at) || text(a.id, b.id),
  queued: (a, b) => b.priority - a.priority || text(a.id, b.id),
  retrying: (a, b) => text(a.due_at, b.due_at) || text(a.id, b.id),
  failed: newestEnd,
  finished: newestEnd,
};

/**
 * Waiting jobs as workers take them: the most urgent first, within a priority one of each queue in turn, and those of
 * paused queues last. The server's page sorts alike (tasks/queries/board.py).
 * @param {Summary[]} jobs @param {Set<string>} paused  names of queues
 */
export function inTurns(jobs, paused) {
  /** @type {Map<string, number>} */
  const before = new Map();
  const ranked = [...jobs].sort(ORDERS.queued).map((job) => {
    const line = `${job.priority} ${job.queue}`;
    const turn = before.get(line) ?? 0;
    before.set(line, turn + 1);
    return { job, rests: Number(paused.has(job.queue)), turn };
  });
  ranked.sort((a, b) => a.rests - b.rests || b.job.priority - a.job.priority || a.turn - b.turn || text(a.job.id, b.job.id));
  return ranked.map(({ job }) => job);
}

/** @param {Summary} a @param {Summary} b */
function newestEnd(a, b) {
  return text(b.finished_at, a.finished_at) || text(b.id, a.id);
}

/** @param {string|null} a @param {string|null} b */
function text(a, b) {
  const [left, right] = [a ?? "", b ?? ""];
  return left < right ? -1 : left > right ? 1 : 0;
}

/**
 * The moment a reader asks about first, and its format.
 * @param {Summary} job
 * @returns {{format: "since"|"until"|"ago", at: string|null}}
 */
export function moment(job) {
  if (FINAL.has(job.state)) return { format: "ago", at: job.finished_at };
  if (job.state === "running") return { format: "since", at: job.started_at };
  if (job.state === "queued") return { format: "since", at: job.due_at ?? job.created_at };
  return { format: "until", at: job.due_at };
}

/** Whether a cancelled job only waited: no attempt ended with it. @param {import("../live/store.js").Detail} job */
export function waited(job) {
  return job.state === "cancelled" && job.attempts.every((attempt) => attempt.finished_at !== job.finished_at);
}

/** What stands in small beside a job: owner, queue, and what is out of the ordinary. @param {Summary} job */
export function remarks(job) {
  return [
    inside(job.queue, job.app),
    job.owner ?? "",
    job.attempt > 1 || (job.attempt > 0 && job.state === "retrying") ? `attempt ${tries(job)}` : "",
    job.priority !== 5 ? `priority ${job.priority}` : "",
    job.cancel_requested && !FINAL.has(job.state) ? "cancel requested" : "",
  ];
}

/** The name of a queue or worker where its application is named beside it. @param {string} name @param {string|null} app */
export function inside(name, app) {
  return app && name.startsWith(`${app}:`) ? name.slice(app.length + 1) : name;
}

/** Attempts of how many. A person's retry gives a failed job more attempts than it had. @param {Summary} job */
export function tries(job) {
  if (!job.attempt) return "";
  if (job.app) return String(job.attempt); // nobody told how many it may have
  return job.attempt <= job.max_attempts ? `${job.attempt} of ${job.max_attempts}` : String(job.attempt);
}

/** @typedef {{done: number|bigint, total: number|bigint|null}} Way  how far it has come; of null: nobody knows how far it is */

/** @param {Summary} job @returns {Way|null} */
export function way(job) {
  const { done, total } = job.progress;
  if (total > 0) return { done: done < total ? done : total, total };
  return job.state === "running" ? { done, total: null } : null;
}

/** How far, in words. @param {Way|null} way */
export function fraction(way) {
  if (!way) return "";
  if (way.total === null) return way.done ? way.done.toLocaleString("en") : "";
  return `${way.done.toLocaleString("en")} / ${way.total.toLocaleString("en")}`;
}

/** How far a row says it came: while it runs, or if it stopped on the way. @param {Summary} job */
export function reached(job) {
  const far = way(job);
  const stopped = far && far.done < (far.total ?? 0) && (job.state === "failed" || job.state === "cancelled");
  return job.state === "running" || stopped ? fraction(far) : "";
}

/** One line about it: what went wrong, where it is, or how long it took. @param {Summary} job */
export function note(job) {
  const unknown = job.state === "unknown";
  if ((unknown || job.state === "failed" || job.state === "retrying") && job.error) {
    return { text: firstLine(job.error), wrong: !unknown };
  }
  if (unknown) return { text: "nobody can say how it ended", wrong: false };
  return { text: FINAL.has(job.state) ? span(job) : job.progress.note, wrong: false };
}

/** How long the last attempt took. @param {Summary} job */
export function span(job) {
  if (!job.started_at || !job.finished_at) return job.state === "cancelled" ? "before it started" : "";
  return `${job.state === "cancelled" ? "after" : "took"} ${length(Date.parse(job.finished_at) - Date.parse(job.started_at))}`;
}

/** @param {string} text */
function firstLine(text) {
  const end = text.indexOf("\n");
  return end < 0 ? text : text.slice(0, end);
}
