"""The charts: each job is counted once, whether its time is rolled up, summed up or neither; their price is bounded."""

import random
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tasks.engine import attempts, lifecycle
from tasks.engine.applications import OWN
from tasks.engine.errors import Failure
from tasks.engine.models import Bar, Ending, Job, Minute
from tasks.kinds import upkeep
from tasks.observe import served
from tasks.queries import stats
from tasks.search import finder
from tasks.search.language import Query
from tests.support.runs import run

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def fresh() -> None:
    stats.forget()


def ended(when: datetime, state: str = "succeeded", queue: str = "default", wait: float = 1, ran: float = 1) -> Job:
    start = when - timedelta(seconds=ran)
    times = {"created_at": start - timedelta(seconds=wait), "started_at": start, "finished_at": when}
    return Job(kind="noop", queue=queue, state=state, **times)


def stored(jobs: Iterable[Job]) -> list[Job]:
    """These jobs in the database, and the endings that the moves would have written."""
    made = Job.objects.bulk_create(jobs)
    attempts.write_endings(made)
    return made


def scattered(number: int, ago: timedelta) -> list[Job]:
    """Jobs that ended at random moments, many of them in the first and last instants of minutes and bars."""
    now, rnd = timezone.now(), random.Random(7)
    moments = [now - ago * rnd.random() for _ in range(number)]
    edges = [stats.floor(moment, stats.PERIODS[rnd.choice(list(stats.PERIODS))][1]) for moment in moments[::2]]
    edges += [edge - timedelta(microseconds=1) for edge in edges]
    return stored(
        ended(moment, rnd.choice(stats.OUTCOMES), rnd.choice("ab")) for moment in moments + edges if moment < now
    )


def truth(period: str) -> Counter:
    """(beginning of the bar, outcome) → jobs, straight from the rows."""
    length, width = stats.PERIODS[period]
    last = stats.floor(timezone.now(), width)
    return Counter(
        (stats.floor(ended, width), state)
        for ended, state in Job.objects.exclude(kind="roll_up").values_list("finished_at", "state")
        if last - length < stats.floor(ended, width) and state in stats.OUTCOMES
    )


def reported(period: str) -> Counter:
    bars = stats.chart(period)["buckets"]
    counts = {(datetime.fromisoformat(bar["at"]), name): bar[name] for bar in bars for name in stats.OUTCOMES}
    return Counter({key: n for key, n in counts.items() if n})


def rolled_up_until(end: datetime) -> None:
    """As a run of roll_up would have left it at that time."""
    for each in upkeep.to_count(end, end):
        upkeep.count(*each)
    for width in stats.WIDTHS:
        for bar in upkeep.to_sum(width * stats.MINUTE, end, end):
            upkeep.put(Bar.objects.filter(minutes=width, at=bar), upkeep.summed(bar, width))


@pytest.mark.long
@pytest.mark.parametrize("minutes", [2, 17, 58])
def test_each_job_is_counted_once_on_either_side_of_every_seam(minutes):
    """The newest are rows, older ones minutes, older ones bars of 15 minutes, older ones bars of 12 hours."""
    scattered(40, timedelta(days=30))
    scattered(60, timedelta(hours=2))
    rolled_up_until(stats.floor(timezone.now() - minutes * stats.MINUTE, stats.MINUTE))
    assert Bar.objects.filter(minutes=720).exists() and Bar.objects.filter(minutes=15).exists()
    for period in stats.PERIODS:
        assert reported(period) == truth(period), period


def test_what_is_rolled_up_while_a_chart_is_read_is_not_counted_twice(monkeypatch):
    scattered(60, timedelta(minutes=50))
    end = stats.floor(timezone.now() - stats.SETTLED, stats.MINUTE)
    rolled_up_until(end - 20 * stats.MINUTE)
    counted = stats.levels

    def meanwhile(width):
        found = counted(width)
        rolled_up_until(end)
        return found

    monkeypatch.setattr(stats, "levels", meanwhile)
    assert reported("1h") == truth("1h")


def retried(job: Job) -> None:
    """Tried again, with success."""
    lifecycle.retry(job.uid)
    assert lifecycle.succeed(lifecycle.claim(job.uid, "w@h", 1))


def test_what_failed_has_failed_whatever_becomes_of_it_later():
    bar = stats.floor(timezone.now() - 3 * stats.MINUTE, timedelta(minutes=15))
    [old] = stored([ended(bar - timedelta(seconds=30), "failed")])
    rolled_up_until(bar)
    retried(old)
    run("roll_up", minutes=60)
    assert Bar.objects.get(minutes=15, outcome="failed").n == 1
    assert Minute.objects.get(outcome="failed").n == 1


