"""Where the bars and spans of a chart stand: computed here once, for pages and for the frames that keep them current.

Pure, but for ``chart``. A plot is as wide as it has bars, and 100 high; the page stretches it.
"""

import math
from collections.abc import Sequence
from typing import Any

from tasks.queries import stats

LEAST = 1.5  # of 100: whatever is not nothing can be seen
QUICKEST_S, SLOWEST_S = 0.01, 86_400.0  # the ends of the scale of times, which is logarithmic


def chart(period: str) -> dict[str, Any]:
    return draw(stats.chart(period))


def draw(chart: dict[str, Any]) -> dict[str, Any]:
    """``stats.chart`` with ``spans`` of each kind, and with ``drawn``: what a page shows beside the numbers.

    ``tops`` of the two scales; ``totals``; ``paths``: outcome → its bars, cancelled ones on those that succeeded;
    ``trend``: all bars on one scale, so that the eye compares them.
    """
    bars = chart["buckets"]
    succeeded, failed, cancelled = ([bar[name] for bar in bars] for name in stats.OUTCOMES)
    ended = [a + b for a, b in zip(succeeded, cancelled, strict=True)]
    tops = {"ended": top(max(ended)), "failed": top(max(failed))}
    good, bad = heights(succeeded, tops["ended"]), heights(failed, tops["failed"])
    most = max(1, *(a + b for a, b in zip(ended, failed, strict=True)))
    low = heights(failed, most)
    drawn = {
        "tops": tops,
        "totals": {name: sum(bar[name] for bar in bars) for name in stats.OUTCOMES},
        "paths": {
            "succeeded": path(good),
            "cancelled": path(heights(cancelled, tops["ended"]), good),
            "failed": path(bad),
        },
        "trend": {"failed": path(low), "ended": path(heights(ended, most), low)},
    }
    kinds = [{**row, "spans": {name: span(row, name) for name in ("wait", "run")}} for row in chart["kinds"]]
    return {**chart, "kinds": kinds, "drawn": drawn}


def release_marks(buckets: list[dict[str, Any]], releases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """``[{"at", "release", "place"}]``: before which bar each change of release stands. Times compare as texts."""
    return [{**row, "place": sum(bar["at"] <= row["at"] for bar in buckets) - 1} for row in releases]


def top(most: int) -> int:
    """The end of a scale: the first of 1, 2, 5, 10, 20 … that is not less."""
    size = 10 ** max(0, len(str(most)) - 1)
    return next(step * size for step in (1, 2, 5, 10) if step * size >= most)


def heights(counts: Sequence[int], most: int) -> list[float]:
    return [max(LEAST, 100 * n / most) if n else 0.0 for n in counts]


def path(heights: Sequence[float], below: Sequence[float] | None = None) -> str:
    """The ``d`` of an SVG path of bars, each on what is below it."""
    bars = zip(heights, below or [0.0] * len(heights), strict=True)
    return "".join(
        f"M{i}.1 {100 - base:.1f}v-{min(h, 100 - base):.1f}h.8V{100 - base:.1f}z"
        for i, (h, base) in enumerate(bars)
        if h
    )


def span(row: dict[str, Any], name: str) -> dict[str, str] | None:
    """From the median to the 95th percentile, on the scale of times."""
    low, high = row[f"{name}_p50_s"], row[f"{name}_p95_s"]
    if low is None or high is None:
        return None
    begin, end = min(98.0, position(low)), position(high)
    return {"x": f"{begin:.2f}", "width": f"{max(2.0, end - begin):.2f}"}


def position(seconds: float) -> float:
    """Where a duration is on the scale of times, from 0 to 100."""
    within = min(SLOWEST_S, max(QUICKEST_S, seconds))
    return 100 * math.log(within / QUICKEST_S) / math.log(SLOWEST_S / QUICKEST_S)
