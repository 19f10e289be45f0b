"""``app.control`` of our app: what Celery sends to workers is an order about rows here, and every worker reads rows."""

import logging
from collections.abc import Callable
from typing import Any, NoReturn
from uuid import UUID

from celery.app.control import Control as CelerysControl
from celery.app.control import Inspect as CelerysInspect

from tasks.engine import lifecycle, registry, unserved
from tasks.engine.errors import NotInState
from tasks.engine.models import Job, Worker
from tasks.worker.failures import request_of

log = logging.getLogger(__name__)


def _active(worker: Worker) -> list[dict[str, Any]]:
    return [
        {
            "id": str(job.uid),
            "name": registry.celery_name(job.kind),
            "type": registry.celery_name(job.kind),
            **_call_of(job),
            "hostname": worker.name,
            "time_start": job.started_at.timestamp(),
            "acknowledged": True,
            "worker_pid": job.pid,
        }
        for job in Job.objects.filter(state=Job.State.RUNNING, app="", worker=worker.name).order_by("started_at")
    ]


def _call_of(job: Job) -> dict[str, Any]:
    request = request_of(job)
    return {"args": request.args, "kwargs": request.kwargs}


def _nothing(worker: Worker) -> list[Any]:
    """A worker holds no jobs that wait: those are rows that any worker may claim."""
    return []


SAYS: dict[str, Callable[[Worker], Any]] = {
    "ping": lambda worker: {"ok": "pong"},
    "active": _active,
    "reserved": _nothing,
    "scheduled": _nothing,
    "revoked": _nothing,
    "registered": lambda worker: sorted(registry.celery_name(kind) for kind in worker.kinds or ()),
    "active_queues": lambda worker: [{"name": queue} for queue in worker.queues],
    "stats": lambda worker: {"pid": worker.pid, "pool": {"max-concurrency": worker.concurrency}},
}


class Inspect(CelerysInspect):
    """What health pages ask of workers, answered from the rows of those that live. None while none does."""

    def _request(self, command: str, **options: Any) -> Any:
        if command not in SAYS:
            raise NotImplementedError(f"inspect().{command} cannot be answered: {NO_ORDERS}")
        named = [self.destination] if isinstance(self.destination, str) else self.destination
        alive = [worker for worker in unserved.alive().order_by("name") if not named or worker.name in named]
        return {worker.name: SAYS[command](worker) for worker in alive} or None


NO_ORDERS = "workers of jobs are rows, and take no orders from the broker."


class Control(CelerysControl):
    """``revoke`` and ``terminate`` cancel jobs; ``inspect`` and ``ping`` are answered from rows. Else: refused."""

    @property
    def inspect(self) -> Any:
        return self.app.subclass_with_self(Inspect, reverse="control.inspect")

    def ping(self, destination: Any = None, timeout: float = 1.0, **options: Any) -> list[dict[str, Any]]:
        return [{name: said} for name, said in (self.inspect(destination).ping() or {}).items()]

    def broadcast(
        self, command: str, arguments: Any = None, destination: Any = None, *_: Any, reply: bool = False, **__: Any
    ) -> list[dict[str, Any]]:
        """What ``inspect`` of another app of the process asks of all workers is answered too."""
        if command not in SAYS or not reply:
            raise NotImplementedError(f"control.{command} cannot be honoured: {NO_ORDERS}")
        said = self.inspect(destination)._request(command) or {}
        return [{name: answer} for name, answer in said.items()]

    def purge(self, connection: Any = None) -> NoReturn:
        raise NotImplementedError("control.purge would delete messages, and jobs are rows: cancel them instead.")

    discard_all = purge

    def revoke(
        self, task_id: Any, destination: Any = None, terminate: bool = False, signal: Any = None, **options: Any
    ) -> list[dict[str, Any]] | None:
        """Cancel one job or several, and log what came of each; with ``reply=True`` it is returned too.

        ``terminate``: a running job that does not end by itself is ended with its process, whatever ``signal`` says.
        """
        said = {each: _cancel(each, terminate) for each in listed(task_id)}
        for uid, sentence in said.items():
            log.info("revoke %s: %s", uid, sentence)
        return [{"signalbox": {"ok": said}}] if options.get("reply") else None

    def terminate(self, task_id: Any, destination: Any = None, signal: Any = None, **options: Any) -> Any:
        return self.revoke(task_id, destination, terminate=True, signal=signal, **options)


def listed(task_id: Any) -> list[str]:
    """What ``revoke`` was given, as ids."""
    return [str(each) for each in ([task_id] if isinstance(task_id, str | UUID) else task_id or ())]


def _cancel(uid: str, terminate: bool) -> str:
    try:
        job = lifecycle.cancel(UUID(uid), reason=lifecycle.TERMINATE if terminate else "revoked by the program")
    except (Job.DoesNotExist, ValueError):
        return "There is no such job, so nothing was revoked."
    except NotInState as late:
        return str(late)
    return "The job is cancelled." if job.state == Job.State.CANCELLED else "The running job was asked to stop."
