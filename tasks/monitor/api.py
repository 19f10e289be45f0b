"""Queues, workers, statistics and the audit trail: how Signalbox is doing, and who did what in it."""

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import OpenApiParameter

from tasks.api import pagination, shapes
from tasks.api.base import ResourceView
from tasks.api.operations import Operations
from tasks.api.pagination import CURSOR, LIMIT_OF_ALL
from tasks.api.problems import Problem
from tasks.engine import notify
from tasks.observe import served
from tasks.observe.api import APP, named
from tasks.queries import board, stats

urlpatterns = Operations()


@urlpatterns.get(
    "queues/", "board", shapes.page(shapes.QueueShape, "QueueList"), APP, LIMIT_OF_ALL, CURSOR, name="queues"
)
def list_queues(view: ResourceView, asked: dict[str, list[str]]) -> dict[str, Any]:
    """Our queues, or those of a watched application: `queued` is then what its broker counts."""
    return pagination.listed(view.request, "queues", served.queues(named(asked)), asked)


@urlpatterns.post("queues/<name:name>/pause/", "pause", shapes.QueueShape, name="queue-pause")
def pause_queue(view: ResourceView, given: dict[str, Any], name: str) -> dict[str, Any]:
    """From now on no job of the queue starts; what runs goes on."""
    return switch(view, name, lambda: notify.pause(name, view.actor.user), paused=True)


@urlpatterns.post("queues/<name:name>/resume/", "pause", shapes.QueueShape, name="queue-resume")
def resume_queue(view: ResourceView, given: dict[str, Any], name: str) -> dict[str, Any]:
    """Let the jobs of the queue start again."""
    return switch(view, name, lambda: notify.resume(name), paused=False)


def switch(view: ResourceView, name: str, call: Callable[[], Any], paused: bool) -> dict[str, Any]:
    if name not in {queue["name"] for queue in board.queues()}:
        raise Problem("not-found", "There is no such queue.")
    view.do(f"queue {name}", call, paused=paused)
    return next(queue for queue in board.queues() if queue["name"] == name)


@urlpatterns.get(
    "workers/", "board", shapes.page(shapes.WorkerShape, "WorkerList"), APP, LIMIT_OF_ALL, CURSOR, name="workers"
)
def list_workers(view: ResourceView, asked: dict[str, list[str]]) -> dict[str, Any]:
    """The workers that have called in today."""
    return pagination.listed(view.request, "workers", served.workers(named(asked)), asked)


@urlpatterns.get(
    "stats/", "board", shapes.Stats, OpenApiParameter("period", str, enum=list(stats.PERIODS), default="1h"), APP,
    name="stats",
)  # fmt: skip
def get_stats(view: ResourceView, asked: dict[str, list[str]]) -> dict[str, Any]:
    """What waits and runs now, what ended in the last hour, and both over a period."""
    return served.counts(named(asked), asked["period"][-1])
