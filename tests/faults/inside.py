"""A process of the product that does what the rig tells it, one line of JSON at a time (`python -m` this module).

It stands for a web process without HTTP around it: the same settings, the same database patience. Each answer says how
long the call took.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model  # noqa: E402
from django.contrib.auth.models import Group  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import close_old_connections  # noqa: E402

from tasks.access.models import Token  # noqa: E402
from tasks.engine import lifecycle, notify  # noqa: E402
from tasks.engine.errors import Refused  # noqa: E402
from tasks.engine.models import Job  # noqa: E402
from tasks.queries import board as picture  # noqa: E402

Sessions = import_module(settings.SESSION_ENGINE).SessionStore


def migrate() -> None:
    call_command("migrate", interactive=False, verbosity=0, skip_checks=True)


def session(name: str, role: str = "admin") -> str:
    """A logged-in session of a person, made when there is none of that name."""
    user, made = get_user_model().objects.get_or_create(username=name)
    if made:
        user.set_unusable_password()
        user.save()
    user.groups.set([Group.objects.get_or_create(name=role)[0]])
    store = Sessions()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.create()
    return store.session_key


def token(name: str, scope: str = "manage") -> str:
    return Token.objects.make(get_user_model().objects.get(username=name), scope)[1]


def log_out(key: str) -> None:
    Sessions(key).delete()


def withdraw(name: str) -> None:
    """Take every role from a person who stays logged in."""
    get_user_model().objects.get(username=name).groups.clear()


def submit(kind: str, params: dict[str, Any], key: str, owner: str = "", countdown: float | None = None) -> str:
    user = get_user_model().objects.get(username=owner) if owner else None
    due = lifecycle.now() + timedelta(seconds=countdown) if countdown else None
    job, _ = lifecycle.submit(kind, params, owner=user, idempotency_key=key, due_at=due)
    return str(job.uid)


def submit_many(kind: str, many: list[dict[str, Any]]) -> list[str]:
    return [str(job.uid) for job in lifecycle.submit_many(kind, many)]


def cancel(job: str) -> str:
    """The state after it, or why not."""
    try:
        return lifecycle.cancel(job, None, "the rig asked for it").state
    except Refused as refused:
        return f"refused: {refused}"


def retry(job: str) -> str:
    try:
        return lifecycle.retry(job).state
    except Refused as refused:
        return f"refused: {refused}"


def ring(jobs: list[str], times: int = 1) -> None:
    """Send messages again, as a broker does that delivers twice."""
    for job in Job.objects.filter(uid__in=jobs):
        message = notify.broker.Message(job.uid, job.kind, job.queue, job.priority)
        notify.broker.notify_workers([message] * times)


def board() -> dict[str, Any]:
    return picture.board()


CALLS: dict[str, Callable[..., Any]] = {
    call.__name__: call
    for call in (migrate, session, token, log_out, withdraw, submit, submit_many, cancel, retry, ring, board)
}


def main() -> None:
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever the product prints goes to the log
    print(json.dumps({"ok": "ready"}), file=out)
    for line in sys.stdin:
        asked = json.loads(line)
        close_old_connections()  # as at the start of each request
        began = time.monotonic()
        try:
            answer = {"ok": CALLS[asked.pop("call")](**asked)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer | {"took": time.monotonic() - began}), file=out)


if __name__ == "__main__":
    main()
