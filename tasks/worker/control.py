"""``app.control`` of our app: what Celery sends to workers is an order about rows here, and every worker reads rows."""

import logging
from typing import Any
from uuid import UUID

from celery.app.control import Control as CelerysControl

from tasks.engine import lifecycle
from tasks.engine.errors import NotInState
from tasks.engine.models import Job

log = logging.getLogger(__name__)


class Control(CelerysControl):
    """``revoke`` and ``terminate`` cancel jobs."""

    def revoke(
        self, task_id: Any, destination: Any = None, terminate: bool = False, signal: Any = None, **options: Any
    ) -> list[dict[str, Any]] | None:
        """Cancel one job or several, and log what came of each; with ``reply=True`` it is returned too.

        ``terminate``: a running job that does not end by itself is ended with its process, whatever ``signal`` says.
        """
        ids = [task_id] if isinstance(task_id, str | UUID) else list(task_id or ())
        said = {str(each): _cancel(str(each), terminate) for each in ids}
        for uid, sentence in said.items():
            log.info("revoke %s: %s", uid, sentence)
        return [{"signalbox": {"ok": said}}] if options.get("reply") else None

    def terminate(self, task_id: Any, destination: Any = None, signal: Any = None, **options: Any) -> Any:
        return self.revoke(task_id, destination, terminate=True, signal=signal, **options)


def _cancel(uid: str, terminate: bool) -> str:
    try:
        job = lifecycle.cancel(UUID(uid), reason=lifecycle.TERMINATE if terminate else "revoked by the program")
    except (Job.DoesNotExist, ValueError):
        return "There is no such job, so nothing was revoked."
    except NotInState as late:
        return str(late)
    return "The job is cancelled." if job.state == Job.State.CANCELLED else "The running job was asked to stop."
