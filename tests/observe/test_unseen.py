"""How many tasks nobody saw: what a look finds running was seen, whatever is said of it and when."""

from typing import Any

import pytest

from tasks.engine.models import Job
from tasks.observe.events import Event
from tasks.observe.looks import Held, Look
from tasks.observe.models import App, Gap
from tasks.observe.watcher import Watcher
from tests.observe.test_guard import watcher
from tests.support.watched import row

pytestmark = pytest.mark.django_db(transaction=True)
WORKER = ("w1@there", 7)
BEGAN = 1_700_000_000.0


def say(watching: Watcher, kind: str, clock: int, task: str = "", **facts: Any) -> None:
    watching.take([Event(kind, *WORKER, clock, BEGAN + clock, task, facts)], BEGAN + clock)
    watching.write()


def beat(watching: Watcher, clock: int, processed: int, active: int = 0) -> None:
    say(watching, "worker-heartbeat", clock, processed=processed, active=active)


def look(watching: Watcher, asked: float, *running: str) -> None:
    host = WORKER[0]
    held = {task: Held("a", [], {}, started=BEGAN + 2.5) for task in running}
    answer = Look(
        BEGAN + asked, BEGAN + asked, frozenset({host}), True, {host: held}, {host: {}}, {host: {}}, complete=True
    )
    watching.take_look(answer)
    watching.write()


def unseen() -> tuple[int, int, int]:
    """Of the application, of its worker, of its gaps."""
    app = App.objects.get()
    return app.unseen, app.workers.get().unseen, sum(Gap.objects.values_list("unseen", flat=True))


@pytest.mark.parametrize("said", ["never", "after the look", "after the next beat"])
@pytest.mark.parametrize("ends", [False, True])
def test_what_a_look_finds_running_is_seen_whenever_its_start_is_said(said, ends):
    watching = watcher()
    beat(watching, 1, 10)
    beat(watching, 2, 10)
    look(watching, 3.5, "t")  # its start had the clock 3
    if said == "after the look":
        say(watching, "task-started", 3, "t")
    beat(watching, 5, 11, 1)
    if said == "after the next beat":
        say(watching, "task-started", 3, "t")
    if ends:
        say(watching, "task-succeeded", 6, "t")
    beat(watching, 7, 11, 0 if ends else 1)
    beat(watching, 8, 11, 0 if ends else 1)
    assert unseen() == (0, 0, 0)
    assert (row("t").state, row("t").attempt) == ("succeeded" if ends else "running", 1)
    beat(watching, 9, 12)  # and another that nobody saw is still noticed
    beat(watching, 10, 12)
    assert unseen() == (1, 1, 1)


def test_what_ran_when_the_worker_was_first_heard_of_hides_nothing_that_is_lost_later():
    watching = watcher()
    beat(watching, 1, 10, active=1)
    say(watching, "task-succeeded", 2, "t")
    beat(watching, 3, 11)
    beat(watching, 4, 11)
    assert unseen() == (1, 1, 1)


def test_events_that_the_first_beat_overtook_hide_nothing_that_is_lost_later():
    watching = watcher()
    beat(watching, 3, 10)
    say(watching, "task-started", 1, "t")
    say(watching, "task-succeeded", 2, "t")
    beat(watching, 4, 11)
    beat(watching, 5, 11)
    assert unseen() == (1, 1, 1)


def test_a_look_before_an_observer_goes_and_the_event_after_it_are_one_start():
    first = watcher()
    beat(first, 1, 10)
    beat(first, 2, 10)
    look(first, 3.5, "t")
    second = watcher()
    second.was_watched = True
    second.reload()
    say(second, "task-started", 3, "t")
    beat(second, 5, 11, 1)
    say(second, "task-succeeded", 6, "t")
    beat(second, 7, 11)
    beat(second, 8, 11)
    assert unseen() == (0, 0, 0)
    assert (row("t").state, row("t").attempt) == ("succeeded", 1)


@pytest.mark.parametrize("setting", ["SIGNALBOX_OBSERVE_IGNORE", "SIGNALBOX_OBSERVE_KINDS"])
def test_a_task_that_is_left_out_has_no_row_and_was_seen_nevertheless(settings, setting):
    setattr(settings, setting, ["noise.*"] if setting.endswith("IGNORE") else ["shop.*"])
    watching = watcher()
    beat(watching, 1, 10)
    say(watching, "task-received", 2, "t", name="noise.beat")
    say(watching, "task-started", 3, "t")
    say(watching, "task-retried", 4, "t")
    say(watching, "task-received", 5, "t", name="noise.beat", retries=1)
    say(watching, "task-started", 6, "t")
    beat(watching, 7, 12, 1)
    look(watching, 7.5)  # it has ended, though nobody has said so
    say(watching, "task-failed", 8, "t")
    say(watching, "task-failed", 9, "t")  # as a hard time limit says it
    say(watching, "task-received", 10, "other", name="noise.beat")
    say(watching, "task-succeeded", 11, "other")
    say(watching, "task-received", 12, "seen", name="shop.pay")
    beat(watching, 13, 13)
    beat(watching, 14, 13)
    assert unseen() == (0, 0, 0)
    assert [job.kind for job in Job.every.all()] == ["shop.pay"]
    assert watching.workers.tallies[WORKER].running == 0
    beat(watching, 15, 14)
    beat(watching, 16, 14)
    assert unseen() == (1, 1, 1)


@pytest.mark.parametrize("heard", ["nothing", "the end", "all"])
def test_what_is_found_among_the_results_is_seen_once_whatever_is_heard_of_it_later(heard):
    watching = watcher()
    beat(watching, 1, 10)
    beat(watching, 5, 12, 1)
    for _ in range(2):
        watching.take_found([{"task": "t", "status": "SUCCESS", "at": BEGAN + 3, "worker": WORKER[0]}], BEGAN + 5.5)
    if heard == "all":
        say(watching, "task-received", 2, "t", name="a")
        say(watching, "task-started", 3, "t")
    if heard != "nothing":
        say(watching, "task-succeeded", 4, "t")
    beat(watching, 6, 12, 1)
    beat(watching, 7, 12, 1)
    assert unseen() == (1, 1, 1), "of two starts one was found"
    assert row("t").state == "succeeded"
    beat(watching, 8, 13, 1)
    beat(watching, 9, 13, 1)
    assert unseen() == (2, 2, 2)
