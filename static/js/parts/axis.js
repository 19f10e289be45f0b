// @ts-check
/** Round times below a chart, in the reader's zone, as many as there is room for. Its ends are the server's. */

const STEPS_MIN = [5, 10, 15, 30, 60, 120, 180, 240, 360, 720, 1440, 2880, 7200, 14_400];
const DAY_MIN = 1440;
const ROOM_PX = 88; // of one mark
const [BEGIN_PX, END_PX] = [96, 40]; // of the words at both ends

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

/**
 * The times to mark, no more than so many, each with its place from 0 to 1.
 * @param {string} first  when the first bar begins @param {number} stepS  the width of a bar @param {number} bars @param {number} most
 */
export function rounds(first, stepS, bars, most) {
  const begin = Date.parse(first);
  const length = stepS * bars * 1000;
  const step = STEPS_MIN.find((minutes) => length / (minutes * 60_000) <= most);
  if (!step || Number.isNaN(begin)) return [];
  const at = new Date(begin);
  at.setHours(0, 0, 0, 0);
  const found = [];
  for (; at.getTime() < begin + length; step < DAY_MIN ? at.setMinutes(at.getMinutes() + step) : at.setDate(at.getDate() + step / DAY_MIN)) {
    const place = (at.getTime() - begin) / length;
    if (place > 0) found.push({ place, words: at.getHours() || at.getMinutes() ? clock.format(at) : day.format(at) });
  }
  return found;
}

/** @param {SVGSVGElement} svg */
function draw(svg) {
  const width = svg.clientWidth;
  const ticks = /** @type {HTMLElement|null|undefined} */ (svg.parentElement?.querySelector(".times-axis"));
  const wanted = `${svg.dataset.first} ${width}`;
  if (!ticks || ticks.dataset.drawn === wanted) return;
  ticks.dataset.drawn = wanted;
  const marks = rounds(svg.dataset.first ?? "", Number(svg.dataset.step), svg.viewBox.baseVal.width, Math.floor(width / ROOM_PX));
  ticks.replaceChildren(
    ...marks.map(({ place, words }) => {
      const tick = document.createElement("span");
      tick.style.left = `${place * 100}%`;
      if (place * width > BEGIN_PX && (1 - place) * width > END_PX) tick.dataset.words = words;
      return tick;
    }),
  );
}

const sizes = globalThis.ResizeObserver && new ResizeObserver((changes) => changes.forEach(({ target }) => draw(/** @type {SVGSVGElement} */ (target))));

/** Mark the times of each chart in here, and again when it gets another size. @param {ParentNode} [root] */
export function start(root = document) {
  for (const svg of /** @type {NodeListOf<SVGSVGElement>} */ (root.querySelectorAll(".plot-field svg[data-first]"))) {
    draw(svg);
    sizes.observe(svg);
  }
}
