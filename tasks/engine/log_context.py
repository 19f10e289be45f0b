"""The request and the job that the running code works for, and the secrets that no log line may contain.

Request and job are context variables, so threads, coroutines and tests each have their own. Secrets are kept for the
whole process: threads of the job write log lines too, and so does Celery after the job has ended.
"""

import re
from collections.abc import Iterable
from contextvars import ContextVar

from tasks.engine.sealing import hide

REQUEST = "signalbox_request"  # in a message: the id of the HTTP request that caused it
request_id: ContextVar[str] = ContextVar("request_id", default="")
job_id: ContextVar[str] = ContextVar("job_id", default="")

_secrets: dict[str, tuple[str, ...]] = {}  # by job, while this process works for it
SECRET_PATH = re.compile(r"(?<![\w-])/(start|share|join)/[^/\s\"'<>?]+")


def keep(job: str, secrets: Iterable[str]) -> None:
    """Mask these secrets in every log line of this process until ``forget``."""
    if kept := tuple(secrets):
        _secrets[job] = kept


def forget(job: str) -> None:
    _secrets.pop(job, None)


def mask_secrets(text: str) -> str:
    """Return the text without share links, the first admin's login link, and secrets of the jobs that run here."""
    text = SECRET_PATH.sub(r"/\1/•••", text)
    return hide(text, [each for kept in tuple(_secrets.values()) for each in kept]) if _secrets else text
