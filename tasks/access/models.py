"""The tables of access: API tokens (digests only), sessions, share links, and the audit trail that nobody edits.

Columns and shapes only. ``tasks.access.permissions`` says who may do what; ``tasks.access.audit`` writes entries.
"""

from datetime import datetime, timedelta
from importlib import import_module
from typing import Any, NoReturn, Self
from uuid import UUID

from django.conf import settings
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.db.models import Q
from django.utils import timezone
from knox.crypto import create_token_string, hash_token
from knox.models import AbstractAuthToken

from tasks.engine.models import instant
from tasks.engine.ordered_json import OrderedObjectField, ReadableJSONField
from tasks.engine.uid import uuid7

MOST = 100  # tokens of one person
HINT = 8  # characters of a token that are kept to tell it from others; 224 of its 256 bits stay unknown


class Scope(models.TextChoices):
    """What a token lets a program do; never more than its owner may do at that moment."""

    READ = "read"
    SUBMIT = "submit"
    MANAGE = "manage"


class TokenManager(models.Manager):
    def live(self) -> models.QuerySet["Token"]:
        """Tokens that have not expired and whose owner is active, with owners and their groups loaded."""
        unspent = Q(expiry__isnull=True) | Q(expiry__gt=timezone.now())
        return self.filter(unspent, user__is_active=True).select_related("user").prefetch_related("user__groups")

    def no_room(self, user: Any) -> str:
        """Why this user gets no further token, in a sentence; empty if there is room for one."""
        full = self.filter(user=user).count() >= MOST
        return f"You have {MOST} tokens. Take one back first." if full else ""

    def make(
        self, user: Any, scope: str, *, name: str = "", days: float | None = None, made_by: "Token | None" = None
    ) -> tuple["Token", str]:
        """A new token and the text of it, which is shown once and kept nowhere."""
        text = create_token_string()
        expiry = None if days is None else timezone.now() + timedelta(days=days)
        if made_by and made_by.expiry:
            expiry = min(expiry or made_by.expiry, made_by.expiry)
        token = self.create(
            user=user,
            scope=Scope(scope),
            name=name,
            digest=hash_token(text),
            token_key=text[:HINT],
            expiry=expiry,
            made_by=made_by,
        )
        return token, text


class Token(AbstractAuthToken):
    """An API token. Digest, owner and expiry are Knox's. Deleting a token deletes the tokens made with it."""

    uid = models.UUIDField(default=uuid7, unique=True, editable=False)
    name = models.CharField(max_length=100, blank=True)
    scope = models.CharField(max_length=6, choices=Scope)
    last_used_at = models.DateTimeField(null=True)
    made_by = models.ForeignKey("self", models.CASCADE, null=True, related_name="made")

    objects = TokenManager()

    def __str__(self) -> str:
        return f"{self.token_key}… ({self.scope})"

    def to_dict(self) -> dict[str, Any]:
        """The token as its owner sees it, without the token."""
        return {
            "id": str(self.uid),
            "name": self.name,
            "scope": self.scope,
            "begins_with": self.token_key,
            "created_at": instant(self.created),
            "expires_at": instant(self.expiry),
            "last_used_at": instant(self.last_used_at),
        }


class Session(AbstractBaseSession):
    """A browser session. It stores its user, so that a user can log out everywhere."""

    user = models.BigIntegerField(null=True, db_index=True)

    @classmethod
    def get_session_store_class(cls) -> type:
        return import_module(settings.SESSION_ENGINE).SessionStore


class Guess(models.Model):
    """A password that is being checked. While the row exists, it counts as a wrong one."""

    place = models.CharField(max_length=45)
    name = models.CharField(max_length=150)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index("place", "name", name="guess_place")]

    def __str__(self) -> str:
        return f"{self.name} at {self.place}"


