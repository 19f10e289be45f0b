"""Logging in, one's own account, and the audit trail."""

from django.apps import AppConfig


class AccountConfig(AppConfig):
    name = "tasks.account"
    label = "signalbox_account"  # the label must not clash with an app of a team
    pages = "tasks.account.urls"
    api = "tasks.account.api"

    def ready(self) -> None:
        from tasks.account import login  # noqa: F401 - it listens to logins
