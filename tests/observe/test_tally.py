"""The heartbeat as a checksum."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.observe.tally import Beat, Tally


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
