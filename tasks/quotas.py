"""How many jobs one person, and one token, may submit in a minute.

Counted from the rows themselves, so every process counts the same and nothing has to be kept: the newest rows are asked
when the one that would be too many was made.
"""

from datetime import timedelta
from typing import NamedTuple

from django.conf import settings
from django.utils import timezone

from tasks.access import Actor
from tasks.door.models import Entry
from tasks.models import Job

MINUTE = timedelta(minutes=1)
PER_USER, PER_TOKEN = 6_000, 3_000


class TooMany(Exception):
    """The quota is used up; ``wait_s`` whole seconds from now there is room again."""

    def __init__(self, sentence: str, wait_s: int) -> None:
        super().__init__(sentence)
        self.wait_s = wait_s


class Limits(NamedTuple):
    per_user: int
    per_token: int


def limits() -> Limits:
    """Submits in a minute; 0 is no limit."""
    return Limits(
        getattr(settings, "SIGNALBOX_SUBMITS_PER_USER", PER_USER),
        getattr(settings, "SIGNALBOX_SUBMITS_PER_TOKEN", PER_TOKEN),
    )


def check(actor: Actor) -> None:
    """Raises TooMany when one more submit would be one too many."""
    allowed = limits()
    if allowed.per_token and actor.token:
        asked = (
            Entry.objects.filter(action="submit", token=actor.token.uid).order_by("-id").values_list("at", flat=True)
        )
        _room(
            asked[allowed.per_token - 1 : allowed.per_token], f"{allowed.per_token:,} submits a minute with one token"
        )
    if allowed.per_user:
        made = Job.objects.filter(owner=actor.user).order_by("-id").values_list("created_at", flat=True)
        _room(made[allowed.per_user - 1 : allowed.per_user], f"{allowed.per_user:,} submits a minute by one user")


def _room(last_allowed, words: str) -> None:
    for at in last_allowed:
        left = MINUTE - (timezone.now() - at)
        if left > timedelta(0):
            raise TooMany(f"There are at most {words}.", int(left.total_seconds()) + 1)
