"""Queues, workers, statistics and the audit trail: how the house is doing, and who did what in it."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.response import Response

from tasks import bells, history, picture
from tasks.api import pages, shapes
from tasks.api.base import Endpoint
from tasks.api.jobs import CURSOR, LIMIT, Nothing
from tasks.api.problems import Problem, wrong
from tasks.door.models import Entry


class Queues(Endpoint):
    actions = {"GET": "board"}

    @extend_schema(operation_id="list_queues", responses=shapes.QueueList)
    def get(self, request: Any) -> Response:
        self.asked()
        return Response({"results": picture.queues(), "next": None, "previous": None})


class PauseQueue(Endpoint):
    actions = {"POST": "pause"}
    paused = True

    @extend_schema(operation_id="pause_queue", request=Nothing, responses=shapes.QueueShape)
    def post(self, request: Any, name: str) -> Response:
        """From now on no job of the queue starts; what runs goes on."""
        self.given(Nothing)
        if name not in {queue["name"] for queue in picture.queues()}:
            raise Problem("not-found", "There is no such queue.")
        if self.paused:
            self.do(f"queue {name}", lambda: bells.pause(name, self.actor.user), paused=True)
        else:
            self.do(f"queue {name}", lambda: bells.resume(name), paused=False)
        return Response(next(queue for queue in picture.queues() if queue["name"] == name))


class ResumeQueue(PauseQueue):
    paused = False

    @extend_schema(operation_id="resume_queue", request=Nothing, responses=shapes.QueueShape)
    def post(self, request: Any, name: str) -> Response:
        """Let the jobs of the queue start again."""
        return super().post(request, name)


class Workers(Endpoint):
    actions = {"GET": "board"}

    @extend_schema(operation_id="list_workers", responses=shapes.WorkerList)
    def get(self, request: Any) -> Response:
        """The workers that have called in today."""
        self.asked()
        return Response({"results": picture.workers(), "next": None, "previous": None})


class Statistics(Endpoint):
    actions = {"GET": "board"}

    @extend_schema(
        operation_id="get_stats",
        parameters=[OpenApiParameter("period", str, enum=list(history.PERIODS), default="1h")],
        responses=shapes.Stats,
    )
    def get(self, request: Any) -> Response:
        """What waits and runs now, what ended in the last hour, and both over a period."""
        period = self.asked("period").get("period", ["1h"])[-1]
        if period not in history.PERIODS:
            raise wrong(period=f"Choose one of: {', '.join(history.PERIODS)}.")
        return Response(picture.stats(period))


class AuditTrail(Endpoint):
    actions = {"GET": "audit"}

    @extend_schema(
        operation_id="list_audit",
        parameters=[OpenApiParameter("who", str), OpenApiParameter("action", str), LIMIT, CURSOR],
        responses=shapes.EntryPage,
    )
    def get(self, request: Any) -> Response:
        """Who did, or was refused, what: the newest first. Nobody can change it."""
        asked = self.asked("who", "action", *pages.PARAMETERS)
        rows = Entry.objects.filter(**{name: asked[name][-1] for name in ("who", "action") if name in asked})
        return pages.answer(request, "audit", rows, Entry.shown, asked)
