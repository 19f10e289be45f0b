// Numbers that JavaScript's own would round.
import assert from "node:assert/strict";
import { test } from "node:test";

import { parsed } from "../../static/js/live/exact.js";
import { fraction, way } from "../../static/js/parts/job_text.js";

test("whole numbers beyond two to the 53rd are read to the last digit", () => {
  const frame = parsed('{"a":[9007199254740993,-9007199254740993,1e300,1.5,7],"t":"9007199254740993"}');
  assert.deepEqual(frame.a.map(String), ["9007199254740993", "-9007199254740993", "1e+300", "1.5", "7"]);
  assert.equal(frame.t, "9007199254740993");
  const progress = parsed('{"done":9223372036854775807,"total":9007199254740993,"note":""}');
  assert.equal(fraction(way({ state: "running", progress })), "9,007,199,254,740,993 / 9,007,199,254,740,993");
  assert.equal(fraction(way({ state: "running", progress: { done: 3, total: 10 } })), "3 / 10");
});
