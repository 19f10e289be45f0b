"""How long jobs take while the push layer hangs, beside how long they take while it is well.

    python -m bench.push_hung [--rounds 10] [--jobs 4] [--postgres]

Jobs of a fixed length that report at every step run on two workers of two slots. In turns, the workers' link to the
push layer carries everything or swallows everything; each pair gives a ratio of two medians. Promised: within 5 %.
"""

import argparse
import os
import statistics
import tempfile
from pathlib import Path

from tests.faults.proxy import FAIR, HELD
from tests.faults.rig import Rig
from tests.support.processes import wait_until


def lasted(rig: Rig, jobs: int) -> float:
    """The median seconds from start to end of so many jobs that run at once."""
    ids = [rig.submit("paced", steps=50, pause=0.02).value for _ in range(jobs)]
    wait_until(lambda: all(rig.truth.jobs()[job].finished_at for job in ids), 60, "all have ended")
    rows = [rig.truth.jobs()[job] for job in ids]
    assert all(row.state == "succeeded" for row in rows)
    return statistics.median((row.finished_at - row.started_at).total_seconds() for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--postgres", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="signalbox-bench-") as folder:
        rig = Rig(Path(folder) / "rig", "postgres" if options.postgres else "sqlite")
        try:
            rig.start()
            lasted(rig, options.jobs)  # warm
            ratios = []
            for n in range(options.rounds):
                took = {}
                for hung in (False, True) if n % 2 else (True, False):
                    rig.work_layer.set(HELD if hung else FAIR)
                    took[hung] = lasted(rig, options.jobs)
                ratios.append(took[True] / took[False])
                print(f"well {took[False]:.3f} s, hung {took[True]:.3f} s: {ratios[-1] - 1:+.1%}", flush=True)
        finally:
            rig.stop()
    low, middle, high = min(ratios), statistics.median(ratios), max(ratios)
    print(f"median {middle - 1:+.1%}, from {low - 1:+.1%} to {high - 1:+.1%}; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
