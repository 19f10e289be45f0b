"""Sentences for pages: how a fact about a watched task is known, what of an application is seen, and what is not."""

from collections import Counter
from datetime import datetime

from django.conf import settings
from django.utils import timezone

from tasks.engine.models import Job, State
from tasks.engine.words import number_of
from tasks.observe import pruning, watched
from tasks.observe.models import App, WatchedWorker
from tasks.observe.tally import SILENT_S

LISTED = 1_000  # waiting messages of a queue that are read
STATE = {
    "event": "an event that its worker sent",
    "inspect": "what its worker answered when it was asked",
    "queue": "its message, seen in the broker",
    "result": "the result backend",
}
ARGUMENTS = {
    "message": "real: from its message in the broker",
    "inspect": "real: its worker was asked",
    "result": "real: the result backend has them (result_extended)",
    "text": "text that the sender wrote for people: perhaps cut, and not always the arguments themselves",
}
Facts = list[tuple[str, str]]


def facts_beside(job: Job) -> dict[str, object]:
    """What the observer noted beside the columns."""
    return job.headers if isinstance(job.headers, dict) else {}


def arguments_are_real(job: Job) -> bool:
    return facts_beside(job).get("arguments") in ("message", "inspect", "result", "")


def of_task(job: Job) -> Facts:
    """Each fact with where it comes from."""
    noted = facts_beside(job)
    found: Facts = [("State", _state(job))]
    found.append(("Arguments", ARGUMENTS.get(str(noted.get("arguments")), "not known: no event or message named them")))
    if job.queue.endswith(":"):
        found.append(("Queue", "not known: the sender sends no event, and nobody saw the message"))
    elif noted.get("queue") == "served":
        found.append(("Queue", "the only one that its worker served when it was last asked"))
    if holder := noted.get("held_by"):
        found.append(("Held by", f"{holder}, which has not begun it"))
    if note := noted.get("note"):
        found.append(("Note", str(note)))
    if (since := _unwatched_since(job.app)) is not None:
        found.append(("Watched", f"no longer: what is shown is what was known{since}"))
    if job.doubt_at:
        found.append(("In doubt", f"its worker has said nothing since {clock(job.doubt_at)}"))
    found.append(("Progress and log", "never seen from outside: a job of our own has them"))
    return found


def _unwatched_since(name: str) -> str | None:
    """`` on 29 Nov 10:00:00`` for an application that is no longer watched; None for one that is."""
    app = App.objects.filter(name=name, watched=False).first()
    return None if app is None else f" on {clock(app.as_of)}" if app.as_of else ""


def _state(job: Job) -> str:
    if job.state == State.UNKNOWN:
        return "nobody knows it: no worker that answered, no queue and no result has this task"
    return STATE.get(job.basis, "not noted")


def clock(moment: datetime) -> str:
    return f"{timezone.localtime(moment):%d %b %H:%M:%S}"


def coverage(app: App, workers: list[WatchedWorker]) -> list[str]:
    """What is seen of an application, how current it is, and what is not seen, a sentence each."""
    if not app.watched:
        return [sentence for sentence in (_currency(app), _kept(app)) if sentence]
    there = [worker for worker in workers if worker.stopped_at is None]
    return [
        sentence
        for sentence in (
            _currency(app),
            _events(there) if _is_heard(app) else "",
            _shared(there),
            _tally(app, there),
            _waiting(app),
            _arguments(app),
            _kept(app),
            _dropped(app),
            app.note if _is_heard(app) else "",
        )
        if sentence
    ]


def _currency(app: App) -> str:
    lag = watched.lag_s(app)
    if not app.watched:
        return "It is no longer watched: it was taken out of SIGNALBOX_OBSERVE. Its tasks stay, as they were last seen."
    if lag is None:
        return "Nothing was read yet. An observer must run: manage.py observe, or manage.py up."
    if not _is_heard(app):
        return f"Its broker cannot be heard: what is shown is {lag:,.0f} s old. {app.note}"
    if lag > watched.SILENT_S:
        return f"Nobody watches it now: what is shown is {lag:,.0f} s old. Is manage.py observe running?"
    if lag < 0.1:
        return "What is shown is less than 0.1 s behind what happens there."
    return f"What is shown is {lag:.1f} s behind what happens there."


