"""Two small kinds: one that does nothing, and one that takes its time."""

import time

from tasks.base import job
from tasks.engine.report import Report
from tasks.kinds.sample import sample


@job(effects="none")
def noop() -> None:
    """Do nothing, as quickly as a job can."""


@sample(effects="none")
def countdown(report: Report, seconds: int = 10, steps: int = 10, fail: bool = False) -> dict[str, int]:
    """Count down, and fail at the end if you wish."""
    if not 0 <= seconds <= 86_400 or not 1 <= steps <= 100_000:
        raise ValueError("Seconds must be from 0 to 86400, steps from 1 to 100000.")
    started = time.monotonic()
    for step in range(1, steps + 1):
        _sleep_until(started + seconds * step / steps, report)
        report.progress(step, steps, _note(seconds - seconds * step // steps))
    report.log("Counted down to zero.")
    if fail:
        raise RuntimeError("It failed, as it was asked to.")
    return {"seconds": seconds, "steps": steps}


def _note(left: int) -> str:
    if left < 120:
        return f"{left} s left" if left else ""
    return f"{left // 60} min {left % 60:02} s left"


def _sleep_until(moment: float, report: Report) -> None:
    """Sleep in short pieces, so that a cancel is seen in the middle of a long step."""
    while (left := moment - time.monotonic()) > 0:
        if report.cancelled():
            report.progress(0)  # raises
        time.sleep(min(left, 0.1))
