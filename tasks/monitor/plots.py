"""Where the bars of a chart stand, as templates/charts draws them. static/js/parts/plots.js computes the same.

Pure. A plot is as wide as it has bars, and 100 high; the page stretches it.
"""

import math
from typing import Any

LEAST = 1.5  # of 100: whatever is not nothing can be seen
QUICKEST_S, SLOWEST_S = 0.01, 86_400.0  # the ends of the scale of times, which is logarithmic


def plot_positions(chart: dict[str, Any]) -> dict[str, Any]:
    """What a chart's template needs beside ``history.chart``: tops of scales, totals, and bars with their heights."""
    bars = chart["buckets"]
    ended, failed = (top(max(sum(bar[name] for name in names) for bar in bars)) for names in STACKS)
    return {
        "width": len(bars),
        "tops": {"ended": ended, "failed": failed},
        "totals": {name: sum(bar[name] for bar in bars) for name in ("succeeded", "failed", "cancelled")},
        "bars": [{**bar, "place": i, "heights": heights(bar, ended, failed)} for i, bar in enumerate(bars)],
        "kinds": [{**row, "spans": {name: span(row, name) for name in ("wait", "run")}} for row in chart["kinds"]],
    }


def trend(buckets: list[dict[str, Any]]) -> dict[str, str]:
    """The last hour in a small drawing: a path of bars for what ended well or was cancelled, one for what failed.

    Both have one scale, so that the eye compares them.
    """
    most = max([1, *(bar["succeeded"] + bar["cancelled"] + bar["failed"] for bar in buckets)])
    failed = [height(bar["failed"], most) for bar in buckets]
    ended = [height(bar["succeeded"] + bar["cancelled"], most) for bar in buckets]
    return {"failed": _bars(failed, [0.0] * len(failed)), "ended": _bars(ended, failed)}


def _bars(heights: list[float], below: list[float]) -> str:
    """Paths of bars of these heights, each standing on what is below it."""
    bars = zip(heights, below, strict=True)
    return "".join(
        f"M{i} {100 - base:.1f}v-{min(h, 100 - base):.1f}h.8V{100 - base:.1f}z" for i, (h, base) in enumerate(bars) if h
    )


def release_marks(buckets: list[dict[str, Any]], releases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """``[{"at", "release", "place"}]``: before which bar each change of release stands. Times compare as texts."""
    return [{**row, "place": sum(bar["at"] <= row["at"] for bar in buckets) - 1} for row in releases]


STACKS = (("succeeded", "cancelled"), ("failed",))


def top(most: int) -> int:
    """The end of a scale: the first of 1, 2, 5, 10, 20 … that is not less."""
    size = 10 ** max(0, len(str(most)) - 1)
    return next(step * size for step in (1, 2, 5, 10) if step * size >= most)


def heights(bar: dict[str, Any], ended: int, failed: int) -> dict[str, str]:
    """``y`` and height of each part of a bar; cancelled ones stand on those that succeeded."""
    succeeded = height(bar["succeeded"], ended)
    cancelled = min(height(bar["cancelled"], ended), 100 - succeeded)
    wrong = height(bar["failed"], failed)
    return {
        "succeeded": f"{succeeded:.2f}",
        "succeeded_y": f"{100 - succeeded:.2f}",
        "cancelled": f"{cancelled:.2f}",
        "cancelled_y": f"{100 - succeeded - cancelled:.2f}",
        "failed": f"{wrong:.2f}",
        "failed_y": f"{100 - wrong:.2f}",
    }


def height(n: int, most: int) -> float:
    return max(LEAST, 100 * n / most) if n else 0.0


def span(row: dict[str, Any], name: str) -> dict[str, str] | None:
    """From the median to the 95th percentile, on the scale of times."""
    low, high = row[f"{name}_p50_s"], row[f"{name}_p95_s"]
    if low is None or high is None:
        return None
    begin, end = min(98.0, position(low)), position(high)
    return {"x": f"{begin:.2f}", "width": f"{max(2.0, end - begin):.2f}"}


def position(seconds: float) -> float:
    within = min(SLOWEST_S, max(QUICKEST_S, seconds))
    return 100 * math.log(within / QUICKEST_S) / math.log(SLOWEST_S / QUICKEST_S)
