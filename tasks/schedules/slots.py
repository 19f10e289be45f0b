"""When a schedule is due: pure functions of a timing and a moment, the same for every beat and every clock.

A slot is the nominal moment of a run, in UTC. Beats that wake early, late or twice agree on it, so it can be the key
that makes a run happen once. Knows no rows.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import wraps
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
FAR = 8 * 366 + 1  # days: from one 29th of February to the next, over a century
ALL_HOURS = frozenset(range(24))
COUNTED = 1_000  # missed slots are counted up to this many


class Timing(Protocol):
    """What every kind of timing answers."""

    def latest(self, now: datetime) -> datetime | None:
        """The newest slot that is not after ``now``."""

    def following(self, after: datetime) -> datetime | None:
        """The first slot after a moment."""


def within_the_calendar(
    slot: Callable[[Timing, datetime], datetime | None],
) -> Callable[[Timing, datetime], datetime | None]:
    """There is no slot before the year 1 and none after 9999."""

    @wraps(slot)
    def within(timing: Timing, moment: datetime) -> datetime | None:
        try:
            return slot(timing, moment)
        except OverflowError:
            return None

    return within


@dataclass(frozen=True)
class Every:
    """Slots ``start``, ``start + every``, and so on."""

    start: datetime
    every: timedelta

    @within_the_calendar
    def latest(self, now: datetime) -> datetime | None:
        return self.start + (now - self.start) // self.every * self.every if now >= self.start else None

    @within_the_calendar
    def following(self, after: datetime) -> datetime | None:
        return self.start + ((after - self.start) // self.every + 1) * self.every if after >= self.start else self.start


@dataclass(frozen=True)
class Once:
    at: datetime

    def latest(self, now: datetime) -> datetime | None:
        return self.at if self.at <= now else None

    def following(self, after: datetime) -> datetime | None:
        return self.at if self.at > after else None


@dataclass(frozen=True)
class Crontab:
    """Minutes of a local clock; a day must fit its month, its number and its weekday (0 is Sunday).

    With certain hours a local time that does not exist is the next minute that does, and one that comes twice counts
    the first time. With all hours it is the minutes that count, so "every ten minutes" has the same interval all day.
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    zone: ZoneInfo

    @within_the_calendar
    def latest(self, now: datetime) -> datetime | None:
        if self.hours == ALL_HOURS:
            return self._walk(_whole_minute(now), -1)
        today = now.astimezone(self.zone).date()
        for back in range(FAR):
            if found := [slot for slot in self._slots(today - back * DAY) if slot <= now]:
                return found[-1]
        return None

    @within_the_calendar
    def following(self, after: datetime) -> datetime | None:
        if self.hours == ALL_HOURS:
            return self._walk(_whole_minute(after) + MINUTE, 1)
        yesterday = after.astimezone(self.zone).date() - DAY  # its last times may fall into today
        for on in range(FAR):
            for slot in self._slots(yesterday + on * DAY):
                if slot > after:
                    return slot
        return None

    def _fits(self, day: date) -> bool:
        return day.month in self.months and day.day in self.days and day.isoweekday() % 7 in self.weekdays

    def _slots(self, day: date) -> Iterator[datetime]:
        """Of a local day, in order; two may be the same moment."""
        if self._fits(day):
            for hour in sorted(self.hours):
                for minute in sorted(self.minutes):
                    yield _instant(datetime(day.year, day.month, day.day, hour, minute), self.zone)

    def _walk(self, at: datetime, way: int) -> datetime | None:
        """The first fitting minute from ``at`` on, forwards or backwards."""
        end = at + way * FAR * DAY
        while (end - at) * way > timedelta(0):
            local = at.astimezone(self.zone)
            if not self._fits(local.date()):
                day = local.date() + (DAY if way > 0 else timedelta(0))
                border = _instant(datetime(day.year, day.month, day.day), self.zone)
                at = border if way > 0 else border - MINUTE
            elif local.minute in self.minutes:
                return at
            else:
                at += way * MINUTE
        return None


class Due(NamedTuple):
    """The newest slot that is due, and those before it that nobody will run: how many, and the first of them."""

    slot: datetime
    missed: int
    first_missed: datetime | None


def due(timing: Timing, done_until: datetime, now: datetime) -> Due | None:
    """What is due at ``now`` when everything up to ``done_until`` is settled."""
    slot = timing.latest(now)
    if slot is None or slot <= done_until:
        return None
    missed, first = 0, timing.following(done_until)
    at = first
    while at is not None and at < slot and missed < COUNTED:
        missed, at = missed + 1, timing.following(at)
    return Due(slot, missed, first if missed else None)


def next_slots(timing: Timing, after: datetime, most: int) -> list[datetime]:
    """The slots to come."""
    found: list[datetime] = []
    while len(found) < most and (at := timing.following(found[-1] if found else after)) is not None:
        found.append(at)
    return found


def name(slot: datetime) -> str:
    """A slot as the key of a job."""
    return slot.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _whole_minute(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(second=0, microsecond=0)


def _instant(local: datetime, zone: ZoneInfo) -> datetime:
    """A local time in UTC: the first one of two, or the first minute after a gap."""
    at = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None) == local:
        return at
    after = local.replace(tzinfo=zone, fold=1).utcoffset()
    while (at - MINUTE).astimezone(zone).utcoffset() == after:
        at -= MINUTE
    return at
