"""The board: snapshot and patches lead every reader to the picture of the database, whatever hints do on their way."""

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from live import board as boards
from live import frames
from live.board import LIMITS, Board
from tests.support.live_parts import Page, summary, uid

EMPTY = {"stats": {}, "workers": [], "queues": []}


def picture(*jobs, **extras):
    return {"jobs": list(jobs), **EMPTY, **extras}


def agree(board, *jobs, **extras):
    board.begin()
    return board.diff(picture(*jobs, **extras))


class Reader:
    """A page, the place it has reached, and frames made from what it has missed."""

    def __init__(self, board, limit=frames.LIMIT):
        self.board, self.limit, self.page, self.place = board, limit, Page(), None

    def read(self):
        news = self.board.snapshot(self.limit) if self.place is None else self.board.since(self.place, self.limit)
        text = frames.frame("snapshot" if news.whole else "patch", self.page.n + 1, *news.members)
        self.page.take(json.loads(text))
        self.place = news.place
        return json.loads(text)

    def catch_up(self):
        for _ in range(10_000):
            if self.place == self.board.now:
                return self
            self.read()
        raise AssertionError("it never arrives")


# --- the property ----------------------------------------------------------------------------------------------------

STATES = ["queued", "running", "retrying", "succeeded", "failed", "cancelled", "scheduled"]
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("commit"), st.integers(0, 9), st.sampled_from(STATES)),
        st.tuples(st.just("hint"), st.integers(0, 400), st.integers(1, 3)),  # which of all hints so far, how often
        st.tuples(st.just("begin")),
        st.tuples(st.just("diff")),
        st.tuples(st.just("read"), st.integers(0, 2)),
        st.tuples(st.just("join"), st.integers(0, 2)),
    ),
    max_size=120,
)


class World:
    """A database in small: committed rows, hints that are under way, a picture that was read at some moment."""

    def __init__(self):
        self.rows, self.sent, self.board = {}, [], Board()
        self.read = None
        self.readers = [Reader(self.board, limit) for limit in (frames.LIMIT, 3_500, 1_800)]

    def commit(self, number, state):
        version = self.rows.get(number, {"version": 0})["version"] + 1
        self.rows[number] = summary(
            uid(number), version, state, started_at=f"2026-11-23T10:00:{version % 60:02d}.000000Z"
        )
        self.sent.append(self.rows[number])

    def picture(self):
        """The best of each section, as the real one."""
        found = []
        for section, limit in LIMITS.items():
            rows = [row for row in self.rows.values() if boards.SECTIONS.get(row["state"]) == section]
            found += sorted(rows, key=boards.rank)[:limit]
        counts = Counter(row["state"] for row in self.rows.values())
        return picture(*found, stats={"now": {state: counts[state] for state in STATES}, "last_hour": {}})

    def step(self, name, *args):
        match name:
            case "commit":
                self.commit(*args)
            case "hint" if self.sent:
                which, times = args
                self.board.apply([self.sent[which % len(self.sent)]] * times)
            case "begin":
                self.board.begin()
                self.read = self.picture()
            case "diff" if self.read:
                self.board.diff(self.read)
                self.read = None
            case "read":
                self.readers[args[0]].read()
            case "join":
                self.readers[args[0]] = Reader(self.board, self.readers[args[0]].limit)


@pytest.mark.long
@hypothesis_settings(max_examples=300, deadline=None)
@given(EVENTS)
def test_snapshot_and_patches_give_the_fresh_picture(events):
    """Hints are dropped, doubled, late and out of order; readers join late, read seldom, in frames of any size."""
    world, limits = World(), dict(LIMITS)
    LIMITS.update(running=3, queued=2, retrying=1, finished=3)
    try:
        for event in events:
            world.step(*event)
        for _ in range(2):  # a hint that came after the last read started is left alone once
            agree(world.board, *world.picture()["jobs"], stats=world.picture()["stats"])
        wanted = {row["id"]: row for row in world.picture()["jobs"]}
        assert {job: row.summary for job, row in world.board.rows.items()} == wanted
        for reader in world.readers:
            reader.catch_up()
            assert reader.page.jobs == wanted
            assert reader.page.extras["stats"] == world.picture()["stats"]
    finally:
        LIMITS.update(limits)


