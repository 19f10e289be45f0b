"""What ended over a period in watched applications, with our own jobs or without: bars, times by kind, and the gaps."""

from collections.abc import Sequence
from typing import Any

from django.urls import reverse
from django.utils.dateparse import parse_datetime

from tasks.engine import registry
from tasks.engine.words import number_of
from tasks.observe import counting, watched
from tasks.observe.models import App
from tasks.queries import series, stats
from tasks.web import bars
from tasks.web.links import jobs_url, quoted

KINDS = 50  # those with the most endings


def sources(names: Sequence[str] | None = (), own: bool = True) -> list[series.Source]:
    """Of these applications, of all that are or were watched if none is named, or with None of no application."""
    found = list(series.OWN) if own else []
    apps = App.objects.none() if names is None else App.objects.filter(name__in=names) if names else App.objects.all()
    return [*found, counting.Bars(each)] if (each := list(apps)) else found


def of(
    names: Sequence[str] | None, period: str, text: str = "", kind: str = "", own: bool = False, **drawn: Any
) -> dict[str, Any]:
    """As templates/web/_bars.html draws it, with ``gaps``. ``names`` and ``own`` as in ``sources``; ``text``: the
    search that its bars narrow."""
    found = series.of(period, kind=kind, sources=sources(names, own))
    gaps = [] if names is None else watched.gaps_in(next(iter(found.buckets)), None, names)
    spans = [(parse_datetime(gap["from"]), parse_datetime(gap["until"]), words(gap)) for gap in gaps]
    return bars.draw(found, text, **drawn) | {"marks": bars.marks(found, spans), "gaps": gaps}


def kinds(app: App, period: str) -> list[dict[str, Any]]:
    """What ended of each kind, and how long it waited and ran; the kinds with the most endings first."""
    found = series.totals(period, sources=sources([app.name], own=False))
    rows = [
        {
            "kind": kind,
            "url": _url(app, kind, period),
            "ended": bucket.ended.total(),
            "failed": bucket.ended["failed"],
            "failure_rate": series.failure_rate(bucket.ended),
            **stats.quantiles(bucket.times),
        }
        for kind, bucket in found.items()
    ]
    return sorted(rows, key=lambda row: (-row["ended"], row["kind"]))[:KINDS]


def _url(app: App, kind: str, period: str) -> str:
    """The page of a kind, or what finds its tasks if the page is about a kind of ours with that name."""
    if registry.knows(kind):
        return jobs_url(f"app:{app.name} kind:{quoted(kind)}")
    return f"{reverse('kind', args=[kind])}?period={period}"


def words(gap: dict[str, Any]) -> str:
    return f"{number_of(gap['unseen'], 'task')} of {gap['app']} began unseen: {gap['why']}"
