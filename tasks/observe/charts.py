"""What ended in a watched application over a period: bars, times by kind, and the gaps."""

from typing import Any

from django.utils.dateparse import parse_datetime

from tasks.engine.words import number_of
from tasks.observe import counting, watched
from tasks.observe.models import App
from tasks.queries import series, stats
from tasks.web import bars

KINDS = 50  # those with the most endings


def of(app: App, period: str, text: str = "", kind: str = "", **drawn: Any) -> dict[str, Any]:
    """As templates/web/_bars.html draws it, with ``gaps``. ``text``: the search that its bars narrow."""
    found = series.of(period, kind=kind, source=counting.Bars(app))
    first = next(iter(found.buckets))
    gaps = watched.gaps_in(first, None, [app.name])
    spans = [(parse_datetime(gap["from"]), parse_datetime(gap["until"]), words(gap)) for gap in gaps]
    return bars.draw(found, text or f"app:{app.name}", **drawn) | {"marks": bars.marks(found, spans), "gaps": gaps}


def kinds(app: App, period: str) -> list[dict[str, Any]]:
    """What ended of each kind, and how long it waited and ran; the kinds with the most endings first."""
    found = series.totals(period, source=counting.Bars(app))
    rows = [
        {
            "kind": kind,
            "ended": bucket.ended.total(),
            "failed": bucket.ended["failed"],
            "failure_rate": series.failure_rate(bucket.ended),
            **stats.quantiles(bucket.times),
        }
        for kind, bucket in found.items()
    ]
    return sorted(rows, key=lambda row: (-row["ended"], row["kind"]))[:KINDS]


def words(gap: dict[str, Any]) -> str:
    return f"{number_of(gap['unseen'], 'task')} of {gap['app']} began unseen: {gap['why']}"
