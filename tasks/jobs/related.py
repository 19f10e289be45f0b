"""The jobs that stand beside a job: who began it, what it began, copies both ways, who shares its serial key."""

from typing import Any, NamedTuple

from django.db.models import QuerySet

from tasks.engine.models import Job
from tasks.schedules.models import Schedule

CHILDREN, COPIES, TURNS = 50, 10, 10
LATER_READ = ("params", "secrets", "result", "traceback", "then", "headers")


class Group(NamedTuple):
    """Jobs that stand in one relation; ``more`` when these are not all."""

    title: str
    jobs: list[dict[str, Any]]
    more: bool = False


def of(job: Job) -> list[Group]:
    """What there is, nearest first; each group is read by an index, and bounded."""
    groups = [
        _group("Started by", Job.every.filter(uid=job.parent), 1) if job.parent else None,
        _group("Started", Job.every.filter(parent=job.uid).order_by("id"), CHILDREN),
        _group("Copy of", Job.objects.filter(uid=job.copy_of), 1) if job.copy_of else None,
        _group("Copies", Job.objects.filter(copy_of=job.uid).order_by("-id"), COPIES),
        _group("Same serial key, newest first", _turns(job), TURNS) if job.serial_key else None,
    ]
    return [group for group in groups if group and group.jobs]


def schedule_of(job: Job) -> Schedule | None:
    return Schedule.objects.select_related("periodic").filter(uid=job.schedule).first() if job.schedule else None


def _turns(job: Job) -> QuerySet[Job]:
    return Job.objects.filter(serial_key=job.serial_key).exclude(pk=job.pk).order_by("-id")


def _group(title: str, jobs: QuerySet[Job], most: int) -> Group:
    found = list(jobs.select_related("owner").defer(*LATER_READ)[: most + 1])
    return Group(title, [job.summary() for job in found[:most]], len(found) > most)
