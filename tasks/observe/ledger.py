"""The one writer of watched states: makes rows of jobs from what is known of tasks, in guarded batches.

A row is written only over an older version of the same task of the same application, with what stands beside it:
attempts, endings, counts, deliveries.
"""

from collections.abc import Iterable, Sequence
from uuid import UUID

from django.db import transaction

from tasks.engine import bulk_insert, notify, storable
from tasks.engine.attempts import write_endings
from tasks.engine.models import Attempt as AttemptRow
from tasks.engine.models import Ending, Job, Outcome
from tasks.engine.transition import retry_on_lock
from tasks.observe import counting, rows
from tasks.observe.fold import Attempt, Task, View, view
from tasks.observe.rows import Entry
from tasks.webhooks import outbox

AT_ONCE = 500  # rows of one statement
OUTCOMES = {
    "succeeded": Outcome.SUCCEEDED, "failed": Outcome.FAILED, "retrying": Outcome.RETRYING,
    "cancelled": Outcome.CANCELLED, "requeued": Outcome.RELEASED,
}  # fmt: skip
KEPT = ("uid", "app", "created_at", "copy_of")  # that a later version of a row leaves as they are
SETS = ", ".join(f"{name} = excluded.{name}" for name in rows.SENT if name not in KEPT)
UPDATED = (  # only an older version of the same task of the same application
    f"ON CONFLICT (uid) DO UPDATE SET {SETS}"
    " WHERE tasks_job.app = excluded.app AND excluded.version > tasks_job.version"
)
Written = dict[UUID, tuple[Job, Entry, View]]


@retry_on_lock
def write(app: str, entries: Sequence[Entry]) -> list[Job]:
    """Write the rows of these tasks in one transaction; returns those that changed."""
    written: Written = {}
    with transaction.atomic():
        for start in range(0, len(entries), AT_ONCE):
            some = entries[start : start + AT_ONCE]
            written |= _upsert(app, some)
            strangers = [entry for entry in some if entry.uid not in written]
            if strangers:
                written |= _elsewhere(app, strangers)
        ends = _write_beside(app, written)
        jobs = [job for job, _, _ in written.values()]
        notify.push_changes(jobs)
        transaction.on_commit(lambda: _remember(written, ends))
    return jobs


def _remember(written: Written, ends: dict[UUID, counting.Ended]) -> None:
    """What the rows of these tasks say now."""
    for uid, (job, entry, shown) in written.items():
        newest = shown.newest if shown.newest and shown.newest.ended is None else None
        entry.version, entry.stage, entry.process = job.version, shown.stage, newest and newest.process
        entry.counted = ends.get(uid) or entry.counted


def _upsert(app: str, entries: Iterable[Entry]) -> Written:
    """Insert or update. Only what was written is returned, with the keys of the rows."""
    wanted: Written = {}
    for entry in entries:
        shown = view(entry.task)
        wanted[entry.uid] = (rows.row_of(app, entry, shown), entry, shown)
    if not wanted:
        return {}
    keys = bulk_insert.insert([job for job, _, _ in wanted.values()], rows.SENT, UPDATED)
    for uid, key in keys.items():
        wanted[uid][0].pk = key
    return {uid: wanted[uid] for uid in keys}


def _elsewhere(app: str, entries: list[Entry]) -> Written:
    """Tasks whose id is a row of somebody else get an id of their own. The others are older than their rows."""
    others = set(
        Job.every.filter(uid__in=[entry.uid for entry in entries]).exclude(app=app).values_list("uid", flat=True)
    )
    moved = [entry for entry in entries if entry.uid in others and not entry.moved]
    for entry in moved:
        entry.uid, entry.moved = rows.uid_of(app, entry.task.id, own=False), True
    return _upsert(app, moved)


def _write_beside(app: str, written: Written) -> dict[UUID, counting.Ended]:
    """The attempts that ended otherwise than well, the endings, and what charts count. Returns as what they count."""
    _write_attempts(written)
    found = {uid: new for uid, (job, _, _) in written.items() if (new := counting.ended(job))}
    ends = [(written[uid][0], written[uid][1].counted, new) for uid, new in found.items()]
    ends = [(job, old, new) for job, old, new in ends if old != new]
    again = [(job, old) for job, old, new in ends if old and (old.attempt == new.attempt or old.at == new.at)]
    counting.add(app, [new for _, _, new in ends], [old for _, old in again])
    for job, old in again:  # another end of the same attempt: it was terminated, or its end is known better now
        if old.outcome in Ending.STATES:
            Ending.objects.filter(job=job.pk, state=old.outcome, at=old.at).delete()
    write_endings(job for job, _, _ in ends)
    # to webhooks that name this application
    outbox.queue_deliveries([job for job, entry, shown in written.values() if entry.stage != shown.stage])
    return found


def _write_attempts(written: Written) -> None:
    found = []
    for job, _, shown in written.values():
        if len(shown.attempts) == 1 and (shown.stage == "succeeded" or shown.attempts[0].ended is None):
            continue  # its row says it
        pairs = rows.numbered(shown.attempts)
        for at, (number, attempt) in enumerate(pairs):
            last = at == len(pairs) - 1
            if (attempt.ended is None and last) or (attempt.how == "succeeded" and last):
                continue
            if attempt.facts.get("is_kept"):  # the observer before this one has written it, with its error
                continue
            error, trace = _attempt_error(job, attempt, last)
            found.append(
                AttemptRow(
                    job_id=job.pk,
                    number=number,
                    worker=rows.place(job.app, storable.text(attempt.process[0], 150), 200),
                    started_at=rows.moment(attempt.started),
                    finished_at=rows.moment(attempt.ended or pairs[min(at + 1, len(pairs) - 1)][1].at),
                    outcome=_outcome(attempt, pairs[at + 1][1] if not last else None),
                    error=error,
                    traceback=trace,
                )
            )
    if found:
        AttemptRow.objects.bulk_create(
            found, 200, update_conflicts=True, unique_fields=["job", "number"],
            update_fields=["worker", "started_at", "finished_at", "outcome", "error", "traceback"],
        )  # fmt: skip


def _outcome(attempt: Attempt, after: Attempt | None) -> Outcome:
    """An attempt that another with more retries follows was retried, though nobody heard so; else it was lost."""
    if attempt.ended is None and after is not None and (after.n or 0) > (attempt.n or 0):
        return Outcome.RETRYING
    return OUTCOMES.get(attempt.how, Outcome.LOST)


def _attempt_error(job: Job, attempt: Attempt, last: bool) -> tuple[str, str]:
    if last:
        return job.error, job.traceback
    if attempt.ended is None:
        return "Its worker never said how it ended.", ""
    task, shown = Task(job.task_id), View(attempt.how, [attempt], attempt, None, None, None, None, "event")
    return rows.error_of(task, shown, attempt.facts) if attempt.how in ("failed", "retrying", "cancelled") else ("", "")
