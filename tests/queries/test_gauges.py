"""Gauges: numbers that a page asks for by its socket; whole, when they change, and never for who did not ask."""

import json

import pytest

from tasks.queries import gauges
from tests.support.live_hub import Tab, paced, running
from tests.support.live_parts import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def fast(settings, monkeypatch):
    paced(settings, monkeypatch, 0.1, 0.5, 20)


@pytest.fixture
def level(monkeypatch) -> list[int]:
    """What the gauge "test" stands at, and at its end how often it was read."""
    state = [1, 0]

    def read():
        state[1] += 1
        return {"level": state[0]}

    monkeypatch.setitem(gauges.GAUGES, "test", read)
    return state


def values(tab: Tab) -> list[int]:
    return [frame["value"]["level"] for frame in tab.of("gauge")]


async def test_a_gauge_comes_whole_and_again_when_it_has_changed(level):
    async with running() as hub:
        tab, other = Tab(hub).watch(), Tab(hub).watch()
        tab.mailbox.gauges["test"] = 0
        await until(lambda: values(tab) == [1])
        read = level[1]
        await until(lambda: level[1] > read + 3)
        assert values(tab) == [1], "what is the same is not sent again"
        level[0] = 2
        await until(lambda: values(tab) == [1, 2])
        assert not other.of("gauge") and all(json.loads(text).get("gauge") is None for text in other.texts)


@pytest.mark.long
async def test_it_is_read_once_for_all_and_not_at_all_for_nobody(level):
    async with running() as hub:
        tabs = [Tab(hub) for _ in range(5)]
        await until(lambda: hub.counters.reconciles > 2)
        assert level[1] == 0
        for tab in tabs:
            tab.mailbox.gauges["test"] = 0
        before = hub.counters.reconciles
        await until(lambda: all(values(tab) for tab in tabs))
        assert level[1] <= hub.counters.reconciles - before + 1
        for tab in tabs:
            tab.mailbox.gauges.clear()
        await until(lambda: hub.counters.reconciles > before + 5)
        read, before = level[1], hub.counters.reconciles
        await until(lambda: hub.counters.reconciles > before + 2)
        assert level[1] == read


async def test_a_slow_reader_gets_the_newest_value_only(level):
    async with running() as hub:
        slow, quick = Tab(hub, acks=False), Tab(hub)
        for tab in (slow, quick):
            tab.mailbox.gauges["test"] = 0
        for n in range(2, 9):
            level[0] = n
            await until(lambda n=n: values(quick)[-1:] == [n])
        assert len(values(slow)) == 4, "as many as may be under way"
        hub.ack(slow.mailbox, slow.page.n)
        await until(lambda: values(slow)[-1] == 8)
        assert len(values(slow)) == 5


async def test_a_gauge_that_cannot_be_read_hurts_nothing_else(level, monkeypatch):
    def broken():
        raise ValueError("no")

    monkeypatch.setitem(gauges.GAUGES, "broken", broken)
    async with running() as hub:
        tab = Tab(hub).watch()
        tab.mailbox.gauges["broken"] = 0
        await until(lambda: hub.counters.reconciles > 3)
        assert hub.counters.failures == 0 and tab.of("snapshot") and not tab.of("gauge")
