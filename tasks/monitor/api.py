"""Queues, workers, statistics and the audit trail: how Signalbox is doing, and who did what in it."""

from typing import Any

from django.urls import path
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.response import Response

from tasks.api import shapes
from tasks.api.base import Nothing, ResourceView
from tasks.api.problems import Problem, wrong
from tasks.engine import notify
from tasks.queries import board, stats


class Queues(ResourceView):
    actions = {"GET": "board"}

    @extend_schema(operation_id="list_queues", responses=shapes.page(shapes.QueueShape, "QueueList"))
    def get(self, request: Any) -> Response:
        self.asked()
        return Response({"results": board.queues(), "next": None, "previous": None})


class PauseQueue(ResourceView):
    actions = {"POST": "pause"}
    paused = True

    @extend_schema(operation_id="pause_queue", request=Nothing, responses=shapes.QueueShape)
    def post(self, request: Any, name: str) -> Response:
        """From now on no job of the queue starts; what runs goes on."""
        self.given(Nothing)
        if name not in {queue["name"] for queue in board.queues()}:
            raise Problem("not-found", "There is no such queue.")
        if self.paused:
            self.do(f"queue {name}", lambda: notify.pause(name, self.actor.user), paused=True)
        else:
            self.do(f"queue {name}", lambda: notify.resume(name), paused=False)
        return Response(next(queue for queue in board.queues() if queue["name"] == name))


class ResumeQueue(PauseQueue):
    paused = False

    @extend_schema(operation_id="resume_queue", request=Nothing, responses=shapes.QueueShape)
    def post(self, request: Any, name: str) -> Response:
        """Let the jobs of the queue start again."""
        return super().post(request, name)


class Workers(ResourceView):
    actions = {"GET": "board"}

    @extend_schema(operation_id="list_workers", responses=shapes.page(shapes.WorkerShape, "WorkerList"))
    def get(self, request: Any) -> Response:
        """The workers that have called in today."""
        self.asked()
        return Response({"results": board.workers(), "next": None, "previous": None})


class Statistics(ResourceView):
    actions = {"GET": "board"}

    @extend_schema(
        operation_id="get_stats",
        parameters=[OpenApiParameter("period", str, enum=list(stats.PERIODS), default="1h")],
        responses=shapes.Stats,
    )
    def get(self, request: Any) -> Response:
        """What waits and runs now, what ended in the last hour, and both over a period."""
        period = self.asked("period").get("period", ["1h"])[-1]
        if period not in stats.PERIODS:
            raise wrong(period=f"Choose one of: {', '.join(stats.PERIODS)}.")
        return Response(board.stats(period))


urlpatterns = [
    path("queues/", Queues.as_view(), name="queues"),
    path("queues/<name:name>/pause/", PauseQueue.as_view(), name="queue-pause"),
    path("queues/<name:name>/resume/", ResumeQueue.as_view(), name="queue-resume"),
    path("workers/", Workers.as_view(), name="workers"),
    path("stats/", Statistics.as_view(), name="stats"),
]
