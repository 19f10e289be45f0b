"""The hub of a process: pages stay equal to the database, and no reader delays another."""

import asyncio
import gc
import time

import pytest
from django.db import OperationalError

from live import hub as hubs
from live import mailbox, push
from live.auth import Visitor
from tasks.access import permissions
from tasks.engine.models import Job
from tasks.queries import board
from tests.support.live_hub import Tab, claim, paced, running, submit
from tests.support.live_parts import summary, uid, until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def fast(settings, monkeypatch):
    paced(settings, monkeypatch, 0.3, 0.5, 20)


async def test_a_page_gets_a_snapshot_and_then_what_changes(rows):
    async with running() as hub:
        [first] = await rows(submit)
        tab = Tab(hub).watch()
        await until(lambda: tab.page.states() == {first: ("queued", 1)})
        await rows(claim, first)
        await until(lambda: tab.page.states() == {first: ("running", 2)})
        assert [frame["type"] for frame in tab.of("snapshot", "patch")][:1] == ["snapshot"]
        assert len(tab.of("snapshot")) == 1
        assert tab.page.extras["stats"]["now"].keys() == {"scheduled", "queued", "running", "retrying"}
        assert tab.of("snapshot")[0]["age"] < 1


async def test_a_change_is_shown_before_the_next_reconcile(rows, settings):
    settings.SIGNALBOX_RECONCILE_S = 60
    async with running() as hub:
        tab = Tab(hub).watch()
        await until(lambda: tab.of("snapshot"))
        await until(lambda: hub._listener.connects)
        began = time.monotonic()
        [job] = await rows(submit)
        await until(lambda: job in tab.page.jobs)
        assert time.monotonic() - began < 1


async def test_lost_hints_are_healed_by_the_next_reconcile(rows, monkeypatch):
    async with running() as hub:
        tab = Tab(hub).watch()
        await until(lambda: tab.of("snapshot"))
        monkeypatch.setattr(push, "job_changed", lambda summary: None)
        jobs = await rows(submit, 3)
        await until(lambda: set(tab.page.jobs) == set(jobs))
        await rows(claim, jobs[0])
        await rows(lambda: Job.objects.filter(uid=jobs[1]).delete())
        await until(lambda: tab.page.states() == {jobs[0]: ("running", 2), jobs[2]: ("queued", 1)})


async def test_old_and_doubled_hints_change_nothing(rows):
    async with running() as hub:
        [job] = await rows(submit)
        old = await rows(lambda: Job.objects.get(uid=job).summary())
        await rows(claim, job)
        tab = Tab(hub).watch()
        await until(lambda: tab.page.states() == {job: ("running", 2)})
        frames = len(tab.of("patch"))
        for _ in range(5):
            hub.picture.hints({"type": "jobs", "jobs": [old, old]})
        await asyncio.sleep(0)
        assert tab.page.states() == {job: ("running", 2)}
        assert len([frame for frame in tab.of("patch")[frames:] if "jobs" in frame]) == 0


async def test_one_frame_is_written_for_all(rows):
    async with running() as hub:
        tabs = [Tab(hub).watch() for _ in range(50)]
        await until(lambda: all(tab.of("snapshot") for tab in tabs))
        hub.picture.hints({"type": "jobs", "jobs": [summary(uid(1), 1, "running")]})
        await until(lambda: all(uid(1) in tab.page.jobs for tab in tabs))
        written = {id(text) for tab in tabs for text in tab.texts if '"patch"' in text and uid(1) in text}
        assert len(written) == 1


# --- slow readers ----------------------------------------------------------------------------------------------------


async def change(hub, times, job=1):
    """Changes of a job that no database knows, a tick apart. (A reconcile would take it away.)"""
    for version in range(1, times + 1):
        hub.picture.hints({"type": "jobs", "jobs": [summary(uid(job), version, "running")]})
        await until(
            lambda: all(box.place == hub.picture.board.now or not (box.board and box.ready) for box in hub.mailboxes)
        )


async def test_who_acknowledges_nothing_gets_four_frames_and_delays_nobody(settings):
    settings.SIGNALBOX_RECONCILE_S = 60
    async with running() as hub:
        deaf, quick = Tab(hub, acks=False).watch(), Tab(hub).watch()
        await until(lambda: deaf.of("snapshot") and quick.of("snapshot"))
        await change(hub, 20)
        assert quick.page.states() == {uid(1): ("running", 20)}
        assert len(deaf.of("snapshot", "patch")) == mailbox.WINDOW
        hub.ack(deaf.mailbox, deaf.page.n)
        assert deaf.page.states() == {uid(1): ("running", 20)}  # merged: one frame, the newest
        assert len(deaf.of("snapshot", "patch")) == mailbox.WINDOW + 1


async def test_a_blocked_write_delays_nobody(settings):
    settings.SIGNALBOX_RECONCILE_S = 60
    async with running() as hub:
        stuck, quick = Tab(hub).watch(), Tab(hub).watch()
        await until(lambda: stuck.of("snapshot") and quick.of("snapshot"))
        stuck.blocked = asyncio.get_running_loop().create_future()
        await change(hub, 20)
        assert quick.page.states() == {uid(1): ("running", 20)}
        assert stuck.page.states() == {}
        blocked, stuck.blocked = stuck.blocked, None
        blocked.set_result(None)
        await until(lambda: stuck.page.states() == {uid(1): ("running", 20)})
        assert len(stuck.of("patch")) == 2  # the one that was stuck, and one for all the rest


