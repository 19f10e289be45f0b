"""Slots: the same nominal moments whoever asks, through changes of the clocks."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.schedules import slots
from tasks.schedules.slots import Crontab, Every, Once

BERLIN = ZoneInfo("Europe/Berlin")


def utc(*when: int) -> datetime:
    return datetime(*when, tzinfo=UTC)


def cron(
    minutes: str = "*", hours: str = "*", days: str = "*", months: str = "*", weekdays: str = "*", zone=BERLIN
) -> Crontab:
    def some(text: str, first: int, last: int) -> frozenset[int]:
        return frozenset(range(first, last + 1) if text == "*" else map(int, text.split(",")))

    bounds = ((minutes, 0, 59), (hours, 0, 23), (days, 1, 31), (months, 1, 12), (weekdays, 0, 6))
    return Crontab(*(some(*each) for each in bounds), zone)


def between(timing: slots.Timing, start: datetime, end: datetime) -> list[datetime]:
    found, at = [], start
    while (at := timing.following(at)) is not None and at <= end:
        found.append(at)
    return found


def test_an_interval_counts_from_its_start():
    ten = Every(utc(2026, 1, 1, 0, 0, 7), timedelta(minutes=10))
    assert ten.latest(utc(2026, 1, 1)) is None
    assert ten.latest(utc(2026, 1, 1, 0, 25)) == utc(2026, 1, 1, 0, 20, 7)
    assert ten.latest(utc(2026, 1, 1, 0, 20, 7)) == utc(2026, 1, 1, 0, 20, 7)
    assert ten.following(utc(2026, 1, 1, 0, 20, 7)) == utc(2026, 1, 1, 0, 30, 7)
    assert ten.following(utc(2020, 1, 1)) == ten.start


def test_a_crontab_is_the_nominal_minute_of_its_zone():
    four = cron("0", "4")
    assert four.latest(utc(2026, 1, 15, 3, 0, 59)) == utc(2026, 1, 15, 3)  # 04:00 in winter
    assert four.following(utc(2026, 7, 15, 2)) == utc(2026, 7, 16, 2)  # 04:00 in summer
    assert cron("30", "9", weekdays="1").following(utc(2026, 11, 23, 8, 30)) == utc(2026, 11, 30, 8, 30)
    assert cron("0", "0", "29", "2").following(utc(2026, 1, 1)) == utc(2028, 2, 28, 23)
    assert cron("0", "0", "31", "2").following(utc(2026, 1, 1)) is None
    assert cron("0", "0", "31", "2").latest(utc(2026, 1, 1)) is None


def test_a_local_time_that_does_not_exist_runs_at_the_next_minute_that_does():
    # In Berlin the clocks go from 02:00 to 03:00 on 29 March 2026, at 01:00 UTC.
    assert between(cron("30", "2"), utc(2026, 3, 27, 12), utc(2026, 3, 31)) == [
        utc(2026, 3, 28, 1, 30), utc(2026, 3, 29, 1, 0), utc(2026, 3, 30, 0, 30),
    ]  # fmt: skip
    day = (utc(2026, 3, 28, 23), utc(2026, 3, 29, 21))
    assert between(cron("0,15,45", "2"), *day) == [utc(2026, 3, 29, 1)]
    assert between(cron("0", "2,3"), *day) == [utc(2026, 3, 29, 1)]


def test_a_local_time_that_comes_twice_runs_once():
    # In Berlin the clocks go back from 03:00 to 02:00 on 25 October 2026, at 01:00 UTC.
    assert between(cron("30", "2"), utc(2026, 10, 24, 12), utc(2026, 10, 26, 12)) == [
        utc(2026, 10, 25, 0, 30), utc(2026, 10, 26, 1, 30),
    ]  # fmt: skip


def test_every_ten_minutes_neither_pauses_nor_hurries():
    often = cron("0,10,20,30,40,50")
    for start in (utc(2026, 3, 28, 22), utc(2026, 10, 24, 22)):
        found = between(often, start, start + timedelta(hours=26))
        assert found == [start + n * timedelta(minutes=10) for n in range(1, 26 * 6 + 1)]


def test_midnight_that_does_not_exist():
    # In Beirut the clocks go from 00:00 to 01:00 on 29 March 2026.
    beirut = ZoneInfo("Asia/Beirut")
    assert cron("0", "0", zone=beirut).following(utc(2026, 3, 28, 12)) == utc(2026, 3, 28, 22)
    assert cron("0", zone=beirut).following(utc(2026, 3, 28, 21, 30)) == utc(2026, 3, 28, 22)


def test_once():
    once = Once(utc(2026, 1, 1))
    assert (once.latest(utc(2025, 12, 31)), once.latest(utc(2027, 1, 1))) == (None, once.at)
    assert (once.following(utc(2025, 12, 31)), once.following(once.at)) == (once.at, None)


def test_what_is_due_and_what_was_missed():
    hourly = cron("0")
    assert slots.due(hourly, utc(2026, 1, 1, 10), utc(2026, 1, 1, 10, 59)) is None
    assert slots.due(hourly, utc(2026, 1, 1, 10), utc(2026, 1, 1, 11)) == (utc(2026, 1, 1, 11), 0, None)
    missed = slots.due(hourly, utc(2026, 1, 1, 10), utc(2026, 1, 1, 13, 5))
    assert missed == (utc(2026, 1, 1, 13), 2, utc(2026, 1, 1, 11))


def test_the_name_of_a_slot():
    assert slots.name(datetime(2026, 7, 1, 4, tzinfo=BERLIN)) == "2026-07-01T02:00:00Z"


TIMINGS = [
    cron("30", "2"),
    cron("0,10,20,30,40,50"),
    cron("0", "0,1,2,3"),
    Every(utc(2026, 1, 1, 0, 0, 3), timedelta(seconds=97)),
]


@pytest.mark.long
@pytest.mark.parametrize("timing", TIMINGS)
@settings(deadline=None, max_examples=50)
@given(
    start=st.datetimes(datetime(2026, 1, 2), datetime(2026, 12, 1), timezones=st.just(UTC)),
    steps=st.lists(st.floats(1, 100_000), max_size=12),
)
def test_however_late_or_often_a_beat_looks_each_slot_is_settled_once(timing, start, steps):
    """Whatever the steps of its clock, what a beat runs and what it counts as missed are all slots, each once."""
    done, ran, missed, now = start, [], 0, start
    for step in steps:
        now += timedelta(seconds=step)
        if found := slots.due(timing, done, now):
            assert done < found.slot <= now
            ran.append(found.slot)
            missed, done = missed + found.missed, found.slot
    assert ran == sorted(set(ran))
    if missed < slots.COUNTED:
        assert len(between(timing, start, now)) == len(ran) + missed
