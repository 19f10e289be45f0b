// @ts-check
/**
 * What this reader likes: theme and time zone. Kept in cookies, not in storage, because the server paints with them:
 * the first paint is already dark, and already in the reader's own time.
 */

const YEAR_S = 31_536_000;

/** @param {string} name */
export function pref(name) {
  return document.cookie.match(new RegExp(`(?:^|; )signalbox_${name}=([^;]*)`))?.[1] ?? "";
}

/** @param {string} name @param {string} value  empty: forget it */
export function keep(name, value) {
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `signalbox_${name}=${encodeURIComponent(value)}; path=/; max-age=${value ? YEAR_S : 0}; samesite=lax${secure}`;
}

export function start() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (decodeURIComponent(pref("zone")) !== zone) keep("zone", zone);
  const said = document.querySelector("[data-zone]");
  if (said) said.textContent = zone;
  for (const input of /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll("[data-theme-choice]"))) {
    input.checked = input.value === pref("theme");
    input.addEventListener("change", () => {
      keep("theme", input.value);
      document.documentElement.dataset.theme = input.value;
    });
  }
}