class ShareLink(models.Model):
    """One job shown to whoever has the link. The link is a signed id; this row lets it expire and be taken back."""

    uid = models.UUIDField(default=uuid7, unique=True, editable=False)
    job = models.ForeignKey("tasks.Job", models.CASCADE, related_name="share_links")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="share_links")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    framed_by = ReadableJSONField(default=list)  # origins that may show it in a frame

    def __str__(self) -> str:
        return f"share link of job {self.job_id}"

    @property
    def is_live(self) -> bool:
        return self.revoked_at is None and self.expires_at > timezone.now()


class Unchangeable(TypeError):
    """The audit trail is written once."""


class EntryRows(models.QuerySet):
    def update(self, **_: Any) -> NoReturn:
        raise Unchangeable("An audit entry is never changed.")

    def bulk_update(self, *_: Any, **__: Any) -> NoReturn:
        self.update()

    def delete(self) -> NoReturn:
        raise Unchangeable("Audit entries are not deleted; only prune takes away those whose time is over.")

    def done_to(self, uid: UUID) -> Self:
        """Entries of actions on a job that were not refused."""
        return self.filter(target=str(uid), outcome=Entry.Outcome.DONE)

    def forget(self, before: datetime, most: int) -> int:
        """Delete entries that were written before that moment, among the ``most`` oldest; returns how many.

        Only the chore that prunes calls this. It looks at no more than ``most`` rows, since ids rise with time.
        """
        oldest = list(self.order_by("id").values_list("pk", flat=True)[:most])
        return self.filter(pk__in=oldest, at__lt=before)._raw_delete(self.db) or 0  # None: there is no entry


class Entry(models.Model):
    """An audit entry: who did or tried what, on what, when, from where, and the outcome.

    Names are stored as text, since users can be deleted.
    """

    class Outcome(models.TextChoices):
        DONE = "done"
        REFUSED = "refused"

    uid = models.UUIDField(default=uuid7, unique=True, editable=False)
    at = models.DateTimeField(default=timezone.now)
    who = models.CharField(max_length=150, blank=True)
    via = models.CharField(max_length=8)  # session, token, shell, link or job
    token = models.UUIDField(null=True)
    action = models.CharField(max_length=60)
    target = models.CharField(max_length=300, blank=True)
    outcome = models.CharField(max_length=7, choices=Outcome)
    code = models.CharField(max_length=40, blank=True)  # why it was refused
    address = models.CharField(max_length=45, blank=True)
    request = models.CharField(max_length=64, blank=True)
    detail = OrderedObjectField(default=dict)

    objects = EntryRows.as_manager()

    class Meta:
        verbose_name_plural = "entries"
        indexes = [
            models.Index("who", "id", name="entry_who"),
            models.Index("action", "id", name="entry_action"),
            models.Index("target", "id", name="entry_target"),
            models.Index("id", name="entry_refused", condition=Q(outcome="refused")),
            models.Index("token", "id", name="entry_token", condition=Q(token__isnull=False, action="submit")),
            models.Index("address", "id", name="entry_login", condition=Q(action="login", outcome="refused")),
        ]

    def __str__(self) -> str:
        return f"{self.who or 'somebody'}: {self.action} {self.target} {self.outcome}"

    def save(self, *args: Any, **options: Any) -> None:
        if not self._state.adding:
            raise Unchangeable("An audit entry is never changed.")
        super().save(*args, **{**options, "force_insert": True})

    def delete(self, *args: Any, **options: Any) -> NoReturn:
        raise Unchangeable("An audit entry is not deleted.")

    def activity(self) -> dict[str, Any]:
        """The entry for everybody who may see its target."""
        action = "end_share" if self.action == "share" and self.detail.get("revoked") else self.action
        note = str(self.detail.get("reason") or "")
        return {"at": instant(self.at), "who": self.who or None, "action": action, "note": note}

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": str(self.uid),
            "at": instant(self.at),
            "who": self.who or None,
            "via": self.via,
            "token": self.token and str(UUID(str(self.token))),
            "action": self.action,
            "target": self.target,
            "outcome": self.outcome,
            "code": self.code or None,
            "address": self.address or None,
            "request": self.request or None,
            "detail": self.detail,
        }
