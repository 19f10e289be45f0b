"""Which request, and which job, the running code works for: what every log line and audit entry says.

Context variables only, so that threads, coroutines and tests each have their own.
"""

from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")
job_id: ContextVar[str] = ContextVar("job_id", default="")
