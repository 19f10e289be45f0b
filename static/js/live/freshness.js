// @ts-check
/**
 * How old the picture is, by the server's own word plus the time since it came; and what to call that.
 * Knows numbers only.
 */

const CATCHING_UP_S = 7;
const STALE_S = 15;

export class Freshness {
  /** Age in seconds when the newest frame was sent; null before the first. @type {number|null} */
  #age = null;
  #tick = 0;
  #wall = 0;

  /** @param {{now(): number}} [monotonic] @param {{now(): number}} [wall] */
  constructor(monotonic = performance, wall = Date) {
    this.monotonic = monotonic;
    this.wall = wall;
  }

  /** @param {{age?: number}} frame */
  update(frame) {
    if (typeof frame.age !== "number") return;
    this.#age = frame.age;
    this.#tick = this.monotonic.now();
    this.#wall = this.wall.now();
  }

  /** Seconds; null: no frame yet. A machine that slept shows it on one of the two clocks only. */
  age() {
    if (this.#age === null) return null;
    return this.#age + Math.max(this.monotonic.now() - this.#tick, this.wall.now() - this.#wall, 0) / 1000;
  }

  /** In how many milliseconds the word changes if no frame comes. */
  rest() {
    const age = this.age() ?? STALE_S;
    return age >= STALE_S ? Infinity : ((age >= CATCHING_UP_S ? STALE_S : CATCHING_UP_S) - age) * 1000;
  }

  /** @returns {"connecting"|"live"|"catching-up"|"stale"} */
  word() {
    const age = this.age();
    if (age === null) return "connecting";
    return age >= STALE_S ? "stale" : age >= CATCHING_UP_S ? "catching-up" : "live";
  }
}
