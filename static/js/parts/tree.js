// @ts-check
/**
 * Trees of JSON values are made by the server, exact to the last digit: here they are only asked for and put in place.
 * What is long is not shown at once: a link with its size leads to it, and unfolds it where it stands.
 */

/** Show a tree that came with a frame, or else what `data-at` of its place serves. @param {HTMLElement} place @param {string|null} [html] */
export async function plant(place, html) {
  const tree = html ? grown(html) : await asked(new URL(place.dataset.at ?? "", location.href));
  place.replaceChildren(tree ?? link(place.dataset.at ?? ""));
}

/** Links that unfold what they lead to. @param {(words: string) => void} say */
export function start(say) {
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a[data-unfold]") : null;
    if (!(link instanceof HTMLAnchorElement) || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    void unfold(link, say);
  });
}

/** @param {HTMLAnchorElement} link @param {(words: string) => void} say */
async function unfold(link, say) {
  const tree = await asked(new URL(link.href));
  if (!tree) return say("Could not load the value. Try again.");
  tree.classList.add("unfolded");
  tree.tabIndex = -1;
  const place = link.dataset.whole === undefined ? link.closest(".left-out") : link.closest("dl");
  (place ?? link).replaceWith(tree);
  tree.focus({ preventScroll: true });
}

/** @param {URL} address @returns {Promise<HTMLElement|null>} */
async function asked(address) {
  address.searchParams.set("as", "tree");
  const answer = await fetch(address).catch(() => null);
  return answer?.ok && !answer.redirected ? grown(await answer.text()) : null;
}

/** @param {string} html */
const grown = (html) => /** @type {HTMLElement|null} */ (new DOMParser().parseFromString(html, "text/html").body.firstElementChild);

/** @param {string} at */
function link(at) {
  const element = document.createElement("a");
  element.className = "button";
  element.href = at;
  element.dataset.look = "small";
  element.dataset.unfold = "";
  element.textContent = "Show the result";
  return element;
}
