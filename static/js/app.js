// @ts-check
/** Where the parts of a page meet: what the page says it watches decides what is started. */

import * as actions from "./parts/actions.js";
import * as alerts from "./live/alerts.js";
import * as axis from "./parts/axis.js";
import { Announcer } from "./live/announce.js";
import { Board } from "./pages/board.js";
import { ChartsPage } from "./pages/charts.js";
import { JobPage } from "./pages/job.js";
import { JobsPage } from "./pages/jobs.js";
import * as keys from "./pages/keys.js";
import { Link } from "./live/link.js";
import { keep, topicsOf } from "./parts/kept.js";
import { follow } from "./parts/outcome.js";
import { Neighbours } from "./parts/related.js";
import * as prefs from "./parts/prefs.js";
import * as search from "./parts/search.js";
import * as span from "./parts/span.js";
import { SelfTest } from "./pages/selftest.js";
import { Store } from "./live/store.js";
import * as time from "./parts/time.js";
import { mark } from "./live/title.js";
import * as trees from "./parts/tree.js";
import * as troubles from "./parts/troubles.js";
import { WorkersPage } from "./pages/workers.js";

const main = /** @type {HTMLElement} */ (document.querySelector("main"));
const WHOLE = new Set(["workers", "charts", "self-test"]); // pages that want what frames say of all of it
const region = document.querySelector("[data-announce]");
const announcer = region && new Announcer(region);

prefs.start();
time.start();
search.start();
span.start();
axis.start();
actions.start((words) => announcer?.say(words));
trees.start((words) => announcer?.say(words));
keys.start((words) => announcer?.say(words));
if (main.dataset.watch) live(main.dataset.watch);
else if (main.dataset.news === undefined) listen();

/** On a page that watches nothing else. */
function listen() {
  const link = new Link();
  link.watch("news", alerts.WATCH);
  link.open();
}

/** @param {string} watch  "board", "workers", "jobs" or the id of a job */
function live(watch) {
  const store = new Store();
  const board = watch === "board" ? new Board(main, store) : null;
  const topics = topicsOf(main); // of parts that no frame holds
  const soon = topics.length ? keep(main) : null;
  const socket = new Link((frame) => {
    store.apply(frame);
    test?.update(frame);
    if (board?.verdict && frame.type === "news" && frame.alerts) board.recount(frame.alerts.length);
    if (frame.code === "unknown-job") (jobs ?? job)?.gone(String(frame.job));
    if (frame.stats) retitle();
    if (frame.type === "news" && topics.some((topic) => frame.topics.includes(topic))) soon?.();
  }, () => board?.hold.paused);
  const test = watch === "self-test" ? new SelfTest(main, { linked: () => socket.linked && !socket.ended, say: (words) => announcer?.say(words) }) : null;
  time.also(retitle);
  const jobs = watch === "jobs" ? new JobsPage(main, store, socket, (words) => announcer?.say(words)) : null;
  const many = board || jobs || WHOLE.has(watch);
  if (many) socket.watch("board", { type: "watch", board: true, apps: true });
  const job = many ? null : watchJob(watch, store, socket);
  if (board) store.subscribe((change) => announcer?.note(change, store.jobs));
  if (board) for (const gauge of ["tallies", "failures", "chart-1h", "troubles"]) socket.watch(gauge, { type: "watch", gauge });
  socket.watch("news", { type: "watch", news: [...new Set([...topics, ...alerts.WATCH.news])] });
  if (watch === "charts") socket.watch("gauge", { type: "watch", gauge: new ChartsPage(main, store).gauge });
  if (watch === "workers") {
    new WorkersPage(main, store);
    for (const gauge of ["queues", "troubles"]) socket.watch(gauge, { type: "watch", gauge });
  }
  const region = main.querySelector("[data-troubles]");
  if (region instanceof HTMLElement) troubles.keep(region, store, (words) => announcer?.say(words));

  function retitle() {
    mark(store.stats?.last_hour.failed ?? 0, socket.freshness.word() === "stale");
  }

  document.querySelector("[data-pause]")?.addEventListener("click", (event) => {
    const button = /** @type {HTMLElement} */ (event.currentTarget);
    const paused = !board?.hold.paused;
    button.textContent = paused ? "Resume" : "Pause";
    button.toggleAttribute("data-paused", paused);
    board?.pause(paused);
    socket.badge.show();
  });
  socket.open();
}

/** @param {string} id @param {Store} store @param {Link} socket */
function watchJob(id, store, socket) {
  const page = new JobPage(main);
  const watch = () => ({ type: "watch", job: id, after: page.log.last });
  let said = page.state;
  store.subscribe(({ detail, frame }) => {
    if (!detail || frame !== "job" || detail.id !== id) return;
    page.show(detail);
    if (detail.state !== said) announcer?.say(`${detail.kind} ${detail.title}: ${detail.state}.`);
    said = detail.state;
  });
  socket.watch("job", watch);
  follow(main, store, socket);
  const near = new Neighbours(main, store, socket);
  return { gone: (/** @type {string} */ gone) => (gone === id ? page.gone() : near.gone(gone)) };
}
