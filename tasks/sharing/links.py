"""Share links: the signed text that stands for one, and what it lets somebody without an account see."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.core.signing import BadSignature, Signer
from django.urls import reverse
from django.utils import timezone

from tasks.access.models import ShareLink
from tasks.access.permissions import may
from tasks.engine.errors import Refused
from tasks.engine.models import Job, instant

ORIGIN = re.compile(r"https?://[a-zA-Z0-9.-]{1,190}(:[0-9]{1,5})?")
MOST_ORIGINS = 10
SIGNER = Signer(sep=".", salt="signalbox.share")


class NotShared(Refused):
    """A link cannot show this job."""

    code = "conflict"


def path(link: ShareLink) -> str:
    """The address of the page that the link opens."""
    text = urlsafe_b64encode(link.uid.bytes).decode().rstrip("=")
    return reverse("share", args=[SIGNER.sign(text)])


def is_origin(text: str) -> bool:
    """``https://shop.example``: scheme and host, and nothing that could end a header."""
    return len(text) <= 200 and ORIGIN.fullmatch(text) is not None and bool(urlsplit(text).hostname)


def draft(job: Job, owner: Any, hours: int, framed_by: list[str]) -> ShareLink:
    """A link that is not yet saved."""
    until = timezone.now() + timedelta(hours=hours)
    return ShareLink(job=job, owner=owner, expires_at=until, framed_by=framed_by)


def make(link: ShareLink) -> None:
    """Save it. Raises NotShared."""
    if link.job.app:
        raise NotShared("Only our own jobs are shared by a link.")
    link.save()


def end(link: ShareLink) -> None:
    """Revoke a link. A second call changes nothing."""
    ShareLink.objects.filter(pk=link.pk, revoked_at__isnull=True).update(revoked_at=timezone.now())


def find(text: str) -> ShareLink | None:
    """The living link of that text; a forged one costs no query."""
    try:
        uid = UUID(bytes=urlsafe_b64decode(SIGNER.unsign(text) + "=="))
    except (BadSignature, ValueError):
        return None
    link = ShareLink.objects.select_related("job", "owner").filter(uid=uid).first()
    return link if link and link.is_live and may(link.owner, "share") else None


def link_to_dict(link: ShareLink) -> dict[str, Any]:
    """The link as its makers see it."""
    return {
        "id": str(link.uid),
        "job": str(link.job.uid),
        "created_at": instant(link.created_at),
        "expires_at": instant(link.expires_at),
        "revoked_at": instant(link.revoked_at),
        "framed_by": link.framed_by,
    }


def public(link: ShareLink) -> dict[str, Any]:
    """What somebody with the link sees: how the one job goes. Nobody's name, no parameters, no log, no error."""
    job = link.job.summary()
    names = ("id", "version", "kind", "state", "progress", "created_at", "started_at", "finished_at")
    return {name: job[name] for name in names} | {"expires_at": instant(link.expires_at)}
