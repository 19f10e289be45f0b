// @ts-check
/**
 * The self test: sends one job on its way and times its legs. Moments of the server come from the answer, from the job's
 * row and from the frame of its end; this browser's own are turned into the server's by what one question and
 * its answer say of the two clocks. What does not come within ten seconds is explained.
 */

import { at } from "../parts/address.js";
import { put } from "../parts/put.js";

const PATIENCE_MS = 10_000;
const LEGS = /** @type {const} */ (["accepted", "notified", "claimed", "written", "pushed", "painted"]);

/** @typedef {import("../live/store.js").Summary} Summary */
/** @typedef {import("../live/store.js").Frame} Frame */
/** @typedef {{job: Summary, made: number}} News  made: when the server wrote the frame, by its own clock */
/** @typedef {{offset: number, error: number}} Clocks  what to add to this browser's clock, and how wrong that may be */

/** This browser's clock, in milliseconds since the epoch and finer than Date. */
const clock = () => performance.timeOrigin + performance.now();

/** The offset of two clocks, from one question and its answer. @param {number} asked @param {number} received @param {number} answered @param {number} arrived @returns {Clocks} */
export function clocks(asked, received, answered, arrived) {
  return { offset: (received - asked + (answered - arrived)) / 2, error: Math.max(0, arrived - asked - (answered - received)) / 2 };
}

/** RFC 3339 with microseconds, which Date cuts off. @param {string} text */
export function instant(text) {
  return Date.parse(text) + Number(`0.${/\.\d{3}(\d+)/.exec(text)?.[1] ?? "0"}`);
}

export class SelfTest {
  /** @type {Map<string, News>} the end of each job that frames have brought since the test began */
  #ends = new Map();
  #running = false;
  /** @type {(() => void)|null} */
  #wake = null;

