"""THE checker: reads jobs, attempts, effects, the file of what ran and every recorded frame; raises on the first lie.

It trusts nothing but these records, and knows the rules of docs/lifecycle.md and docs/protocol.md, not the code. It can
be asked again and again as the rig goes on: frames are read once, rows each time.
"""

import json
from collections import Counter, defaultdict
from datetime import datetime
from itertools import pairwise
from typing import Any

from tests.faults.recorder import Recorder, Seen
from tests.faults.rig import Rig
from tests.faults.truth import FINAL, Attempt, Row
from tests.faults.witness import Witness

# state → the states that the next version may have; the same state is progress, a log line or a request to cancel
MOVES = {
    "scheduled": {"queued", "cancelled"},
    "queued": {"running", "cancelled"},
    "running": {"running", "queued", "retrying", "succeeded", "failed", "cancelled"},
    "retrying": {"queued", "cancelled"},
    "succeeded": set(),
    "failed": {"queued"},
    "cancelled": {"queued"},
}
LOSSES = ("lost", "failed", "retrying", "fenced")  # outcomes that may count against max_attempts
CLOCK_S = 0.25  # the rig reads a frame's time when it gets to it


class Lie(AssertionError):
    """An invariant does not hold; the text says which, and of what."""


def insist(true: object, sentence: str, *facts: Any) -> None:
    if not true:
        raise Lie(" ".join([sentence, *(f"{fact}" for fact in facts)])[:3000])


class Checker:
    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.versions: dict[str, dict[int, dict[str, Any]]] = defaultdict(dict)  # job → version → its summary
        self.frames = 0
        self._read: dict[str, int] = {}
        self._viewers: dict[str, Viewer] = {}

    def settled(self) -> bool:
        """Has every job ended, and does every connected client show what the database says?"""
        return self.rig.truth.unfinished() == 0 and self.disagreement() is None

    def check(self) -> dict[str, int]:
        """All of it. Returns what there was to judge, by name, for the summary."""
        rows, attempts = self.rig.truth.jobs(), self.rig.truth.attempts()
        runs = [json.loads(line) for line in self.rig.runs.read_text().splitlines()]
        self.accepted(rows)
        self.ended(rows, attempts)
        self.ran(rows, runs)
        self.effects(rows)
        insist(not self.rig.witness.taken_back, "committed, and taken back:", self.rig.witness.taken_back[:3])
        self.seen(rows)
        insist((wrong := self.disagreement()) is None, "a page is not what the database says:", wrong)
        lost = Counter(attempt.outcome for attempt in attempts)
        return {"jobs": len(rows), "attempts lost": lost["lost"] + lost["fenced"], "frames": self.frames}

    # --- jobs ---------------------------------------------------------------------------------------------------

    def accepted(self, rows: dict[str, Row]) -> None:
        """What was accepted is there, once, and nothing else is."""
        missing = [job for job in self.rig.accepted if job not in rows]
        insist(not missing, "accepted, and gone:", missing)
        keys = Counter(row.key for row in rows.values() if row.key)
        insist(all(n == 1 for n in keys.values()), "one key made several jobs:", keys.most_common(3))
        unknown = [row for row in rows.values() if row.key and row.uid not in self.rig.accepted]
        insist(not unknown, "jobs that nobody was promised:", unknown[:3])

    def ended(self, rows: dict[str, Row], attempts: list[Attempt]) -> None:
        """Each ended once, in the state that its attempts tell; no number twice, none left out, none beside another."""
        of: dict[int, list[Attempt]] = defaultdict(list)
        for attempt in attempts:
            of[attempt.job].append(attempt)
        for row in rows.values():
            insist(row.state in FINAL, "in limbo:", row)
            own = of[row.id]
            numbers = [attempt.number for attempt in own]
            whole = row.attempt if row.state != "succeeded" else row.attempt - 1  # a success is the job's row itself
            insist(numbers == list(range(1, whole + 1)), "attempts are missing or doubled:", row, own)
            self._agrees(row, own)
            for before, after in pairwise(own):
                insist(after.started_at >= before.finished_at, "two attempts at once:", row, before, after)

    def _agrees(self, row: Row, own: list[Attempt]) -> None:
        last = own[-1].outcome if own else None
        if row.state == "failed":
            insist(last in ("failed", "lost", "fenced"), "failed, but its last attempt did not:", row, own)
        if row.state == "cancelled" and row.uid not in self.rig.meant:
            raise Lie(f"cancelled, and nobody asked for it: {row}")
        counted = sum(attempt.outcome in LOSSES for attempt in own)
        insist(counted <= row.max_attempts or row.uid in self.rig.meant, "tried more often than allowed:", row, own)
        insist(not any(attempt.outcome == "succeeded" for attempt in own), "a success as an attempt:", row, own)

    def ran(self, rows: dict[str, Row], runs: list[dict[str, Any]]) -> None:
        """No attempt ran twice; nothing ran under a number that was never given; a success ran to its end."""
        said = Counter((run["job"], run["attempt"], run["what"]) for run in runs)
        insist(all(n == 1 for n in said.values()), "an attempt ran twice:", said.most_common(3))
        for job, attempt, _ in said:
            insist(job in rows and attempt <= rows[job].attempt, "ran without a claim:", job, attempt, rows.get(job))
        for row in rows.values():
            if row.state == "succeeded" and row.kind != "noop":
                insist((row.uid, row.attempt, "end") in said, "succeeded without having run to its end:", row)

    def effects(self, rows: dict[str, Row]) -> None:
        """Not one twice, and none missing where the job says that it was done."""
        done = Counter(job for job, _ in self.rig.truth.traces())
        doubled = [job for job, n in done.items() if n > 1]
        insist(not doubled, "an effect happened twice:", doubled)
        lacking = [
            r
            for r in rows.values()
            if r.state == "succeeded" and r.kind in ("traced", "stumbles") and r.uid not in done
        ]
        insist(not lacking, "succeeded without its effect:", lacking[:3])

    # --- what people were shown ---------------------------------------------------------------------------------

    def seen(self, rows: dict[str, Row]) -> None:
        lies: list[Lie] = []
        for recorder in list(self.rig.clients.all):
            viewer = self._viewers.setdefault(recorder.name, Viewer(recorder.name, self.rig.witness))
            start, frames = self._read.get(recorder.name, 0), recorder.seen
            self._read[recorder.name] = end = len(frames)  # what was wrong once is not reported again
            self.frames += end - start
            for seen in frames[start:end]:
                try:
                    viewer.take(seen)
                    for job in viewer.said(seen.frame):
                        self._once(job, recorder.name)
                except Lie as lie:  # the others are read nevertheless, or the next scenario would trip over them
                    lies.append(lie)
        if lies:
            raise Lie(f"{len(lies)} of {self.frames} frames: {lies[0]}")
        self._moves(rows)

    def _once(self, job: dict[str, Any], who: str) -> None:
        """One version of one job is one thing, in every frame that has it."""
        known = self.versions[job["id"]].setdefault(job["version"], job)
        insist(known == job, f"two stories of one version ({who}):", known, job)

    def _moves(self, rows: dict[str, Row]) -> None:
        for job, versions in self.versions.items():
            insist(job in rows, "shown, but never there:", job)
            insist(max(versions) <= rows[job].version, "shown newer than it is:", rows[job], versions[max(versions)])
            for version, summary in versions.items():
                following = versions.get(version + 1)
                if following is not None:
                    before, after = summary["state"], following["state"]
                    insist(after in MOVES[before], f"moved from {before} to {after}:", summary, following)

    def disagreement(self) -> str | None:
        """The first client whose picture is not the database's, and in what; None: all are right."""
        board = self.rig.inside.get("board")
        truth = {job["id"]: job for job in board["jobs"]}
        for recorder in list(self.rig.clients.all):
            if not recorder.acks:
                continue
            shown = recorder.picture.jobs
            if not recorder.live:
                return f"{recorder.name} is not connected"
            if shown != truth:
                wrong = [job for job in {*shown, *truth} if shown.get(job) != truth.get(job)]
                return f"{recorder.name}: {len(wrong)} rows: {shown.get(wrong[0])} / {truth.get(wrong[0])}"
            if recorder.picture.extras.get("stats") != board["stats"]:
                return f"{recorder.name}: {recorder.picture.extras.get('stats')} / {board['stats']}"
        return None


