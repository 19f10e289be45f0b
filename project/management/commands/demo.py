"""`manage.py demo`: submits a steady stream of sample jobs until it is stopped; `up --demo` runs it as a part."""

import itertools
import random
import time

from django.core.management.base import BaseCommand, CommandParser
from django.db import OperationalError

from tasks.engine.models import Job
from tasks.kinds import basic

MOST_WAITING, PRIORITY = 10, 3


class Command(BaseCommand):
    requires_system_checks = ()  # `up` has made them
    help = "Submits a steady stream of sample jobs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--every", type=float, default=2.0, help="seconds between two jobs (2)")

    def handle(self, *, every: float, **_) -> None:
        try:
            for number in itertools.count(1):
                submit(number)
                time.sleep(every)
        except KeyboardInterrupt:
            pass


def submit(number: int) -> None:
    """One sample job: every fifth does nothing, every ninth fails, the rest count down.

    None while enough wait, so that no machine falls behind for ever; what a person submits goes before them.
    """
    seconds = random.randint(2, 6)  # noqa: S311 - only for show
    try:
        if Job.objects.filter(state=Job.State.QUEUED).count() >= MOST_WAITING:
            return
        if number % 5 == 0:
            basic.noop.apply_async(priority=PRIORITY)
        else:
            params = {"seconds": seconds, "steps": seconds * 4, "fail": number % 9 == 0}
            basic.countdown.apply_async(kwargs=params, priority=PRIORITY)
    except OperationalError:
        pass  # the database is busy or restarts; the next one will do
