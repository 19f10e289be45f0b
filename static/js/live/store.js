// @ts-check
/**
 * The state of this page from the server's frames: the newest version of each job wins, whatever arrives late or twice.
 * Knows frames and their rules; knows no DOM and no socket.
 */

/**
 * @typedef {{done: number|bigint, total: number|bigint, note: string}} Progress
 * @typedef {"scheduled"|"queued"|"running"|"retrying"|"succeeded"|"failed"|"cancelled"|"unknown"} State
 * @typedef {{id: string, version: number, kind: string, title: string, app: string|null, queue: string, state: State, attempt: number,
 *   max_attempts: number, priority: number, owner: string|null, progress: Progress, cancel_requested: boolean,
 *   error: string|null, worker: string|null, release: string|null, schedule: string|null, parent: string|null, log_seq: number,
 *   created_at: string, due_at: string|null, started_at: string|null, finished_at: string|null, doubt_at: string|null}} Summary
 * @typedef {{number: number, worker: string|null, release: string|null, started_at: string|null, finished_at: string|null,
 *   outcome: string|null, error: string|null, traceback: string|null}} Attempt
 * @typedef {{seq: number, at: string, level: string, text: string}} Line
 * @typedef {{at: string, who: string|null, action: string, note: string}} Activity
 * @typedef {Summary & {params?: object, result?: unknown, result_tree?: string|null, trail?: Activity[], attempts: Attempt[], log: Line[], [key: string]: unknown}} Detail
 * @typedef {{name: string, as_of: string|null, lag_s: number|null, unseen: number, workers: number}} WatchedApp
 * @typedef {{now: Record<string, number>, last_hour: Record<string, number>, apps?: WatchedApp[]}} Stats
 * @typedef {{name: string, host: string, pid: number, queues: string[], concurrency: number, running: string[],
 *   beat_age_s: number|null, alive: boolean}} WorkerInfo
 * @typedef {{name: string, paused: boolean, queued: number, oldest_s: number|null, running: number,
 *   started_per_min: number, workers: number}} QueueInfo
 * @typedef {{type: string, n?: number, as_of?: string, age?: number, every?: number, jobs?: Summary[], gone?: string[],
 *   stats?: Stats, workers?: WorkerInfo[], queues?: QueueInfo[], job?: Detail, code?: string, detail?: string,
 *   gauge?: string, value?: any}} Frame
 * @typedef {{frame: string, jobs: Map<string, Summary|undefined>, gone: Set<string>, detail: Detail|null,
 *   stats: boolean, workers: boolean, queues: boolean, gauge: string}} Change  jobs: what each changed one was before
 */

export class Store {
  /** @type {Map<string, Summary>} */
  jobs = new Map();
  /** @type {Map<string, Detail>} */
  details = new Map();
  /** @type {Stats|null} */
  stats = null;
  /** @type {WorkerInfo[]} */
  workers = [];
  /** @type {QueueInfo[]} */
  queues = [];
  /** What this page has asked for beside the board, by name. @type {Map<string, any>} */
  gauges = new Map();
  /** Whether a snapshot has come: before it, nothing here means "there are none". */
  ready = false;
  /** @type {Set<(change: Change) => void>} */
  #readers = new Set();

  /** @param {(change: Change) => void} reader */
  subscribe(reader) {
    this.#readers.add(reader);
    return () => this.#readers.delete(reader);
  }

  /** @param {Frame} frame */
  apply(frame) {
    /** @type {Change} */
    const change = {
      frame: frame.type, jobs: new Map(), gone: new Set(), detail: null,
      stats: !!frame.stats, workers: !!frame.workers, queues: !!frame.queues, gauge: frame.gauge ?? "",
    };
    for (const job of frame.jobs ?? []) this.#keep(job, change);
    for (const id of frame.gone ?? []) this.#drop(id, change);
    if (frame.type === "snapshot") {
      const there = new Set((frame.jobs ?? []).map((job) => job.id));
      for (const id of this.jobs.keys()) if (!there.has(id)) this.#drop(id, change);
      this.ready = true;
    }
    if (frame.stats) this.stats = frame.stats;
    if (frame.workers) this.workers = frame.workers;
    if (frame.queues) this.queues = frame.queues;
    if (frame.gauge) this.gauges.set(frame.gauge, frame.value);
    if (frame.type === "job" && frame.job) change.detail = this.#detail(frame.job);
    for (const reader of this.#readers) reader(change);
    return change;
  }

  /** @param {Summary} job @param {Change} change */
  #keep(job, change) {
    const before = this.jobs.get(job.id);
    if (before && before.version >= job.version) return;
    this.jobs.set(job.id, job);
    change.jobs.set(job.id, before);
    change.gone.delete(job.id);
  }

  /** @param {string} id @param {Change} change */
  #drop(id, change) {
    if (!this.jobs.delete(id)) return;
    change.jobs.delete(id);
    change.gone.add(id);
  }

  /**
   * Attempts are replaced by number, lines added by seq: both hold even when the frame's summary is an old one.
   * @param {Detail} news
   */
  #detail(news) {
    const old = this.details.get(news.id);
    if (!old) {
      this.details.set(news.id, { ...news, attempts: news.attempts ?? [], log: news.log ?? [] });
      return this.details.get(news.id) ?? news;
    }
    const { attempts = [], log = [], ...rest } = news;
    if (news.version >= old.version) {
      Object.assign(old, rest);
      const byNumber = new Map(old.attempts.map((attempt) => [attempt.number, attempt]));
      for (const attempt of attempts) byNumber.set(attempt.number, attempt);
      old.attempts = [...byNumber.values()].sort((a, b) => a.number - b.number);
    }
    const last = old.log.at(-1)?.seq ?? 0;
    old.log.push(...log.filter((line) => line.seq > last));
    return old;
  }
}
