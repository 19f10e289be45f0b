"""A client that can write to the broker can call workers, and no more: foreign messages run nothing, nor do pickles."""

import base64
import json
import os
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis
from django.conf import settings
from kombu import Connection

from tasks.engine import broker, lifecycle
from tasks.engine.models import Job, Worker
from tests.support.processes import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]
GARBAGE = [
    b"", b"nonsense", b"[]", b"7", b"null", b"{}", b'{"body": 7}', b"\xff\xfe\x00", b"[" * 50_000,
    b'{"headers": {"task": []}}', b'{"headers": {"task": "noop", "id": 7}, "properties": []}', b'{"headers": 7}',
    b'{"headers": {"task": "noop", "id": "x", "timelimit": 7, "eta": 7}, "properties": {"delivery_info": 7}}',
    b'{"headers": {"task": "celery.map", "id": "x"}, "body": "%%%", "properties": {"body_encoding": "base64"}}',
]  # fmt: skip


class Bomb:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.path,)


def envelope(task: str, body: Any, id: str = "", **headers: Any) -> dict[str, Any]:
    named = {"lang": "py", "task": task, "id": id or str(uuid4()), "root_id": None, "parent_id": None, "group": None}
    return {"body": body, "headers": named | headers}


def publish(message: dict[str, Any], serializer: str = "json") -> None:
    name = broker.broker_name("default")
    with Connection(settings.SIGNALBOX_BROKER_URL, transport_options=broker.transport_options()) as connection:
        connection.Producer().publish(
            message["body"], serializer=serializer, headers=message["headers"], routing_key=name, exchange=""
        )


def push(raw: bytes) -> None:
    """Bytes as they are, into the list that the worker reads."""
    with redis.from_url(settings.SIGNALBOX_BROKER_URL) as link:
        link.lpush(f"{settings.SIGNALBOX_NAME}:{broker.broker_name('default')}", raw)


def test_foreign_messages_run_nothing_and_the_worker_goes_on(start_worker, tmp_path):
    worker, bomb = start_worker("w1", concurrency=1), tmp_path / "bomb"
    pid = wait_until(lambda: Worker.objects.first(), what="the worker's row").pid
    embed = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    for serializer in ("pickle", "yaml", "json"):
        body = Bomb(bomb) if serializer == "pickle" else [[], {}, embed]
        publish(envelope("noop" if serializer == "pickle" else "os.system", body), serializer)
    publish(envelope("countdown", [[Bomb(bomb)], {}, embed]), "pickle")
    publish(envelope("countdown", [[], {"seconds": 0}, embed]))  # a kind, but of no job
    publish(envelope("countdown", [[], {"seconds": 0}, embed], id="no id at all"))
    link = {"task": "noop", "args": [], "kwargs": {}, "options": {}, "subtask_type": None, "immutable": True}
    publish(envelope("celery.map", [[], {"task": link, "it": [1, 2]}, embed]))
    publish(envelope("celery.backend_cleanup", [[], {}, embed]))
    publish(envelope("noop", [[], {}, embed | {"callbacks": [link], "errbacks": [link], "chain": [link]}]))
    forged = {"content-type": "application/x-python-serialize", "content-encoding": "binary"}
    good = {"properties": {"delivery_info": {}, "delivery_tag": "x", "body_encoding": "base64"}, "headers": {}}
    push(
        json.dumps({**forged, **good, "body": base64.b64encode(b"cos\nsystem\n(S'touch bomb'\ntR.").decode()}).encode()
    )
    for raw in GARBAGE:
        push(raw)
    mine, _ = lifecycle.submit("countdown", {"seconds": 0, "steps": 1})
    done = wait_until(
        lambda: Job.objects.filter(pk=mine.pk, state="succeeded").first(), 60, "a job behind all that is foreign"
    )
    assert done.attempt == 1
    assert worker.process.poll() is None and Worker.objects.get().pid == pid, "the same worker"
    assert not bomb.exists()
    assert Job.objects.count() == 1
