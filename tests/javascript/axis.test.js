import assert from "node:assert/strict";
import { test } from "node:test";

process.env.TZ = "Asia/Kolkata"; // half an hour beside whole hours of UTC
const { rounds } = await import("../../static/js/parts/axis.js");

const words = (found) => found.map(({ words }) => words);

test("a day has whole hours of the reader's zone, and a midnight is its date", () => {
  const found = rounds("2026-11-28T20:00:00Z", 900, 96, 8);
  assert.deepEqual(words(found), ["03:00", "06:00", "09:00", "12:00", "15:00", "18:00", "21:00", "30 Nov"]);
  assert.equal(found[0].place, (1.5 * 3600) / (900 * 96));
});

test("where there is less room there are fewer marks", () => {
  assert.deepEqual(words(rounds("2026-11-28T20:00:00Z", 900, 96, 3)), ["12:00", "30 Nov"]);
});

test("an hour has round minutes, a month has days", () => {
  assert.deepEqual(words(rounds("2026-11-28T20:04:00Z", 60, 60, 5)), ["01:45", "02:00", "02:15", "02:30"]);
  assert.equal(words(rounds("2026-11-01T06:30:00Z", 43_200, 60, 8))[0], "6 Nov");
});

test("no room and no bars have no marks", () => {
  assert.deepEqual(rounds("2026-11-28T20:00:00Z", 900, 96, 0), []);
  assert.deepEqual(rounds("", 900, 96, 8), []);
});
