"""How many jobs one person, and one token, may submit in a minute.

Counted from the rows themselves, so every process counts the same and no counter is kept: with a quota of N, the N-th
newest row must be older than a minute.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from tasks.access.models import Entry
from tasks.access.permissions import Actor
from tasks.engine.models import Job
from tasks.engine.words import number_of

MINUTE = timedelta(minutes=1)


class TooMany(Exception):
    """The quota is used up; ``wait_s`` whole seconds from now there is room again."""

    def __init__(self, sentence: str, wait_s: int) -> None:
        super().__init__(sentence)
        self.wait_s = wait_s


def check(actor: Actor) -> None:
    """Raises TooMany when one more submit would be one too many."""
    per_user, per_token = settings.SIGNALBOX_SUBMITS_PER_USER, settings.SIGNALBOX_SUBMITS_PER_TOKEN  # 0: no limit
    if per_token and actor.token:
        done = Entry.objects.filter(action="submit", token=actor.token.uid, outcome=Entry.Outcome.DONE)
        asked = done.order_by("-id").values_list("at", flat=True)  # not what was refused: Retry-After is to be true
        _room(asked[per_token - 1 : per_token], f"{number_of(per_token, 'submit')} a minute with one token")
    if per_user:
        made = Job.objects.filter(owner=actor.user).order_by("-id").values_list("created_at", flat=True)
        _room(made[per_user - 1 : per_user], f"{number_of(per_user, 'submit')} a minute by one user")


def _room(last_allowed: Iterable[datetime], words: str) -> None:
    for at in last_allowed:
        left = MINUTE - (timezone.now() - at)
        if left > timedelta(0):
            raise TooMany(f"There are at most {words}.", int(left.total_seconds()) + 1)
