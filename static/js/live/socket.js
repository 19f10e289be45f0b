// @ts-check
/**
 * One WebSocket that stays: it watches again after each connection, acknowledges what counts, notices silence
 * and comes back with full jitter. Knows the protocol's envelope; knows no jobs.
 */

import { parsed } from "./exact.js";

const PROTOCOL = "signalbox.v1";
const FIRST_S = 0.5;
const LONGEST_S = 20;
const SILENT_BEATS = 2.5;

/**
 * @typedef {"connecting"|"open"|"waiting"|"closed"} Link
 * @typedef {{onFrame: (frame: any) => void, onLink?: (link: Link, waitS: number) => void,
 *   onEnd?: (code: number, reason: string) => void, random?: () => number, WebSocket?: typeof WebSocket}} Options
 */

export class Socket {
  /** @type {WebSocket|null} */
  #socket = null;
  /** @type {Map<string, object | (() => object)>} */
  #watching = new Map();
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;
  #failures = 0;
  #everyS = 5;
  #ended = false;

  /** @param {string} url @param {Options} options */
  constructor(url, options) {
    this.url = url;
    this.options = { random: Math.random, WebSocket: globalThis.WebSocket, ...options };
  }

  /**
   * Watch now, if the link is up, and after each new connection.
   * @param {string} name  one thing watched; the same name again replaces it
   * @param {object | (() => object)} message  or what makes it, when it changes with what has been seen
   */
  watch(name, message) {
    this.#watching.set(name, message);
    if (this.#socket?.readyState === 1) this.#send(message);
  }

  /** No longer. @param {string} name @param {object} message  what tells the server so */
  unwatch(name, message) {
    if (this.#watching.delete(name)) this.#send(message);
  }

  /** Connect, or connect again at once. */
  open() {
    if (this.#ended) return;
    this.#leave();
    this.options.onLink?.("connecting", 0);
    const socket = new this.options.WebSocket(this.url, PROTOCOL);
    this.#socket = socket;
    this.#expect();
    socket.onopen = () => {
      this.#expect();
      this.options.onLink?.("open", 0);
      for (const message of this.#watching.values()) this.#send(message);
    };
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = (event) => this.#lost(event.code, event.reason);
  }

  /** Close for now; open() connects again. */
  close() {
    this.#leave();
    this.options.onLink?.("closed", 0);
  }

  /** Connect now if a wait is under way: the network is back, or somebody looks again. */
  reconnectNow() {
    if (!this.#socket) this.open();
  }

  /** @param {string} text */
  #receive(text) {
    const frame = parsed(text);
    if (frame.type === "beat" && frame.every > 0) this.#everyS = frame.every;
    this.#expect();
    try {
      this.options.onFrame(frame);
    } finally {
      if (typeof frame.n === "number") {
        this.#failures = 0;
        this.#send({ type: "ack", n: frame.n });
      }
    }
  }

  /** @param {object | (() => object)} message */
  #send(message) {
    if (this.#socket?.readyState !== 1) return;
    this.#socket.send(JSON.stringify(typeof message === "function" ? message() : message));
  }

  /** A link that says nothing for two and a half beats is dead, whatever TCP thinks. */
  #expect() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#lost(0, "silent"), this.#everyS * SILENT_BEATS * 1000);
  }

  /** @param {number} code @param {string} reason */
  #lost(code, reason) {
    this.#leave();
    if (code === 4401 || code === 4403) {
      this.#ended = true;
      this.options.onEnd?.(code, reason);
      return;
    }
    const wait = this.options.random() * Math.min(LONGEST_S, FIRST_S * 2 ** this.#failures);
    this.#failures += 1;
    this.#timer = setTimeout(() => this.open(), wait * 1000);
    this.options.onLink?.("waiting", wait);
  }

  #leave() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }
}
