// @ts-check
/**
 * A page of a kind's own rows, kept up: when a job of that kind moves, the page is asked for again and what differs is
 * put in place. <main data-parts="kind"> names the kinds ("*": all, and each beat is news), [data-keep] the parts; children with a data-key stay as long
 * as the server says the same of them, so what is open or focused in them stays too.
 */

import * as alerts from "./alerts.js";
import { showBadge } from "./badge.js";
import { Freshness } from "./freshness.js";
import { Socket } from "./socket.js";
import * as time from "./time.js";

const EVERY_MS = 1000; // between two looks

/** @typedef {import("./store.js").Frame} Frame */

/** What a frame says of these kinds that was not known. @param {Frame} frame @param {Set<string>} kinds @param {Map<string, number>} known */
export function news(frame, kinds, known) {
  const all = kinds.has("*");
  let found = frame.type === "snapshot" || (all && frame.type === "beat");
  for (const job of frame.jobs ?? []) {
    if (!(all || kinds.has(job.kind)) || (known.get(job.id) ?? 0) >= job.version) continue;
    known.set(job.id, job.version);
    found = true;
  }
  return found;
}

/**
 * Make `old` what `fresh` is, touching only the children that the server speaks of differently.
 * @param {Element} old @param {Element} fresh @param {WeakMap<Element, string>} said what the server said of each child
 */
export function merge(old, fresh, said) {
  /** @type {Map<string, Element>} */
  const here = new Map();
  for (const child of /** @type {HTMLCollectionOf<HTMLElement>} */ (old.children)) here.set(child.dataset.key ?? "", child);
  const wanted = [.../** @type {HTMLCollectionOf<HTMLElement>} */ (fresh.children)].map((child) => {
    const kept = child.dataset.key ? here.get(child.dataset.key) : undefined;
    if (kept && said.get(kept) === child.outerHTML) return kept;
    said.set(child, child.outerHTML);
    return child;
  });
  if (!wanted.some((child) => child instanceof HTMLElement && child.dataset.key)) {
    if (said.get(old) !== fresh.innerHTML) {
      said.set(old, fresh.innerHTML);
      old.replaceChildren(...fresh.childNodes);
    }
    return;
  }
  wanted.forEach((child, i) => old.children[i] === child || old.insertBefore(child, old.children[i] ?? null));
  while (old.children.length > wanted.length) old.lastElementChild?.remove();
}

/** @param {HTMLElement} main */
function start(main) {
  const kinds = new Set((main.dataset.parts ?? "").split(" "));
  /** @type {Map<string, number>} */
  const known = new Map();
  /** @type {WeakMap<Element, string>} */
  const said = new WeakMap();
  const freshness = new Freshness();
  const badge = document.querySelector("[data-live]");
  let linked = false;
  let ended = "";
  let asked = 0;
  let waiting = false;

  for (const part of main.querySelectorAll("[data-keep]")) {
    said.set(part, part.innerHTML);
    for (const child of part.children) said.set(child, child.outerHTML);
  }

  async function look() {
    waiting = false;
    asked = Date.now();
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
    if (answer?.redirected) location.reload();
    if (!answer?.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of main.querySelectorAll("[data-keep]")) {
      const fresh = page.querySelector(`[data-keep="${/** @type {HTMLElement} */ (part).dataset.keep}"]`);
      if (fresh) merge(part, document.importNode(fresh, true), said);
    }
    for (const element of main.querySelectorAll("time")) time.show(element);
  }

  function soon() {
    if (waiting) return;
    waiting = true;
    setTimeout(look, Math.max(0, asked + EVERY_MS - Date.now()));
  }

  function tell() {
    const believed = freshness.word();
    const word = ended ? "forbidden" : believed === "live" && !linked ? "catching-up" : believed;
    if (badge instanceof HTMLElement) showBadge(badge, word, freshness.age(), ended);
  }

  const socket = new Socket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${document.body.dataset.socket}`, {
    onFrame(frame) {
      freshness.heard(frame);
      time.learn(frame);
      if (news(frame, kinds, known)) soon();
      alerts.heed(frame);
      tell();
    },
    onLink(link) {
      linked = link === "open";
      tell();
    },
    onEnd(code, reason) {
      if (code === 4401) location.assign(`${document.body.dataset.login}?next=${encodeURIComponent(location.pathname + location.search)}`);
      ended = reason || "You are no longer allowed to see this.";
      tell();
    },
  });
  socket.watch("board", { type: "watch", board: true });
  setInterval(tell, 1000);
  addEventListener("online", () => socket.hurry());
  addEventListener("pagehide", () => socket.close());
  addEventListener("pageshow", (event) => event.persisted && socket.open());
  socket.open();
}

const main = document.querySelector("main[data-parts]");
if (main instanceof HTMLElement) start(main);
