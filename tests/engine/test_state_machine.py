"""The life of jobs, as a machine that Hypothesis drives: whatever comes in whatever order, the invariants hold.

The model is a few lines in memory that know the table of moves and no SQL; after each step every row must be what
the model says. Holders that lost their job go on trying to write, as frozen workers do.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from live import push
from tasks.engine import broker, lease, lifecycle
from tasks.engine.errors import Failure
from tasks.engine.models import Attempt, Job, State
from tasks.engine.report import Report

WHY = Failure("ValueError: no", "Traceback …", "k")
MOST = 3  # jobs
FINAL = ("succeeded", "failed", "cancelled")
ENDS = ("succeed", "fail", "retry_later", "cancel_acknowledged", "ignore", "release")


@dataclass
class Model:
    """What is true of one job."""

    state: str
    version: int = 1
    attempt: int = 0
    failures: int = 0
    most: int = 4
    asked: bool = False  # to cancel
    waited: str = ""  # what it was when it was cancelled, if it did not run then
    beat: int = 0
    serial: str = ""
    order: int = 0
    outcomes: dict[int, str] = field(default_factory=dict)  # attempt → how it ended, successes left out


class Jobs(RuleBasedStateMachine):
    jobs, held = Bundle("jobs"), Bundle("held")

    def __init__(self) -> None:
        super().__init__()
        for model in (Attempt, Job):
            model.objects.all().delete()
        self.model: dict[Any, Model] = {}
        self.reported: dict[str, int] = {}
        self.ended: dict[Any, int] = {}  # how often a job ended, less how often a person began it again

    # --- asked for ---

    @precondition(lambda self: len(self.model) < MOST)  # few jobs, so that each lives long enough to be worth it
    @rule(target=jobs, later=st.booleans(), serial=st.sampled_from(["", "", "a"]))
    def submit(self, later: bool, serial: str) -> Any:
        due = lifecycle.now() + timedelta(hours=1) if later else None
        kind, params = ("serial", {"feed": serial}) if serial else ("noop", {})
        job, made = lifecycle.submit(kind, params, due_at=due)
        assert made
        state = "scheduled" if later else "queued"
        self.model[job.uid] = Model(state, most=job.max_attempts, serial=serial, order=len(self.model))
        return job.uid

    @rule(uid=jobs, what=st.sampled_from(["cancel", "cancel", "retry", "submit", "take_back"]))
    def person(self, uid: Any, what: str) -> None:
        (self.take_back if what == "take_back" else getattr(self, f"{what}_again"))(uid)

    def submit_again(self, uid: Any) -> None:
        """A submit that is repeated with the same id gives the same job."""
        job, made = lifecycle.submit("noop", {}, uid=uid)
        assert (job.uid, made) == (uid, False)

    def cancel_again(self, uid: Any) -> None:
        it = self.model[uid]
        if it.state in ("succeeded", "failed"):
            with pytest.raises(lifecycle.NotInState):
                lifecycle.cancel(uid)
            return
        lifecycle.cancel(uid)
        if it.state in ("scheduled", "queued", "retrying"):
            it.waited, it.asked = it.state, True
            self.moves(uid, "cancelled")
        elif it.state == "running" and not it.asked:
            it.asked, it.version = True, it.version + 1

    def retry_again(self, uid: Any) -> None:
        it = self.model[uid]
        if it.state not in ("failed", "cancelled"):
            with pytest.raises(lifecycle.NotInState):
                lifecycle.retry(uid)
            return
        lifecycle.retry(uid)
        it.failures, it.asked = 0, False
        self.ended[uid] -= 1
        self.moves(uid, "queued")

    def take_back(self, uid: Any) -> None:
        it = self.model[uid]
        turn_is_taken = it.waited == "retrying" and not self.in_turn(uid, ("running", "retrying"))
        if it.state != "cancelled" or not it.waited or turn_is_taken:
            with pytest.raises(lifecycle.NotInState):
                lifecycle.take_back(uid)
            return
        lifecycle.take_back(uid)
        it.asked = False
        self.ended[uid] -= 1
        self.moves(uid, it.waited)

    # --- messages: each may come late, twice, or to two ---

    @rule(target=held, uid=jobs, times=st.integers(1, 2))
    def deliver(self, uid: Any, times: int) -> Any:
        got = [job for job in (lifecycle.claim(uid, f"w{n}@here", 1) for n in range(times)) if job]
        it = self.model[uid]
        may = it.state == "queued" and self.in_turn(uid)
        assert len(got) == may, (it, got)
        if not got:
            return multiple()
        it.attempt, it.beat = it.attempt + 1, it.beat + 1
        self.moves(uid, "running")
        assert (got[0].attempt, got[0].version) == (it.attempt, it.version)
        return got[0]

    # --- the holder, who may have lost its job long ago ---

    @rule(job=held, how=st.sampled_from(["beat", "progress"]))
    def holds_on(self, job: Job, how: str) -> None:
        getattr(self, how)(job)

    def beat(self, job: Job) -> None:
        received, it = lease.beat(job), self.model[job.uid]
        assert (received is not None) == self.holds(job)
        if received:
            it.beat += 1
            assert received.cancel_requested == it.asked

    def progress(self, job: Job) -> None:
        report = Report(str(job.uid), job.attempt)
        report.progress(3, 10)
        received = lease.flush(job, report.take())
        assert (received is not None) == self.holds(job)
        if received:
            self.model[job.uid].version += 1

    @rule(target=held, job=consumes(held), how=st.sampled_from(ENDS), again=st.booleans())
    def ends(self, job: Job, how: str, again: bool) -> Any:
        """Some try again: as one that did not learn that it worked, or as one that thaws."""
        self.end(job, how)
        return job if again else multiple()

    def end(self, job: Job, how: str) -> None:
        it, holds, news = self.model[job.uid], self.holds(job), Report().take()
        match how:
            case "succeed":
                left = lifecycle.succeed(job, {"n": 1}, news)
            case "fail":
                left = lifecycle.fail(job, WHY, news)
            case "retry_later":
                left = lifecycle.retry_later(job, 3600, WHY, news)
            case "ignore":
                left = lifecycle.ignore(job, "ignored by the task", news)
            case _:
                left = getattr(lifecycle, how)(job, news=news)
        assert (left is not None) == holds
        if not holds:
            if it.outcomes.get(job.attempt) == "lost":
                it.outcomes[job.attempt] = "fenced"
            return
        ended = {
            "succeed": ("succeeded", None), "fail": ("failed", "failed"), "retry_later": ("retrying", "retrying"),
            "cancel_acknowledged": ("cancelled", "cancelled"), "ignore": ("cancelled", "cancelled"),
            "release": ("queued", "released"),
        }  # fmt: skip
        if it.asked and how in ("retry_later", "release"):
            how = "cancel_acknowledged"  # nobody begins again what somebody wants to end
        state, outcome = ended[how]
        it.failures += how in ("fail", "retry_later")
        if outcome:
            it.outcomes[job.attempt] = outcome
        self.moves(job.uid, state)

    # --- what makes up for losses ---

    @rule(job=held, moved=st.sampled_from([False, False, False, True]))
    def reap(self, job: Job, moved: bool) -> None:
        """A reaper that saw this attempt; if its beat ``moved`` meanwhile it must not act."""
        it, holds = self.model[job.uid], self.holds(job)
        left = lifecycle.rescue(Job.objects.get(uid=job.uid) if holds else job, it.beat - moved)
        assert (left is not None) == (holds and not moved)
        if left is None:
            return
        it.outcomes[job.attempt] = "lost"
        if it.asked:
            self.moves(job.uid, "cancelled")
            return
        spent = it.failures + 1 >= it.most
        it.failures += 1
        self.moves(job.uid, "failed" if spent else "queued")

    @rule(uid=jobs)
    def time_passes(self, uid: Any) -> None:
        """What waits for its hour finds that it has come."""
        it = self.model[uid]
        Job.objects.filter(uid=uid, state__in=("scheduled", "retrying")).update(
            due_at=lifecycle.now() - timedelta(seconds=1)
        )
        woken = lifecycle.wake()
        assert woken == (it.state in ("scheduled", "retrying"))
        if woken:
            self.moves(uid, "queued")

    # --- the model's own ---

    def moves(self, uid: Any, state: str) -> None:
        it = self.model[uid]
        it.state, it.version = state, it.version + 1
        if state == "running":
            it.waited = ""
        if state in FINAL:
            self.ended[uid] = self.ended.get(uid, 0) + 1

    def holds(self, job: Job) -> bool:
        it = self.model[job.uid]
        return it.state == "running" and it.attempt == job.attempt

    def in_turn(self, uid: Any, before: tuple[str, ...] = ("running", "retrying", "queued")) -> bool:
        it = self.model[uid]
        others = [each for each in self.model.values() if it.serial and each is not it and each.serial == it.serial]
        return not any(each.state in before and (each.state != "queued" or each.order < it.order) for each in others)

    @invariant()
    def rows_are_what_the_model_says(self) -> None:
        rows = {row.uid: row for row in Job.objects.all()}
        assert rows.keys() == self.model.keys()
        for uid, it in self.model.items():
            row = rows[uid]
            asked = row.cancel_requested_at is not None
            found = (row.state, row.version, row.attempt, row.failures, row.beat, asked)
            assert found == (it.state, it.version, it.attempt, it.failures, it.beat, it.asked)
            assert (row.finished_at is not None) == (it.state in FINAL)
            assert self.ended.get(uid, 0) == (it.state in FINAL), "ended more than once"

    @invariant()
    def attempts_are_what_the_model_says(self) -> None:
        found: dict[Any, dict[int, str]] = {uid: {} for uid in self.model}
        for uid, number, outcome in Attempt.objects.values_list("job__uid", "number", "outcome"):
            assert number not in found[uid]
            found[uid][number] = outcome
        assert found == {uid: it.outcomes for uid, it in self.model.items()}

    @invariant()
    def no_hint_went_back(self) -> None:
        for summary in reported:
            before = self.reported.get(summary["id"], 0)
            assert summary["version"] > before, summary
            self.reported[summary["id"]] = summary["version"]
        reported.clear()


reported: list[dict[str, Any]] = []


@pytest.mark.django_db(transaction=True)
@pytest.mark.long
def test_the_life_of_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push, "job_changed", reported.append)
    monkeypatch.setattr(
        broker, "notify_workers", lambda messages: len(list(messages))
    )  # a message is lost, late or doubled: no matter
    profile = settings(
        max_examples=100, stateful_step_count=50, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate, Phase.shrink],
    )  # fmt: skip
    run_state_machine_as_test(Jobs, settings=profile)
    assert {state.value for state in State} >= set(FINAL)
