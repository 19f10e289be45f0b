"""What the pages of watched applications show beside ``watched``: coverage, workers with their tasks, marks.

Read-only and bounded.
"""

from typing import Any
from uuid import UUID

from django.db.models import Count, Max, Sum
from django.db.models.expressions import RawSQL

from tasks.engine import storable
from tasks.engine.models import Job, instant
from tasks.engine.words import number_of
from tasks.observe import rows, watched
from tasks.observe.models import App, Gap, Order, WatchedWorker
from tasks.web.templatetags.signalbox import rough

RUNNING, QUEUES, WORKERS, ORDERS = 20, 200, 200, 20
UNSHOWN = ("task", "copy_of", "confirmed")  # values of an order that say nothing to a reader
SKEW_MS = 1_000  # a clock that is less wrong is not worth a word


def worker(app: App, row: WatchedWorker) -> dict[str, Any]:
    """A worker as its page shows it, with the tasks that it runs."""
    runs = Job.every.filter(state=RawSQL("'running'", ()), app=app.name, worker=f"{app.name}:{row.name}")
    status = "stopped" if row.stopped_at else "silent" if row.silent_since else "alive"
    since = row.stopped_at or row.silent_since or row.since
    if not row.stopped_at and not watched.is_current(app):
        status, since = "last heard of", row.seen_at
    return {
        "row": row,
        "status": status,
        "since": instant(since),
        "pool": row.pool.partition(":")[0],
        "load": " ".join(f"{number:.2f}" for number in row.load if isinstance(number, int | float)),
        "skew": rough(abs(row.skew_ms) / 1000) if abs(row.skew_ms) > SKEW_MS else "",
        "queues": ", ".join(storable.texts(row.queues)),
        "runs": [] if row.stopped_at else [job.summary() for job in runs.order_by("started_at")[:RUNNING]],
        "tally": tally(row),
    }


def workers() -> list[dict[str, Any]]:
    """The workers of all watched applications, in one line each."""
    current = {app.name: watched.is_current(app) for app in App.objects.filter(watched=True)}
    found = []
    for row in watched.workers()[:WORKERS]:
        words, look, at = "Alive", "good", None
        if row["stopped_at"]:
            words, look, at = "Stopped", "soft", row["stopped_at"]
        elif not current.get(row["app"]):
            words, look = "Not known: nobody watches now", "soft"
        elif row["silent_since"] or not row["alive"]:
            words, look, at = "Silent", "bad", row["silent_since"]
        load = " ".join(f"{number:.2f}" for number in row["load"] if isinstance(number, int | float))
        names = ", ".join(name.partition(":")[2] for name in row["queues"])
        found.append(_of_app(row) | {"words": words, "look": look, "at": at, "load": load, "queues": names})
    return found


def every_queue() -> list[dict[str, Any]]:
    """The queues of all watched applications, as their brokers count them."""
    return [_of_app(row) for row in watched.queues()[:QUEUES]]


def _of_app(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"own_name": row["name"].removeprefix(f"{row['app']}:")}


def queues(app: App) -> list[dict[str, Any]]:
    """The queues of an application, as its broker counts them, and how many tasks of each are listed here."""
    waiting = Job.every.filter(state=RawSQL("'queued'", ()), app=app.name).order_by().values_list("queue")
    listed = dict(waiting.annotate(n=Count("id")))
    return [
        {"row": row, "listed": listed.get(f"{app.name}:{row.name}", 0)} for row in app.queues.order_by("name")[:QUEUES]
    ]


def orders(name: str, job: UUID | None = None, most: int = ORDERS) -> list[dict[str, Any]]:
    """What was asked of an application, or about one task, newest first: an order as the API has it, and beside that
    ``words``, ``shown`` (what it says in particular) and ``new``: the task that was sent."""
    found = watched.orders_of(name, job, most)
    for order in found:
        values = order["values"]
        order["words"] = order["order"].replace("_", " ")
        order["shown"] = {key: value for key, value in values.items() if key not in UNSHOWN}
        order["new"] = str(rows.uid_of(name, values["task"])) if order["order"] == "run_again" else ""
    return found


def read_mark() -> tuple[Any, ...]:
    """Differs when what the pages show may have changed: see ``tasks.web.features.Topic``."""
    orders = Order.objects.aggregate(new=Max("id"), answered=Max("answered_at"))
    workers = WatchedWorker.objects.aggregate(n=Count("id"), processed=Sum("processed"), silent=Count("silent_since"))
    apps = App.objects.order_by("name").values_list("name", "watched", "unseen", "note")
    return (*orders.values(), *workers.values(), *apps, Gap.objects.count())


def tally(worker: WatchedWorker) -> str:
    """Whether all that it began was seen."""
    if worker.base is None:
        return "not compared yet"
    return "exact" if not worker.unseen else f"{number_of(worker.unseen, 'task')} unseen"
