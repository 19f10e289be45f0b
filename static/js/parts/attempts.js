// @ts-check
/** The attempts of a job on one line of time: each a stretch of it, with how it ended, why, and how long it took. */

import { at } from "./address.js";
import { length } from "./duration.js";
import { put } from "./put.js";
import { WORDS, inside } from "./job_text.js";
import { copy } from "./template.js";
import { now, show } from "./time.js";

const STRETCH = 6; // the shortest that is seen; the whole line is 1000

/** @typedef {import("../live/store.js").Attempt} Attempt */
/** @typedef {import("../live/store.js").Detail} Detail */

/** @param {HTMLElement} list @param {Detail} job */
export function showAttempts(list, job) {
  const scale = scaleOf(job);
  job.attempts.forEach((attempt, i) => {
    const row = list.children[i] ?? list.appendChild(copy("attempt"));
    fill(/** @type {HTMLElement} */ (row), attempt, job);
    const [x, width] = scale(attempt);
    const stretch = row.querySelector("[data-stretch]");
    stretch?.setAttribute("x", String(x));
    stretch?.setAttribute("width", String(width));
  });
  while (list.children.length > job.attempts.length) list.lastElementChild?.remove();
}

/** @param {HTMLElement} row @param {Attempt} attempt @param {Detail} job */
function fill(row, attempt, job) {
  const outcome = attempt.outcome ?? "running";
  row.dataset.state = outcome;
  row.querySelector("use")?.setAttribute("href", `#lamp-${outcome}`);
  put(row.querySelector("[data-number]"), String(attempt.number));
  put(row.querySelector("[data-outcome]"), WORDS[outcome] ?? outcome);
  const where = /** @type {HTMLElement} */ (row.querySelector("[data-worker]"));
  where.title = attempt.worker ?? "";
  put(where, attempt.worker ? `on ${inside(attempt.worker, job.app)}${attempt.release ? `, release ${attempt.release}` : ""}` : "");
  const time = row.querySelector("time");
  if (time) show(time, attempt.started_at, "clock");
  const ended = attempt.started_at && attempt.finished_at;
  put(row.querySelector("[data-took]"), ended ? length(Date.parse(attempt.finished_at ?? "") - Date.parse(attempt.started_at ?? "")) : "");
  put(row.querySelector("[data-error]"), attempt.error === job.error ? "" : (attempt.error ?? "")); // the page says it above
  const trace = /** @type {HTMLAnchorElement} */ (row.querySelector("[data-trace]"));
  trace.hidden = !attempt.traceback;
  if (attempt.traceback) trace.href = at(`jobs/${job.id}/attempts/${attempt.number}/`);
}

/** Where an attempt stands on the line, and how long it is there. @param {Detail} job @returns {(attempt: Attempt) => [number, number]} */
function scaleOf(job) {
  const at = (/** @type {string|null} */ text) => (text ? Date.parse(text) : now());
  const starts = job.attempts.map((attempt) => at(attempt.started_at));
  const ends = job.attempts.map((attempt) => at(attempt.finished_at));
  if (job.state === "retrying") ends.push(at(job.due_at));
  const begin = Math.min(...starts);
  const scale = 1000 / Math.max(Math.max(...ends) - begin, 1);
  return (attempt) => {
    const x = Math.round((at(attempt.started_at) - begin) * scale);
    const width = Math.max(STRETCH, Math.round((at(attempt.finished_at) - at(attempt.started_at)) * scale));
    return [Math.min(x, 1000 - STRETCH), Math.min(width, 1000 - x)];
  };
}
