"""Prometheus metrics of watched applications, with the labels that Flower's Grafana boards use: task, worker, type.

Workers and queues come from their rows. Ended tasks are counted by each process from the moment of its start.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from tasks.engine.models import Job, State
from tasks.observe import watched
from tasks.observe.models import App, WatchedQueue, WatchedWorker
from tasks.queries import board, stats

SETTLED = timedelta(seconds=5)  # what ended so long ago has been written
AT_ONCE = 20_000  # ended tasks that one scrape counts; the next goes on
TYPES = {State.SUCCEEDED: "task-succeeded", State.FAILED: "task-failed", State.CANCELLED: "task-revoked"}
WORKER, ENDED = ["app", "worker"], ["app", "task", "worker"]


class Ended:
    """Watched tasks that ended since this process began to look: how many, and how long those that succeeded ran."""

    def __init__(self) -> None:
        self.since: dict[str, datetime] = {}
        self.began = timezone.now() - SETTLED
        self.events: Counter[tuple[str, str, str, str]] = Counter()
        self.ran: dict[tuple[str, str, str], Counter[int]] = {}
        self.sums: Counter[tuple[str, str, str]] = Counter()
        self._lock = threading.Lock()

    def count(self, app: str) -> None:
        with self._lock:
            since, until = self.since.get(app, self.began), timezone.now() - SETTLED
            rows = Job.every.filter(app=app, finished_at__gt=since, finished_at__lte=until).order_by("finished_at")
            found = list(rows.values_list("kind", "worker", "state", "started_at", "finished_at")[:AT_ONCE])
            for kind, name, state, started, finished in found:
                key = app, kind, name.removeprefix(f"{app}:")
                if state in TYPES:
                    self.events[*key, TYPES[State(state)]] += 1
                if state == State.SUCCEEDED and started:
                    seconds = max(0.0, (finished - started).total_seconds())
                    self.ran.setdefault(key, Counter())[stats.bucket(seconds)] += 1
                    self.sums[key] += seconds
            self.since[app] = found[-1][-1] if len(found) == AT_ONCE else max(since, until)

    def families(self) -> Iterator[Any]:
        events = CounterMetricFamily(
            "signalbox_watched_events", "Ends of watched tasks, by what Celery calls them", labels=[*ENDED, "type"]
        )
        for key, n in self.events.items():
            events.add_metric(key, n)
        yield events
        runtime = HistogramMetricFamily(
            "signalbox_watched_task_runtime_seconds", "The last attempt of a watched task that succeeded", labels=ENDED
        )
        for key, histogram in self.ran.items():
            runtime.add_metric(list(key), cumulated(histogram), self.sums[key])
        yield runtime


def cumulated(histogram: Counter[int]) -> list[tuple[str, float]]:
    buckets, total = [], 0
    for i, edge in enumerate([*map(str, stats.EDGES), "+Inf"]):
        total += histogram[i]
        buckets.append((edge, total))
    return buckets


ended = Ended()


def families() -> Iterator[Any]:
    """Nothing at all where no application is watched."""
    apps = list(App.objects.filter(watched=True).order_by("name"))
    if not apps:
        return
    lag = GaugeMetricFamily("signalbox_watched_lag_seconds", "How far what is shown is behind", labels=["app"])
    unseen = CounterMetricFamily("signalbox_watched_unseen", "Tasks that began and that nobody saw", labels=["app"])
    for app in apps:
        unseen.add_metric([app.name], app.unseen)
        if (behind := watched.lag_s(app)) is not None:
            lag.add_metric([app.name], behind)
    yield from (lag, unseen)
    yield from _workers()
    depth = GaugeMetricFamily("signalbox_watched_queue_depth", "Messages that wait", labels=["app", "queue"])
    for name, queue, waiting in WatchedQueue.objects.filter(app__watched=True).values_list(
        "app__name", "name", "depth"
    ):
        if waiting is not None:
            depth.add_metric([name, queue], waiting)
    yield depth
    for name in board.watched():
        ended.count(name)
    yield from ended.families()


def _workers() -> Iterator[Any]:
    online = GaugeMetricFamily("signalbox_watched_worker_online", "1 while a worker calls in", labels=WORKER)
    busy = GaugeMetricFamily(
        "signalbox_watched_worker_number_of_currently_executing_tasks", "Tasks that it runs", labels=WORKER
    )
    rows = WatchedWorker.objects.filter(app__watched=True, stopped_at=None).order_by("seen_at")
    newest = {(row.app.name, row.name): row for row in rows.select_related("app")}
    for key, row in newest.items():
        online.add_metric(key, float(row.silent_since is None))
        busy.add_metric(key, row.active)
    yield from (online, busy)
