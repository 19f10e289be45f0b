"""manage.py token USER --scope read|submit|manage [--days N]: a new API token, as the only word on stdout."""

from argparse import ArgumentParser
from typing import Any

from django.core.management import BaseCommand, CommandError

from tasks.access import audit
from tasks.access.models import Scope, Token
from tasks.people import accounts


class Command(BaseCommand):
    requires_system_checks = ()  # `up` has made them
    help = "Makes an API token and prints it, once: only its digest is stored."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user")
        parser.add_argument("--scope", choices=Scope.values, required=True)
        parser.add_argument("--days", type=float, help="how long it lives; without it, until it is taken back")
        parser.add_argument("--name", default="", help="to tell it from others")

    def handle(self, *args: Any, user: str, scope: str, days: float | None, name: str, **options: Any) -> None:
        owner = accounts.named(user)
        if owner is None:
            raise CommandError(f"There is no user {user!r}.")
        if days is not None and not 0 < days <= 3650:
            raise CommandError("--days takes a number above 0, at most 3650.")
        _, text = audit.do(
            None,
            "change_tokens",
            lambda made: f"token {made[0].uid}",
            lambda: Token.objects.make(owner, scope, name=name[:100], days=days),
            scope=scope,
            owner=user,
        )
        self.stdout.write(text)
