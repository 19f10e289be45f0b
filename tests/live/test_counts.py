"""The counts above the rows follow them at once, read from the database: no tile contradicts the list beside it."""

import threading
from collections import Counter

import pytest

from tasks.engine import lease, lifecycle
from tasks.engine.report import Report
from tasks.queries import board as picture
from tasks.queries import gauges
from tests.support.live_hub import Tab, claim, paced, running, submit
from tests.support.live_parts import Page, until

NOW = ("queued", "running", "retrying")
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def seldom(settings, monkeypatch):
    """What comes within this hour comes by hints."""
    paced(settings, monkeypatch, 3600, 3600, 20)


def counted(tab, name):
    return tab.page.extras["stats"]["now"][name]


async def test_counts_of_states_queues_and_workers_follow_each_move(rows):
    async with running() as hub:
        tab = Tab(hub).watch()
        await until(lambda: tab.of("snapshot") and hub._listener.connects)
        tab.mailbox.gauges["kinds"] = 0
        jobs = await rows(submit, 3)
        await until(lambda: counted(tab, "queued") == 3)
        held = await rows(claim, jobs[0])
        await until(lambda: (counted(tab, "queued"), counted(tab, "running")) == (2, 1))
        queues = lambda: {each["name"]: (each["queued"], each["running"]) for each in tab.page.extras["queues"]}  # noqa: E731
        await until(lambda: queues()[held.queue] == (2, 1))
        await until(lambda: tab.of("gauge") and tab.of("gauge")[-1]["value"] == {"noop": {"running": 1, "waiting": 2}})
        await rows(lifecycle.succeed, held)
        await until(lambda: counted(tab, "running") == 0)
        assert tab.page.extras["stats"]["last_hour"]["succeeded"] == 1
        assert hub.counters.reconciles == 1


@pytest.mark.long
async def test_a_row_and_the_number_of_its_state_come_in_one_frame_however_slow_the_counting_is(rows, monkeypatch):
    real, reading, end = picture.counts, threading.Event(), threading.Event()

    def slow():
        found = real()
        reading.set()
        assert end.wait(10)
        return found

    def contradictions(tab):
        seen = Page()
        for frame in tab.of("snapshot", "patch", "gauge"):
            seen.take(frame)
            states = Counter(job["state"] for job in seen.jobs.values())
            if frame["type"] != "gauge" and any(seen.extras["stats"]["now"][name] != states[name] for name in NOW):
                yield states, seen.extras["stats"]

    async with running() as hub:
        tab = Tab(hub).watch()
        await until(lambda: tab.of("snapshot") and hub._listener.connects)
        tab.mailbox.gauges["tallies"] = 0
        monkeypatch.setattr(picture, "counts", slow)
        jobs = await rows(submit, 3)
        await until(reading.is_set)
        held = [await rows(claim, job) for job in jobs]
        await rows(lifecycle.succeed, held[0])
        await until(
            lambda: (
                tab.page.states() == dict(zip(jobs, (("succeeded", 3), ("running", 2), ("running", 2)), strict=True))
            )
        )
        assert counted(tab, "running") == 2 and tab.page.extras["stats"]["last_hour"]["succeeded"] == 1
        end.set()
        await rows(lifecycle.succeed, held[1])
        await until(
            lambda: tab.of("gauge") and tab.of("gauge")[-1]["value"]["kinds"]["noop"] == {"running": 1, "waiting": 0}
        )
        await until(lambda: sum(queue["running"] for queue in tab.page.extras["queues"]) == 1)
        assert counted(tab, "running") == 1
        assert list(contradictions(tab)) == []


async def test_progress_counts_nothing_anew(rows, monkeypatch):
    """Or a thousand jobs that report would ask the database as often as it can answer."""
    asked = []
    monkeypatch.setattr(picture, "counts", lambda real=picture.counts: asked.append(1) or real())
    async with running() as hub:
        tab = Tab(hub).watch()
        await until(lambda: tab.of("snapshot") and hub._listener.connects)
        [job] = await rows(submit)
        held = await rows(claim, job)
        await until(lambda: sum(queue["running"] for queue in tab.page.extras["queues"]) == 1)  # they were read
        before = len(asked)
        report = Report()
        for done in range(1, 6):
            report.progress(done, 5)
            await rows(lease.flush, held, report.take())
            await until(lambda done=done: tab.page.jobs[job]["progress"]["done"] == done)
        assert len(asked) == before


async def test_nobody_is_counted_for_who_does_not_look(rows, monkeypatch):
    asked = []
    monkeypatch.setattr(picture, "counts", lambda: asked.append(1))
    async with running() as hub:
        tab = Tab(hub)
        await until(lambda: hub.agreed and hub._listener.connects)
        before = hub.counters.hints
        await rows(submit, 3)
        await until(lambda: hub.counters.hints > before)
        tab.watch()
        await until(lambda: tab.of("snapshot"))
        assert not asked


async def test_counts_that_cannot_be_read_are_read_again(rows, monkeypatch):
    real, broken = picture.counts, [True]

    def count():
        if broken:
            broken.clear()
            raise OSError("no")
        return real()

    monkeypatch.setattr(picture, "counts", count)
    async with running() as hub:
        tab = Tab(hub).watch()
        await until(lambda: tab.of("snapshot") and hub._listener.connects)
        await rows(submit)
        await until(lambda: not broken and sum(queue["queued"] for queue in tab.page.extras["queues"]) == 1)
        assert counted(tab, "queued") == 1


def test_the_counts_are_those_of_the_board():
    submit(2)
    board, counts = picture.board(), picture.counts()
    assert board.keys() - counts.keys() == {"jobs"}
    assert counts["stats"] == board["stats"] and counts["stats"]["now"]["queued"] == 2
    assert set(gauges.COUNTS) < gauges.NAMES


async def test_what_keeps_jobs_from_starting_comes_with_the_counts(rows):
    async with running() as hub:
        tab = Tab(hub).watch()
        await until(lambda: tab.of("snapshot") and hub._listener.connects)
        tab.mailbox.gauges["troubles"] = 0
        await rows(submit, 2)
        said = lambda: [each["words"] for frame in tab.of("gauge") for each in frame["value"]]  # noqa: E731
        await until(lambda: any("No worker is running: 2 jobs wait." in words for words in said()))
        assert hub.counters.reconciles == 1
