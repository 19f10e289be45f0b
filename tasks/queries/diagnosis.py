"""What keeps jobs from starting, in words that an operator can act on.

From the members ``queues`` and ``workers`` of ``tasks.queries.board`` and nothing else.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

from django.conf import settings

from tasks.engine import unserved

STUCK_S = 60.0
NAMED = 6  # queues that one sentence names


def diagnosis_context(board: dict[str, Any]) -> dict[str, Any]:
    """What a page needs that includes ``workers/_troubles.html``."""
    return {"troubles": troubles_of(board), "kind_warnings": kind_warnings()}


def troubles_of(board: dict[str, Any]) -> list[dict[str, str]]:
    """One sentence for all queues with the same trouble."""
    return together(_found(board["queues"], board["workers"], f"{settings.SIGNALBOX_NAME}."))


def troubles_of_queue(board: dict[str, Any], name: str) -> list[dict[str, str]]:
    found = troubles(board["queues"], board["workers"], f"{settings.SIGNALBOX_NAME}.")
    return [each for each in found if each["about"] in ("", name)]


def kind_warnings() -> list[str]:
    """What is wrong with kinds. These sentences do not change by the second, so no frame brings them."""
    said = []
    if unknown := unserved.unknown_kinds():
        said.append(
            f"There are rows of {kinds(unknown)}, which nobody knows here: its function was renamed, is gone, or "
            f"shares its name with another now. manage.py rename_kind {unknown[0]} NEW moves them to the kind NEW."
        )
    if idle := sorted(unserved.find().kinds)[: unserved.MOST]:
        said.append(
            f"Jobs of {kinds(idle)} are queued, and no live worker knows it. Restart the workers if it is new; "
            "if its module is not called tasks, name it in SIGNALBOX_IMPORTS."
        )
    return said


def kinds(names: Sequence[str]) -> str:
    return f"the kind{'s' * (len(names) != 1)} {', '.join(names)}"


class Trouble(NamedTuple):
    """Of one queue; an empty ``about`` means all of them. ``cause``: queues that share it are told of together."""

    about: str
    look: str
    cause: str
    words: str
    n: int  # jobs that wait
    prefix: str

    def to_dict(self) -> dict[str, str]:
        return {"about": self.about, "look": self.look, "words": self.words}


def troubles(queues: Sequence[dict[str, Any]], workers: Sequence[dict[str, Any]], prefix: str) -> list[dict[str, str]]:
    """``about`` (a queue; empty: all of them), ``look`` and ``words`` of each. ``prefix``: of names in the broker."""
    return [each.to_dict() for each in _found(queues, workers, prefix)]


def together(found: Sequence[Trouble]) -> list[dict[str, str]]:
    """The same with one sentence for each cause, however many queues it stops; the worst first."""
    said = []
    in_order = sorted(found, key=lambda each: (each.look != "danger", each.cause))
    for cause, same in groupby(in_order, key=lambda each: each.cause):
        queues = sorted(same, key=lambda each: -each.n)
        if len(queues) == 1:
            said.append(queues[0].to_dict())
            continue
        names = ", ".join(f"{each.about} ({each.n:,} waiting)" for each in queues[:NAMED])
        if (more := len(queues) - NAMED) > 0:
            names += f" and {more} more"
        start = ",".join(f"{each.prefix}{each.about}" for each in queues)
        words = TOGETHER[cause].format(count=len(queues), names=names, start=start)
        said.append({"about": f"queues: {cause}", "look": queues[0].look, "words": words})
    return said


STANDS = "Nothing started in the last minute in {count} queues: {names}."
TOGETHER = {
    "paused": "{count} queues are paused: {names}. Resume them to start these jobs.",
    "unserved": "No worker serves {count} queues: {names}. Start one: celery -A project worker -Q {start}.",
    "others first": f"{STANDS} Their workers started jobs from other queues, which have a higher priority.",
    "free": f"{STANDS} Slots of their workers are free, but nothing started. Run the self test to find the cause. "
    "(Jobs with the same serial key wait for each other.)",
    "busy": f"{STANDS} Their workers are all busy. Wait, cancel a long job, or start another worker.",
}


def _found(queues: Sequence[dict[str, Any]], workers: Sequence[dict[str, Any]], prefix: str) -> list[Trouble]:
    alive = [worker for worker in workers if worker["alive"]]
    waiting = sum(queue["queued"] for queue in queues if not queue["paused"])
    if waiting and not alive:
        words = f"No worker is running: {jobs(waiting)}. Start one: celery -A project worker, or manage.py up."
        return [Trouble("", "danger", "none", words, waiting, prefix)]
    found = []
    for queue in queues:
        serving = [worker for worker in alive if queue["name"] in worker["queues"]]
        theirs = {name for worker in serving for name in worker["queues"]}
        elsewhere = sum(other["started_per_min"] for other in queues if other["name"] in theirs)
        look, cause, words = _trouble(queue, serving, elsewhere, prefix)
        if words:
            found.append(Trouble(queue["name"], look, cause, words, queue["queued"], prefix))
    return found


def _trouble(queue: dict[str, Any], workers: list[dict[str, Any]], elsewhere: int, prefix: str) -> tuple[str, str, str]:
    """Look, cause and words. ``elsewhere``: jobs that the queue's workers started lately, of other queues."""
    name, n = queue["name"], queue["queued"]
    if not n:
        return "", "", ""
    if queue["paused"]:
        return "caution", "paused", f"Queue {name} is paused: {jobs(n)}. Resume it to start them."
    if not queue["workers"]:
        start = f"celery -A project worker -Q {prefix}{name}"
        return "danger", "unserved", f"No worker serves queue {name}, and {jobs(n)} in it. Start one: {start}."
    if queue["started_per_min"] or (queue["oldest_s"] or 0) < STUCK_S:
        return "", "", ""
    free = sum(max(0, worker["concurrency"] - len(worker["running"])) for worker in workers)
    stands = f"Nothing in queue {name} started in the last minute: {jobs(n)} in it."
    if elsewhere:
        started = f"{elsewhere:,} job{'s' * (elsewhere != 1)}"
        return (
            "caution", "others first",
            f"{stands} Its workers started {started} from other queues, which have a higher priority.",
        )  # fmt: skip
    if free:
        slots = f"{free} slot{'s' * (free != 1)} of its workers {'are' if free != 1 else 'is'} free"
        return (
            "danger",
            "free",
            (
                f"{stands} {slots}, but nothing started. Run the self test to find the cause. "
                "(Jobs with the same serial key wait for each other.)"
            ),
        )
    busy = "Its workers are all busy. Wait, cancel a long job, or start another worker."
    return "caution", "busy", f"{stands} {busy}"


VERDICTS = {"fine": "All fine", "caution": "Needs attention", "danger": "Something is wrong"}


def verdict(troubles: Sequence[dict[str, str]], failed: int, alerts: int) -> dict[str, str]:
    """The answer to "is everything fine?": ``look`` and ``words``. static/js/parts/verdict.js says it alike."""
    looks = {trouble["look"] for trouble in troubles}
    look = "danger" if "danger" in looks or alerts else "caution" if looks or failed else "fine"
    return {"look": look, "words": VERDICTS[look]}


def oldest_wait(queues: Sequence[dict[str, Any]]) -> float | None:
    """Seconds that the oldest waiting job of all queues has waited; None when nothing waits."""
    return max((queue["oldest_s"] for queue in queues if queue["oldest_s"] is not None), default=None)


def jobs(n: int) -> str:
    return f"{n:,} job{'s' * (n != 1)} wait{'s' * (n == 1)}"
