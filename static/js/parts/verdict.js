// @ts-check
/** Is everything fine? The board's verdict, its reasons, the oldest wait and the last hour. tasks/queries/diagnosis.py says it alike. */

import { rough } from "./duration.js";
import { hide, put } from "./put.js";

/** @type {Record<string, string>} */
const WORDS = { fine: "All fine", caution: "Needs attention", danger: "Something is wrong" };
/** @type {Record<string, string>} */
const LAMPS = { fine: "succeeded", caution: "stale", danger: "failed" };

/** @param {{look: string}[]} found @param {number} failed @param {number} alerts */
export function verdict(found, failed, alerts) {
  const looks = new Set(found.map(({ look }) => look));
  return looks.has("danger") || alerts ? "danger" : looks.size || failed ? "caution" : "fine";
}

export class Verdict {
  /** @param {HTMLElement} root  the section @param {import("../live/store.js").Store} store */
  constructor(root, store) {
    this.root = root;
    this.store = store;
    this.alerts = Number(root.dataset.alertsOpen);
    this.found = /** @type {HTMLElement[]} */ ([...root.querySelectorAll("[data-trouble]")]).map(({ dataset }) => ({ look: dataset.look ?? "" }));
  }

  show() {
    const { stats, gauges } = this.store;
    if (!this.store.ready || !stats) return;
    const failed = stats.last_hour.failed ?? 0;
    const look = verdict(gauges.get("troubles") ?? this.found, failed, this.alerts);
    if (this.root.dataset.verdictLook !== look) {
      this.root.dataset.verdictLook = look;
      this.root.querySelector(".verdict-head use")?.setAttribute("href", `#lamp-${LAMPS[look]}`);
      put(this.root.querySelector("[data-verdict-words]"), WORDS[look]);
    }
    this.#why("failed", failed);
    this.#why("alerts", this.alerts);
    this.#oldest();
    this.#hour();
  }

  /** @param {string} name @param {number} n */
  #why(name, n) {
    const reason = /** @type {HTMLElement} */ (this.root.querySelector(`[data-why=${name}]`));
    put(reason.querySelector("[data-why-n]"), n.toLocaleString("en"));
    put(reason.querySelector("[data-why-s]"), n === 1 ? "" : "s");
    hide(reason, !n);
  }

  #oldest() {
    const waits = this.store.queues.map((queue) => queue.oldest_s).filter((wait) => wait !== null);
    const oldest = waits.length ? Math.max(...waits) : null;
    put(this.root.querySelector("[data-oldest-words]"), oldest === null ? "–" : rough(Math.floor(oldest / 5) * 5000));
    this.root.querySelector("[data-oldest]")?.toggleAttribute("data-zero", (oldest ?? 0) < 60);
  }

  #hour() {
    const trend = this.store.gauges.get("chart-1h")?.drawn.trend ?? {};
    for (const [name, d] of Object.entries(trend)) {
      const path = this.root.querySelector(`[data-trend=${name}]`);
      if (path?.getAttribute("d") !== d) path?.setAttribute("d", d);
    }
  }
}
