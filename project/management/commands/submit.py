"""manage.py submit KIND [name=value …] [--wait]: submits a job; with --wait shows its progress and exits as it ends."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError

from project.management.terminal import EXITS, USAGE, ProgressBar, follow, misuse, parameters, submitted
from tasks.access.permissions import Actor
from tasks.people import accounts


class Command(BaseCommand):
    requires_system_checks = ()  # `up` has made them
    help = "Submits a job and prints its id. With --wait: exits 0 succeeded, 1 failed, 2 cancelled."

    def add_arguments(self, parser: ArgumentParser) -> None:
        misuse(parser)
        parser.add_argument("kind")
        parser.add_argument("params", nargs="*", metavar="name=value")
        parser.add_argument("--wait", action="store_true", help="show the progress until it has ended")
        parser.add_argument("--owner", metavar="USER", help="whose job it is; nobody's without it")
        parser.add_argument("--priority", type=int, choices=range(10), metavar="0-9")

    def handle(
        self, *args: Any, kind: str, params: list[str], wait: bool, priority: int | None, **options: Any
    ) -> None:
        owner = None
        if options["owner"]:
            owner = accounts.named(options["owner"])
            if owner is None:
                raise CommandError(f"There is no user {options['owner']!r}.", returncode=USAGE)
        given = parameters(kind, params)
        job = submitted(Actor.at_shell(owner), kind, given, priority=priority)
        self.stdout.write(str(job.uid))
        if wait:
            sys.exit(self.wait_for(job.uid))

    def wait_for(self, uid: Any) -> int:
        with ProgressBar() as bar:
            try:
                job = follow(uid, bar.show)
            except KeyboardInterrupt:
                self.stderr.write("The job goes on.")
                return 130
        bar.end(job)
        return EXITS[job["state"]]
