"""What a page gets of its own age: never younger than what it shows, however slow it reads."""

from datetime import UTC, datetime

import pytest

from tasks.engine.models import instant
from tests.support.live_hub import Tab, claim, paced, running, submit
from tests.support.live_parts import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def fast(settings, monkeypatch):
    paced(settings, monkeypatch, 0.2, 0.2, 100)


@pytest.mark.long
async def test_a_reader_whose_news_wait_gets_how_old_its_picture_is(rows):
    async with running() as hub:
        [job] = await rows(submit)
        slow, quick = Tab(hub, acks=False).watch(), Tab(hub).watch()
        await until(lambda: job in slow.page.jobs)
        while slow.mailbox.ready:  # fill its window
            hub.watch_board(slow.mailbox)
            await until(lambda: slow.mailbox.place is not None)
        await rows(claim, job)
        await until(lambda: quick.page.states() == {job: ("running", 2)})
        seen = len(slow.page.frames)
        await until(lambda: len(slow.page.frames) > seen + 5 and slow.page.frames[-1]["age"] > 0.8)
        assert slow.page.states() == {job: ("queued", 1)}
        changed = next(frame for frame in quick.page.frames if "running" in str(frame.get("jobs")))
        assert max(frame["as_of"] for frame in slow.page.frames[seen:]) <= changed["as_of"]
        hub.ack(slow.mailbox, slow.page.n)
        await until(lambda: slow.page.states() == {job: ("running", 2)})
        await until(lambda: slow.page.frames[-1]["age"] < 0.5)


async def test_no_beat_overtakes_the_picture_it_speaks_of(rows, settings):
    """A reconcile finds a change that nobody hinted at: the beat that is due goes after the patch."""
    settings.SIGNALBOX_TICK_MS = 2_000
    async with running() as hub:
        tab = Tab(hub).watch()
        await until(lambda: tab.of("snapshot"))
        await until(lambda: hub._listener.connects)
        hub._listener.stop()
        for _ in range(3):
            [job] = await rows(submit)
            committed = instant(datetime.now(UTC))
            done = len(tab.page.frames)
            await until(lambda job=job: job in tab.page.jobs)
            patch = next(frame for frame in tab.page.frames[done:] if job in str(frame.get("jobs")))
            early = [f for f in tab.page.frames[: tab.page.frames.index(patch)] if f["as_of"] > committed]
            assert early == []


@pytest.mark.long
async def test_a_socket_that_was_shown_nothing_yet_does_not_get_how_current_it_is(rows, settings):
    """A page that connects again still shows what it had: no beat may call that current before it is replaced."""
    settings.SIGNALBOX_BEAT_S = 0.5
    async with running() as hub:
        early = Tab(hub).watch()
        await until(lambda: len(early.of("beat")) > 1)
        late = Tab(hub)
        hub._beaten = 0.0  # a beat is due right now
        beats = len(early.of("beat"))
        await until(lambda: len(early.of("beat")) > beats)
        assert not late.page.frames
        late.watch()
        await until(lambda: late.of("beat"))
        assert late.page.frames[0]["type"] == "snapshot"
        silent = Tab(hub)  # who watches nothing gets beats too
        await until(lambda: silent.of("beat"))
