"""What is kept for how long, and what is counted: prune and roll_up, in small steps, the same however often."""

import threading
import time
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from tasks.access.models import Entry, Unchangeable
from tasks.engine import attempts, lifecycle
from tasks.engine.models import Attempt, Job, LogLine, Minute, Worker
from tasks.engine.registry import get
from tasks.engine.report import Cancelled, Report
from tasks.kinds import upkeep
from tasks.kinds.upkeep import MINUTES_KEPT
from tasks.queries import stats
from tests.support.people import person
from tests.support.runs import again, run

pytestmark = pytest.mark.django_db(transaction=True)
DAY = timedelta(days=1)
NOTHING = dict.fromkeys(("jobs", "lines", "minutes", "deliveries", "alerts", "workers", "entries", "handled"), 0)
NOTHING |= dict.fromkeys(
    (
        "notifications",
        "rollouts",
        "snoozed",
        "invitations",
        "gaps",
        "watched bars",
        "tasks no longer watched",
        "orders",
        "watched workers",
    ),
    0,
)
began: list[datetime] = []


@pytest.fixture(autouse=True)
def begin() -> None:
    began[:] = [stats.floor(timezone.now(), stats.MINUTE)]


def job(state: str, age: timedelta, kind: str = "noop", **more) -> Job:
    """A job that ended so long ago, with a log line and a lost attempt."""
    ended = timezone.now() - age
    times = {"created_at": ended - timedelta(seconds=3), "started_at": ended - timedelta(seconds=1)} | more
    made = Job.objects.create(kind=kind, queue="default", state=state, finished_at=ended, **times)
    LogLine.objects.create(job=made, seq=1, at=ended, text="hello")
    Attempt.objects.create(job=made, number=1, finished_at=ended, outcome="lost")
    return made


def left() -> set[int]:
    return set(Job.objects.exclude(kind__in=("prune", "roll_up")).values_list("pk", flat=True))


def test_each_outcome_is_kept_for_its_own_time(settings):
    settings.SIGNALBOX_KEEP_SUCCEEDED_D, settings.SIGNALBOX_KEEP_FAILED_D = 30, 90
    settings.SIGNALBOX_KEEP_CANCELLED_D, settings.SIGNALBOX_KEEP_QUIET_D = 10, 1
    kept = {
        job("succeeded", 29 * DAY), job("failed", 31 * DAY), job("failed", 89 * DAY), job("cancelled", 9 * DAY),
        job("succeeded", DAY / 2, "roll_up"), job("failed", 2 * DAY, "roll_up"),
        lifecycle.submit("noop", {}, due_at=timezone.now() + DAY)[0], lifecycle.submit("noop", {})[0],
    }  # fmt: skip
    Job.objects.filter(state__in=Job.LIVE).update(created_at=timezone.now() - 400 * DAY)
    old = [
        job("succeeded", 31 * DAY),
        job("failed", 91 * DAY),
        job("cancelled", 11 * DAY),
        job("succeeded", 2 * DAY, "roll_up"),
    ]
    done = run("prune")
    assert done.state == "succeeded", done.error
    assert done.result == NOTHING | {"jobs": 4, "lines": 4}
    assert set(Job.objects.exclude(kind="prune").values_list("pk", flat=True)) == {each.pk for each in kept}
    gone = [each.pk for each in old]
    assert not LogLine.objects.filter(job_id__in=gone).exists() and not Attempt.objects.filter(job_id__in=gone).exists()


def test_a_second_run_has_nothing_left_to_do():
    job("succeeded", 400 * DAY)
    first = run("prune")
    assert first.result["jobs"] == 1
    assert again(first).result == NOTHING


def test_a_key_holds_for_a_day_at_least():
    """The shortest time that a setting allows."""
    made, _ = lifecycle.submit("noop", {}, owner=person("alice"), idempotency_key="k")
    Job.objects.filter(pk=made.pk).update(state="succeeded", finished_at=timezone.now() - DAY * 0.99)
    run("prune")
    assert lifecycle.submit("noop", {}, owner=person("alice"), idempotency_key="k") == (made, False)


def test_counts_and_workers_grow_old_too():
    now = timezone.now()
    for age in (MINUTES_KEPT + DAY, DAY):
        Minute.objects.create(at=now - age, kind="noop", queue="default", outcome="succeeded", n=1)
        Worker.objects.create(name=f"w{age}", host="here", pid=1, seen_at=now - age, started_at=now - age)
    result = run("prune").result
    assert (result["minutes"], result["workers"]) == (1, 1)
    assert (Minute.objects.count(), Worker.objects.count()) == (1, 1)


def entries(*ages: timedelta) -> None:
    """Audit entries, written so long ago."""
    for number, age in enumerate(ages):
        Entry.objects.create(who="alice", via="session", action="cancel", target=str(number), at=timezone.now() - age)


