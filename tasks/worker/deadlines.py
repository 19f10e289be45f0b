"""Time limits of attempts. A child writes into shared memory which attempt it runs and until when; its parent ends it.

A worker's process runs many jobs for one message, so Celery's timers, which go by messages, are not used. Moments are
those of the monotonic clock, which is the same in all processes of a machine.
"""

import logging
import mmap
import os
import signal
import struct
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from celery.exceptions import SoftTimeLimitExceeded
from django.db import connection

from tasks.engine import lifecycle, registry
from tasks.engine.call_options import limits_of
from tasks.engine.errors import Failure
from tasks.engine.models import Job
from tasks.worker import alive, lost

log = logging.getLogger(__name__)

WAIT_S = 0.01
PLACES = 256  # of a worker whose pool may grow


class Slot(NamedTuple):
    """What one child runs: the key and the attempt of a job, and until when. 0: nothing, no limit."""

    pid: int = 0
    key: int = 0
    attempt: int = 0
    soft_until: float = 0.0
    hard_until: float = 0.0
    limit: float = 0.0  # seconds


STILL = (
    "The process that ran the job was ended: it had not moved for {:.0f} s. The job's code kept the interpreter, "
    "stopped the process, or put another program in its place."
)
FORM = struct.Struct("qqqddd")
NOTHING = Slot()


class SharedSlots:
    """The slots of a worker's children, and whether its parent is about to end one of them."""

    def __init__(self, children: int) -> None:
        self.children = children
        self._slots = mmap.mmap(-1, FORM.size * children)
        self._marked = mmap.mmap(-1, children)
        self._warned: dict[int, Slot] = {}

    def read(self, index: int) -> Slot:
        """What a child runs; NOTHING while it writes its slot, since what it runs then is not overdue."""
        found = self._unpack(index)
        return found if found.pid and found == self._unpack(index) else NOTHING

    def write(self, index: int, slot: Slot) -> None:
        """Write a slot. Its pid is 0 until the rest is written, so that no reader takes half a slot for a whole one."""
        FORM.pack_into(self._slots, FORM.size * index, *slot._replace(pid=0))
        if slot.pid:
            struct.pack_into("q", self._slots, FORM.size * index, slot.pid)

    def is_marked(self, index: int) -> bool:
        return bool(self._marked[index])

    def look(self, children: Mapping[int, int]) -> bool:
        """Signal and end what is overdue. ``children``: the place of each that lives, and its process id. True: a job
        runs in one of them."""
        now, runs = time.monotonic(), False
        for index, pid in children.items():
            slot = self.read(index) if index < self.children else NOTHING
            if slot.pid != pid:
                continue
            runs = True
            if 0 < slot.hard_until <= now:
                self._end(index, slot, lambda slot=slot: _fail(slot), f"ran for more than {slot.limit:g} s")
            elif 0 < slot.soft_until <= now and self._warned.get(index) != slot:
                self._warned[index] = slot
                _send(slot.pid, signal.SIGUSR1)
        return runs

    def end_still(self, index: int, pid: int, stood: float) -> None:
        """End a child that does not move any more; its attempt is lost, as it would be with its worker."""
        found = self.read(index)
        slot = found if found.pid == pid else Slot(pid)
        self._end(index, slot, lambda: _lose(slot, stood), f"has not moved for {stood:.0f} s")

    def _end(self, index: int, slot: Slot, record: Callable[[], Job | None], why: str) -> None:
        """End an attempt and then its process. Meanwhile the child claims no other job, which would end with it."""
        self._marked[index] = 1
        done, ended = not slot.key, None
        try:
            ended = None if done else record()
        except Exception:
            log.warning("The end of an attempt could not be recorded; the reaper will see it.", exc_info=True)
        finally:
            connection.close()  # children forked from here must not share it
        if done or ended or self.read(index) == slot:  # else it has just ended by itself
            log.warning("A process of the worker %s (job %s): it is stopped.", why, slot.key or "none")
            self.write(index, NOTHING)
            _send(slot.pid, signal.SIGKILL)
        self._marked[index] = 0
        if ended and ended.state == Job.State.FAILED:
            lost.tell_of_failure(ended)

    def _unpack(self, index: int) -> Slot:
        return Slot(*FORM.unpack_from(self._slots, FORM.size * index))


def _fail(slot: Slot) -> Job | None:
    job = Job.objects.filter(pk=slot.key, attempt=slot.attempt, state=Job.State.RUNNING).first()
    sentence = f"Time limit: the job was stopped after {slot.limit:g} s."
    return job and lifecycle.fail(job, Failure.said(sentence))


def _lose(slot: Slot, stood: float) -> Job | None:
    job = Job.objects.filter(pk=slot.key, attempt=slot.attempt, state=Job.State.RUNNING).first()
    return job and lifecycle.rescue(job, sentence=STILL.format(stood))


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


# --- a child's own ---------------------------------------------------------------------------------------------

board: SharedSlots | None = None  # of this worker, made before its children are forked
_index: int | None = None  # of this child; None where no process can be ended for one job
_soft_until = 0.0  # of the code that runs now


def share(children: int) -> None:
    """Make the memory that the children of this process will share with it, for so many at least."""
    global board
    board = SharedSlots(max(children, PLACES))
    alive.share(board.children)


def join(index: int) -> None:
    """This process is a child with a slot; the one before it there is gone."""
    global _index
    _index = index if board and index < board.children else None
    end()
    alive.join(index, os.getpid())


def begin(job: Job, kind: registry.Kind) -> None:
    """Say which attempt this process runs from now on."""
    soft, hard = limits(job, kind)
    alive.allow(kind.lease)
    if board and _index is not None:
        now = time.monotonic()
        until = [limit and now + limit for limit in (soft, hard)]
        board.write(_index, Slot(os.getpid(), job.pk, job.attempt, *until, hard))


def limits(job: Job, kind: registry.Kind) -> tuple[float, float]:
    """Soft and hard limit in seconds, of the call or else of the kind. 0: none."""
    hard, soft = limits_of(job.headers)
    return soft or kind.soft_time_limit or 0, hard or kind.time_limit or 0


def end() -> None:
    """Say that this process runs nothing, and wait for a parent that ends it at this moment."""
    if not board or _index is None:
        return
    board.write(_index, NOTHING)
    parent = os.getppid()
    while board.is_marked(_index) and os.getppid() == parent:
        time.sleep(WAIT_S)


def call(code: Callable[[], object]) -> object:
    """Call the code of a job. SoftTimeLimitExceeded is raised in it and nowhere else."""
    global _soft_until
    _soft_until = board.read(_index).soft_until if board and _index is not None else 0.0
    try:
        on_soft_signal()
        return code()
    finally:
        _soft_until = 0.0


def on_soft_signal(*_: object) -> None:
    """Raise in code that is over its soft limit. A signal for code that has just ended says nothing to the next one."""
    global _soft_until
    if 0 < _soft_until <= time.monotonic():
        _soft_until = 0.0
        raise SoftTimeLimitExceeded