  /** @param {HTMLElement} root @param {{linked: () => boolean, say: (words: string) => void}} page */
  constructor(root, page) {
    this.root = root;
    this.page = page;
    this.form = /** @type {HTMLFormElement|null} */ (root.querySelector("[data-self-test]"));
    this.form?.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!this.#running) void this.#run(/** @type {HTMLFormElement} */ (event.currentTarget));
    });
  }

  /** @param {Frame} frame */
  update(frame) {
    if (!this.#running || !frame.as_of) return;
    const made = instant(frame.as_of) + (frame.age ?? 0) * 1000;
    for (const job of frame.jobs ?? []) if (job.finished_at && !this.#ends.has(job.id)) this.#ends.set(job.id, { job, made });
    this.#wake?.();
  }

  /** @param {HTMLFormElement} form */
  async #run(form) {
    this.#running = true;
    this.#ends.clear();
    this.#clear();
    const button = form.querySelector("button");
    if (button) button.disabled = true;
    this.#verdict("Running…");
    try {
      this.#verdict(await this.#test(form));
    } finally {
      this.#running = false;
      if (button) button.disabled = false;
    }
  }

  /** @param {HTMLFormElement} form @returns {Promise<string>} the verdict */
  async #test(form) {
    const asked = clock();
    const ask = { method: "POST", body: new FormData(form), headers: { Accept: "application/json" }, signal: AbortSignal.timeout(PATIENCE_MS) };
    const answer = await fetch(form.action, ask).catch(() => null);
    const arrived = clock();
    const body = await answer?.json().catch(() => null);
    if (!answer?.ok || !body?.job) return `Not accepted: ${body?.detail ?? "the server did not answer. Check the web server and its database."}`;
    const { at, job } = body;
    const times = clocks(asked, instant(at.received), instant(body.answered), arrived);
    /** @type {Record<string, number|null>} */
    const moments = { pressed: asked + times.offset, accepted: moment(at.accepted), notified: moment(at.notified) };
    this.#show(moments, times, job.id);

    const end = await this.#end(job.id, asked + PATIENCE_MS);
    if (!end) return this.#why(job.id, moments, times);
    Object.assign(moments, { claimed: moment(end.job.started_at), written: moment(end.job.finished_at), pushed: end.made });
    this.#show(moments, times, job.id);
    const painted = await paint();
    if (painted !== null) moments.painted = painted + times.offset;
    this.#show(moments, times, job.id);
    const resent = moments.notified === null ? " The broker (Redis) did not accept the message at once: a worker's sweep sent it again." : "";
    if (end.job.state !== "succeeded") return `The job ${end.job.state}. ${end.job.error ?? ""}${resent}`;
    if (painted === null) return `All steps but the last: this tab is hidden, so nothing is shown in it.${resent}`;
    const late = end.made - instant(/** @type {string} */ (end.job.finished_at)) > 1000;
    const hint = late ? " The push was late or lost; the next read of the database showed the change. Check the channel layer (Redis)." : "";
    return `Everything works: ${words(painted - asked)} from click to screen.${resent}${hint}`;
  }

  /** The news that a job has ended, or nothing when the time is over. @param {string} id @param {number} until @returns {Promise<News|undefined>} */
  async #end(id, until) {
    while (!this.#ends.has(id) && clock() < until) {
      await new Promise((done) => {
        this.#wake = () => done(undefined);
        setTimeout(done, until - clock());
      });
    }
    this.#wake = null;
    return this.#ends.get(id);
  }

  /** What the row says when no frame brought its end: one question, and only then. @param {string} id @param {Record<string, number|null>} moments @param {Clocks} times */
  async #why(id, moments, times) {
    const ask = { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(PATIENCE_MS) };
    const body = await fetch(`?job=${id}`, ask).then((answer) => answer.json()).catch(() => null);
    if (!body) return "The job was accepted, but the server no longer answers.";
    const { job, why } = /** @type {{job: Summary, why: string}} */ (body);
    Object.assign(moments, { claimed: moment(job.started_at), written: moment(job.finished_at) });
    this.#show(moments, times, id);
    if (why) return `Not finished within 10 s. ${why}`;
    if (!this.page.linked()) return "The job finished, but this page is not connected: see the badge at the top.";
    return "The job finished, but this page got no update within 10 s. Check the channel layer (Redis) and the web server's log.";
  }

  /** @param {Record<string, number|null>} moments @param {Clocks} times @param {string} id */
  #show(moments, times, id) {
    const known = LEGS.filter((leg) => typeof moments[leg] === "number");
    const begin = moments.pressed ?? 0;
    const whole = Math.max(1, ...known.map((leg) => (moments[leg] ?? 0) - begin));
    let before = begin;
    for (const leg of LEGS) {
      const row = this.root.querySelector(`[data-leg="${leg}"]`);
      const at = moments[leg];
      const bar = row?.querySelector("[data-span]");
      put(row?.querySelector("[data-part=took]"), typeof at === "number" ? words(at - before) : "–");
      row?.toggleAttribute("data-missing-leg", typeof at !== "number");
      if (typeof at !== "number") continue;
      bar?.setAttribute("x", Math.max(0, (100 * (before - begin)) / whole).toFixed(2));
      bar?.setAttribute("width", Math.max(0.6, (100 * (at - before)) / whole).toFixed(2));
      before = at;
    }
    const line = this.root.querySelector("[data-clocks]");
    if (!line) return;
    const link = document.createElement("a");
    link.href = at(`jobs/${id}/`);
    link.textContent = id.slice(-6);
    const said = `Clocks of server and browser compared to within ${words(times.error)}${Math.abs(times.offset) > 50 ? `; they differ by ${words(Math.abs(times.offset))}` : ""}. A negative time means that clocks of two computers differ. Job: `;
    line.replaceChildren(said, link);
  }

  #clear() {
    for (const took of this.root.querySelectorAll("[data-leg] [data-part=took]")) put(took, "–");
    for (const bar of this.root.querySelectorAll("[data-leg] [data-span]")) bar.setAttribute("width", "0");
  }

  /** @param {string} words */
  #verdict(words) {
    const place = /** @type {HTMLElement} */ (this.root.querySelector("[data-verdict]"));
    place.hidden = false;
    put(place, words);
    this.page.say(words);
  }
}

/** @param {string|null|undefined} text */
const moment = (text) => (text ? instant(text) : null);

/** @param {number} ms */
function words(ms) {
  if (Math.abs(ms) < 1000) return `${ms.toFixed(Math.abs(ms) < 10 ? 1 : 0)} ms`;
  return `${(ms / 1000).toFixed(2)} s`;
}

/** When what was just written has been painted, by this browser's clock; null where nothing is painted. @returns {Promise<number|null>} */
function paint() {
  if (document.hidden) return Promise.resolve(null);
  return new Promise((done) => {
    setTimeout(() => done(null), 2000);
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => done(clock());
      port2.postMessage(null);
    });
  });
}
