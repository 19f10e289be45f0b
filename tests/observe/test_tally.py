"""The heartbeat as a checksum."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.observe.tally import Beat, Tally


@pytest.mark.long
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 5)), min_size=2, max_size=12))
@settings(max_examples=300, deadline=None)
def test_what_nobody_saw_is_counted_exactly_at_the_next_beat(rounds):
    """Each round: starts that are seen, starts that are lost, and how many seen ones come only after the beat."""
    tally, clock, processed, lost = Tally(), 0, 1000, 0
    tally.beat(Beat(clock := clock + 1, processed, 0, 0.0))
    late: list[int] = []
    for seen, unseen, overtaken in rounds:
        for each in late:  # the beat overtook these
            tally.started(each)
            tally.ended(each)
        clocks = [clock := clock + 1 for _ in range(seen)]
        late = clocks[-overtaken:] if overtaken else []
        for each in clocks[: seen - len(late)]:
            tally.started(each)
            tally.ended(each)
        clock += unseen
        processed += seen + unseen
        before = tally.unseen
        judged = tally.beat(Beat(clock := clock + 1, processed, 0, 0.0))
        assert tally.unseen == lost
        assert judged.unseen == lost - before
        lost += unseen
    for each in late:
        tally.started(each)
    tally.beat(Beat(clock + 1, processed, 0, 0.0))
    assert tally.unseen == lost


TASKS = st.tuples(
    st.integers(0, 12), st.integers(0, 6),  # when it starts, and how long it runs
    st.sampled_from(["at once", "late", "never"]), st.sampled_from(["at once", "late", "never"]),
)  # fmt: skip


@pytest.mark.long
@given(st.lists(TASKS, max_size=12), st.sets(st.integers(1, 20)), st.integers(-1, 12))
@settings(max_examples=1000, deadline=None)
def test_what_a_look_finds_running_and_what_ends_with_a_word_was_seen(tasks, looks, first):
    """A beat after each step, and looks at some. What is said late is overtaken by one beat. ``first``: the step from
    which on somebody listens, in which nothing is lost; -1: from the beginning."""
    tally, clock, processed, active, late = Tally(base=0 if first < 0 else None), 0, 0, set(), []
    found, seen = {}, set()  # task → what had been heard when a look found it

    def say_start(task: int, at: int) -> None:
        tally.hear(at, 0.0, 0.0)
        tally.said(at, found[task]) if task in found else tally.started(at)
        seen.add(task)

    def say_end(task: int, at: int) -> None:
        nonlocal late
        for say, *what in [each for each in late if each[1] == task]:
            say(*what)  # a process keeps the order of what it says
        late = [each for each in late if each[1] != task]
        tally.hear(at, 0.0, 0.0)
        tally.ended(at, unseen_start=task not in seen)
        seen.add(task)

    for step in range(24):
        now, late = late, []
        for say, task, at in now:
            say(task, at)
        for task, (start, runs, start_said, end_said) in enumerate(tasks):
            for say, when, said in ((say_start, start, start_said), (say_end, start + runs + 0.5, end_said)):
                if int(when) != step:
                    continue
                clock += 1
                if say is say_start:
                    processed += 1
                    active.add(task)
                else:
                    active.discard(task)
                if step >= first and said == "at once":
                    say(task, clock)
                elif step == first or (step > first and said == "late"):
                    late.append((say, task, clock))
        if step in looks and step > first:
            for task in active - seen:
                tally.found()
                found[task] = tally.clock
                seen.add(task)
        if step >= first:
            clock += 1
            tally.hear(clock, 0.0, 0.0)
            tally.beat(Beat(clock, processed, len(active), 0.0))
    over = {task for task, (start, runs, *_) in enumerate(tasks) if start + runs <= first}  # at the first beat
    assert tally.unseen == len(set(range(len(tasks))) - seen - over)


def test_a_row_that_runs_for_ever_is_noticed_within_two_beats():
    tally = Tally()
    tally.beat(Beat(1, 0, 0, 0.0))
    tally.started(2)  # its end is lost
    assert not tally.beat(Beat(4, 1, 0, 2.0)).stale
    assert not tally.beat(Beat(5, 1, 0, 4.0)).stale
    assert tally.beat(Beat(6, 1, 0, 6.0)).stale
    tally.looked(running=0)
    assert not tally.beat(Beat(7, 1, 0, 8.0)).stale


def test_an_end_whose_start_was_lost_is_a_start_that_was_seen():
    tally = Tally()
    tally.beat(Beat(1, 0, 0, 0.0))
    tally.ended(3, unseen_start=True)
    tally.beat(Beat(4, 1, 0, 2.0))
    assert tally.beat(Beat(5, 1, 0, 4.0)).unseen == 0


def test_silence_is_measured_from_the_last_word():
    tally = Tally()
    tally.hear(1, 100.0, 99.9)
    assert not tally.is_silent(105.9)
    assert tally.is_silent(106.1)
    assert round(tally.skew, 3) == 0.1
