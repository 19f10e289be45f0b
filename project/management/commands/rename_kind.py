"""manage.py rename_kind OLD NEW: moves what rows of a former kind belong to: history, counts, schedules, filters."""

from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError

from project import rename
from tasks.access import audit
from tasks.access.permissions import Actor


class Command(BaseCommand):
    requires_system_checks = ()  # `up` has made them
    help = "Moves the rows, counts and schedules of a kind that nobody knows any more to a kind that there is."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("old", help="the name that the rows have")
        parser.add_argument("new", help="the name of the kind that they belong to")

    def handle(self, *args: Any, old: str, new: str, **options: Any) -> None:
        try:
            name = rename.check(old, new)
        except rename.NotRenamed as no:
            raise CommandError(str(no)) from None
        moved = rename.rename(old, name)
        audit.note(Actor.at_shell(), "rename_kind", f"kind {old}", new=name, **moved)
        self.stdout.write(", ".join(f"{n:,} {what}" for what, n in moved.items() if n) or "There was nothing to move.")
