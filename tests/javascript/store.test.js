// What the store believes, whatever the order in which frames come.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Store } from "../../static/js/live/store.js";

test("the store keeps the newest version whatever the order", () => {
  const store = new Store();
  const job = (version) => ({ id: "a", version, state: "running" });
  store.apply({ type: "snapshot", n: 1, jobs: [job(3)] });
  const changes = [];
  store.subscribe((change) => changes.push([...change.jobs.keys()].length));
  store.apply({ type: "patch", n: 2, jobs: [job(5)] });
  store.apply({ type: "patch", n: 2, jobs: [job(5)] });
  store.apply({ type: "patch", n: 3, jobs: [job(4)] });
  store.apply({ type: "snapshot", n: 4, jobs: [job(2)] });
  assert.equal(store.jobs.get("a").version, 5);
  assert.deepEqual(changes, [1, 0, 0, 0]);
});

test("a snapshot takes away what it does not name, and a patch only what it calls gone", () => {
  const store = new Store();
  const job = (id) => ({ id, version: 1, state: "queued" });
  store.apply({ type: "snapshot", n: 1, jobs: ["a", "b", "c"].map(job), stats: { now: { queued: 3 } } });
  store.apply({ type: "patch", n: 2, jobs: [job("d")], gone: ["b", "nobody"] });
  assert.deepEqual([...store.jobs.keys()], ["a", "c", "d"]);
  const change = store.apply({ type: "snapshot", n: 3, jobs: ["d", "e"].map(job) });
  assert.deepEqual([...store.jobs.keys()], ["d", "e"]);
  assert.deepEqual([...change.gone].sort(), ["a", "c"]);
  assert.equal(store.stats.now.queued, 3);
});

test("a watched job replaces attempts by number and adds lines by seq", () => {
  const store = new Store();
  const hear = (job) => store.apply({ type: "job", n: 1, job: { id: "a", ...job } });
  const line = (seq) => ({ seq, text: `line ${seq}` });
  hear({ version: 1, params: { x: 1 }, attempts: [{ number: 1, outcome: null }], log: [line(1), line(2)] });
  const attempts = [{ number: 2, outcome: null }, { number: 1, outcome: "lost" }];
  hear({ version: 4, attempts, log: [line(2), line(3)] });
  hear({ version: 2, state: "old", attempts: [], log: [line(4)] });
  const job = store.details.get("a");
  assert.equal(job.version, 4);
  assert.equal(job.params.x, 1);
  assert.deepEqual(job.attempts.map((attempt) => [attempt.number, attempt.outcome]), [[1, "lost"], [2, null]]);
  assert.deepEqual(job.log.map(({ seq }) => seq), [1, 2, 3, 4]);
  assert.equal(job.state, undefined);
});
