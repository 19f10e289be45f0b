// @ts-check
/**
 * What people do to jobs. Each is a plain form that works without this file; here it is sent in the background, the
 * news comes by the socket, and what the server refuses is said beside the button.
 */

/** @param {(words: string) => void} say */
export function start(say) {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form instanceof HTMLFormElement && form.matches("[data-action]")) {
      event.preventDefault();
      void send(form, say);
    }
  });
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("[data-copy], [data-clear]") : null;
    if (button instanceof HTMLElement && button.dataset.copy !== undefined) void copy(button, say);
    if (button instanceof HTMLElement && button.dataset.clear !== undefined) clear(button);
  });
  document.addEventListener("change", tally);
  addEventListener("pageshow", tally);
  document.addEventListener("keydown", (event) => {
    const open = event.key === "Escape" && document.querySelector("details[data-folds][open]");
    if (open) fold(open);
  });
  document.addEventListener("pointerdown", (event) => {
    for (const open of document.querySelectorAll("details[data-folds][open]")) {
      if (event.target instanceof Node && !open.contains(event.target)) open.removeAttribute("open");
    }
  });
}

/** How many rows are selected. CSS cannot count them: a list that measures itself keeps its counters to itself. */
function tally() {
  const count = document.querySelector(".picked [data-picked]"); // rows that are picked say so by the same name
  if (!count) return;
  const boxes = /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll("[data-pick]"));
  const picked = [...boxes].filter((box) => box.checked);
  for (const row of document.querySelectorAll(".row[data-picked]")) row.removeAttribute("data-picked");
  for (const box of picked) box.closest(".row")?.setAttribute("data-picked", "");
  count.textContent = String(picked.length);
  count.closest("form")?.toggleAttribute("data-picking", picked.length > 0);
}

/** @param {HTMLFormElement} form @param {(words: string) => void} say */
async function send(form, say) {
  // Not disabled: a button that is would lose the focus.
  const button = form.querySelector("button");
  if (button?.ariaDisabled) return;
  if (button) button.ariaDisabled = "true";
  const answer = await fetch(form.action, {
    method: "POST", body: new FormData(form), headers: { Accept: "application/json" }, redirect: "manual",
  }).catch(() => null);
  if (button) button.ariaDisabled = null;
  const body = await answer?.json().catch(() => null);
  const words = answer?.ok ? (form.dataset.done ?? "Done.") : (body?.detail ?? "The server did not answer. Nothing was changed.");
  const place = document.querySelector("[data-answer]");
  if (place instanceof HTMLElement) {
    place.textContent = answer?.ok ? "" : words;
    place.hidden = answer?.ok ?? false;
  }
  if (answer?.ok || !place) say(words); // the place is an alert: it speaks for itself
  if (answer?.ok) form.dispatchEvent(new CustomEvent("acted", { bubbles: true, detail: body }));
  const around = form.closest("details[data-folds]");
  if (around) fold(around);
}

/** @param {Element} details */
function fold(details) {
  const inside = details.contains(document.activeElement);
  details.removeAttribute("open");
  if (inside) details.querySelector("summary")?.focus();
}

/** @param {HTMLElement} button @param {(words: string) => void} say */
async function copy(button, say) {
  const source = document.querySelector(`[data-part="${button.dataset.copy}"]`);
  try {
    await navigator.clipboard.writeText(source?.textContent ?? "");
    say("Copied.");
    const words = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = words), 1500);
  } catch {
    if (source) getSelection()?.selectAllChildren(source);
    say("Selected: press Ctrl+C to copy.");
  }
}

/** @param {HTMLElement} button */
function clear(button) {
  const form = button.closest("form");
  const picked = /** @type {NodeListOf<HTMLInputElement>} */ (form?.querySelectorAll("[data-pick]:checked") ?? []);
  for (const box of picked) {
    box.checked = false;
    box.dispatchEvent(new Event("change", { bubbles: true }));
  }
}
