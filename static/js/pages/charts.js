// @ts-check
/**
 * The charts page: what the server drew is kept up by its gauge. A bar keeps its place; what stands there changes as
 * time goes on. One slider looks at any bar: by pointer, by keyboard, and for a screen reader.
 */

import * as axis from "../parts/axis.js";
import { brief } from "../parts/duration.js";
import { List } from "../parts/list.js";
import { hide, put } from "../parts/put.js";
import { copy } from "../parts/template.js";
import * as time from "../parts/time.js";
import { inAddress } from "../parts/address.js";

/** @typedef {{at: string, succeeded: number, failed: number, cancelled: number}} Bucket */
/** @typedef {{tops: Record<string, number>, totals: Record<string, number>, paths: Record<string, string>, trend: Record<string, string>}} Drawn */
/** @typedef {{buckets: Bucket[], kinds: any[], missing: [string, string]|null, drawn: Drawn}} Chart  a gauge's value */

const OUTCOMES = /** @type {const} */ (["succeeded", "failed", "cancelled"]);

export class ChartsPage {
  /** @param {HTMLElement} root @param {import("../live/store.js").Store} store */
  constructor(root, store) {
    this.root = root;
    this.gauge = `chart-${root.dataset.period}`;
    this.slider = /** @type {HTMLInputElement} */ (root.querySelector("[data-look-at]"));
    this.readout = /** @type {HTMLElement} */ (root.querySelector("[data-looked]"));
    this.rows = /** @type {HTMLTableRowElement[]} */ ([...root.querySelectorAll("[data-bars] tr")]);
    /** @type {List<any>} */
    this.kinds = new List(/** @type {HTMLElement} */ (root.querySelector("[data-kinds]")), { key: "kind", fill: fillKind, make: () => copy("kind-row") });
    this.slider.addEventListener("input", () => this.#look());
    this.slider.addEventListener("focus", () => this.#look());
    for (const field of root.querySelectorAll(".plot-field svg")) field.addEventListener("pointermove", (event) => this.#point(/** @type {PointerEvent} */ (event)));
    store.subscribe((change) => {
      if (change.gauge === this.gauge) this.draw(store.gauges.get(this.gauge));
    });
    this.#look();
  }

  /** @param {Chart} chart */
  draw(chart) {
    const { tops, totals, paths } = chart.drawn;
    for (const plot of /** @type {NodeListOf<HTMLElement>} */ (this.root.querySelectorAll("[data-plot]"))) {
      const top = tops[plot.dataset.plot ?? ""];
      put(plot.querySelector("[data-top]"), top.toLocaleString("en"));
      put(plot.querySelector("[data-half]"), top % 2 ? "" : (top / 2).toLocaleString("en"));
      set(plot.querySelector("svg"), "data-first", chart.buckets[0].at);
    }
    for (const outcome of OUTCOMES) {
      set(this.root.querySelector(`path[data-of="${outcome}"]`), "d", paths[outcome]);
      chart.buckets.forEach((bucket, i) => put(this.rows[i]?.querySelector(`[data-part="${outcome}"]`), String(bucket[outcome])));
      put(this.root.querySelector(`[data-total="${outcome}"]`), totals[outcome].toLocaleString("en"));
    }
    chart.buckets.forEach((bucket, i) => show(this.rows[i], bucket.at));
    show(this.root.querySelector(".chart-ends"), chart.buckets[0].at);
    axis.start(this.root);
    for (const mark of /** @type {NodeListOf<SVGElement>} */ (this.root.querySelectorAll("[data-release-at]"))) {
      const place = chart.buckets.filter((bucket) => bucket.at <= (mark.dataset.releaseAt ?? "")).length - 1;
      set(mark, "d", place < 0 ? "" : `M${place} 0V100`);
    }
    this.#times(chart);
    this.#missing(chart.missing);
    this.#look();
  }

  /** @param {Chart} chart */
  #times(chart) {
    this.kinds.show(chart.kinds.map((row) => ({ ...row, id: row.kind })));
    hide(this.root.querySelector("[data-empty]"), chart.kinds.length > 0);
  }

  /** @param {[string, string]|null} missing */
  #missing(missing) {
    const notice = /** @type {HTMLElement} */ (this.root.querySelector("[data-missing]"));
    notice.hidden = !missing;
    const ends = /** @type {NodeListOf<HTMLTimeElement>} */ (notice.querySelectorAll("time"));
    missing?.forEach((at, i) => time.show(ends[i], at));
  }

  /** @param {PointerEvent} event */
  #point(event) {
    const box = /** @type {Element} */ (event.currentTarget).getBoundingClientRect();
    const place = Math.floor(((event.clientX - box.left) / box.width) * this.rows.length);
    this.slider.value = String(Math.max(0, Math.min(this.rows.length - 1, place)));
    this.#look();
  }

  /** Say what stands at the slider. */
  #look() {
    const i = Number(this.slider.value);
    const row = this.rows[i];
    if (!row) return;
    const from = row.querySelector("time")?.textContent ?? "";
    const until = this.rows[i + 1]?.querySelector("time")?.textContent ?? "now";
    const words = `${from} to ${until}: ${OUTCOMES.map((name) => `${row.querySelector(`[data-part="${name}"]`)?.textContent} ${name}`).join(", ")}`;
    put(this.readout, words);
    this.slider.setAttribute("aria-valuetext", words);
    for (const cursor of this.root.querySelectorAll("[data-cursor]")) set(cursor, "x", String(i));
  }
}

/** @param {any} row @param {any} kind */
function fillKind(row, kind) {
  const link = row.querySelector('[data-part="kind"]');
  put(link, kind.kind);
  set(link, "href", link.getAttribute("href").replace(/[^/]+\/$/, `${inAddress(kind.kind)}/`));
  for (const name of ["wait", "run"]) {
    for (const p of ["p50", "p95"]) put(row.querySelector(`[data-part="${name}_${p}_s"]`), brief(kind[`${name}_${p}_s`]));
    const { x, width } = kind.spans[name] ?? { x: "0", width: "0" };
    const bar = row.querySelector(`[data-span="${name}"]`);
    set(bar, "x", x);
    set(bar, "width", width);
  }
}

/** @param {Element|null|undefined} around @param {string} at */
function show(around, at) {
  const element = around?.querySelector("time");
  if (element && element.dateTime !== at) time.show(element, at);
}

/** @param {Element|null|undefined} element @param {string} name @param {string} value */
function set(element, name, value) {
  if (element && element.getAttribute(name) !== value) element.setAttribute(name, value);
}
