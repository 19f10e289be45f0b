"""One function for each habit: it calls tasks, waits for them, and returns what a caller sees.

Both products run it. What tasks noted is compared too, so a case need not return that.
"""

import os
import time
from pathlib import Path

from celery import chain
from celery.result import AsyncResult

from tests.habits.team import tasks

PATIENCE_S = 10
ENDED = {"SUCCESS", "FAILURE", "REVOKED", "IGNORED"}


def end_of(result):
    """State and value of a call that has ended; a failure as its class and text."""
    found, until = AsyncResult(result.id, app=tasks.spend.app), time.monotonic() + PATIENCE_S
    while (state := found.state) not in ENDED and time.monotonic() < until:
        time.sleep(0.02)
    value = found.result
    return [state, f"{type(value).__name__}: {value}" if isinstance(value, BaseException) else value]


def lines(n=1, what=""):
    """Wait until the tasks have noted ``n`` lines that begin with ``what``."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        found = [line for line in Path(os.environ["HABITS_LOG"]).read_text().splitlines() if line.startswith(what)]
        if len(found) >= n:
            return found
        time.sleep(0.02)
    return found


def settled():
    """After a moment in which a further job would have run: nothing comes after this one."""
    end_of(tasks.marks_the_end.delay())
    return end_of(tasks.marks_the_end.delay())


def direct_call_of_itself():
    return end_of(tasks.tree.delay("0"))


def chain_is_stopped():
    result = chain(tasks.look.s(0), tasks.spend.s())()
    return [end_of(result.parent), settled()]


def ignore_stops_the_chain():
    chain(tasks.ignores.s(1), tasks.spend.s())()
    lines(1, "ignores")
    return settled()


def failure_and_ignore():
    return end_of(tasks.says_failure.delay(1))[0]


def attributes_of_a_base_class():
    end = end_of(tasks.stubborn.delay(1))
    return [end, len(lines(6, "stubborn"))]


def base_class_around_a_success():
    end = end_of(tasks.around.delay(1))
    return [end, len(lines(7))]


def base_class_around_a_failure():
    end = end_of(tasks.around.apply_async((-1,), {"flag": True}))
    return [end, len(lines(6))]


def signals_of_a_success():
    end = end_of(tasks.signalled.delay(1, word="x"))
    return [end, len(lines(3))]


def signals_of_a_failure():
    end = end_of(tasks.signalled.delay(-1))
    return [end, len(lines(3))]


def state_of_what_delay_returned():
    result = tasks.spend.delay(1)
    end_of(result)
    return [result.state == "SUCCESS", result.status, result.successful()]


def exception_of_ones_own():
    result = tasks.signalled.delay(-1, "gone")
    end_of(result)
    try:
        result.get(timeout=PATIENCE_S)
    except tasks.Special as error:
        return f"caught {error}"


def state_of_its_own_is_read():
    result = tasks.progress.delay()
    found, until = AsyncResult(result.id, app=tasks.spend.app), time.monotonic() + PATIENCE_S
    while found.state != "PROGRESS" and time.monotonic() < until:
        time.sleep(0.02)
    info = found.info
    tasks.note("go on")
    return [info, end_of(result)]


def revoke_of_what_waits():
    result = tasks.spend.apply_async((1,), countdown=2)
    result.revoke()
    end = end_of(result)[0]
    return [end, settled()]


def revoke_with_terminate():
    result = tasks.sleeps.delay()
    lines(1, "sleeps")
    AsyncResult(result.id, app=tasks.spend.app).revoke(terminate=True)
    return [end_of(result)[0], settled()]


def class_of_the_app():
    return end_of(tasks.wide.delay(1))
