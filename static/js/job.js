// @ts-check
/** A job's own page: the server painted it; from then on each frame writes what differs. */

import { length } from "./length.js";
import { Log } from "./log.js";
import { put } from "./put.js";
import { advance } from "./row.js";
import { FINAL, WORDS, fraction, moment, span, tries, way } from "./status.js";
import { show } from "./time.js";
import { tree } from "./tree.js";

/** @typedef {import("./store.js").Detail} Detail */

export class JobPage {
  #result = "";

  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.log = new Log(this.#part("log"), /** @type {HTMLTemplateElement} */ (document.querySelector("template[data-line]")),
      root.querySelector("button[data-follow]"));
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
    this.#travel(job);
    this.#facts(job);
    this.#attempts(job);
    this.#end(job);
  }

  /** @param {Detail} job */
  #state(job) {
    for (const element of /** @type {NodeListOf<HTMLElement>} */ (this.root.querySelectorAll("[data-state-of]"))) element.dataset.state = job.state;
    this.state = job.state;
    this.#part("lamp").setAttribute("href", `#lamp-${job.state}`);
    this.#write("word", WORDS[job.state]);
    const { tell, at } = moment(job);
    show(this.#part("moment"), at, tell);
    const asked = job.cancel_requested && !FINAL.has(job.state);
    this.#part("asked").hidden = !asked;
    for (const form of /** @type {NodeListOf<HTMLElement>} */ (this.root.querySelectorAll("[data-when]"))) {
      form.hidden = asked && form.dataset.unasked !== undefined || !(form.dataset.when ?? "").split(" ").includes(job.state);
    }
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
    this.#write("attempt", tries(job));
    this.#write("worker", job.worker ?? "");
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
    const list = this.#part("attempts");
    const template = /** @type {HTMLTemplateElement} */ (document.querySelector("template[data-attempt]"));
    job.attempts.forEach((attempt, i) => {
      let row = list.children[i];
      if (!row) {
        row = document.importNode(template.content, true).firstElementChild;
        list.append(row);
      }
      const outcome = attempt.outcome ?? "running";
      row.dataset.state = outcome;
      row.querySelector("use").setAttribute("href", `#lamp-${outcome}`);
      row.querySelector("[data-number]").textContent = String(attempt.number);
      row.querySelector("[data-outcome]").textContent = WORDS[outcome] ?? outcome;
      row.querySelector("[data-worker]").textContent = attempt.worker ? `on ${attempt.worker}` : "";
      show(row.querySelector("time"), attempt.started_at, "clock");
      const took = attempt.started_at && attempt.finished_at ? Date.parse(attempt.finished_at) - Date.parse(attempt.started_at) : null;
      row.querySelector("[data-took]").textContent = took === null ? "" : `took ${length(took)}`;
      row.querySelector("[data-error]").textContent = attempt.error ?? "";
    });
    while (list.children.length > job.attempts.length) list.lastElementChild.remove();
    this.#part("attempts-section").hidden = !job.attempts.length;
  }

  /** Result, error and traceback: there once the job is over. @param {Detail} job */
  #end(job) {
    this.#write("error", job.state === "succeeded" ? "" : (job.error ?? ""));
    const trace = job.state === "succeeded" ? null : [...job.attempts].reverse().find((attempt) => attempt.traceback);
    this.#write("traceback", trace?.traceback ?? "");
    const there = job.state === "succeeded" && job.result !== undefined && job.result !== null;
    this.#part("result-section").hidden = !there;
    const text = there ? JSON.stringify(job.result) : "";
    if (there && text !== this.#result) this.#part("result").replaceChildren(tree(job.result));
    this.#result = text;
  }
}
