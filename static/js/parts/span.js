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

/** @param {SVGSVGElement} svg */
function draggable(svg) {
  const figure = /** @type {HTMLElement} */ (svg.closest("[data-bars-of]"));
  const chosen = svg.querySelector("[data-chosen]");
  const bars = svg.viewBox.baseVal.width;
  /** @type {{x: number, bar: number}|null} */
  let begun = null;
  const barAt = (/** @type {number} */ x) => {
    const box = svg.getBoundingClientRect();
    return Math.max(0, Math.min(bars - 1, Math.floor(((x - box.left) / box.width) * bars)));
  };
  const moved = (/** @type {PointerEvent} */ event) => begun !== null && Math.abs(event.clientX - begun.x) >= LEAST_PX;
  const show = (/** @type {number} */ from, /** @type {number} */ to) => {
    chosen?.setAttribute("x", String(Math.min(from, to)));
    chosen?.setAttribute("width", String(Math.abs(to - from) + 1));
  };
  svg.addEventListener("dragstart", (event) => event.preventDefault());
  svg.addEventListener("pointerdown", (event) => {
    if (event.button === 0) begun = { x: event.clientX, bar: barAt(event.clientX) };
  });
  svg.addEventListener("pointermove", (event) => {
    if (begun && moved(event)) show(begun.bar, barAt(event.clientX));
  });
  svg.addEventListener("pointerleave", () => {
    begun = null;
    chosen?.setAttribute("width", "0");
  });
  svg.addEventListener("click", (event) => {
    const [from, to] = [begun?.bar ?? 0, barAt(event.clientX)];
    const dragged = moved(event);
    begun = null;
    if (!dragged) return;
    event.preventDefault();
    const { barsOf = "", jobs = "" } = figure.dataset;
    const text = inSpan(barsOf, svg.dataset.first ?? "", Number(svg.dataset.step), Math.min(from, to), Math.max(from, to));
    location.assign(`${jobs}?${new URLSearchParams({ q: text })}`);
  });
}

export function start() {
  for (const svg of document.querySelectorAll("[data-bars-of] [data-span]")) draggable(/** @type {SVGSVGElement} */ (svg));
}
