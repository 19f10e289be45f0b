"""What people and programs ask of one job, our own or a watched task: cancel, retry, undo a cancel.

Each returns the job as it is then, and raises Refused with one sentence when it cannot be done.
"""

from collections.abc import Callable

from tasks.access import actions
from tasks.access.permissions import Actor
from tasks.engine.models import Job, State
from tasks.observe import asking


def cancel(actor: Actor, job: Job, reason: str = "") -> Job:
    if not job.app:
        return actions.cancel(actor, job, reason)
    asking.cancel(actor, job, reason, terminate=job.state == State.RUNNING)
    return Job.every.select_related("owner").get(pk=job.pk)


def retry(actor: Actor, job: Job, reason: str = "") -> Job:
    asking.refuse_own_verbs(actor, "retry", job, "tried again")
    return actions.retry(actor, job)


def take_back(actor: Actor, job: Job, reason: str = "") -> Job:
    asking.refuse_own_verbs(actor, "take_back", job, "taken back")
    return actions.take_back(actor, job)


VERBS: dict[str, Callable[[Actor, Job, str], Job]] = {"cancel": cancel, "retry": retry, "take_back": take_back}
