"""Schedules as rows: each slot is settled once, whoever keeps time; overlap, missed slots, pauses, runs by hand."""

from datetime import UTC, datetime, timedelta

import pytest
from django_celery_beat.models import CrontabSchedule, PeriodicTask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.engine import creation, lifecycle
from tasks.engine.models import Job
from tasks.engine.registry import UnknownKind
from tasks.params.signature import ParamError
from tasks.schedules import actions
from tasks.schedules.actions import NameTaken, WrongTiming
from tasks.schedules.models import Run, Schedule
from tests.support.people import person

pytestmark = pytest.mark.django_db(transaction=True)
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def made(seconds: int = 60, kind: str = "noop", params: dict | None = None, done: datetime = START, **more) -> Schedule:
    timing = more.pop("timing", None) or actions.every(seconds, START)
    schedule = actions.create(more.pop("name", "every minute"), kind, params or {}, timing, **more)
    Schedule.objects.filter(pk=schedule.pk).update(done_until=done)
    return actions.fresh(schedule)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def outcomes() -> list[tuple[str, str]]:
    return [(run.slot[11:19], run.outcome) for run in Run.objects.order_by("id")]


def test_a_slot_makes_one_job_whoever_asks_how_often():
    schedule = made(owner=person("alice"))
    assert actions.keep(schedule, at(59)) is None
    assert actions.keep(schedule, at(60.2)).outcome == "started"
    assert actions.keep(schedule, at(60.3)) is None
    assert actions.keep(schedule, at(119)) is None
    job = Job.objects.get()
    assert (job.schedule, job.slot, job.owner) == (schedule.uid, "2026-03-01T12:01:00Z", person("alice"))


def test_a_beat_that_thaws_with_an_old_picture_runs_nothing_again():
    frozen = made(overlap="queue")
    for minute in (1, 2, 3):
        assert actions.keep(frozen, at(60 * minute))
    assert actions.keep(frozen, at(150)) is None  # its clock stood still as well
    assert actions.keep(frozen, at(185)) is None
    assert Job.objects.count() == 3


def test_the_slot_is_unique_even_without_the_guard():
    schedule = made(overlap="queue")
    actions.keep(schedule, at(60))
    Schedule.objects.update(done_until=START)
    actions.keep(schedule, at(61))
    assert Job.objects.count() == 1


def test_a_late_slot_is_run_and_shown_as_late():
    schedule = made(600)
    run = actions.keep(schedule, at(607))
    assert (run.outcome, run.late_s) == ("started", 7)


def test_missed_slots_are_skipped_or_made_up_for_once():
    skips = made(600, name="skips")
    assert actions.keep(skips, at(600 * 3 + 300)) is None
    row = Run.objects.get()
    assert (row.slot, row.outcome, row.count) == ("2026-03-01T12:10:00Z", "missed", 3)
    catches = made(600, name="catches", missed="once")
    run = actions.keep(catches, at(600 * 3 + 300))
    assert (run.slot, run.outcome) == ("2026-03-01T12:30:00Z", "started")
    missed = Run.objects.get(schedule=catches, outcome="missed")
    assert (missed.slot, missed.count) == ("2026-03-01T12:10:00Z", 2)
    assert Job.objects.count() == 1


def test_overlap():
    for policy, expected in (
        ("skip", ["queued"]),
        ("queue", ["queued", "queued"]),
        ("cancel", ["cancelled", "queued"]),
    ):
        schedule = made(overlap=policy, name=policy)
        actions.keep(schedule, at(60))
        run = actions.keep(schedule, at(120))
        assert (
            list(Job.objects.filter(schedule=schedule.uid).order_by("id").values_list("state", flat=True)) == expected
        )
        assert run.outcome == ("skipped" if policy == "skip" else "started")


def test_a_running_job_is_asked_to_stop_by_the_next_run():
    schedule = made(overlap="cancel")
    actions.keep(schedule, at(60))
    lifecycle.claim(Job.objects.get().uid, "w", 1)
    actions.keep(schedule, at(120))
    old = Job.objects.order_by("id").first()
    assert (old.state, old.cancel_reason) == ("running", "The next run of its schedule started.")


