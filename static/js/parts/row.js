// @ts-check
/** One job's row: written from a summary, touching only what differs. The markup itself is the server's include. */

import { hide, put } from "./put.js";
import { WORDS, moment, note, reached, remarks, way } from "./job_text.js";
import { copy } from "./template.js";
import { show } from "./time.js";

/** @typedef {import("../live/store.js").Summary} Summary */
/** @typedef {Record<string, any>} Parts */

/** @type {WeakMap<Element, Parts>} */
const known = new WeakMap();

/** @param {Element} row @returns {Parts} */
function parts(row) {
  let found = known.get(row);
  if (!found) {
    found = {};
    for (const element of row.querySelectorAll("[data-part]")) {
      const name = /** @type {HTMLElement} */ (element).dataset.part ?? "";
      (found[name] ??= []).push(element);
    }
    known.set(row, found);
  }
  return found;
}

/** A new row, with what stays the same in it. @param {Summary} job */
export function make(job) {
  const row = copy("row");
  const part = parts(row);
  const link = part.link[0];
  link.href = link.getAttribute("href").replace(/[0-9a-f-]{36}/, job.id);
  put(part.kind[0], job.kind);
  put(part.title[0], job.title);
  put(part.short[0], job.id.slice(-6));
  if (part.pick && job.app) {
    part.pick[0].closest("label").remove();
    delete part.pick;
  }
  put(part.app[0], job.app ?? "");
  part.app[0].hidden = !job.app;
  if (part.pick) {
    part.pick[0].value = job.id;
    part.pick[0].setAttribute("aria-label", `Select ${job.kind} ${job.title || job.id.slice(-6)}`);
  }
  return row;
}

/** @param {HTMLElement} row @param {Summary} job */
export function fill(row, job) {
  const part = parts(row);
  row.dataset.version = String(job.version);
  if (row.dataset.state !== job.state) {
    row.dataset.state = job.state;
    part.lamp[0].setAttribute("href", `#lamp-${job.state}`);
    put(part.word[0], WORDS[job.state]);
  }
  const { format, at } = moment(job);
  show(part.time[0], at, format);
  hide(part.doubt[0], !job.doubt_at);
  show(part["doubt-at"][0], job.doubt_at, "clock");
  remarks(job).forEach((words, i) => put(part.remark[i], words));
  rail(part, job);
}

/** @param {Parts} part @param {Summary} job */
function rail(part, job) {
  const bar = part.rail[0];
  const far = job.state === "running" ? way(job) : null;
  hide(bar, !far);
  if (far) advance(bar, far);
  put(part.fraction[0], reached(job));
  const { text, wrong } = note(job);
  put(part.note[0], text);
  part.note[0].toggleAttribute("data-error", wrong);
  hide(part.side[0], !far && !text);
}

/** @param {HTMLProgressElement} bar @param {import("./job_text.js").Way} way */
export function advance(bar, way) {
  if (way.total === null) {
    bar.removeAttribute("value");
    return;
  }
  const [done, total] = [Number(way.done), Number(way.total)];
  if (bar.max !== total) bar.max = total;
  if (bar.value !== done || !bar.hasAttribute("value")) bar.value = done;
}
