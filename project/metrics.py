"""Prometheus metrics, computed at the scrape: Signalbox from its rows, this process from its memory.

No files are shared between processes. Durations are counted by each process from the moment of its start, as its
counters are; take ``max`` over the processes, not ``sum``, for what comes from rows (docs/operations.md).
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from live import hub, push
from project import watched_metrics
from tasks.access.permissions import may
from tasks.api.auth import actor_of
from tasks.queries import board, stats

SETTLED = timedelta(seconds=5)  # what ended so long ago has been committed
AT_ONCE = 20_000  # finished jobs that one scrape counts; the next goes on


class Durations:
    """How long jobs waited and ran, by kind and outcome, of all that ended since this process began to look."""

    def __init__(self) -> None:
        self.since = timezone.now() - SETTLED
        self.waited: dict[tuple[str, str], Counter[int]] = {}
        self.ran: dict[tuple[str, str], Counter[int]] = {}
        self.sums: dict[tuple[str, str], list[float]] = {}
        self._lock = threading.Lock()

    def count(self) -> None:
        with self._lock:
            until = timezone.now() - SETTLED
            rows: list[tuple[Any, ...]] = []
            for source in stats.ended_rows(self.since):
                new = source.filter(at__gt=self.since, at__lte=until).order_by("at")
                rows += new.values_list("kind", "outcome", "ready", "started_at", "at")[:AT_ONCE]
            rows = sorted(rows, key=itemgetter(-1))[:AT_ONCE]
            for kind, outcome, since, started, finished in rows:
                self._add((kind, outcome), since, started, finished)
            self.since = rows[-1][-1] if len(rows) == AT_ONCE else max(self.since, until)

    def _add(self, key: tuple[str, str], ready: datetime, started: datetime | None, finished: datetime) -> None:
        begin = started or finished
        waited, ran = max(0.0, (begin - ready).total_seconds()), (finished - begin).total_seconds()
        self.waited.setdefault(key, Counter())[stats.bucket(waited)] += 1
        self.ran.setdefault(key, Counter())[stats.bucket(ran)] += 1
        sums = self.sums.setdefault(key, [0.0, 0.0])
        sums[0] += waited
        sums[1] += ran

    def families(self) -> Iterator[HistogramMetricFamily]:
        labels = ["kind", "outcome"]
        for place, (name, text, counts) in enumerate(
            (
                ("signalbox_job_wait_seconds", "From when a job could start until it did", self.waited),
                ("signalbox_job_run_seconds", "The last attempt of a job, from start to end", self.ran),
            )
        ):
            family = HistogramMetricFamily(name, text, labels=labels)
            for key, histogram in counts.items():
                family.add_metric(list(key), watched_metrics.cumulated(histogram), self.sums[key][place])
            yield family


class Collector:
    """A collector of prometheus_client: asked at each scrape, keeps nothing but the durations."""

    def __init__(self) -> None:
        self.durations = Durations()

    def collect(self) -> Iterator[Any]:
        yield from rows()
        self.durations.count()
        yield from self.durations.families()
        yield from watched_metrics.families()
        yield from this_process()

    def describe(self) -> list[Any]:
        return []  # or the registry would scrape once at import


def rows() -> Iterator[Any]:
    """What the rows say now."""
    seen = board.board()
    yield gauge("signalbox_jobs", "Jobs that have not ended, by state", "state", seen["stats"]["now"])
    ended = GaugeMetricFamily("signalbox_jobs_ended_last_hour", "Jobs that ended in the last hour", labels=["outcome"])
    for outcome, n in seen["stats"]["last_hour"].items():
        ended.add_metric([outcome], n)
    yield ended
    by_queue = {queue["name"]: queue for queue in seen["queues"]}
    for name, text, field in (
        ("signalbox_queue_depth", "Jobs that wait in a queue", "queued"),
        ("signalbox_queue_oldest_seconds", "How long the first job of a queue has waited", "oldest_s"),
        ("signalbox_queue_running", "Jobs of a queue that run", "running"),
        ("signalbox_queue_workers", "Living workers that serve a queue", "workers"),
        ("signalbox_queue_paused", "1 while a queue is paused", "paused"),
    ):
        yield gauge(name, text, "queue", {queue: float(row[field] or 0) for queue, row in by_queue.items()})
    workers = {worker["name"]: worker for worker in seen["workers"]}
    yield gauge(
        "signalbox_worker_up", "1 while a worker calls in", "worker", {n: w["alive"] for n, w in workers.items()}
    )
    busy = {name: len(worker["running"]) for name, worker in workers.items()}
    yield gauge("signalbox_worker_running", "Jobs that a worker runs", "worker", busy)


def this_process() -> Iterator[Any]:
    """What this process has done since it started: pushes, sockets, the hub's picture."""
    pushes = push.counters()
    for name in ("sent", "failed", "dropped"):
        yield CounterMetricFamily(f"signalbox_pushes_{name}", f"Hints that were {name}", value=pushes[name])
    hubs = list(hub.all_hubs())
    yield gauge("signalbox_sockets", "Open live sockets", "", {"": sum(len(each.mailboxes) for each in hubs)})
    ages = [time.monotonic() - each.agreed[1] for each in hubs if each.agreed]
    yield gauge("signalbox_hub_lag_seconds", "Since picture and database agreed", "", {"": max(ages, default=0.0)})
    for name, text in (
        ("frames", "Frames sent to sockets"),
        ("hints", "Hints received from the channel layer"),
        ("reconciles", "Times the picture was read again"),
        ("repairs", "Rows that reading again corrected: no hint had brought them"),
        ("failures", "Times the picture could not be read"),
        ("closed_slow", "Sockets closed because their reader was too slow"),
    ):
        total = sum(getattr(each.counters, name, 0) for each in hubs)
        yield CounterMetricFamily(f"signalbox_hub_{name}", text, value=total)


def gauge(name: str, text: str, label: str, values: dict[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label] if label else None)
    for key, value in values.items():
        family.add_metric([key] if label else [], float(value))
    return family


registry = CollectorRegistry()
registry.register(Collector())


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """For admins, and for tokens with the scope read or manage."""
    actor = actor_of(request)
    if actor.is_anonymous:
        answer = HttpResponse("Not logged in.\n", status=401, content_type="text/plain")
        answer["WWW-Authenticate"] = "Token"
        return answer
    if not may(actor, "metrics"):
        return HttpResponse("Not allowed.\n", status=403, content_type="text/plain")
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
