// @ts-check
/** A span that is dragged over a chart narrows the search to what ended in it. A click stays the link of its bar. */

const LEAST_PX = 6; // of a drag; less is a click

/**
 * The search for what ended between two bars, in place of another span.
 * @param {string} text @param {string} first @param {number} stepS @param {number} from @param {number} to  the last bar, inclusive
 */
export function inSpan(text, first, stepS, from, to) {
  const at = (/** @type {number} */ bar) => new Date(Date.parse(first) + bar * stepS * 1000).toISOString();
  const kept = (text.match(/(?:[^\s"]|"[^"]*")+/g) ?? []).filter((token) => !/^(ended|since|until):/i.test(token));
  return [...kept, `ended:${at(from)}..${at(to + 1)}`].join(" ");
}

/** @param {EventTarget|null} target @returns {SVGSVGElement|null} */
const chartOf = (target) => (target instanceof Element ? target.closest("[data-bars-of] [data-span]") : null);

/** The bar that a place on the screen is in. @param {SVGSVGElement} svg @param {number} x */
function barAt(svg, x) {
  const bars = svg.viewBox.baseVal.width;
  const box = svg.getBoundingClientRect();
  return Math.max(0, Math.min(bars - 1, Math.floor(((x - box.left) / box.width) * bars)));
}

/** @param {SVGSVGElement} svg @param {number} from @param {number} count */
function mark(svg, from, count) {
  const chosen = svg.querySelector("[data-chosen]");
  chosen?.setAttribute("x", String(from));
  chosen?.setAttribute("width", String(count));
}

/** A chart may be replaced while the page is open, so the document listens. */
export function start() {
  /** @type {{svg: SVGSVGElement, x: number, bar: number}|null} */
  let begun = null;
  const dragged = (/** @type {MouseEvent} */ event) => begun !== null && Math.abs(event.clientX - begun.x) >= LEAST_PX;
  document.addEventListener("dragstart", (event) => chartOf(event.target) && event.preventDefault());
  document.addEventListener("pointerdown", (event) => {
    const svg = event.button === 0 ? chartOf(event.target) : null;
    begun = svg && { svg, x: event.clientX, bar: barAt(svg, event.clientX) };
  });
  document.addEventListener("pointermove", (event) => {
    if (!begun || !dragged(event)) return;
    const bar = barAt(begun.svg, event.clientX);
    mark(begun.svg, Math.min(begun.bar, bar), Math.abs(bar - begun.bar) + 1);
  });
  document.addEventListener("pointercancel", () => {
    if (begun) mark(begun.svg, 0, 0);
    begun = null;
  });
  document.addEventListener("click", (event) => {
    const [drag, moved] = [begun, dragged(event)];
    begun = null;
    if (!drag || !moved) return;
    const figure = /** @type {HTMLElement} */ (drag.svg.closest("[data-bars-of]"));
    const bar = barAt(drag.svg, event.clientX);
    event.preventDefault();
    const { barsOf = "", jobs = "" } = figure.dataset;
    const ends = [Math.min(drag.bar, bar), Math.max(drag.bar, bar)];
    const text = inSpan(barsOf, drag.svg.dataset.first ?? "", Number(drag.svg.dataset.step), ends[0], ends[1]);
    location.assign(`${jobs}?${new URLSearchParams({ q: text })}`);
  });
}
