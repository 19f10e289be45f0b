// @ts-check
/** Title and favicon: they say from another tab how many jobs failed, and whether this page can be believed. */

const plain = document.title;

/** The same glyphs as the lamps; data addresses, so that a change asks nobody for anything. @type {Record<string, string>} */
const GLYPHS = {
  "": '<circle cx="16" cy="16" r="7" fill="#4fdb8c"/>',
  failing: '<rect x="6" y="13" width="20" height="6" rx="1.5" fill="#ff6459"/>',
  stale: '<path d="M16 8v10M16 22.5v1.5" stroke="#ffc14d" stroke-width="4" stroke-linecap="round"/>',
};

let shown = "";

/** @param {number} failed @param {boolean} stale */
export function mark(failed, stale) {
  const title = `${stale ? "Stale · " : ""}${failed ? `${failed.toLocaleString("en")} failed · ` : ""}${plain}`;
  if (document.title !== title) document.title = title;
  const look = stale ? "stale" : failed ? "failing" : "";
  if (look === shown) return;
  shown = look;
  const link = /** @type {HTMLLinkElement|null} */ (document.querySelector("link[rel=icon]"));
  if (!link) return;
  link.href = `data:image/svg+xml,${encodeURIComponent(picture(GLYPHS[look]))}`;
}

/** @param {string} glyph */
function picture(glyph) {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="16" cy="16" r="16" fill="#0a0f11"/>${glyph}</svg>`;
}