# --- hints -----------------------------------------------------------------------------------------------------------


def test_a_move_changes_the_counts_of_its_frame_where_it_is_known_from_where():
    board = Board()
    now, ended = {"scheduled": 0, "queued": 5, "running": 0}, {"succeeded": 7, "failed": 0}
    agree(board, summary(uid(1), 1, "queued"), stats={"now": now, "last_hour": ended})
    board.apply([summary(uid(1), 2, "running"), summary(uid(2), 1, "queued"), summary(uid(3), 1, "scheduled")])
    reader = Reader(board).catch_up()
    assert reader.page.extras["stats"]["now"] == {"scheduled": 1, "queued": 5, "running": 1}
    board.apply([summary(uid(1), 3, "failed"), summary(uid(1), 2, "running"), summary(uid(9), 4, "running")])
    assert reader.read()["stats"] == {
        "now": {"scheduled": 1, "queued": 5, "running": 0},
        "last_hour": {"succeeded": 7, "failed": 1},
    }


def test_the_newest_version_wins():
    board = Board()
    assert board.apply([summary(uid(1), 3, "running"), summary(uid(1), 2, "queued")])
    assert not board.apply([summary(uid(1), 3, "running")])
    assert board.rows[uid(1)].summary["version"] == 3


def test_a_bulk_submit_does_not_flood_the_board():
    board = Board()
    board.apply(summary(uid(i), 1, "queued") for i in range(10_000))
    assert len(board.rows) == LIMITS["queued"]
    board.apply([summary(uid(99_999), 1, "queued", priority=9)])  # next to run: it belongs on the board
    assert uid(99_999) in board.rows


def test_between_two_reconciles_the_board_has_a_limit():
    board = Board()
    board.apply(
        summary(uid(i), 9, "succeeded", finished_at=f"2026-11-23T10:{i // 60 % 60:02d}:{i % 60:02d}.000000Z")
        for i in range(3_500)
    )
    assert LIMITS["finished"] < len(board.rows) <= boards.ROOM


def test_only_a_reconcile_removes():
    board = Board()
    agree(board, *(summary(uid(i), 1, "running") for i in range(300)))
    board.apply([summary(uid(0), 2, "succeeded"), summary(uid(1), 2, "scheduled")])
    assert len(board.rows) == 300
    assert agree(board, *(summary(uid(i), 1, "running") for i in range(2, 300)))
    assert len(board.rows) == 298


def test_what_a_hint_said_during_the_read_is_kept_until_the_next_one():
    board = Board()
    board.begin()
    board.apply([summary(uid(1), 2, "running")])
    board.diff(picture())
    assert uid(1) in board.rows
    agree(board)
    assert uid(1) not in board.rows


def test_a_late_hint_brings_nothing_back_that_was_taken_away():
    """It ended, and fifty others after it: what an overtaken hint tells of it is older than what was shown."""
    board = Board()
    agree(board, summary(uid(1), 2, "running"))
    agree(board)
    assert not board.apply([summary(uid(1), 1, "queued"), summary(uid(1), 2, "running")])
    assert board.apply([summary(uid(1), 3, "running")])


def test_a_version_that_was_never_committed_is_healed():
    board = Board()
    reader = Reader(board)
    agree(board, summary(uid(1), 2, "running"))
    reader.catch_up()
    board.apply([summary(uid(1), 999, "failed")])
    assert reader.catch_up().page.states() == {uid(1): ("failed", 999)}
    for _ in range(3):
        agree(board, summary(uid(1), 2, "running"))
        reader.catch_up()
    assert reader.page.states() == {uid(1): ("running", 2)}


# --- readers ---------------------------------------------------------------------------------------------------------


