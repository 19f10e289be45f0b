"""Numbers that a page can ask its socket for, beside those in every frame of the board."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from typing import Any

from django.db.models import Count
from django.utils import timezone

from tasks.engine.models import Ending, Job, State
from tasks.queries import board, diagnosis, plots, stats

FAILED = 20  # that the board keeps in sight, of our own jobs and of watched tasks
ENDS = 200  # newest failures that are looked at for watched tasks: few enough for each reading
COUNTED = 20_000  # jobs of a state that are looked at: a million waiting ones are not counted every few seconds


def kinds(apps: bool = False) -> dict[str, dict[str, int]]:
    """Kind → ``running`` and ``waiting`` (queued, scheduled, to be tried again), of what has not ended.

    Of a long backlog only the first jobs are counted, so ``waiting`` may be too small. ``apps``: with the tasks of
    watched applications.
    """
    found: dict[str, dict[str, int]] = {}
    for word, states in (("running", ["running"]), ("waiting", ["queued"]), ("waiting", ["scheduled", "retrying"])):
        keys = board.state(*states, apps=apps).order_by().values("pk")[:COUNTED]
        for kind, n in Job.every.filter(pk__in=keys).order_by().values_list("kind").annotate(n=Count("pk")):
            found.setdefault(kind, {"running": 0, "waiting": 0})[word] += n
    return dict(sorted(found.items()))


def tallies() -> dict[str, dict[str, dict[str, int]]]:
    """``queues`` and ``kinds``: name → ``running`` and ``waiting``, with the tasks of watched applications."""
    return {"queues": board.tallies_of_queues(), "kinds": kinds(apps=True)}


def failures() -> list[dict[str, Any]]:
    """Summaries of the newest jobs that failed within a day and have not been retried, the newest first.

    The board shows them beside its own rows, where a busy minute of successes would push them out.
    """
    since = timezone.now() - timedelta(days=1)
    own = Job.objects.filter(app="", state=State.FAILED, finished_at__gte=since).order_by("-finished_at", "-id")
    ends = Ending.objects.filter(state=State.FAILED, at__gte=since).order_by("-at").values_list("job_id", flat=True)
    watched = Job.every.filter(pk__in=list(ends[:ENDS]), state=State.FAILED).exclude(app="").order_by("-finished_at")
    found = [job for jobs in (own, watched) for job in jobs.select_related("owner").defer(*board.UNSHOWN)[:FAILED]]
    return [job.summary() for job in sorted(found, key=lambda job: job.finished_at, reverse=True)]


GAUGES: dict[str, Callable[[], Any]] = {
    "queues": stats.queues,
    "kinds": kinds,
    "tallies": tallies,
    "failures": failures,
    **{f"chart-{period}": partial(plots.chart, period) for period in stats.PERIODS},
}
OF_BOARD: dict[str, Callable[[dict[str, Any]], Any]] = {"troubles": diagnosis.troubles_of}
NAMES = GAUGES.keys() | OF_BOARD.keys()
COUNTS = frozenset(
    {"kinds", "tallies", "troubles"}
)  # what stands beside the rows of the board and must not contradict them


def read(names: Iterable[str], board: dict[str, Any]) -> dict[str, Any]:
    """Name → value, of those that there are. ``board``: its queues and workers, as they were just read."""
    found = {name: GAUGES[name]() for name in names if name in GAUGES}
    return found | {name: OF_BOARD[name](board) for name in names if name in OF_BOARD}
