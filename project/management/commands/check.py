"""`manage.py check`: Django's, which also says which key this process has, so that two machines can be compared."""

from typing import Any

from django.conf import settings
from django.core.management.commands import check

from project import keys


class Command(check.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"SECRET_KEY has the fingerprint {keys.fingerprint(settings.SECRET_KEY)}.")
        super().handle(*args, **options)
