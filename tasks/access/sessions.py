"""Session rows store their user and a digest of the session key, so that a reader of the table cannot log in.

Server processes of an older version look for the key itself. So for an hour after an upgrade keys are stored as
before, while the new version replaces the old one. Then all keys become digests.
"""

import hashlib
import re
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as RowStore
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from tasks.access.models import Session

ROLLING = timedelta(hours=1)
AT_ONCE = timedelta(minutes=5)  # in which a new database gets all its migrations
MARK = "h$"  # no key begins so, and no digest is taken for a key: whoever reads one cannot send it
KEY = re.compile("[a-z0-9]{32}")


def digest(key: str) -> str:
    """228 bits of SHA-256 in the 40 characters that the column has."""
    return MARK + urlsafe_b64encode(hashlib.sha256(key.encode()).digest()).decode()[:38]


def kept_as(key: str) -> list[str]:
    """The values under which the row of a key may be stored."""
    return [digest(key), *([key] if KEY.fullmatch(key) else [])]


class SessionStore(RowStore):
    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def _get_session_from_db(self) -> Session | None:
        rolling()
        found = Session.objects.filter(session_key__in=kept_as(self.session_key), expire_date__gt=timezone.now())
        if (row := found.first()) is None:
            self._session_key = None
        return row

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        row = super().create_model_instance(data)
        row.user = data.get(SESSION_KEY)
        found = Session.objects.filter(session_key__in=kept_as(row.session_key)).values_list("session_key", flat=True)
        if there := found.first():
            row.session_key = there
        elif not rolling():
            row.session_key = digest(row.session_key)
        return row

    def exists(self, session_key: str) -> bool:
        return Session.objects.filter(session_key__in=kept_as(session_key)).exists()

    def delete(self, session_key: str | None = None) -> None:
        if key := session_key or self.session_key:
            Session.objects.filter(session_key__in=kept_as(key)).delete()

    _aget_session_from_db = sync_to_async(_get_session_from_db)
    acreate_model_instance = sync_to_async(create_model_instance)
    aexists = sync_to_async(exists)
    adelete = sync_to_async(delete)


_settled = False  # no older version can be running


def rolling() -> bool:
    """Whether processes of the version that knew no digests may still be running beside this one."""
    global _settled
    if _settled:
        return False
    rows = MigrationRecorder(connection).migration_qs.filter(app="door", name__in=("0004_sessions", "0006_digests"))
    applied = dict(rows.values_list("name", "applied"))
    if "0006_digests" not in applied:
        return True
    is_new = applied["0006_digests"] - applied["0004_sessions"] < AT_ONCE
    if not is_new and datetime.now(UTC) - applied["0006_digests"] < ROLLING:
        return True
    for key in Session.objects.exclude(session_key__startswith=MARK).values_list("session_key", flat=True):
        Session.objects.filter(session_key=key).update(session_key=digest(key))
    _settled = True
    return False


def end_all(user: Any) -> int:
    """Log a user out of every browser; open sockets close with the next look. Returns how many sessions there were."""
    return Session.objects.filter(user=user.pk).delete()[0]
