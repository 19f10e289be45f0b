// @ts-check
/** What became of the jobs that a bulk action has changed: asked for again when jobs have moved, at most every two seconds. */

const EVERY_MS = 2000;

/** @param {ParentNode} root @param {import("../live/store.js").Store} store @param {import("../live/socket.js").Socket} socket */
export function follow(root, store, socket) {
  const place = /** @type {HTMLElement|null} */ (root.querySelector("[data-outcome-at]"));
  if (!place) return;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  let coming;
  async function ask() {
    const answer = await fetch(/** @type {HTMLElement} */ (place).dataset.outcomeAt ?? "").catch(() => null);
    const fresh = answer?.ok && !answer.redirected ? new DOMParser().parseFromString(await answer.text(), "text/html").querySelector(".outcome") : null;
    const shown = place?.querySelector(".outcome");
    if (fresh && shown && fresh.outerHTML !== shown.outerHTML) shown.replaceWith(document.adoptNode(fresh));
    coming = undefined;
  }
  socket.watch("board", { type: "watch", board: true });
  store.subscribe((change) => {
    if (change.jobs.size || change.gone.size || change.detail) coming ??= setTimeout(() => void ask(), EVERY_MS);
  });
}
