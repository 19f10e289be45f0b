// The words that complete what is typed, and which new jobs belong to a search.
import assert from "node:assert/strict";
import { test } from "node:test";

import { matches } from "../../static/js/pages/jobs.js";
import { matching, pieceAt } from "../../static/js/parts/search.js";
import { inSpan } from "../../static/js/parts/span.js";

test("the search box completes the piece at the caret", () => {
  assert.equal(pieceAt("state:failed ki x", 15).piece, "ki");
  assert.equal(pieceAt('owner:"anna ma', 14).piece, 'owner:"anna ma');
  assert.deepEqual(pieceAt("ab cd", 1), { start: 0, end: 2, piece: "a" });
});

test("what is left out is completed alike, and a parameter by its own name", () => {
  assert.deepEqual(pieceAt("x -sta", 6), { start: 3, end: 6, piece: "sta" });
  const words = ["args.", "args.order_id:", "state:"].map((value) => ({ value, about: "" }));
  assert.deepEqual(matching(words, "ord").map(({ value }) => value), ["args.order_id:"]);
  assert.deepEqual(matching(words, "args.o").map(({ value }) => value), ["args.order_id:"]);
});

test("a span that is dragged takes the place of every other time", () => {
  const text = inSpan('kind:noop since:2h "a b" ended:x..y', "2026-11-23T14:00:00.000000Z", 60, 5, 7);
  assert.equal(text, 'kind:noop "a b" ended:2026-11-23T14:05:00.000Z..2026-11-23T14:08:00.000Z');
});

test("it offers what begins with the piece first, then values that do", () => {
  const words = ["state:", "state:failed", "kind:", "kind:fetch", 'owner:"anna maria"', "owner:fay"]
    .map((value) => ({ value, about: "" }));
  const offered = (typed) => matching(words, typed).map(({ value }) => value);
  assert.deepEqual(offered("fa"), ["state:failed", "owner:fay"]);
  assert.deepEqual(offered("s"), ["state:", "state:failed"]);
  assert.deepEqual(offered("state:F"), ["state:failed"]);
  assert.deepEqual(offered(""), ["state:", "kind:"]);
  assert.deepEqual(offered("anna"), ['owner:"anna maria"']);
  assert.deepEqual(offered('owner:"a'), ['owner:"anna maria"']);
  assert.deepEqual(offered("state:failed"), []);
});

test("a page tells which new jobs match its search", () => {
  const job = { state: "failed", kind: "noop", queue: "io", owner: null, parent: "p" };
  assert.equal(matches({ state: [["failed", "cancelled"]], kind: [], queue: [["io"]], owner: [] }, job), true);
  assert.equal(matches({ state: [["failed"], ["queued"]], kind: [], queue: [], owner: [] }, job), false);
  assert.equal(matches({ state: [], kind: [], queue: [], owner: [["alice"]] }, job), false);
  assert.equal(matches({ state: [], kind: [], queue: [], owner: [], parent: [["p"]] }, job), true);
  assert.equal(matches({ kind: [["noop"]], app: [["shop"]] }, { ...job, app: "shop" }), true);
  assert.equal(matches({ kind: [["noop"]], app: [["shop", null]] }, { ...job, app: null }), true);
  assert.equal(matches({ kind: [["noop"]], app: [[null]] }, { ...job, app: "shop" }), false);
});