def test_audit_entries_are_kept_for_their_time_and_a_new_one_says_what_went(settings):
    settings.SIGNALBOX_KEEP_AUDIT_D = 100
    entries(101 * DAY, 99 * DAY, 400 * DAY, timedelta())
    before = timezone.now() - 100 * DAY
    done = run("prune")
    assert done.result["entries"] == 2
    kept = Entry.objects.order_by("id")
    assert [entry.target for entry in kept] == ["1", "3", str(done.uid)]
    said = kept.last()
    assert (said.who, said.via, said.action, said.outcome) == ("", "job", "prune", "done")
    assert before <= datetime.fromisoformat(said.detail["before"]) <= timezone.now() - 100 * DAY
    assert run("prune").result["entries"] == 0
    assert kept.count() == 3, "a run that deletes nothing writes nothing"


def test_audit_entries_go_in_small_steps_and_those_that_stay_are_never_touched(monkeypatch):
    monkeypatch.setattr(upkeep, "ROWS", 5)
    entries(*[400 * DAY] * 12, *[DAY] * 3)
    seen = [Entry.objects.count()]
    monkeypatch.setattr(upkeep, "rested", lambda began: seen.append(Entry.objects.count()))
    assert run("prune").result["entries"] == 12
    assert seen == [15, 11, 6], "five went at a time, and one says so"
    assert sorted(Entry.objects.values_list("action", flat=True)) == ["cancel"] * 3 + ["prune"]
    with pytest.raises(Unchangeable):
        Entry.objects.filter(at__lt=timezone.now()).delete()


def test_what_stopped_prune_half_way_cannot_hide_that_entries_went(monkeypatch):
    monkeypatch.setattr(upkeep, "ROWS", 5)
    entries(*[400 * DAY] * 12)
    report = Report()
    monkeypatch.setattr(upkeep, "rested", lambda began: report.stop(Cancelled))
    with pytest.raises(Cancelled):
        with report:
            upkeep.prune.run()
    assert Entry.objects.filter(action="prune").count() == 1 and Entry.objects.count() < 13


def test_a_job_that_is_tried_again_in_that_moment_stays(monkeypatch):
    """Its row is in the batch, and no longer what the batch was chosen for."""
    tried, other = job("failed", 400 * DAY), job("failed", 400 * DAY)
    monkeypatch.setattr(upkeep, "REST", 0)
    pause = upkeep.time.sleep
    asked = []

    def at_the_breath(_: float) -> None:
        if not asked:
            asked.append(lifecycle.retry(tried.uid))
        pause(0)

    monkeypatch.setattr(upkeep.time, "sleep", at_the_breath)
    assert run("prune").result["jobs"] == 1
    assert left() == {tried.pk}
    assert Job.objects.get(pk=tried.pk).state == "queued"
    assert not Job.objects.filter(pk=other.pk).exists()


@pytest.mark.long
def test_no_transaction_deletes_much_and_writers_go_on(monkeypatch):
    monkeypatch.setattr(upkeep, "JOBS", 50)
    ended = timezone.now() - 400 * DAY
    Job.objects.bulk_create(
        [Job(kind="noop", queue="default", state="succeeded", created_at=ended, finished_at=ended) for _ in range(600)]
    )
    one = Job.objects.first()
    LogLine.objects.bulk_create([LogLine(job=one, seq=n, at=ended, text="x" * 100) for n in range(5000)], 1000)
    stop, waits = threading.Event(), []

    def write() -> None:
        while not stop.is_set():
            begin = time.monotonic()
            lifecycle.submit("noop", {})
            waits.append(time.monotonic() - begin)
            time.sleep(0.01)
        connection.close()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        done = run("prune")
    finally:
        stop.set()
        thread.join()
    assert (done.result["jobs"], done.result["lines"]) == (600, 5000)
    assert len(waits) > 5 and max(waits) < 2, waits


def test_a_cancel_is_seen_between_two_steps(monkeypatch):
    monkeypatch.setattr(upkeep, "JOBS", 1)
    for _ in range(3):
        job("succeeded", 400 * DAY)
    report = Report()
    monkeypatch.setattr(upkeep.time, "sleep", lambda _: report.stop(Cancelled))
    with pytest.raises(Cancelled):
        with report:
            upkeep.prune.run()
    assert 1 <= len(left()) <= 3


# --- roll_up ---------------------------------------------------------------------------------------------------


def rows() -> list:
    return list(Minute.objects.order_by("at", "kind", "queue", "outcome").values_list(
        "at", "kind", "queue", "outcome", "n", "waiting", "running"
    ))  # fmt: skip


def at(minutes: float) -> datetime:
    """In the middle of a whole minute, so many minutes before the one in which the test began."""
    return began[0] - timedelta(minutes=minutes) + timedelta(seconds=30)


