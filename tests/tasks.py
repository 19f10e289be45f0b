"""Kinds that only the tests know: each shows one property of @job."""

import asyncio
import ctypes
import logging
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from stat import S_ISFIFO
from typing import Annotated, Any

from celery.utils.log import get_task_logger

from tasks.base import job
from tasks.engine.effects import once
from tasks.engine.report import current_report
from tasks.params.signature import Secret
from tests.misbehaviour import tasks as misbehaviour  # noqa: F401 - kinds of its own
from tests.names import one, two  # noqa: F401 - kinds that share the name of their function


class GatewayError(Exception):
    """A fault that goes away by itself."""


@job(serial_key="{feed}", effects="none")
def serial(feed: str, seconds: float = 0.0) -> None:
    """One at a time for each feed."""
    time.sleep(seconds)


@job(effects="none")
def keeps_a_secret(report, name: str, password: Annotated[str, Secret]) -> str:
    """Say the password aloud, wherever a job can say something."""
    report.log(f"the password is {password}")
    report.progress(1, 1, password)
    raise ValueError(f"wrong password {password}")


@job(effects="none", max_retries=0)
def tells_all(report, key: Annotated[str, Secret], how: str = "raise", number: int = 0) -> Any:
    """Say a secret by every way that code has, and then raise or return it."""
    report.log(f"plain {key}")
    report.log(f"as repr { ({'key': key})!r}")
    report.progress(1, 2, f"note {key}")
    logging.getLogger("shop.till").warning("logged %s", key)
    get_task_logger("shop.task").warning("logged as a task does %r", key)
    print("printed", key)
    print("complained", key, file=sys.stderr)
    thread = threading.Thread(target=lambda: logging.getLogger("shop.thread").warning("in a thread: %s", key))
    thread.start()
    thread.join()
    if how == "return":
        return {"key": key, key: [f"<{key}>"]}
    if how == "object":
        return ValueError(key)
    try:
        raise KeyError(key)
    except KeyError as error:
        raise ValueError({"key": key}) from error


@job(effects="none")
def chatters(report, seconds: float, calls: int = 20_000) -> int:
    """Report progress ``calls`` times a second for so long."""
    started, n = time.monotonic(), 0
    while (passed := time.monotonic() - started) < seconds:
        while n < passed * calls:
            n += 1
            report.progress(n, int(seconds * calls))
        time.sleep(0.001)
    report.progress(int(seconds * calls))
    return int(seconds * calls)


@job(autoretry_for=(GatewayError,), retry_backoff=8, retry_jitter=True, max_retries=5, effects="none")
def unlucky(report, fails: int = 100) -> int:
    """Fail in the first attempts."""
    if report.attempt <= fails:
        raise GatewayError(f"502 at attempt {report.attempt}")
    return report.attempt


@job(bind=True, max_retries=2, effects="none")
def asks_again(self, report, countdown: float = 0.05) -> None:
    """Retry from inside the code, as a plain Celery task does."""
    try:
        raise GatewayError(f"retries so far: {self.request.retries}")
    except GatewayError as error:
        raise self.retry(exc=error, countdown=countdown) from error


@job(effects="none")
def kills_itself() -> None:
    """Take its own process down, each time."""
    os.kill(os.getpid(), signal.SIGKILL)


@job(cancel_grace=1, effects="none")
def deaf(seconds: float = 60.0) -> None:
    """Never look whether somebody wants it to stop."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.05)


@job(on_lost="fail", effects="none")
def holds(seconds: float = 60.0) -> None:
    """Keep a process busy; lost with it, it does not come back."""
    time.sleep(seconds)


@job(on_lost="fail", effects="none")
def holds_without_pipes(report, seconds: float = 60.0) -> None:
    """Keep a process busy in which no pipe that the worker opened for it is open any more, and say when that is so."""
    for name in os.listdir("/dev/fd"):
        with suppress(OSError):
            if S_ISFIFO(os.fstat(int(name)).st_mode):
                os.close(int(name))
    report.progress(1, 1, "closed")
    time.sleep(seconds)


@job(soft_time_limit=1, effects="none")
def softly_limited(seconds: float = 30.0) -> None:
    """Run too long, and be stopped."""
    time.sleep(seconds)


@job(time_limit=1, effects="none")
def hard_limited(seconds: float = 30.0) -> None:
    """Run too long, and be stopped."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            time.sleep(0.05)
        except BaseException:
            continue


@job(time_limit=1, effects="none")
def holds_the_interpreter(seconds: float = 30.0) -> None:
    """Let no other thread of the process run, and no handler of a signal."""
    if seconds:
        ctypes.PyDLL(None).usleep(int(seconds * 1e6))


@job(rate_limit="30/m", effects="none")
def every_two_seconds() -> None:
    """Start once in two seconds at most, counted for each worker."""


@job(rate_limit="20/s", effects="none")
def twenty_a_second() -> None:
    """Start more often than a worker looks at its clock."""


@job(rate_limit="60/m", serial_key="{feed}", effects="none")
def serial_every_second(feed: str) -> None:
    """Take turns, and keep a rate."""


@job
def works(path: str, seconds: float = 0.0, lines: int = 1) -> str:
    """Write one effect once, and a line to a file in every attempt that runs."""
    report = current_report()
    with open(path, "a") as file:
        file.write(f"{report.job_id} {report.attempt} {time.time():.3f}\n")
    time.sleep(seconds)
    with once("work"):
        pass
    return Path(path).name


@job(effects="none", queue="io")
async def in_a_coroutine(report, seconds: float = 0.0) -> str:
    """An async def kind on a loop of its own."""
    await asyncio.sleep(seconds)
    report.progress(1, 1)
    return "awaited"


@job(effects="none")
def waits_for_another() -> None:
    """Wait for a job inside a job: refused."""
    serial.delay(feed="x").get(timeout=1)


@job(effects="none")
def names_of_the_environment() -> list[str]:
    """What a job, and whatever it starts, finds in its environment."""
    return sorted(os.environ)


@job
def plain_task(a, b=2):
    return a + b


@job(effects="none")
def add(x: int, y: int = 1) -> int:
    """Two numbers make one: what chains hand on."""
    return x + y


@job(effects="none", max_retries=0)
def breaks(seconds: float = 0.0) -> None:
    """Fail."""
    time.sleep(seconds)
    raise RuntimeError("broken")


@job(effects="none")
def unlocks(key: Annotated[str, Secret], number: int = 0) -> int:
    """Take a secret and a number."""
    return number + len(key)


@job(effects="none", max_retries=0)
def logs(password: Annotated[str, Secret]) -> None:
    """Says what it does as a Celery task does, and knows no report."""
    get_task_logger(__name__).info("charged with %s", password)
    logging.getLogger("shop.till").debug("a detail")
    try:
        raise ValueError("the till is stuck")
    except ValueError:
        logging.getLogger("shop.till").exception("no change")
    logging.getLogger("celery.worker").info("none of the job's business")


@job(effects="none", max_retries=0)
def speaks(report, words: str, prints: bool = True) -> str:
    """Says its words in every way there is, and ends with them."""
    report.log(words)
    report.progress(1, 2, words)
    logging.getLogger("shop").warning("%s", words)
    if prints:
        print(words)
    raise ValueError(words)


@job(effects="none")
def chord_collects(results, extra=None):
    """The body of a chord: what it got."""
    return results


@job(effects="none", max_retries=2)
def chord_dies_once(file):
    """Take its own process down in its first attempt."""
    if not Path(file).exists():
        Path(file).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"
