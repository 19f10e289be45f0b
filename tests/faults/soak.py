"""Random faults, one after the other or two at once, under a steady load, for as long as asked: `script/soak`.

The rig and the checker are those of the tests. After every few faults all is healed, and THE checker judges everything
since the start. The same seed draws the same faults; what the machine makes of them differs from run to run.
"""

import argparse
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from tests.faults import weather
from tests.faults.checker import Checker, Lie
from tests.faults.rig import Rig
from tests.support.processes import wait_until

SETTLE_S = 90.0


class Load(threading.Thread):
    """Somebody who submits all the time, but for pauses."""

    def __init__(self, rig: Rig) -> None:
        super().__init__(name="soak-load", daemon=True)
        self.rig, self.goes_on, self.error = rig, threading.Event(), None
        self.resting = threading.Lock()

    def run(self) -> None:
        try:
            while self.goes_on.wait(3600):
                with self.resting:
                    self.rig.submit_some(3, seconds=0.3)
                time.sleep(0.15)
        except Exception as error:
            self.error = error


class Soak:
    def __init__(self, rig: Rig, seed: int, only: list[str]) -> None:
        self.rig, self.checker, self.dice = rig, Checker(rig), random.Random(seed)
        self.faults = {name: weather.ALL[name] for name in only or weather.ALL}
        self.struck: Counter[str] = Counter()
        self.healed: list[float] = []
        self.load = Load(rig)
        self.began = time.monotonic()

    def say(self, text: str) -> None:
        print(f"{time.monotonic() - self.began:7.1f} s  {text}", flush=True)

    def run(self, seconds: float, strikes: int | None) -> dict[str, int]:
        self.load.goes_on.set()
        self.load.start()
        left, judged = strikes, {}
        while (time.monotonic() - self.began < seconds) if left is None else left > 0:
            for _ in range(self.dice.randint(2, 4) if left is None else min(5, left)):
                time.sleep(self.dice.uniform(0, 2))
                self.strike()
                left = left if left is None else left - 1
            judged = self.judge()
        return judged

    def strike(self) -> None:
        """One fault; in one case of four another at the same time."""
        names = self.dice.sample(sorted(self.faults), min(len(self.faults), 2 if self.dice.random() < 0.25 else 1))
        dice = [random.Random(self.dice.random()) for _ in names]
        said: list[str] = []

        def one(name: str, own: random.Random) -> None:
            try:
                said.append(f"{name} {self.faults[name](self.rig, own)}".strip())
                self.struck[name] += 1
            except Exception as error:  # a fault that hits what another has just killed; the judge sees to the rest
                said.append(f"{name} missed ({type(error).__name__})")

        threads = [threading.Thread(target=one, args=pair) for pair in zip(names, dice, strict=True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.say(" + ".join(said))

    def judge(self) -> dict[str, int]:
        """Heal all, let all end, judge all. Raises Lie."""
        self.rig.heal()
        with self.load.resting:
            began = time.monotonic()
            try:
                wait_until(self.checker.settled, SETTLE_S, "every job ended and every page right")
            except AssertionError as error:
                alive = [row for row in self.rig.truth.jobs().values() if row.finished_at is None][:3]
                raise Lie(f"{error}: {self.checker.disagreement()}; alive: {alive}") from None
            self.healed.append(time.monotonic() - began)
            judged = self.checker.check()
        if self.load.error:
            raise Lie(f"the load ended: {self.load.error!r}")
        self.say(f"healed {self.healed[-1]:.1f} s after; all true of {judged}")
        return judged


def main() -> int:
    parser = argparse.ArgumentParser(prog="script/soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10, help="how long (default: 10)")
    parser.add_argument("--seed", type=int, default=None, help="draws the same faults again (default: a new one)")
    parser.add_argument("--postgres", action="store_true", help="on a PostgreSQL of its own instead of SQLite")
    parser.add_argument("--only", nargs="+", choices=sorted(weather.ALL), default=[], metavar="FAULT")
    parser.add_argument("--strikes", type=int, default=None, help="so many faults, however long it takes")
    said = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if said.seed is None else said.seed
    with tempfile.TemporaryDirectory(prefix="signalbox-soak-") as folder:
        rig = Rig(Path(folder) / "rig", "postgres" if said.postgres else "sqlite", seed=seed)
        try:
            rig.start()
            for link in rig.to_web:
                rig.clients.add(link.port, rig.sessions, 2)
            soak = Soak(rig, seed, said.only)
            soak.say(f"seed {seed}, {'PostgreSQL' if said.postgres else 'SQLite'}, two workers, two web processes")
            judged = soak.run(said.minutes * 60, said.strikes)
        except Lie as lie:
            print(f"NOT TRUE (seed {seed}): {lie}", file=sys.stderr)
            for log in sorted(rig.folder.glob("*.log")):
                print(f"--- {log.name}: {log.read_text(errors='replace')[-1500:]}", file=sys.stderr)
            return 1
        finally:
            rig.stop()
    struck = ", ".join(f"{n} {name}" for name, n in sorted(soak.struck.items()))
    print(f"seed {seed}: {soak.struck.total()} faults ({struck}); {judged}")
    print(f"Nothing lost, nothing doubled, no screen lied; healed after {max(soak.healed):.1f} s at most.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
