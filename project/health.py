"""Liveness and readiness, for supervisors and load balancers: a bare word without credentials.

Who may see metrics gets the details of readiness too: a token in the Authorization header, or an admin's session.
"""

import logging
import threading
import time
from collections.abc import Callable

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis import Redis, RedisError

from tasks.access.permissions import Actor, may
from tasks.api.auth import actor_of
from tasks.queries import board

log = logging.getLogger(__name__)
PATIENCE_S = 1.0
FRESH_S = 1.0  # strangers may ask as often as they like: the parts are asked once a second


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 while this process answers at all; it asks nobody else, so that an outage elsewhere restarts nothing here."""
    return HttpResponse("ok\n", content_type="text/plain")


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when database and Redis answer, else 503; what is wrong goes to the log."""
    parts = _asked()
    ready = all(parts.values())
    status = 200 if ready else 503
    if parts["database"] and allowed(request):
        alive = sum(worker["alive"] for worker in board.workers())
        shown = {name: "ok" if answers else "no answer" for name, answers in parts.items()}
        return JsonResponse({"ready": ready, **shown, "workers_alive": alive}, status=status)
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
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def redis() -> bool:
    try:
        with Redis.from_url(settings.REDIS_URL, socket_timeout=PATIENCE_S, socket_connect_timeout=PATIENCE_S) as link:
            return bool(link.ping())
    except RedisError:
        return False


CHECKS: dict[str, Callable[[], bool]] = {"database": lambda: database(), "redis": lambda: redis()}
_lock = threading.Lock()
_last: tuple[float, dict[str, bool]] = (float("-inf"), {})


def _asked() -> dict[str, bool]:
    """Which parts answer; asked anew when the last answer is older than a second."""
    global _last
    with _lock:
        at, parts = _last
        if time.monotonic() - at > FRESH_S:
            parts = {name: answers() for name, answers in CHECKS.items()}
            _last = time.monotonic(), parts
            for name in [name for name, answers in parts.items() if not answers]:
                log.warning("not ready: no answer from the %s", name)
        return parts
