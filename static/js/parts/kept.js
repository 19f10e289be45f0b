// @ts-check
/**
 * Parts of a page that are asked for again when there is news of them, and put in place where they differ. The parts are
 * marked [data-keep]; children with a data-key stay as long as the server says the same of them, so what is open or
 * focused in them stays too.
 */

import * as axis from "./axis.js";
import * as time from "./time.js";

const EVERY_MS = 1000; // between two looks, however much news there is
const AGAIN_MS = 5000; // after a look that was not answered
const FOCUSED = "a, button, summary, input:not([type=hidden]), select, textarea";
const OVERDUE_MS = 5000; // a moment on the page has passed, and no news came of it

/** What the server says of an element, without what differs each time: tokens of forms, "5 s ago". @param {string} html */
function gist(html) {
  return html.replace(/(name="csrfmiddlewaretoken" value=")[^"]*/g, "$1").replace(/(<time[^>]*>)[^<]*/g, "$1");
}

/**
 * Make `old` what `fresh` is, touching only the children that the server speaks of differently.
 * @param {Element} old @param {Element} fresh @param {WeakMap<Element, string>} said what the server said of each child
 */
function merge(old, fresh, said) {
  /** @type {Map<string, Element>} */
  const here = new Map();
  for (const child of /** @type {HTMLCollectionOf<HTMLElement>} */ (old.children)) here.set(child.dataset.key ?? "", child);
  const wanted = [.../** @type {HTMLCollectionOf<HTMLElement>} */ (fresh.children)].map((child) => {
    const kept = child.dataset.key ? here.get(child.dataset.key) : undefined;
    const words = gist(child.outerHTML);
    if (kept && said.get(kept) === words) return kept;
    said.set(child, words);
    if (kept) inherit(kept, child);
    return child;
  });
  if (!wanted.some((child) => child instanceof HTMLElement && child.dataset.key)) {
    const words = gist(fresh.innerHTML);
    if (said.get(old) !== words) {
      said.set(old, words);
      old.replaceChildren(...fresh.childNodes);
    }
    return;
  }
  wanted.forEach((child, i) => old.children[i] === child || old.insertBefore(child, old.children[i] ?? null));
  while (old.children.length > wanted.length) old.lastElementChild?.remove();
}

/** What is open in a child stays open in the one that takes its place, and so does the focus. @param {Element} old @param {Element} fresh */
function inherit(old, fresh) {
  const folds = fresh.querySelectorAll("details");
  old.querySelectorAll("details").forEach((fold, i) => folds[i] && (folds[i].open = fold.open));
  const at = [...old.querySelectorAll(FOCUSED)].findIndex((element) => element === document.activeElement);
  const same = /** @type {HTMLElement|undefined} */ (fresh.querySelectorAll(FOCUSED)[at]);
  if (same) queueMicrotask(() => same.focus({ preventScroll: true })); // once it is in the page
}

/** The topics that a page names in data-news. @param {HTMLElement} main */
export function topicsOf(main) {
  return (main.dataset.news ?? "").split(" ").filter(Boolean).map(decodeURIComponent);
}

/**
 * Keep the marked parts of a page. Returns what is called when there is news.
 * @param {HTMLElement} main
 */
export function keep(main) {
  /** @type {WeakMap<Element, string>} */
  const said = new WeakMap();
  let asked = 0;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  let coming;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  let overdue;

  for (const part of main.querySelectorAll("[data-keep]")) {
    said.set(part, gist(part.innerHTML));
    for (const child of part.children) said.set(child, gist(child.outerHTML));
  }

  async function look() {
    coming = undefined;
    asked = Date.now();
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
    if (answer?.redirected || answer?.status === 403 || answer?.status === 404) return location.reload();
    if (!answer?.ok) return soon(AGAIN_MS);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of main.querySelectorAll("[data-keep]")) {
      const fresh = page.querySelector(`[data-keep="${/** @type {HTMLElement} */ (part).dataset.keep}"]`);
      if (fresh) merge(part, document.importNode(fresh, true), said);
    }
    for (const element of main.querySelectorAll("time")) time.show(element);
    axis.start(main);
    expect();
  }

  function soon(wait = EVERY_MS) {
    coming ??= setTimeout(look, Math.max(0, asked + wait - Date.now()));
  }

  /** When the next moment that the page promises has passed without news, look once: it has become late. */
  function expect() {
    clearTimeout(overdue);
    const promised = [.../** @type {NodeListOf<HTMLTimeElement>} */ (main.querySelectorAll("time[data-format=until]"))];
    const next = Math.min(...promised.map((element) => Date.parse(element.dateTime)).filter((at) => at > time.now()));
    if (next - time.now() < 86_400_000) overdue = setTimeout(soon, next - time.now() + OVERDUE_MS);
  }

  expect();
  return soon;
}
