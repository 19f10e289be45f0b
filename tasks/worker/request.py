"""Work of a worker's parent process: it acknowledges messages and reports at once that a child process died.

Celery makes a JobRequest for each message. The parent runs no job; it reads a job's state from its row.
"""

import logging
import re
from collections.abc import Callable
from typing import Any

from billiard.exceptions import WorkerLostError
from celery.exceptions import Ignore
from celery.worker.request import Request
from django.db import connection
from kombu.transport import virtual

from tasks.engine import lifecycle, notify
from tasks.engine.models import Job
from tasks.worker import lost, pulse

log = logging.getLogger(__name__)


def how_it_died(said: str) -> str:
    """In a sentence, from billiard's "Worker exited prematurely: signal 9 (SIGKILL) Job: 4."."""
    found = re.search(r"signal \d+ \((\w+)\)|exitcode (\d+)", said)
    if not found:
        return "The process that ran the job died."
    how = f"by {found[1]}" if found[1] else f"with exit code {found[2]}"
    often = "; often the system has no memory left then" if found[1] == "SIGKILL" else ""
    return f"The process that ran the job died {how}{often}."


message_ended: list[Callable[[], None]] = []  # called when a process of this worker is free


class JobRequest(Request):
    """A child that died is reported at once."""

    def acknowledge(self) -> None:
        """Acknowledge, also while the broker is away.

        An unacknowledged message would count as prefetched for ever. A worker with its prefetch limit full of them
        would never read from the broker again.
        """
        super().acknowledge()
        qos, tag = getattr(self._message.channel, "qos", None), self._message.delivery_tag
        if isinstance(qos, virtual.QoS) and tag in qos._delivered and tag not in qos._dirty:
            virtual.QoS.ack(qos, tag)
        for call in message_ended:
            call()

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> Any:
        error = getattr(exc_info.exception, "exc", exc_info.exception)  # billiard wraps what does not come from a child
        if isinstance(error, WorkerLostError):
            if pulse.stopping() and "(SIGTERM)" in str(error):
                self._report(lifecycle.release)  # worker and children both got a signal to end
            else:
                self._report(lambda job: lifecycle.rescue(job, sentence=how_it_died(str(error))))
            log.error("%s", error)
            exc_info.exception = Ignore()  # what failed is no job of this message
        elif isinstance(error, MemoryError):  # Celery would end the whole worker for it
            exc_info.exception = RuntimeError(f"MemoryError: {error}")
        return super().on_failure(exc_info, send_failed_event=send_failed_event, return_ok=return_ok)

    def _report(self, tell: Callable[[Job], Any]) -> None:
        try:
            # One process runs one job at a time: the one of this message, or a later one of its slice.
            held = Job.objects.filter(state=Job.State.RUNNING, pid=self.worker_pid, worker=self.hostname)
            for job in held:
                if (left := tell(job)) is not None and left.state == Job.State.FAILED:
                    lost.tell_of_failure(left)
            notify.call_workers(pulse.queues())  # the slice is over, and nobody has passed its call on
        except Exception:
            log.warning("A dead process could not be reported; the reaper will see it.", exc_info=True)
        finally:
            connection.close()  # children forked from here must not share it
