// @ts-check
/** Where the bars of a chart stand. tasks/monitor/plots.py computes the same. Knows no DOM. */

/** @typedef {{at: string, succeeded: number, failed: number, cancelled: number}} Bucket */
/** @typedef {{kind: string, wait_p50_s: number|null, wait_p95_s: number|null, run_p50_s: number|null, run_p95_s: number|null}} KindTimes */
/** @typedef {{buckets: Bucket[], kinds: KindTimes[], missing: [string, string]|null}} Chart */
/** @typedef {{y: string, height: string}} Part */

const LEAST = 1.5;
const [QUICKEST_S, SLOWEST_S] = [0.01, 86400];

/** The end of a scale: the first of 1, 2, 5, 10, 20 … that is not less. @param {number} most */
export function top(most) {
  const size = 10 ** Math.max(0, String(most).length - 1);
  return size * ([1, 2, 5, 10].find((step) => step * size >= most) ?? 10);
}

/** @param {Bucket[]} buckets */
export function tops(buckets) {
  return {
    ended: top(Math.max(...buckets.map((bar) => bar.succeeded + bar.cancelled))),
    failed: top(Math.max(...buckets.map((bar) => bar.failed))),
  };
}

/** @param {Bucket} bar @param {{ended: number, failed: number}} tops @returns {Record<string, Part>} */
export function parts(bar, tops) {
  const succeeded = height(bar.succeeded, tops.ended);
  const cancelled = Math.min(height(bar.cancelled, tops.ended), 100 - succeeded);
  const failed = height(bar.failed, tops.failed);
  return {
    succeeded: part(100 - succeeded, succeeded),
    cancelled: part(100 - succeeded - cancelled, cancelled),
    failed: part(100 - failed, failed),
  };
}

/** @param {number} y @param {number} height */
const part = (y, height) => ({ y: y.toFixed(2), height: height.toFixed(2) });

/** @param {number} n @param {number} most */
const height = (n, most) => (n ? Math.max(LEAST, (100 * n) / most) : 0);

/** From the median to the 95th percentile, on the scale of times. @param {number|null} low @param {number|null} high */
export function span(low, high) {
  if (low === null || high === null) return { x: "0", width: "0" };
  const [begin, end] = [Math.min(98, position(low)), position(high)];
  return { x: begin.toFixed(2), width: Math.max(2, end - begin).toFixed(2) };
}

/** @param {number} seconds */
function position(seconds) {
  const within = Math.min(SLOWEST_S, Math.max(QUICKEST_S, seconds));
  return (100 * Math.log(within / QUICKEST_S)) / Math.log(SLOWEST_S / QUICKEST_S);
}

/** The last hour in a small drawing: one path of bars for what failed, one for the rest, which stands on it. @param {Bucket[]} buckets */
export function trend(buckets) {
  const most = Math.max(1, ...buckets.map((bar) => bar.succeeded + bar.cancelled + bar.failed));
  const failed = buckets.map((bar) => height(bar.failed, most));
  const ended = buckets.map((bar) => height(bar.succeeded + bar.cancelled, most));
  return { failed: bars(failed, failed.map(() => 0)), ended: bars(ended, failed) };
}

/** @param {number[]} heights @param {number[]} below */
function bars(heights, below) {
  return heights.map((h, i) => (h ? `M${i} ${(100 - below[i]).toFixed(1)}v-${Math.min(h, 100 - below[i]).toFixed(1)}h.8V${(100 - below[i]).toFixed(1)}z` : "")).join("");
}