def test_what_was_overtaken_is_left_out():
    board = Board()
    agree(board, summary(uid(1), 1, "queued"))
    reader = Reader(board).catch_up()
    for version in range(2, 50):
        board.apply([summary(uid(1), version, "running")])
    assert [job["version"] for job in reader.read()["jobs"]] == [49]
    assert reader.place == board.now


def test_every_frame_fits():
    board = Board()
    agree(board, *(summary(uid(i), 1, "running", error="x" * 100_000) for i in range(300)))
    reader = Reader(board)
    while reader.place != board.now:
        reader.read()
        assert len(json.dumps(reader.page.frames[-1], separators=(",", ":"))) <= frames.LIMIT
    assert len(reader.page.frames) > 1
    assert reader.page.jobs.keys() == board.rows.keys()


def test_a_large_snapshot_arrives_although_removals_were_forgotten(monkeypatch):
    monkeypatch.setattr(boards, "REMEMBERED", 3)
    board = Board()
    agree(board, *(summary(uid(i), 1, "running") for i in range(40)))
    agree(board, *(summary(uid(i), 1, "running") for i in range(10, 40)))
    reader = Reader(board, limit=4_000).catch_up()
    assert reader.page.jobs.keys() == board.rows.keys()


def test_who_has_missed_too_many_removals_gets_a_snapshot(monkeypatch):
    monkeypatch.setattr(boards, "REMEMBERED", 3)
    board = Board()
    agree(board, *(summary(uid(i), 1, "running") for i in range(10)))
    reader = Reader(board).catch_up()
    agree(board, summary(uid(9), 1, "running"))
    assert reader.read()["type"] == "snapshot"
    assert reader.page.jobs.keys() == {uid(9)}


def test_only_what_differs_is_sent():
    board = Board()
    worker = {"name": "w1", "beat_age_s": 0.3, "alive": True}
    agree(board, summary(uid(1)), workers=[worker])
    reader = Reader(board).catch_up()
    assert not agree(board, summary(uid(1)), workers=[worker | {"beat_age_s": 2.9}])
    assert agree(board, summary(uid(1)), workers=[worker | {"beat_age_s": 12.0, "alive": False}])
    frame = reader.read()
    assert frame["workers"] == [worker | {"beat_age_s": 12.0, "alive": False}]
    assert frame.keys() == {"type", "n", "workers"}


@pytest.mark.parametrize("state", ["running", "queued", "retrying", "succeeded"])
def test_the_order_of_each_section(state):
    """Oldest running, next to run, next due, newest finished: first."""
    early, late = "2026-11-23T10:00:00.000000Z", "2026-11-23T10:00:00.500000Z"
    times = {"running": "started_at", "retrying": "due_at", "succeeded": "finished_at"}
    first, second = (early, late) if state != "succeeded" else (late, early)
    if state == "queued":
        a, b = summary(uid(2), 1, state, priority=9), summary(uid(1), 1, state, priority=5)
    else:
        a, b = summary(uid(2), 1, state, **{times[state]: first}), summary(uid(1), 1, state, **{times[state]: second})
    assert boards.rank(a) < boards.rank(b)


def test_a_repair_is_a_row_that_no_hint_brought():
    board = Board()
    first, second = summary(state="running"), summary(state="running")
    board.apply([first])
    agree(board, first, second)  # the hint of the second may be late only
    board.apply([second])
    agree(board, first, second)
    assert board.repairs == 0
    agree(board, first | {"version": 2}, second, third := summary(state="running"))
    agree(board, first | {"version": 2}, second, third)
    assert board.repairs == 2
    agree(board, first | {"version": 2}, second, third)
    assert board.repairs == 2


def test_rows_that_move_up_within_a_limit_are_no_repairs():
    board = Board()
    waiting = [summary(priority=5) for _ in range(LIMITS["queued"] + 5)]
    board.apply(waiting[: LIMITS["queued"]])
    agree(board, *waiting[: LIMITS["queued"]])
    running = [job | {"version": 2, "state": "running"} for job in waiting[:5]]
    board.apply(running)
    for _ in range(2):
        agree(board, *running, *waiting[5:])
    assert board.repairs == 0
