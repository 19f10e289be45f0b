"""Invitations, and who somebody is at a provider that signs people in.

Columns and shapes only. An invitation keeps the digest of its link, and the link is shown once.
"""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from tasks.engine.models import instant
from tasks.engine.uid import uuid7

KEPT = timedelta(days=30)


class Invitation(models.Model):
    """Whoever has the link makes an account with this role, once."""

    uid = models.UUIDField(default=uuid7, unique=True, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    role = models.CharField(max_length=20)
    note = models.CharField(max_length=150, blank=True)  # whom it is for
    made_by = models.CharField(max_length=150)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    used_by = models.CharField(max_length=150, default="")

    def __str__(self) -> str:
        return f"invitation of {self.note or 'somebody'} as {self.role}"

    @property
    def is_open(self) -> bool:
        return self.used_at is None and self.expires_at > timezone.now()

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": str(self.uid),
            "role": self.role,
            "note": self.note,
            "made_by": self.made_by,
            "expires_at": instant(self.expires_at),
            "used_at": instant(self.used_at),
            "used_by": self.used_by or None,
        }


class Identity(models.Model):
    """A user as a provider names them: ``issuer`` and ``subject`` together stay the same for good."""

    issuer = models.CharField(max_length=500)
    subject = models.CharField(max_length=255)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="identities")
    seen_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "identities"
        constraints = [models.UniqueConstraint(fields=["issuer", "subject"], name="identity_once")]

    def __str__(self) -> str:
        return f"{self.subject} at {self.issuer}"


def expired_invitations(now: datetime) -> models.QuerySet[Invitation]:
    """Invitations that expired more than 30 days ago, for ``prune``."""
    return Invitation.objects.filter(expires_at__lt=now - KEPT)