@pytest.mark.long
async def test_who_keeps_something_waiting_too_long_is_closed(settings, monkeypatch):
    monkeypatch.setattr(mailbox, "PATIENCE_S", 0.6)
    settings.SIGNALBOX_RECONCILE_S = 60
    async with running() as hub:
        deaf, content = Tab(hub, acks=False).watch(), Tab(hub, acks=False)
        await until(lambda: deaf.of("snapshot"))
        await change(hub, 6)
        await until(lambda: deaf.closed)
        assert deaf.closed[0] == 1013
        assert "slow" in deaf.closed[1]
        assert content.closed is None  # nothing waits for it


async def test_a_slow_page_ends_up_with_the_same_picture(rows):
    async with running() as hub:
        slow = Tab(hub, acks=False).watch()
        quick = Tab(hub).watch()
        await until(lambda: slow.of("snapshot"))
        jobs = await rows(submit, 30)
        for job in jobs[:20]:
            await rows(claim, job)
        await until(lambda: [s for s, _ in quick.page.states().values()].count("running") == 20)
        await rows(lambda: Job.objects.filter(uid__in=jobs[:7]).delete())
        await until(lambda: len(quick.page.jobs) == 23)

        def caught_up():
            hub.ack(slow.mailbox, slow.page.n)
            return slow.page.jobs == quick.page.jobs

        await until(caught_up)
        fresh = await rows(board.board)
        assert slow.page.jobs == {job["id"]: job for job in fresh["jobs"]}


# --- the age of the picture ------------------------------------------------------------------------------------------


@pytest.mark.long
async def test_beats_come_and_say_the_age():
    async with running() as hub:
        tab = Tab(hub)
        await until(lambda: len(tab.of("beat")) >= 4)
        beats = tab.of("beat")
        assert all(beat["every"] == 0.5 and beat["age"] < 0.5 for beat in beats)
        assert len({beat["as_of"] for beat in beats}) > 1
        assert not tab.of("snapshot", "patch")


@pytest.mark.long
async def test_without_the_database_the_picture_grows_old(monkeypatch, caplog):
    async with running() as hub:
        tab = Tab(hub).watch()
        await until(lambda: tab.of("snapshot"))
        real = board.board

        def away():
            raise OperationalError("no database")

        monkeypatch.setattr(board, "board", away)
        await until(lambda: tab.of("beat")[-1:] and tab.of("beat")[-1]["age"] > 1.2)
        assert sum("could not be read" in record.message for record in caplog.records) == 1
        late = Tab(hub).watch()  # who comes now gets the old picture, and its age
        await until(lambda: late.of("snapshot"))
        assert late.of("snapshot")[0]["age"] > 1.2
        monkeypatch.setattr(board, "board", real)
        await until(lambda: tab.of("beat")[-1]["age"] < 0.3)


# --- life ------------------------------------------------------------------------------------------------------------


async def test_it_stops_a_while_after_the_last_socket(monkeypatch):
    monkeypatch.setattr(hubs, "LINGER_S", 0.2)
    hub = hubs.current()
    tab = Tab(hub)
    await until(lambda: hub.agreed)
    hub.leave(tab.mailbox)
    await until(lambda: all(task.done() for task in hub._tasks))
    assert hubs.current() is not hub
    assert hubs.all_hubs() == [hubs.current()]
    hubs.current().stop()


async def test_who_comes_back_in_time_finds_the_picture_ready():
    async with running() as hub:
        tab = Tab(hub).watch()
        await until(lambda: tab.of("snapshot"))
        hub.leave(tab.mailbox)
        again = Tab(hub).watch()
        reconciles = hub.counters.reconciles
        await until(lambda: again.of("snapshot"))
        assert hub.counters.reconciles <= reconciles + 1


async def test_too_many_sockets(settings):
    settings.SIGNALBOX_SOCKETS, settings.SIGNALBOX_SOCKETS_PER_USER = 3, 2
    async with running() as hub:
        Tab(hub), Tab(hub)
        with pytest.raises(hubs.Full, match="user"):
            Tab(hub)
        Tab(hub, Visitor(2, "other", permissions.YES))
        with pytest.raises(hubs.Full, match="process"):
            Tab(hub, Visitor(3, "third", permissions.YES))


@pytest.fixture
def slowest(monkeypatch):
    """CPU seconds of the loop's slowest callback. (asyncio's debug mode would measure what else the machine does.)"""
    found, run = [0.0, ""], asyncio.Handle._run

    def timed(handle):
        began = time.thread_time()
        run(handle)
        if (took := time.thread_time() - began) > found[0]:
            found[:] = took, repr(handle)

    monkeypatch.setattr(asyncio.Handle, "_run", timed)
    gc.disable()  # what the pages of this test keep in memory is no concern of the hub
    yield found
    gc.enable()


@pytest.mark.long
async def test_nothing_holds_up_the_loop(rows, slowest):
    """Three hundred pages, a full board, and twenty changes a tick: the loop is free again within 50 ms."""
    async with running() as hub:
        tabs = [Tab(hub, Visitor(i, "many", permissions.YES)) for i in range(300)]
        for tab in tabs:
            tab.watch()
        jobs = await rows(submit, 100)
        for version in range(1, 31):
            hub.picture.hints(
                {"type": "jobs", "jobs": [summary(uid(number), version, "running") for number in range(20)]}
            )
            place = hub.picture.board.now
            await until(lambda place=place: all(box.place and box.place >= place for box in hub.mailboxes))
        await until(lambda: all(tab.page.jobs.keys() >= set(jobs) for tab in tabs))
    assert slowest[0] < 0.05, slowest
