"""The audit trail: an entry for every action, in the same transaction, and for every refused request.

``do`` is for changes, ``refused`` for what was not allowed, ``note`` for the rest. ``who`` is the request or its Actor,
from which the entry takes the address, the token and the request's id.
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import DatabaseError, transaction

from tasks.access.models import Entry
from tasks.access.permissions import Actor
from tasks.engine.errors import Refused
from tasks.engine.log_context import request_id
from tasks.engine.report import current_report
from tasks.engine.transition import retry_on_lock

T = TypeVar("T")
RATE, BURST = 20.0, 400.0  # refusals of people without a login that one process writes a second, and at once
OWN_RATE, OWN_BURST = 1.0, 100.0  # and of one person who is logged in
REMEMBERED = 1_000  # people

log = logging.getLogger(__name__)


def do(who: Any, action: str, target: Any, call: Callable[[], T], /, **detail: Any) -> T:
    """Call ``call`` and write the audit entry in one transaction. A Refused of the lifecycle gets a refused entry.

    ``target``: the object of the action, or a function that returns it for the result of ``call``.
    """
    with refusals(who, action, "" if callable(target) else target):
        return _together(who, action, target, call, detail)


@contextmanager
def refusals(who: Any, action: str, target: Any, /) -> Iterator[None]:
    """Write a refused entry when what is done here is Refused."""
    try:
        yield
    except Refused as no:
        refused(who, action, target, no.code)
        raise


@retry_on_lock
def _together(who: Any, action: str, target: Any, call: Callable[[], T], detail: dict[str, Any]) -> T:
    with transaction.atomic():
        done = call()
        note(who, action, target(done) if callable(target) else target, **detail)
    return done


def note(who: Any, action: str, target: Any = "", code: str = "", /, **detail: Any) -> None:
    """Write one entry, in the open transaction if there is one. With a ``code`` it is a refusal."""
    actor = Actor.of(who)
    request = actor.request
    Entry.objects.create(
        who=actor.name[:150],
        via="token" if actor.token else "session" if request else "job" if current_report().job_id else "shell",
        token=actor.token and actor.token.uid,
        action=action[:60],
        target=plain(target, 300),
        outcome=Entry.Outcome.REFUSED if code else Entry.Outcome.DONE,
        code=code[:40],
        address=address_of(request) if request else "",
        request=request_id.get()[:64],
        detail=detail,
    )


def refused(who: Any, action: str, target: Any, code: str, /, **detail: Any) -> None:
    """Write an entry for a request that was not allowed. Never raises: the refusal stands even without an entry."""
    actor = Actor.of(who)
    if not (_anonymous if actor.is_anonymous else _allowance(actor)).allow():
        name = plain(actor.name, 150) or "somebody without a login"
        log.warning("an attempt of %s was refused and is not in the audit trail: there are too many of them", name)
        return
    try:
        note(who, action, target, code, **detail)
    except DatabaseError:
        log.exception("a refusal could not be written: %s %s %s", Actor.of(who).name, action, plain(target, 300))


def address_of(request: Any) -> str:
    """The address that the request came from, as the server itself saw it; what a client says of itself is not used."""
    return str(request.META.get("REMOTE_ADDR") or "")[:45]


def plain(text: Any, length: int) -> str:
    """Text in one line: what others typed can break neither a log nor a row."""
    return "".join(c if c.isprintable() else "�" for c in str(text)[:length])


class Allowance:
    """A token bucket: a rate per second and a burst. A flood of requests must not fill the trail."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst, self.left, self.at = rate, burst, burst, time.monotonic()
        self._lock = threading.Lock()

    def allow(self) -> bool:
        with self._lock:
            now = time.monotonic()
            self.left, self.at = min(self.burst, self.left + (now - self.at) * self.rate), now
            if self.left < 1:
                return False
            self.left -= 1
            return True


_anonymous = Allowance(RATE, BURST)
_people: OrderedDict[Any, Allowance] = OrderedDict()
_lock = threading.Lock()


def _allowance(actor: Actor) -> Allowance:
    """The token bucket of one person, for all tokens and sessions, so that the trail of others stays readable."""
    with _lock:
        _people[actor.user.pk] = found = _people.pop(actor.user.pk, None) or Allowance(OWN_RATE, OWN_BURST)
        while len(_people) > REMEMBERED:
            _people.popitem(last=False)
    return found
