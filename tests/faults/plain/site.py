"""A site as the documentation of Celery and of Channels teaches it, with a row for each job. Nothing of Signalbox.

It is kinder than the tutorials: the task keeps the row's state up to date, and a page gets all rows when it connects.
``PLAIN_LATE`` is what is usually advised beside the defaults: late acknowledgement, one message at a time, a visibility
timeout of seconds instead of an hour.
"""

import json
import os
import signal
import time
from typing import Any

import django
from asgiref.sync import async_to_sync, sync_to_async
from celery import Celery
from channels.auth import AuthMiddlewareStack
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.layers import get_channel_layer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.db import connection
from django.urls import path

django.setup()

TABLES = ("CREATE TABLE work (job text PRIMARY KEY, state text)", "CREATE TABLE effect (job text)")
GROUP = "jobs"

app = Celery("plain", broker=os.environ["CELERY_BROKER_URL"])
app.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True)
if os.environ.get("PLAIN_LATE"):
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        broker_transport_options={"visibility_timeout": 10},
    )


def sql(statement: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


def say(job: str, what: str) -> None:
    """One line in the file of what really ran."""
    handle = os.open(os.environ["FAULTS_RUNS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, json.dumps({"job": job, "what": what, "at": time.time()}).encode() + b"\n")
    finally:
        os.close(handle)


def push(job: str, state: str) -> None:
    async_to_sync(get_channel_layer().group_send)(GROUP, {"type": "job.changed", "job": job, "state": state})


def move(job: str, state: str) -> None:
    sql("UPDATE work SET state = %s WHERE job = %s", state, job)
    push(job, state)


def submit(task: Any, job: str, **params: Any) -> None:
    """What a view does."""
    sql("INSERT INTO work (job, state) VALUES (%s, 'queued')", job)
    task.delay(job, **params)


@app.task
def traced(job: str, seconds: float = 0.1) -> None:
    """Work for a moment, with an effect in the middle."""
    say(job, "start")
    move(job, "running")
    time.sleep(seconds / 2)
    sql("INSERT INTO effect (job) VALUES (%s)", job)
    time.sleep(seconds / 2)
    move(job, "done")
    say(job, "end")


@app.task
def suicidal(job: str) -> None:
    """Kill the process that runs it."""
    say(job, "start")
    os.kill(os.getpid(), signal.SIGKILL)


class Board(AsyncJsonWebsocketConsumer):
    async def connect(self) -> None:
        if not self.scope["user"].is_authenticated:
            await self.close()
            return
        await self.channel_layer.group_add(GROUP, self.channel_name)
        await self.accept()
        await self.send_json(dict(await sync_to_async(sql)("SELECT job, state FROM work")))

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(GROUP, self.channel_name)

    async def job_changed(self, event: dict[str, Any]) -> None:
        await self.send_json({event["job"]: event["state"]})


application = ProtocolTypeRouter({"websocket": AuthMiddlewareStack(URLRouter([path("ws/", Board.as_asgi())]))})
