"""Charts of what ended over time, as templates/web/_bars.html draws them: geometry, words and addresses of each bar.

Pure but for addresses. A chart is as wide as it has bars, and 100 high; the page stretches it.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from tasks.engine.models import instant
from tasks.queries import stats
from tasks.queries.plots import LEAST, QUICKEST_S, SLOWEST_S, position, top
from tasks.queries.series import Series
from tasks.web.links import jobs_url

PARTS = ("succeeded", "cancelled", "failed")
TIMES = ("wait_p50_s", "wait_p95_s", "run_p50_s", "run_p95_s")
ROUND_S = {
    0.01: "10 ms", 0.1: "100 ms", 1.0: "1 s", 10.0: "10 s", 60.0: "1 min", 600.0: "10 min", 3600.0: "1 h",
    86_400.0: "1 d",
}  # fmt: skip


def draw(series: Series, text: str, against: Series | None = None, shown: Sequence[str] = PARTS) -> dict[str, Any]:
    """``bars`` with ``parts``, ``words`` and ``url`` each; ``top`` of the scale; ``line``: what it is compared with.

    ``text``: the search that finds what is counted; a bar's address adds its time to it. ``shown``: outcomes.
    """
    compared = [_total(bucket.ended, shown) for bucket in against.buckets.values()] if against else []
    most = max([_total(bucket.ended, shown) for bucket in series.buckets.values()] + compared, default=0)
    highest = top(most)
    bars = [
        {
            "x": i,
            "at": instant(at),
            "ended": {name: bucket.ended[name] for name in PARTS},
            "words": words(at, series.width, bucket.ended, compared[i] if against else None),
            "url": jobs_url(in_span(text, at, at + series.width)),
            "parts": stack([(name, bucket.ended[name]) for name in shown], highest),
            **stats.quantiles(bucket.times),
        }
        for i, (at, bucket) in enumerate(series.buckets.items())
    ]
    low, high = scale([bar[name] for bar in bars for name in TIMES if bar[name] is not None])
    return {
        "bars": bars,
        "width": len(bars),
        "step_s": int(series.width.total_seconds()),
        "top": highest,
        "text": text,
        "line": steps(compared, highest) if against else "",
        "totals": {name: series.ended[name] for name in PARTS},
        "shown": shown,
        "times": scale_marks(low, high),
        **{
            title: {name: polyline([bar[f"{what}_{name}_s"] for bar in bars], low, high) for name in ("p50", "p95")}
            for title, what in (("waited", "wait"), ("ran", "run"))
        },
    }


def _total(ended: Any, shown: Sequence[str]) -> int:
    return sum(ended[name] for name in shown)


def marks(series: Series, spans: Iterable[tuple[datetime, datetime, str]]) -> list[dict[str, Any]]:
    """Times to mark on a chart, with the words of each: ``x``, ``width``, ``words``; at least half a bar wide."""
    first = next(iter(series.buckets))
    found = []
    for begin, until, said in spans:
        low, high = (min(max((at - first) / series.width, 0), len(series.buckets)) for at in (begin, until))
        wide = max(0.5, high - low)
        found.append({"x": f"{min(low, len(series.buckets) - wide):.2f}", "width": f"{wide:.2f}", "words": said})
    return found


def in_span(text: str, since: datetime, until: datetime) -> str:
    return f"{text} ended:{instant(since)}..{instant(until)}".strip()


def words(at: datetime, width: timedelta, ended: Any, compared: int | None) -> str:
    zone = timezone.get_current_timezone()
    form = "%d %b %H:%M" if width >= timedelta(hours=1) else "%H:%M"
    span = f"{at.astimezone(zone):{form}} to {(at + width).astimezone(zone):{form}}"
    counts = ", ".join(f"{ended[name]:,} {name}" for name in ("succeeded", "failed", "cancelled"))
    return f"{span}: {counts}" + (f" (before: {compared:,} in all)" if compared is not None else "")


def stack(counts: Sequence[tuple[str, int]], most: int) -> list[dict[str, str]]:
    """Each part of a bar on the one before it."""
    found, below = [], 0.0
    for name, n in counts:
        if n:
            height = min(max(LEAST, 100 * n / most), 100 - below)
            found.append({"of": name, "y": f"{100 - below - height:.2f}", "height": f"{height:.2f}"})
            below += height
    return found


def steps(counts: Sequence[int], most: int) -> str:
    """The outline of bars, as the points of a path."""
    return " ".join(
        f"{'M' if not i else 'L'}{i} {y:.2f}H{i + 1}" for i, n in enumerate(counts) for y in [100 - 100 * n / most]
    )


def scale(seconds: Sequence[float]) -> tuple[float, float]:
    """The round times between which all of these are, at least a decade apart: the ends of a scale."""
    least, most = min(seconds, default=0.1), max(seconds, default=1.0)
    low = max((each for each in ROUND_S if each <= least), default=min(ROUND_S))
    return low, next((each for each in ROUND_S if each >= most and each > low), max(ROUND_S))


def scale_marks(low: float, high: float) -> list[dict[str, str]]:
    """Round times of a scale but its lowest, no more than four: ``y`` and ``words``."""
    within = [each for each in ROUND_S if low < each <= high]
    shown = within[:: -1 if len(within) <= 4 else -2][::-1]
    return [{"y": f"{100 - place(each, low, high):.1f}", "words": ROUND_S[each]} for each in shown]


def place(seconds: float, low: float, high: float) -> float:
    """Where a duration is between the ends of a scale, from 0 to 100."""
    return min(100.0, max(0.0, 100 * (position(seconds) - position(low)) / (position(high) - position(low))))


def polyline(values: Sequence[float | None], low: float = QUICKEST_S, high: float = SLOWEST_S) -> str:
    """A line through the middles of bars on the scale of times; broken where nothing is known."""
    path, pen = "", "M"
    for i, seconds in enumerate(values):
        if seconds is None:
            pen = "M"
            continue
        y = 100 - place(seconds, low, high)
        path += f"{pen}{i + 0.1:.1f} {y:.2f}H{i + 0.9:.1f}"
        pen = "L"
    return path


def histogram(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of ``series.histogram`` that hold anything, and those between, with a length of 100 for the longest."""
    held = [i for i, row in enumerate(rows) if row["waiting"] or row["running"]]
    if not held:
        return []
    most = max(max(row["waiting"], row["running"]) for row in rows)
    return [
        {**row, "wait_width": f"{100 * row['waiting'] / most:.1f}", "run_width": f"{100 * row['running'] / most:.1f}"}
        for row in rows[held[0] : held[-1] + 1]
    ]
