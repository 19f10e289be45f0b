"""Sessions as rows that know whose they are. The rest is Django's own."""

from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as RowStore

from tasks.access.models import Session


class SessionStore(RowStore):
    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        row = super().create_model_instance(data)
        row.user = data.get(SESSION_KEY)
        return row


def end_all(user: Any) -> int:
    """Log a user out of every browser; open sockets close with the next look. Returns how many sessions there were."""
    return Session.objects.filter(user=user.pk).delete()[0]
