"""The team's Celery app, as its documentation teaches it. In plain Celery it runs all; in the product it is a guest."""

import os

from tests.habits.team.classes import Carrying

address = os.environ.get("HABITS_BROKER", "memory://")
app = Carrying(
    "team",
    task_cls="tests.habits.team.classes:Everywhere",
    broker=address,
    backend=address.replace("memory://", "cache+memory://"),
)
app.conf.update(
    include=[f"tests.habits.team.{name}" for name in ("tasks", "asked", "many", "others", "usual", "current", "read")],
    broker_connection_retry_on_startup=True,
    task_track_started=True,
    result_extended=True,
    team_colour="blue",
    task_routes={"habits_is_routed": {"queue": "routed"}},
    task_annotations={"habits_is_annotated": {"max_retries": 1}},
)
