"""Liveness and readiness, for supervisors and load balancers: one word without credentials, under every host name
(project/middleware.py).

A client that may see metrics gets the details of readiness too: by its token, or by an admin's session.
"""

import logging
import threading
import time
from collections.abc import Callable

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis import Redis, RedisError

from project import keys
from tasks.access.permissions import Actor, may
from tasks.api.auth import actor_of
from tasks.engine.models import Job
from tasks.engine.transition import now
from tasks.queries import board

log = logging.getLogger(__name__)
PATIENCE_S = 1.0
FRESH_S = 1.0  # anybody may ask as often as they like: the parts are asked once a second


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 while this process answers at all; it asks nobody else, so that an outage elsewhere restarts nothing here."""
    return HttpResponse("ok\n", content_type="text/plain")


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when a job could be accepted now and Redis answers, else 503; what is wrong goes to the log."""
    parts = _ask_parts()
    ready = all(parts.values())
    status = 200 if ready else 503
    if parts["database"] and allowed(request):
        alive = sum(worker["alive"] for worker in board.workers())
        shown = {name: "ok" if answers else "no answer" for name, answers in parts.items()}
        key = keys.fingerprint(settings.SECRET_KEY)
        return JsonResponse({"ready": ready, **shown, "workers_alive": alive, "key": key}, status=status)
    return HttpResponse("ready\n" if ready else "unavailable\n", status=status, content_type="text/plain")


def allowed(request: HttpRequest) -> bool:
    """Whether credentials came along that let one see metrics. Without any, nobody is looked up."""
    if "Authorization" not in request.headers and settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return False
    try:
        actor: Actor = actor_of(request)
    except DatabaseError:
        return False
    return may(actor, "metrics")


def database() -> bool:
    """Whether a job could be accepted now: one is inserted, and rolled back. Locks are waited for, but not for long."""
    milliseconds = int(PATIENCE_S * 900)  # what is left is for the rest
    try:
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                cursor.execute(f"PRAGMA busy_timeout = {milliseconds}")
            with transaction.atomic():
                if connection.vendor == "postgresql":
                    cursor.execute(f"SET LOCAL lock_timeout = {milliseconds}")
                    cursor.execute(f"SET LOCAL statement_timeout = {milliseconds}")
                Job(kind="noop", queue="default", state=Job.State.QUEUED, created_at=now()).save(force_insert=True)
                transaction.set_rollback(True)
    except DatabaseError as error:
        log.warning("not ready: no job can be written: %s", str(error).partition("\n")[0])
        return False
    finally:
        connection.close()
    return True


def redis() -> bool:
    try:
        with Redis.from_url(settings.REDIS_URL, socket_timeout=PATIENCE_S, socket_connect_timeout=PATIENCE_S) as link:
            return bool(link.ping())
    except (RedisError, OSError):
        return False


CHECKS: dict[str, Callable[[], bool]] = {"database": lambda: database(), "redis": lambda: redis()}
_lock = threading.Lock()
_last: tuple[float, dict[str, bool]] = (float("-inf"), {})
_asking: dict[str, threading.Thread] = {}


def _ask_parts() -> dict[str, bool]:
    """Which parts answer; asked again when the last answer is older than a second."""
    global _last
    with _lock:
        at, parts = _last
        if time.monotonic() - at > FRESH_S:
            parts = _ask()
            _last = time.monotonic(), parts
            for name in [name for name, answers in parts.items() if not answers]:
                log.warning("not ready: no answer from the %s", name)
        return parts


def _ask() -> dict[str, bool]:
    """Asks all parts at once, each on a thread of its own: one that hangs costs a second, and is asked again only when
    it has given up."""
    answers: set[str] = set()

    def ask(name: str) -> None:
        if CHECKS[name]():
            answers.add(name)

    until = time.monotonic() + PATIENCE_S
    fresh = [name for name in CHECKS if name not in _asking or not _asking[name].is_alive()]
    for name in fresh:
        _asking[name] = threading.Thread(target=ask, args=(name,), name=f"signalbox-ready-{name}", daemon=True)
        _asking[name].start()
    for name in fresh:
        _asking[name].join(max(0.0, until - time.monotonic()))
    return {name: name in answers for name in CHECKS}
