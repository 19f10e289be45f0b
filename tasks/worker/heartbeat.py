"""The worker's own row says that it lives. In return it hears whether it leads, and whether a job runs anywhere.

The living worker with the lowest id leads: it looks after the whole installation, such as jobs that are due. The others
do the same more rarely, so that what one cannot do is done all the same. Each judges who lives by its own clock: while
the beats of the workers with lower ids change, one of them lives. Two that lead at once cost statements and do no harm.
"""

import logging
import socket
import threading
import time
from collections.abc import Callable

from django.conf import settings
from django.db import close_old_connections, connection

from tasks.engine import lifecycle, registry, releases
from tasks.engine.models import Worker
from tasks.worker import pulse

log = logging.getLogger(__name__)

SILENT = 3  # heartbeats after which the workers with lower ids count as gone
RARELY = 6  # times as long between two looks of a worker that does not lead
COLUMNS = ("host", "queues", "concurrency", "release", "seen_at", "stopped_at")
BEAT = (
    f"UPDATE tasks_worker SET beat = beat + 1, {', '.join(f'{name} = %s' for name in COLUMNS)}"  # noqa: S608 - constants
    " WHERE name = %s AND pid = %s RETURNING"
    " (SELECT SUM(beat) FROM tasks_worker AS lower WHERE lower.stopped_at IS NULL AND lower.id < tasks_worker.id),"
    " EXISTS (SELECT 1 FROM tasks_job WHERE app = '' AND state = 'running')"
)

_speaking = threading.Lock()  # what is said last must be written last


class _Heard:
    """What the answers to this process's heartbeats said."""

    lower: int | None = None  # the sum of the beats of workers with lower ids; None: there are none
    changed = 0.0  # when it last was another one, by this process's clock
    runs = True  # whether any job runs; until it is known, yes

    def answer(self, lower: int | None, runs: bool) -> None:
        if lower != self.lower:
            self.lower, self.changed = lower, time.monotonic()
        self.runs = bool(runs)


_heard = _Heard()


def leads() -> bool:
    """Whether this process's worker looks after the whole installation now."""
    return _heard.lower is None or time.monotonic() - _heard.changed > SILENT * settings.SIGNALBOX_HEARTBEAT_S


def something_runs() -> bool:
    """Whether any job of the installation ran at this process's last heartbeat."""
    return _heard.runs


def by_leader(call: Callable[[], None]) -> Callable[[], None]:
    """A duty that a worker does at each call while it leads, and otherwise once in ``RARELY`` calls."""
    calls = 0

    def call_if_due() -> None:
        nonlocal calls
        calls += 1
        if leads() or calls % RARELY == 0:
            call()

    return call_if_due


def say_alive() -> None:
    """Write the worker's row, unless another process has taken its name meanwhile and this one has stopped."""
    worker, pid = pulse.worker()
    with _speaking:
        close_old_connections()
        now, name = lifecycle.now(), worker.hostname
        row = {
            "host": socket.gethostname(),
            "queues": pulse.queues(),
            "concurrency": worker.concurrency,
            "release": releases.current(),
            "seen_at": now,
            "stopped_at": now if pulse.stopping() else None,
        }
        values = [Worker._meta.get_field(column).get_db_prep_save(row[column], connection) for column in COLUMNS]
        with connection.cursor() as cursor:
            cursor.execute(BEAT, [*values, name, pid])
            answer = cursor.fetchone()
        if answer:
            _heard.answer(*answer)
        elif not (pulse.stopping() and Worker.objects.filter(name=name).exists()):
            first = {"beat": 1, "pid": pid, "started_at": now, "kinds": [kind.name for kind in registry.kinds()]}
            Worker.objects.update_or_create(name=name, defaults=row | first)


def say_stopped() -> None:
    """Write that the worker has stopped, from the process that ends last. A stopped worker does not count as lost."""
    pulse.say_stopping()
    try:
        say_alive()
    except Exception as error:
        log.warning("That the worker stopped could not be written: %s", error)
    finally:
        connection.close()
