"""Which request, and which job, the running code works for: what every log line and audit entry says.

Context variables only, so that threads, coroutines and tests each have their own.
"""

import re
from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")
job_id: ContextVar[str] = ContextVar("job_id", default="")

SECRET_PATH = re.compile(r"(?<![\w-])/(start|share)/[^/\s\"'<>?]+")


def veiled(text: str) -> str:
    """Without what lets somebody in: the addresses of share links, and of the first admin's."""
    return SECRET_PATH.sub(r"/\1/•••", text)
