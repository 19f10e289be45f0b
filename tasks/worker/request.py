"""What a worker's parent process does for a job: acknowledge its bell, and say at once when the child that ran it died.

Celery makes a JobRequest of each message. It runs no job and holds none; what it knows of one it reads from the row.
"""

import logging
from collections.abc import Callable
from typing import Any

from celery.worker.request import Request
from django.db import connection
from kombu.transport import virtual

from tasks.engine import lifecycle
from tasks.engine.errors import Failure
from tasks.engine.models import Job

log = logging.getLogger(__name__)


class JobRequest(Request):
    """A child that died, or ran over its hard limit, is reported at once."""

    def acknowledge(self) -> None:
        """Also when the broker is away: a bell that stayed unacknowledged would count as prefetched for ever, and a
        worker with as many of them as it may prefetch never reads from the broker again, not even that it is back."""
        super().acknowledge()
        qos, tag = getattr(self._message.channel, "qos", None), self._message.delivery_tag
        if isinstance(qos, virtual.QoS) and tag in qos._delivered and tag not in qos._dirty:
            virtual.QoS.ack(qos, tag)

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> Any:
        if type(exc_info.exception).__name__ == "WorkerLostError":
            self._report(lambda job: lifecycle.rescue(job, sentence="The process that ran the job died."))
        return super().on_failure(exc_info, send_failed_event=send_failed_event, return_ok=return_ok)

    def on_timeout(self, soft: bool, timeout: float) -> None:
        if not soft:
            sentence = f"Time limit: the job was stopped after {timeout:g} s."
            self._report(lambda job: lifecycle.fail(job, Failure.said(sentence)))
        super().on_timeout(soft, timeout)

    def _report(self, tell: Callable[[Job], Any]) -> None:
        try:
            job = Job.objects.filter(uid=self.id, state=Job.State.RUNNING, pid=self.worker_pid).first()
            if job is not None and job.worker == self.hostname:
                tell(job)
        except Exception:
            log.warning("A dead process could not be reported; the reaper will see it.", exc_info=True)
        finally:
            connection.close()  # children forked from here must not share it
