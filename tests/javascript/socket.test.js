// How the link comes back: what it watches again, how long it waits, when it gives up.
import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { Socket } from "../../static/js/live/socket.js";

const made = [];

class Fake {
  readyState = 0;
  sent = [];
  constructor(url, protocol) {
    made.push(Object.assign(this, { url, protocol }));
  }
  send(text) {
    this.sent.push(JSON.parse(text));
  }
  close() {
    this.closed = true;
  }
  opens() {
    this.readyState = 1;
    this.onopen();
  }
  brings(frame) {
    this.onmessage({ data: JSON.stringify(frame) });
  }
  ends(code) {
    this.readyState = 3;
    this.onclose({ code, reason: "" });
  }
}

beforeEach(() => {
  made.length = 0;
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1000 });
});

test("the link watches again after each connection and acknowledges what counts", () => {
  let after = 0;
  const socket = new Socket("ws://x/", { onFrame: () => (after += 5), WebSocket: Fake, random: () => 1 });
  socket.watch("job", () => ({ type: "watch", job: "a", after }));
  socket.open();
  made[0].opens();
  made[0].brings({ type: "job", n: 7 });
  made[0].brings({ type: "beat", every: 5 });
  made[0].ends(1006);
  assert.equal(made.length, 1);
  mock.timers.tick(600);
  made[1].opens();
  assert.equal(made[0].protocol, "signalbox.v1");
  assert.deepEqual(made[0].sent, [{ type: "watch", job: "a", after: 0 }, { type: "ack", n: 7 }]);
  assert.deepEqual(made[1].sent, [{ type: "watch", job: "a", after: 10 }]);
});

test("a failing link waits longer each time, with full jitter, up to twenty seconds", () => {
  const waits = [];
  const dice = [1, 1, 0.25, 1, 1, 1, 1, 1, 0];
  const onLink = (link, wait) => link === "waiting" && waits.push(wait);
  const socket = new Socket("ws://x/", { onFrame() {}, onLink, WebSocket: Fake, random: () => dice.shift() });
  socket.open();
  for (let failure = 0; failure < 7; failure += 1) {
    made.at(-1).ends(1006);
    mock.timers.tick(waits.at(-1) * 1000 + 1);
  }
  assert.deepEqual(waits, [0.5, 1, 0.5, 4, 8, 16, 20]);
  made.at(-1).opens();
  made.at(-1).brings({ type: "snapshot", n: 1, jobs: [] });
  made.at(-1).ends(1006);
  assert.equal(waits.at(-1), 0.5, "a snapshot proves the link: the next failure is a first one");
});

test("two and a half silent beats are a dead link", () => {
  const socket = new Socket("ws://x/", { onFrame() {}, WebSocket: Fake, random: () => 0 });
  socket.open();
  made[0].opens();
  made[0].brings({ type: "beat", every: 2 });
  mock.timers.tick(4_900);
  assert.equal(made.length, 1);
  mock.timers.tick(200);
  assert.deepEqual([made.length, made[0].closed], [2, true]);
});

for (const code of [4401, 4403]) {
  test(`a link that was refused with ${code} stays closed`, () => {
    const ended = [];
    const socket = new Socket("ws://x/", { onFrame() {}, onEnd: (why) => ended.push(why), WebSocket: Fake });
    socket.open();
    made[0].opens();
    made[0].ends(code);
    socket.reconnectNow();
    mock.timers.tick(60_000);
    assert.deepEqual(ended, [code]);
    assert.equal(made.length, 1);
  });
}