def test_what_passed_while_paused_or_before_a_change_is_not_made_up_for():
    schedule = actions.pause(made(missed="once"), True)
    assert actions.keep(schedule, at(60)) is None
    assert schedule.next() == []
    schedule = actions.pause(schedule, False)
    assert schedule.done_until > at(3600)
    assert actions.keep(schedule, at(60)) is None
    changed = actions.change(
        schedule, timing=actions.crontab("0 4 * * *", "Europe/Berlin"), name="new", overlap="queue"
    )
    assert (changed.in_words, changed.periodic.interval, changed.overlap) == ("at 04:00 (Europe/Berlin)", None, "queue")


def test_once_is_run_once_and_then_over():
    moment = datetime.now(UTC) + timedelta(hours=1)
    schedule = made(timing=actions.once(moment), done=datetime.now(UTC))
    assert schedule.next() == [moment]
    assert actions.keep(schedule, moment + timedelta(seconds=1)).outcome == "started"
    assert actions.keep(schedule, moment + timedelta(days=1)) is None
    assert not actions.fresh(schedule).periodic.enabled


def test_bad_input_is_refused_where_it_is_typed():
    with pytest.raises(ParamError):
        made(kind="countdown", params={"seconds": "long"})
    with pytest.raises(UnknownKind):
        made(kind="unheard_of")
    for text, zone in (("* * * *", "UTC"), ("61 * * * *", "UTC"), ("* * * * *", "Mars/Base"), ("0 0 31 2 *", "UTC")):
        with pytest.raises(WrongTiming):
            actions.crontab(text, zone)
    with pytest.raises(WrongTiming):
        actions.once(START)
    with pytest.raises(WrongTiming):
        actions.every(0)
    made()
    with pytest.raises(NameTaken):
        made()
    assert PeriodicTask.objects.count() == 1


def test_secrets_rest_sealed_and_reach_the_job():
    schedule = made(kind="unlocks", params={"key": "open sesame", "number": 1})
    assert "sesame" not in repr(PeriodicTask.objects.values()) + repr(Schedule.objects.values())
    actions.keep(schedule, at(60))
    assert creation.open_params(Job.objects.get())[0]["key"] == "open sesame"


def test_a_job_that_cannot_be_made_any_more_is_a_run_that_says_why():
    schedule = made()
    PeriodicTask.objects.update(task="gone")
    run = actions.keep(schedule, at(60))
    assert (run.outcome, run.note) == ("refused", "There is no kind of job named 'gone'.")
    PeriodicTask.objects.update(task="noop", kwargs="[broken")
    assert actions.keep(schedule, at(120)).outcome == "refused"


def test_run_now_stands_beside_the_timetable():
    schedule = made()
    job = actions.run_now(schedule, person("bob"))
    assert (job.schedule, job.slot, job.owner) == (schedule.uid, None, person("bob"))
    actions.run_now(schedule, person("bob"))
    assert [run.to_dict()["slot"] for run in Run.objects.all()] == [None, None]


def test_rows_of_others_are_adopted():
    row = CrontabSchedule.objects.create(minute="0", hour="4", timezone="UTC")
    PeriodicTask.objects.create(name="by hand", task="noop", crontab=row)
    PeriodicTask.objects.create(name="foreign", task="celery.backend_cleanup", crontab=row)
    actions.adopt()
    actions.adopt()
    assert Schedule.objects.get().in_words == "at 04:00 (UTC)"


def test_the_newest_runs_are_kept(monkeypatch):
    monkeypatch.setattr(actions, "RUNS_KEPT", 3)
    schedule = made(overlap="queue")
    for minute in range(1, 7):
        actions.keep(schedule, at(60 * minute))
    assert [slot for slot, _ in outcomes()] == ["12:04:00", "12:05:00", "12:06:00"]


@pytest.mark.long
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 1), st.floats(0, 200)), max_size=12))
def test_two_beats_with_clocks_of_their_own_settle_each_slot_once(steps):
    """Each beat's clock only goes forwards, but they differ, freeze and jump as they like."""
    PeriodicTask.objects.all().delete()
    Job.objects.all().delete()
    schedule, clocks = made(7, overlap="queue"), [0.0, 0.0]
    for beat, step in steps:
        clocks[beat] += step
        actions.keep(schedule, at(clocks[beat]))
    done = actions.fresh(schedule).done_until
    started = Run.objects.filter(schedule=schedule, outcome="started").count()
    missed = sum(Run.objects.filter(schedule=schedule, outcome="missed").values_list("count", flat=True))
    assert started == Job.objects.count()
    assert started + missed == (done - START) // timedelta(seconds=7)
    assert done <= at(max(clocks))
