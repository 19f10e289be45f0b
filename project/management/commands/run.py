"""manage.py run KIND [name=value …]: runs one job here, in the foreground, without a broker; breakpoints work."""

import json
import os
import socket
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError
from django.db import transaction

from project.management.terminal import EXITS, misuse, parameters, submitted
from tasks.access import actions
from tasks.access.permissions import Actor
from tasks.engine import lifecycle
from tasks.engine.celery_app import app
from tasks.engine.models import Job
from tasks.engine.visible import in_lines, in_one_line
from tasks.worker import pulse


class Command(BaseCommand):
    requires_system_checks = ()  # `up` has made them
    help = "Runs one job in the foreground. Exits 0 succeeded, 1 failed, 2 cancelled."

    def add_arguments(self, parser: ArgumentParser) -> None:
        misuse(parser)
        parser.add_argument("kind")
        parser.add_argument("params", nargs="*", metavar="name=value")

    def handle(self, *args: Any, kind: str, params: list[str], **options: Any) -> None:
        given = parameters(kind, params)
        pulse.start(kills=False, duties=[])  # or the lease would end and a worker take the job over
        job = self.claimed(kind, given)
        try:
            app.tasks[job.kind].perform(job, foreground=True)
        except KeyboardInterrupt:
            actions.cancel(Actor.at_shell(), job, "Interrupted in the terminal.")
        sys.exit(self.print_end(job.uid))

    def claimed(self, kind: str, given: dict[str, Any]) -> Job:
        """A job that is made and claimed in one transaction: no worker can have it first."""
        with transaction.atomic():
            job = submitted(Actor.at_shell(), kind, given)
            claimed = lifecycle.claim(job.uid, f"run@{socket.gethostname()}", os.getpid())
            if claimed is None:
                raise CommandError("It cannot start now: its queue is paused, or another job of its serial key runs.")
        self.stderr.write(f"job {job.uid}")
        return claimed

    def print_end(self, uid: Any) -> int:
        """Print how it ended, as a worker would have recorded it."""
        job = Job.objects.get(uid=uid)
        for line in job.log.order_by("seq"):
            self.stdout.write(in_lines(f"{line.level}: {line.text}"))
        self.stdout.write(in_lines(kind_and_state(job)))
        if job.traceback:
            self.stderr.write(in_lines(job.traceback))
        if job.result is not None:
            self.stdout.write(in_one_line(json.dumps(job.result, ensure_ascii=False)))
        return EXITS.get(job.state, 1)


def kind_and_state(job: Job) -> str:
    return f"{job.kind} {job.state}" + (f": {job.error}" if job.error else "")
