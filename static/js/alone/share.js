// @ts-check
/** The page behind a share link: asks how its one job goes, less and less often while nothing changes. */

const page = /** @type {HTMLElement} */ (document.querySelector("[data-share]"));
const FINAL = new Set(["succeeded", "failed", "cancelled"]);
const FASTEST = 1000, SLOWEST = 15000;
let version = -1, pause = FASTEST;

/** @param {string} part */
function part(part) {
  return /** @type {HTMLElement} */ (page.querySelector(`[data-part="${part}"]`));
}

/** @param {{state: string, version: number, progress: {done: number, total: number, note: string}}} job */
function show(job) {
  page.dataset.state = job.state;
  part("word").textContent = job.state.charAt(0).toUpperCase() + job.state.slice(1);
  part("note").textContent = job.progress.note;
  const rail = /** @type {HTMLProgressElement} */ (part("rail"));
  const { done, total } = job.state === "succeeded" ? { done: 1, total: 1 } : job.progress;
  if (total > 0) {
    rail.max = total;
    rail.value = Math.min(done, total);
    part("percent").textContent = `${Math.floor((100 * Math.min(done, total)) / total)} %`;
  } else {
    if (FINAL.has(job.state)) rail.value = 0;
    else rail.removeAttribute("value");
    part("percent").textContent = "";
  }
}

/** @param {string} text */
function say(text) {
  part("answer").textContent = text;
  part("answer").hidden = !text;
}

async function ask() {
  try {
    const answer = await fetch(/** @type {string} */ (page.dataset.share), { credentials: "omit", cache: "no-store" });
    if (answer.status === 404) return say("This link is no longer valid.");
    if (!answer.ok) throw new Error(String(answer.status));
    const job = await answer.json();
    pause = job.version === version ? Math.min(pause * 1.3, SLOWEST) : FASTEST;
    if (job.version >= version) show(job);
    version = Math.max(version, job.version);
    say("");
    if (FINAL.has(job.state)) return undefined;
  } catch {
    pause = Math.min(pause * 2, SLOWEST);
    say("No connection: trying again.");
  }
  return setTimeout(ask, pause);
}

ask();
