"""The fold: events of two attempts on two workers in every order, doubled, late and lost."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.observe import rows
from tasks.observe.events import Event
from tasks.observe.fold import FINAL, Mark, Task, add, apply, attempts, view

WORKERS = (("w1@a", 11), ("w2@b", 22))
SUPPORT = {  # what must have been said for a state to be shown
    "queued": {"task-sent", "task-received", "task-rejected"},
    "scheduled": {"task-sent", "task-received"},
    "running": {"task-started"},
    "retrying": {"task-retried", "task-received"},
    "succeeded": {"task-succeeded"},
    "failed": {"task-failed", "task-rejected"},
    "cancelled": {"task-revoked"},
}


class Life:
    """What truly happens to one task, as events in the order in which they are sent."""

    def __init__(self, later: float = 0.0) -> None:
        self.events: list[Event] = []
        self.clocks = dict.fromkeys(WORKERS, 0)
        self.at = 1_700_000_000.0 + later

    def say(self, worker: int, kind: str, **facts) -> "Life":
        process = WORKERS[worker]
        self.clocks[process] += 1
        self.at += 1.0
        self.events.append(Event(f"task-{kind}", *process, self.clocks[process], self.at, "t", facts))
        return self


def two_attempts(first: int, second: int, end: str, overlap: bool) -> Life:
    """An attempt that is retried, and another. ``overlap``: the next is received before the first has ended."""
    life = Life().say(first, "received", name="a", retries=0).say(first, "started")
    if overlap:
        life.say(second, "received", name="a", retries=1).say(first, "retried", exception="x")
    else:
        life.say(first, "retried", exception="x").say(second, "received", name="a", retries=1)
    facts = {"result": "1"} if end == "succeeded" else {"exception": "y"}
    return life.say(second, "started").say(second, end, **facts)


def folded(found: list[Event]) -> Task:
    task = Task("t")
    for event in found:
        apply(task, event)
    return task


lives = st.builds(
    two_attempts,
    st.sampled_from([0, 1]),
    st.sampled_from([0, 1]),
    st.sampled_from(["succeeded", "failed"]),
    st.booleans(),
)


@pytest.mark.long
@given(lives, st.randoms(use_true_random=False), st.data())
@settings(max_examples=400, deadline=None)
def test_whatever_the_order_and_however_often_the_end_is_the_same(life, chance, data):
    wanted = view(folded(life.events))
    doubled = life.events + data.draw(st.lists(st.sampled_from(life.events), max_size=8))
    chance.shuffle(doubled)
    shown = view(folded(doubled))
    assert (shown.stage, shown.started, shown.finished) == (wanted.stage, wanted.started, wanted.finished)
    assert [(each.n, each.how, each.process) for each in shown.attempts] == [
        (each.n, each.how, each.process) for each in wanted.attempts
    ]
    assert wanted.stage == life.events[-1].kind.removeprefix("task-")
    assert [each.how for each in wanted.attempts] == ["retrying", wanted.stage]


@pytest.mark.long
@given(lives, st.randoms(use_true_random=False), st.data())
@settings(max_examples=400, deadline=None)
def test_no_state_is_shown_that_nobody_said(life, chance, data):
    kept = [event for event in life.events if data.draw(st.booleans())]
    chance.shuffle(kept)
    task = Task("t")
    for at, event in enumerate(kept):
        apply(task, event)
        said = {each.kind for each in kept[: at + 1]}
        assert said & SUPPORT[view(task).stage], (said, view(task).stage)
    shown = view(task)
    ends = [event for event in kept if event.kind in ("task-succeeded", "task-failed")]
    if kept and ends:  # the last attempt's end was heard: whatever else is lost, that is what is shown
        assert shown.stage == ends[-1].kind.removeprefix("task-")
    if shown.stage in FINAL:
        assert ends


@given(lives, st.data())
@settings(max_examples=200, deadline=None)
def test_the_same_again_changes_nothing(life, data):
    task = folded(life.events)
    for event in data.draw(st.permutations(life.events)):
        assert not apply(task, event)


def test_the_order_on_arrival_that_was_seen_ends_as_it_truly_did():
    """The message of the next attempt is received before the worker says that the one before ended."""
    life = Life()
    for kind, retries in (("received", 0), ("started", None), ("received", 1), ("retried", None), ("started", None),
                          ("received", 2), ("retried", None), ("started", None), ("failed", None)):  # fmt: skip
        life.say(0, kind, **({} if retries is None else {"retries": retries}))
    shown = view(folded(life.events))
    assert [(each.n, each.how) for each in shown.attempts] == [(0, "retrying"), (1, "retrying"), (2, "failed")]
    assert shown.stage == "failed"


def test_a_terminated_attempt_was_not_a_success_although_it_says_so():
    life = (
        Life().say(0, "received").say(0, "started").say(0, "revoked", terminated=True).say(0, "succeeded", result="1")
    )
    for _ in range(10):
        random.shuffle(life.events)
        assert view(folded(life.events)).stage == "cancelled"


def test_a_hard_time_limit_says_twice_that_it_failed():
    life = Life().say(0, "received").say(0, "started").say(0, "failed", exception="a").say(0, "failed", exception="b")
    shown = view(folded(life.events))
    assert (shown.stage, len(shown.attempts)) == ("failed", 1)
    assert shown.newest.facts["exception"] == "a"


def test_a_message_that_came_again_to_another_worker_is_another_attempt():
    life = Life().say(0, "received", retries=0).say(0, "started").say(1, "received", retries=0).say(1, "started")
    shown = view(folded(life.events))
    assert (shown.stage, shown.newest.process, len(shown.attempts)) == ("running", WORKERS[1], 2)
    life.say(1, "succeeded")
    assert view(folded(life.events)).stage == "succeeded"


@pytest.mark.parametrize(("requeue", "stage"), [(True, "queued"), (False, "failed")])
def test_a_rejected_task_waits_again_or_has_failed(requeue, stage):
    life = Life().say(0, "received").say(0, "started").say(0, "rejected", requeue=requeue)
    assert view(folded(life.events)).stage == stage


@pytest.mark.parametrize("year", [2030, 2199, 9999])
def test_a_task_with_an_eta_is_scheduled_until_it_starts(year):
    life = Life().say(0, "received", eta=f"{year}-01-01T00:00:00+00:00")
    assert view(folded(life.events)).stage == "scheduled"
    life.say(0, "started")
    assert view(folded(life.events)).stage == "running"


def test_what_was_only_sent_waits_and_what_was_revoked_unseen_is_cancelled():
    life = Life().say(0, "sent", name="a", queue="q", retries=0)
    assert view(folded(life.events)).stage == "queued"
    assert folded(life.events).queue == "q"
    assert view(folded(Life().say(0, "revoked", expired=True).events)).stage == "cancelled"


def test_a_title_names_keyword_arguments_as_a_call_does():
    assert rows.title({"args": "(8127,)", "kwargs": "{'amount': 69, 'to': 'a@b'}"}) == "8127, amount=69, to='a@b'"
    assert rows.title({"args": [8127], "kwargs": {"amount": 69}}) == "8127, amount=69"
    assert rows.title({"args": "()", "kwargs": "{}"}) == ""


@pytest.mark.parametrize("runs", [False, True])
@pytest.mark.parametrize("later", [-0.1, 0.1])
def test_a_look_that_was_quicker_than_the_events_saw_the_same_attempt(runs, later):
    """RabbitMQ has kept events while nobody watched; the worker is asked before they are read."""
    life = Life().say(0, "received", name="a", retries=0).say(0, "started").say(0, "succeeded", result="1")
    for known in range(4):
        task, process = Task("t"), WORKERS[0]
        at = life.events[0].at - later
        add(task, process, Mark(0, "received", at, 0, {}, "inspect"))
        if runs:
            add(task, process, Mark(0, "started", life.events[1].at, None, {}, "inspect"))
        for event in life.events[:known]:
            apply(task, event)
        assert len(attempts(task)) == 1
        assert view(task).stage == ("succeeded" if known == 3 else "running" if runs or known == 2 else "queued")
