// What a picture of that age is called.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Freshness } from "../../static/js/live/freshness.js";

test("a picture is live, then catching up, then stale, even if the machine slept", () => {
  const clock = () => ({ at: 0, now() { return this.at; } });
  const [tick, wall] = [clock(), clock()];
  const freshness = new Freshness(tick, wall);
  const words = [freshness.word()];
  freshness.update({ age: 1 });
  for (const s of [0, 5.9, 6, 13.9, 14]) {
    tick.at = wall.at = s * 1000;
    words.push(freshness.word());
  }
  freshness.update({ age: 0 });
  words.push(freshness.word());
  wall.at += 60_000;
  words.push(freshness.word());
  tick.at = wall.at += 5000;
  freshness.update({ age: 1 });
  assert.deepEqual([freshness.rest(), (freshness.update({ age: 9 }), freshness.rest()), (freshness.update({ age: 15 }), freshness.rest())], [6000, 6000, Infinity]);
  assert.deepEqual(words, [
    "connecting", "live", "live", "catching-up", "catching-up", "stale", "live", "stale",
  ]);
});