def test_card_chart_search_and_database_say_the_same_before_and_after_a_retry():
    """179 failures of an outage, 60 of them tried again with success: 179 have failed, and 60 more have succeeded."""
    first = stats.floor(timezone.now(), stats.MINUTE) - timedelta(minutes=20)
    jobs = stored(ended(first + timedelta(seconds=n % 60), "failed") for n in range(179))

    def said() -> dict[str, list[int]]:
        shown, chart = served.counts([OWN], "1h"), stats.chart("1h")["buckets"]
        return {
            outcome: [
                shown["last_hour"][outcome],
                sum(bar[outcome] for bar in shown["buckets"]),
                sum(bar[outcome] for bar in chart),
                sum(map(len, finder.walk(Query.of({"q": [f"{outcome}:1h kind:noop"]}), Job.objects.all()))),
            ]
            for outcome in ("failed", "succeeded")
        }

    assert said() == {"failed": [179] * 4, "succeeded": [0] * 4}
    assert Ending.objects.filter(state="failed").count() == 179
    for job in jobs[:60]:
        retried(job)
    assert said() == {"failed": [179] * 4, "succeeded": [60] * 4}
    assert Ending.objects.filter(state="failed").count() == 179
    assert Job.objects.filter(state="failed").count() == 119
    run("roll_up")
    stats.forget()
    assert said()["failed"] == [179] * 4
    outage = [bar for bar in stats.chart("1h")["buckets"] if bar["failed"]]
    assert sum(bar["failed"] for bar in outage) == 179


def test_each_way_to_fail_or_to_be_cancelled_is_an_ending():
    def claimed() -> Job:
        return lifecycle.claim(lifecycle.submit("noop", {})[0].uid, "w@h", 1)

    lifecycle.fail(claimed(), Failure.said("No."))
    lifecycle.cancel(lifecycle.submit("noop", {})[0].uid)
    running = claimed()
    lifecycle.cancel(running.uid)
    lifecycle.cancel_acknowledged(running)
    lost = claimed()
    Job.objects.filter(pk=lost.pk).update(max_attempts=1)
    lost.max_attempts = 1
    lifecycle.rescue(lost)
    lifecycle.retry_later(claimed(), 60, Failure.said("Later."))
    lifecycle.succeed(claimed())
    reported = list(Ending.objects.order_by("id").values_list("state", "job__state", "at"))
    assert [state for state, *_ in reported] == ["failed", "cancelled", "cancelled", "failed"]
    assert all(state == now for state, now, _ in reported)
    assert {at for *_, at in reported} == set(Ending.objects.values_list("job__finished_at", flat=True))


def test_a_chart_says_what_nobody_has_counted():
    """More than an hour of rows is not read for a chart: it says so instead of drawing nothing."""
    now = timezone.now()
    stored([ended(now - timedelta(hours=5)), ended(now - timedelta(minutes=5))])
    chart = stats.chart("24h")
    assert sum(bar["succeeded"] for bar in chart["buckets"]) == 1
    begin, end = map(datetime.fromisoformat, chart["missing"])
    assert begin < now - timedelta(hours=5) < end < now
    rolled_up_until(stats.floor(now - stats.SETTLED, stats.MINUTE))
    chart = stats.chart("24h")
    assert (sum(bar["succeeded"] for bar in chart["buckets"]), chart["missing"]) == (2, None)


def test_waiting_is_counted_from_when_a_job_was_queued_for_the_attempt_that_ran():
    now = timezone.now()
    job = ended(now, wait=5000)
    job.queued_at = job.started_at - timedelta(seconds=1.5)
    job.save()
    for _ in range(2):  # from the row, then from its minute
        [noop] = [row for row in served.counts([OWN], "1h")["kinds"] if row["kind"] == "noop"]
        assert 1 <= noop["wait_p95_s"] <= 2
        Job.objects.update(finished_at=stats.floor(now, stats.MINUTE) - 3 * stats.MINUTE)
        Job.objects.update(started_at=now - timedelta(minutes=4), queued_at=now - timedelta(minutes=4, seconds=1.5))
        run("roll_up")


def test_what_a_process_has_read_is_read_again_when_it_has_changed():
    bar = stats.floor(timezone.now() - timedelta(hours=3), timedelta(minutes=15))
    stored([ended(bar, wait=1), ended(bar, wait=1)])
    rolled_up_until(bar + timedelta(hours=1))
    assert reported("24h") == truth("24h") == reported("24h")
    changed = Job.objects.first()
    changed.finished_at, changed.state = bar + timedelta(seconds=70), "failed"
    changed.save()
    attempts.write_endings([changed])
    upkeep.count(bar, bar + timedelta(minutes=15))
    upkeep.put(Bar.objects.filter(minutes=15, at=bar), upkeep.summed(bar, 15))
    assert reported("24h") == truth("24h")


def test_times_of_queues():
    now = timezone.now()
    stored([
        ended(now - timedelta(minutes=30), queue="io", wait=8), ended(now, queue="io", wait=8),
        ended(now, queue="default", wait=0.01, ran=100),
    ])  # fmt: skip
    rolled_up_until(stats.floor(now - timedelta(minutes=10), stats.MINUTE))
    times = stats.queues()
    assert 5 <= times["io"]["wait_p50_s"] <= 10 and times["default"]["wait_p95_s"] <= 0.05
    assert 60 <= times["default"]["run_p50_s"] <= 120


@pytest.mark.parametrize("period", stats.PERIODS)
def test_a_chart_asks_a_few_questions_however_many_bars_it_has(period):
    scattered(50, timedelta(hours=3))
    with CaptureQueriesContext(connection) as asked:
        stats.chart(period)
    assert len(asked) <= 10
