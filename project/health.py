"""Liveness and readiness, for supervisors and load balancers: a bare word, without credentials and without details."""

import logging

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from redis import Redis, RedisError

log = logging.getLogger(__name__)
PATIENCE_S = 1.0


@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """200 while this process answers at all; it asks nobody else, so that an outage elsewhere restarts nothing here."""
    return HttpResponse("ok\n", content_type="text/plain")


@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when database and Redis answer, else 503; what is wrong goes to the log."""
    wrong = [name for name, answers in (("database", database), ("redis", redis)) if not answers()]
    for name in wrong:
        log.warning("not ready: no answer from the %s", name)
    return HttpResponse(
        "unavailable\n" if wrong else "ready\n", status=503 if wrong else 200, content_type="text/plain"
    )


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
