"""manage.py restore_backup: put a backup in the place of the database."""

import sys
from argparse import ArgumentParser
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection
from django.utils import timezone

from tasks.engine.models import Job, Worker
from tasks.engine.report import Report
from tasks.engine.uid import uuid7
from tasks.kinds.asking import Refused
from tasks.kinds.checks import backups


class Command(BaseCommand):
    help = "Put a backup in the place of the database. What the database holds now is backed up first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", nargs="?", help="a path, or the name of a file in SIGNALBOX_HOME/backups")
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument("--force", action="store_true", help="also while workers live; makes no backup first")

    def handle(self, *args: Any, file: str | None, yes: bool, force: bool, **options: Any) -> None:
        if file is None:
            names = [path.name for path in backups.listed()]
            self.stdout.write("\n".join(names) or f"There is no backup in {backups.folder()}.")
            return
        path = found(file)
        try:
            backups.database().verify(path)
            if not force:
                refuse_while_alive()
            if not (yes or self.confirmed(path)):
                raise CommandError("Nothing was changed.")
            if not force and Job._meta.db_table in connection.introspection.table_names():
                self.stdout.write(f"What is there now is kept in {backups.make(Report(), uuid7()).name}.")
            backups.database().restore(path)
        except Refused as refused:
            raise CommandError(f"{refused.sentence} Nothing was changed.") from None
        call_command("migrate", verbosity=0, interactive=False)
        self.stdout.write(f"The database is now what {path.name} holds. Start Signalbox again.")

    def confirmed(self, path: Path) -> bool:
        if not sys.stdin.isatty():
            raise CommandError("Say --yes: nobody can be asked here. Nothing was changed.")
        return input(f"Replace the whole database by {path.name}? Type yes: ").strip().lower() == "yes"


def found(file: str) -> Path:
    for path in (Path(file), backups.folder() / file):
        if path.is_file():
            return path.absolute()
    raise CommandError(f"There is no file {file}, neither here nor in {backups.folder()}.")


def refuse_while_alive() -> None:
    """A worker would go on writing, into a database that has become another."""
    since = timezone.now() - timedelta(seconds=settings.SIGNALBOX_LEASE_S)
    try:
        alive = Worker.objects.filter(stopped_at=None, seen_at__gt=since).values_list("name", flat=True).first()
    except DatabaseError:  # a database that is broken or empty is what backups are for
        return
    if alive:
        raise CommandError(f"The worker {alive} is alive: stop Signalbox first. Nothing was changed.")