class Viewer:
    """One client, as somebody who looks at it all the time would judge it."""

    def __init__(self, name: str, witness: Witness) -> None:
        self.name, self.witness, self.connection, self.n = name, witness, 0, 0
        self.highest: dict[str, int] = {}  # job → the highest version ever shown: a screen never goes back behind it
        self.shown: dict[str, dict[str, Any]] = {}
        # of these, the ones that are said not to have ended, and when the page learnt that
        self.alive: dict[str, tuple[dict[str, Any], float]] = {}

    @staticmethod
    def said(frame: dict[str, Any]) -> list[dict[str, Any]]:
        return frame.get("jobs", [])

    def take(self, seen: Seen) -> None:
        frame = seen.frame
        if seen.connection != self.connection:
            self.connection, self.n = seen.connection, 0
        if "n" in frame:
            insist(frame["n"] > self.n, f"{self.name}: n went from {self.n} to {frame['n']}")
            self.n = frame["n"]
        if frame["type"] == "snapshot":
            self.shown, self.alive = {}, {}
        for job in frame.get("gone", ()):
            self.shown.pop(job, None)
            self.alive.pop(job, None)
        for job in self.said(frame):
            known = self.shown.get(job["id"])
            if known is None or known["version"] < job["version"]:
                self._show(job, seen.wall)
        if "as_of" in frame and self.n:  # a beat before the first snapshot does not speak of what an earlier one left
            self._honest(seen)

    def _show(self, job: dict[str, Any], at: float) -> None:
        highest = self.highest.get(job["id"], 0)
        insist(job["version"] >= highest, f"{self.name}: went back behind version {highest}:", job)
        self.highest[job["id"]] = job["version"]
        self.shown[job["id"]] = job
        self.alive.pop(job["id"], None)
        if job["state"] not in FINAL:
            self.alive[job["id"]] = (job, at)

    def _honest(self, seen: Seen) -> None:
        """``as_of`` is not in the future, ``age`` agrees with it, and what was shown before it is no older than what
        was committed by then. (A hint that came after it is as new as it says; the next ``as_of`` answers for it.)"""
        as_of = datetime.fromisoformat(seen.frame["as_of"]).timestamp()
        late = seen.wall - (as_of + seen.frame["age"])
        insist(late > -CLOCK_S, f"{self.name}: as_of and age lie in the future by {-late:.3f} s:", seen.frame)
        for job, shown_at in self.alive.values():
            if shown_at < as_of and (reached := self.witness.version(job["id"], as_of)) > job["version"]:
                facts = {kind: value for kind, value in seen.frame.items() if kind in ("type", "n", "as_of", "age")}
                insist(False, f"{self.name}: {facts} shows what was at version {reached} by then as", job)


def live(recorders: list[Recorder]) -> int:
    return sum(recorder.live for recorder in recorders)
