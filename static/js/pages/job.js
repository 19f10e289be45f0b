// @ts-check
/** A job's own page: the server painted it; from then on each frame writes what differs. */

import { at, inAddress } from "../parts/address.js";
import { showAttempts } from "../parts/attempts.js";
import { length } from "../parts/duration.js";
import { Log } from "../parts/log.js";
import { put } from "../parts/put.js";
import { advance } from "../parts/row.js";
import { ACTIVITY, FINAL, LEADS, WORDS, fraction, inside, moment, span, tries, waited, way } from "../parts/job_text.js";
import { copy } from "../parts/template.js";
import { show } from "../parts/time.js";
import { plant } from "../parts/tree.js";

/** @typedef {import("../live/store.js").Detail} Detail */

export class JobPage {
  #trail = "";

  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.log = new Log(/** @type {HTMLElement} */ (root.querySelector("[data-log]")));
    this.state = /** @type {HTMLElement} */ (root.querySelector("[data-state-of]")).dataset.state ?? "";
  }

  /** @param {string} name @returns {any} */
  #part(name) {
    return this.root.querySelector(`[data-part="${name}"]`);
  }

  /** @param {string} name @param {string} words */
  #write(name, words) {
    const element = this.#part(name);
    put(element, words);
    const around = element?.closest("[data-if]");
    if (around) around.hidden = !words;
  }

  /** @param {Detail} job */
  show(job) {
    this.log.add(job.log);
    if (job.version < Number(this.root.dataset.version)) return;
    this.root.dataset.version = String(job.version);
    this.#state(job);
    this.#actions(job);
    this.#travel(job);
    this.#facts(job);
    this.#attempts(job);
    this.#people(job);
    this.#end(job);
  }

  /** It was pruned, or may no longer be seen: what stands here stays, and nothing can be done. */
  gone() {
    const place = /** @type {HTMLElement} */ (this.root.querySelector("[data-answer]"));
    put(place, "This job was deleted, or you no longer have access to it.");
    place.hidden = false;
    /** @type {HTMLElement} */ (this.root.querySelector(".job-actions")).hidden = true;
  }

  /** @param {Detail} job */
  #state(job) {
    for (const element of /** @type {NodeListOf<HTMLElement>} */ (this.root.querySelectorAll("[data-state-of]"))) element.dataset.state = job.state;
    this.state = job.state;
    this.#part("lamp").setAttribute("href", `#lamp-${job.state}`);
    this.#write("word", WORDS[job.state]);
    put(this.#part("lead"), LEADS[job.state] ?? "");
    const { format, at } = moment(job);
    show(this.#part("moment"), at, format);
    this.#part("doubt").hidden = !job.doubt_at;
    show(this.#part("doubt_at"), job.doubt_at, "clock");
    this.#part("asked").hidden = !job.cancel_requested || FINAL.has(job.state);
  }

  /** What may be done now. When the pressed button goes away, the one in its place gets the focus. @param {Detail} job */
  #actions(job) {
    const actions = /** @type {HTMLElement} */ (this.root.querySelector(".job-actions"));
    const focused = actions.contains(document.activeElement) ? document.activeElement : null;
    for (const form of /** @type {NodeListOf<HTMLElement>} */ (actions.querySelectorAll("[data-when]"))) {
      const asked = form.dataset.unasked !== undefined && job.cancel_requested && !FINAL.has(job.state);
      const ran = form.dataset.waited !== undefined && !waited(job);
      form.hidden = asked || ran || !(form.dataset.when ?? "").split(" ").includes(job.state);
    }
    const again = /** @type {HTMLElement|null} */ (actions.querySelector("[data-when='failed cancelled'] .button"));
    if (again) again.dataset.look = waited(job) ? "" : "main";
    if (!focused || focused.checkVisibility()) return;
    const next = [...actions.querySelectorAll("button, summary, a")].find((each) => each.checkVisibility());
    /** @type {HTMLElement|undefined} */ (next)?.focus({ preventScroll: true });
  }

  /** @param {Detail} job */
  #travel(job) {
    const far = way(job);
    const bar = this.#part("rail");
    bar.hidden = !far;
    if (far) advance(bar, far);
    this.#write("fraction", fraction(far));
    this.#write("note", job.state === "succeeded" ? span(job) : job.progress.note);
  }

  /** @param {Detail} job */
  #facts(job) {
    const cancelled = this.#part("cancelled");
    if (cancelled) cancelled.hidden = !job.cancel_requested;
    const alone = this.#part("attempt").dataset.neverRetried !== undefined && job.attempt === 1;
    this.#write("attempt", alone ? "1, not retried by itself" : tries(job));
    this.#write("worker", inside(job.worker ?? "", job.app));
    this.#part("worker").href = at(`workers/${inAddress(job.worker ?? "-")}/`);
    for (const name of ["due_at", "started_at", "finished_at"]) {
      const element = this.#part(name);
      show(element, /** @type {string|null} */ (job[name]), "clock");
      element.closest("[data-if]").hidden = !job[name];
    }
    const ran = job.started_at && job.finished_at ? length(Date.parse(job.finished_at) - Date.parse(job.started_at)) : "";
    this.#write("ran", ran);
  }

  /** @param {Detail} job */
  #attempts(job) {
    showAttempts(this.#part("attempts"), job);
    this.#part("attempts-section").hidden = !job.attempts.length;
    this.#part("next").hidden = job.state !== "retrying";
    put(this.#part("next-number"), String(job.attempt + 1));
    show(this.#part("next-at"), job.due_at, "until");
  }

  /** @param {Detail} job */
  #people(job) {
    const said = JSON.stringify(job.trail ?? []);
    if (!job.trail || said === this.#trail) return;
    this.#trail = said;
    this.#part("trail").replaceChildren(...job.trail.map((entry) => {
      const row = copy("activity-row");
      show(row.querySelector("time"), entry.at, "clock");
      put(row.querySelector("[data-who]"), entry.who ?? "");
      put(row.querySelector("[data-what]"), ACTIVITY[entry.action] ?? entry.action.replaceAll("_", " "));
      put(row.querySelector("[data-note]"), entry.note ? `: ${entry.note}` : "");
      return row;
    }));
    this.#part("trail-section").hidden = !job.trail.length;
  }

  /** Result, error and traceback: there once the job is over. @param {Detail} job */
  #end(job) {
    this.#write("error", job.state === "succeeded" ? "" : (job.error ?? ""));
    const trace = job.state === "succeeded" ? null : [...job.attempts].reverse().find((attempt) => attempt.traceback);
    this.#write("traceback", trace?.traceback ?? "");
    const there = job.state === "succeeded" && job.result !== undefined && job.result !== null;
    this.#part("result-section").hidden = !there;
    const place = this.#part("result");
    if (!there || place.dataset.of === job.finished_at) return;
    place.dataset.of = job.finished_at;
    void plant(place, job.result_tree);
  }
}
