// @ts-check
/** The notices above the page: one for each open alert, as the server painted them and as frames say them since. */

/** @typedef {{id: string, sentence: string}} AlertInfo */
/** @typedef {import("./store.js").Frame & {alerts?: AlertInfo[]}} WithAlerts */

/**
 * What a frame says of alerts: a snapshot without any says that there are none, a patch without any says nothing.
 * @param {WithAlerts} frame @returns {AlertInfo[]|null}
 */
export function said(frame) {
  return frame.alerts ?? (frame.type === "snapshot" ? [] : null);
}

/** @param {WithAlerts} frame */
export function heed(frame) {
  const region = document.querySelector("[data-alerts]");
  const alerts = said(frame);
  if (!region || !alerts) return;
  const here = new Map([...region.children].map((child) => [/** @type {HTMLElement} */ (child).dataset.alert, child]));
  region.replaceChildren(...alerts.map((alert) => here.get(alert.id) ?? notice(alert)));
}

/** @param {AlertInfo} alert */
function notice(alert) {
  const line = document.createElement("p");
  line.className = "notice";
  line.dataset.look = "danger";
  line.dataset.alert = alert.id;
  line.setAttribute("role", "status");
  const words = document.createElement("span");
  words.textContent = alert.sentence;
  const link = document.createElement("a");
  link.href = "/alerts/";
  link.textContent = "Alerts";
  line.append(words, " ", link);
  return line;
}
