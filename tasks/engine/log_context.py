"""Which request, and which job, the running code works for: what log lines and audit entries say, and what none may.

Request and job are context variables, so that threads, coroutines and tests each have their own. A job's secrets are
the process's: a thread that the job started logs too, and so does Celery when the job has ended.
"""

import re
from collections.abc import Iterable
from contextvars import ContextVar

from tasks.engine.sealing import hide

request_id: ContextVar[str] = ContextVar("request_id", default="")
job_id: ContextVar[str] = ContextVar("job_id", default="")

_secrets: dict[str, tuple[str, ...]] = {}  # by job, while this process works for it
SECRET_PATH = re.compile(r"(?<![\w-])/(start|share)/[^/\s\"'<>?]+")


def keep(job: str, secrets: Iterable[str]) -> None:
    """From now on these are in no log line of this process, until ``forget``."""
    if kept := tuple(secrets):
        _secrets[job] = kept


def forget(job: str) -> None:
    _secrets.pop(job, None)


def mask_secrets(text: str) -> str:
    """Without the addresses of share links and of the first admin's, and without secrets of the jobs that run here."""
    text = SECRET_PATH.sub(r"/\1/•••", text)
    return hide(text, [each for kept in tuple(_secrets.values()) for each in kept]) if _secrets else text
