// @ts-check
/**
 * Single keys for those who work without a mouse. They press what is on the page already: a key can do nothing that a
 * button cannot. None works while somebody types, with a modifier, or once they are turned off (WCAG 2.1.4).
 */

import { keep, pref } from "../parts/prefs.js";

const TYPING = "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]";

/** @type {Record<string, () => void>} */
const KEYS = {
  "/": search,
  j: () => step(1),
  k: () => step(-1),
  Enter: open,
  x: pick,
  r: () => act("retry", "retry"),
  c: () => act("cancel", "cancel"),
  p: () => /** @type {HTMLElement|null} */ (document.querySelector("[data-pause]"))?.click(),
  "?": help,
};
const ONCE = new Set(["Enter", "x", "r", "c", "p", "?", "/"]);

/** @type {(words: string) => void} */
let say = () => {};

/** @param {(words: string) => void} speak */
export function start(speak) {
  say = speak;
  document.addEventListener("keydown", press);
  document.querySelector("[data-keys-open]")?.addEventListener("click", (event) => {
    const menu = event.target instanceof Element ? event.target.closest("details") : null;
    menu?.removeAttribute("open");
    menu?.querySelector("summary")?.focus();
    help();
  });
  const box = switchBox();
  if (box) {
    box.checked = pref("keys") !== "off";
    box.addEventListener("change", () => keep("keys", box.checked ? "" : "off"));
  }
  if (location.hash === "#search") searchBox()?.focus();
}

/** @param {KeyboardEvent} event */
function press(event) {
  const { key, target } = event;
  if (!Object.hasOwn(KEYS, key) || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
  if (pref("keys") === "off" || (event.repeat && ONCE.has(key))) return;
  if (target instanceof Element && target.closest(`${TYPING}, dialog`)) return;
  if (key === "Enter" && !(target instanceof HTMLInputElement)) return; // links and buttons know what it means
  event.preventDefault();
  KEYS[key]();
}

const dialog = () => /** @type {HTMLDialogElement|null} */ (document.querySelector("dialog[data-keys]"));
const switchBox = () => /** @type {HTMLInputElement|null} */ (document.querySelector("[data-keys-on]"));
const searchBox = () => /** @type {HTMLInputElement|null} */ (document.querySelector("main input[type=search][name=q]"));

function help() {
  dialog()?.showModal();
}

function search() {
  const box = searchBox();
  if (box) {
    box.focus();
    box.select();
  } else location.assign(dialog()?.dataset.search ?? "/");
}

/** @returns {HTMLElement[]} */
function rows() {
  const all = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("main .row"));
  return [...all].filter((row) => link(row) && row.checkVisibility());
}

/** @param {Element} row */
const link = (row) => /** @type {HTMLElement|null} */ (row.querySelector(".row-name a"));

const current = () => /** @type {HTMLElement|null} */ (document.activeElement?.closest(".row") ?? null);

/** @param {1|-1} by */
function step(by) {
  const [all, here] = [rows(), current()];
  const at = here ? all.indexOf(here) + by : by > 0 ? firstInView(all) : -1;
  const row = all[at];
  if (!row) return;
  link(row)?.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
}

/** Where to begin: with what the reader sees. @param {HTMLElement[]} all */
function firstInView(all) {
  const seen = all.findIndex((row) => row.getBoundingClientRect().top >= 0);
  return seen < 0 ? 0 : seen;
}

function open() {
  const row = current();
  if (row) link(row)?.click();
}

function pick() {
  const box = /** @type {HTMLElement|null|undefined} */ (current()?.querySelector("[data-pick]"));
  if (box) box.click();
  else say("Select a row first, with j and k.");
}

/**
 * On a job's page, press its button; in a list, ask about what is selected, or about the row with the focus.
 * @param {string} shortcut @param {string} action
 */
function act(shortcut, action) {
  const row = current();
  if (row && !row.querySelector("[data-pick]")) return say("Open the row first, with Enter.");
  const here = [.../** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(`[data-shortcut="${shortcut}"]`))].find((each) => each.checkVisibility());
  if (here instanceof HTMLDetailsElement) {
    here.open = true;
    /** @type {HTMLElement|null} */ (here.querySelector("input:not([type=hidden])"))?.focus();
  } else if (here) (here instanceof HTMLFormElement ? /** @type {HTMLElement|null} */ (here.querySelector("button")) : here)?.click();
  else ask(action);
}

/** @param {string} action */
function ask(action) {
  const button = /** @type {HTMLButtonElement|null} */ (document.querySelector(`.picked button[name=action][value=${action}]`));
  const form = button?.form;
  if (!button || !form) return;
  if (!form.querySelector("[data-pick]:checked")) {
    const box = /** @type {HTMLElement|null|undefined} */ (current()?.querySelector("[data-pick]"));
    if (!box) return say("Select a row first, with j and k.");
    box.click();
  }
  form.requestSubmit(button);
}