def ended(when: datetime, state: str = "succeeded", kind: str = "noop", wait: float = 1, ran: float = 1, **more) -> Job:
    start = when - timedelta(seconds=ran)
    times = {"created_at": start - timedelta(seconds=wait), "started_at": start, "finished_at": when} | more
    made = Job.objects.create(kind=kind, queue="default", state=state, **times)
    attempts.write_endings([made])
    return made


def test_what_is_counted_is_what_the_rows_say():
    for n in range(40):
        ended(at(5), wait=n / 4, ran=n, kind=("noop", "countdown")[n % 2], state=("succeeded", "failed")[n % 4 == 0])
    ended(at(6), "cancelled", started_at=None)
    run("roll_up")
    for row in Minute.objects.all():
        jobs = Job.objects.filter(kind=row.kind, state=row.outcome, finished_at__gte=row.at)
        jobs = jobs.filter(finished_at__lt=row.at + stats.MINUTE)
        assert row.n == jobs.count() > 0
        waiting, running = [0] * len(row.waiting), [0] * len(row.running)
        for each in jobs:
            if each.started_at:
                waiting[stats.bucket(round((each.started_at - each.created_at).total_seconds(), 3))] += 1
                running[stats.bucket(round((each.finished_at - each.started_at).total_seconds(), 3))] += 1
        assert (row.waiting, row.running) == (waiting, running)
    assert sum(row.n for row in Minute.objects.all()) == 41
    assert {len(row.waiting) for row in Minute.objects.all()} == {len(stats.EDGES) + 1}


def test_counting_again_changes_nothing_and_writes_nothing():
    for n in range(20):
        ended(at(3 + n % 5))
    first = run("roll_up")
    before = rows()
    assert first.result["written"] == 5
    assert again(first).result["written"] == 0
    assert run("roll_up").result["written"] == 0
    assert rows() == before


def test_the_minute_that_is_not_over_is_left_to_the_next_run():
    ended(timezone.now())
    ended(at(1))
    assert run("roll_up").result["written"] == 0
    assert not Minute.objects.exists()


def test_a_failure_that_was_tried_again_stays_in_its_minute():
    failed = ended(at(8), "failed")
    run("roll_up")
    Job.objects.filter(pk=failed.pk).update(state="succeeded", finished_at=at(4))
    run("roll_up")
    minutes = [(stats.floor(at(8), stats.MINUTE), "failed"), (stats.floor(at(4), stats.MINUTE), "succeeded")]
    assert sorted((row[0], row[3]) for row in rows()) == minutes


def test_what_was_missed_is_caught_up():
    ended(at(60 * 24 * 40))  # longer ago than counts are kept
    for minutes in (60 * 30, 60 * 5, 90, 3):
        ended(at(minutes))
    done = run("roll_up", minutes=10)
    assert [row[0] for row in rows()] == [stats.floor(at(m), stats.MINUTE) for m in (60 * 30, 60 * 5, 90, 3)]
    assert done.result == {"minutes": 4, "written": 4}, "minutes in which nothing finished cost nothing"


@pytest.mark.long
def test_a_minute_whose_jobs_are_pruned_keeps_its_counts():
    """prune keeps a day at least, and what is older than the window is not counted again."""
    ended(at(60 * 24 * 3))
    run("roll_up")
    Job.objects.filter(kind="noop").delete()
    run("roll_up", minutes=1440)
    assert [row[4] for row in rows()] == [1]


@pytest.mark.long
def test_two_at_once_agree():
    for n in range(30):
        ended(at(3 + n % 10), kind=("noop", "countdown")[n % 2])

    def roll() -> None:
        for minute in (stats.floor(at(3 + n), stats.MINUTE) for n in range(10)):
            upkeep.count(minute, minute + stats.MINUTE)
        connection.close()

    threads = [threading.Thread(target=roll) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(row[4] for row in rows()) == 30
    assert run("roll_up").result["written"] == 0


def test_the_charts_say_the_same_from_rows_and_from_counts():
    for n in range(50):
        ended(at(3 + n % 40), state=("succeeded", "failed", "cancelled")[n % 3], wait=n, ran=n / 10)
    before = stats.chart("1h")
    bars, kinds = before["buckets"], before["kinds"]
    run("roll_up", minutes=60)
    from_counts = stats.chart("1h")["buckets"]
    assert sum(bar["succeeded"] + bar["failed"] + bar["cancelled"] for bar in bars) == 50
    assert [bar for bar in from_counts if bar["failed"]] == [bar for bar in bars if bar["failed"]]
    noop = next(row for row in stats.chart("1h")["kinds"] if row["kind"] == "noop")
    assert noop == next(row for row in kinds if row["kind"] == "noop")


def test_chores_are_quiet_and_have_a_queue_of_their_own():
    assert [(get(name).queue, get(name).quiet) for name in ("prune", "roll_up")] == [("chores", True)] * 2