def _is_heard(app: App) -> bool:
    """False: its observer runs, and has said why it hears nothing."""
    return not app.note or app.as_of is None or (watched.lag_s(app) or 0) <= watched.SILENT_S


def _shared(workers: list[WatchedWorker]) -> str:
    """Celery asks workers by their names, and of several with one name any of them answers."""
    now = timezone.now()
    names = Counter(worker.name for worker in workers if (now - worker.seen_at).total_seconds() <= SILENT_S)
    shared = sorted(name for name, n in names.items() if n > 1)
    if not shared:
        return ""
    return (
        f"Several workers have the name {shared[0]}, and only one of them answers when it is asked what it holds. "
        "Start each with a name of its own (-n)."
    )


def _events(workers: list[WatchedWorker]) -> str:
    if not workers:
        return "No worker of it is there."
    sending = [worker for worker in workers if worker.events == "on"]
    sentence = f"{len(sending)} of {number_of(len(workers), 'worker')} send{'s' * (len(sending) == 1)} events of tasks."
    for worker in workers:
        if worker.events != "on" and worker.events_why:
            sentence += f" {worker.name}: {worker.events_why}."
            break
    if sending:
        sentence += " They cost a worker about 1 ms of processor time for each task."
    if settings.SIGNALBOX_OBSERVE_READONLY:
        return f"{sentence} Nothing is switched on from here: SIGNALBOX_OBSERVE_READONLY is on."
    if not settings.SIGNALBOX_OBSERVE_ENABLE:
        return f"{sentence} Signalbox switches none on: SIGNALBOX_OBSERVE_ENABLE is off."
    return sentence


def _tally(app: App, workers: list[WatchedWorker]) -> str:
    counted = [worker for worker in workers if worker.base is not None]
    if not app.unseen and counted:
        return "No task began unseen: with each beat a worker says how many it began, and the counts agree."
    if app.unseen:
        return (
            f"{number_of(app.unseen, 'task')} began that nobody saw: with each beat a worker says how many it began, "
            "and that many are missing here. Tasks with send_events=False are always among them."
        )
    return "" if not workers else "Whether all tasks were seen is not known yet: no worker's count could be compared."


def _waiting(app: App) -> str:
    if app.transport == "amqp":
        return (
            "Waiting tasks are counted by the broker. They are listed when their sender sends events: "
            "a message of RabbitMQ is never taken out to be read."
        )
    return f"Of each queue the next {LISTED:,} waiting tasks are listed; its depth is the broker's own number."


def _arguments(app: App) -> str:
    seen = "Arguments are real for what waits or is held, and text for what ran at once"
    if app.reads.get("results"):
        return f"{seen}, unless the result backend has them (result_extended)."
    return f"{seen}. The result backend is not read, so a result is as its worker's event says it."


def _kept(app: App) -> str:
    """For how long, and how far back that reaches by now."""
    ended = Job.every.filter(app=app.name, finished_at__isnull=False).order_by("finished_at")
    first = ended.values_list("finished_at", flat=True).first()
    if first is None:
        return ""
    days = f"{settings.SIGNALBOX_KEEP_WATCHED_D:g}"
    bound = f", and no more than {pruning.most():,} tasks: the oldest successes go first" if app.watched else ""
    return f"What ended is kept for {days} days{bound}. The oldest that is here ended on {clock(first)}."


def _dropped(app: App) -> str:
    n = sum(count for count in app.dropped.values() if isinstance(count, int))
    if not n:
        return ""
    reasons = ", ".join(f"{why}: {count:,}" for why, count in sorted(app.dropped.items()))
    return f"{number_of(n, 'message')} on its channel {'was no event' if n == 1 else 'were no events'} ({reasons})."
