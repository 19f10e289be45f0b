"""One function for each habit: it calls tasks, waits for them, and returns what a caller sees.

Both products run it. What tasks noted is compared too, so a case need not return that.
"""

import os
import time
from pathlib import Path

from celery import chain, chord, group
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
    lines(1, "postrun")  # the result is there before the task's last signal
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


def chord_and_its_results():
    return end_of(chord([tasks.adds.s(1, 1), tasks.adds.s(2, 2)])(tasks.collects.s()))


def group_and_a_task():
    return end_of((group(tasks.adds.s(1, 1), tasks.adds.s(2, 2)) | tasks.collects.s()).delay())


def chord_of_a_generator():
    return end_of(chord(tasks.adds.s(n, n) for n in range(3))(tasks.collects.s()))


def chord_of_nothing():
    body = chord([])(tasks.collects.s())
    return [end_of(body), len(lines(1, "collects"))]


def chain_in_a_chord():
    return end_of(chord([chain(tasks.adds.s(1, 1), tasks.adds.s(5)), tasks.adds.s(0)])(tasks.collects.s()))


def group_in_a_chord():
    header = [tasks.adds.s(1, 1), group(tasks.adds.s(2, 2), tasks.adds.s(3, 3)), tasks.adds.s(4, 4)]
    return end_of(chord(header)(tasks.collects.s()))


def chord_in_a_chord():
    inner = chord([tasks.adds.s(1, 1), tasks.adds.s(2, 2)], tasks.collects.s())
    return end_of(chord([inner, tasks.adds.s(3)])(tasks.collects.s()))


def chord_in_a_chain():
    both = group(tasks.adds.s(1), tasks.adds.s(2))
    return end_of(chain(tasks.adds.s(1, 1), both, tasks.collects.s()).delay())


def chain_as_the_body():
    return end_of(chord([tasks.adds.s(1, 1)])(chain(tasks.collects.s(), tasks.collects.s())))


def chord_whose_group_fails():
    body = chord([tasks.breaks.s(), tasks.adds.s(1)])(tasks.collects.s().on_error(tasks.errback.s()))
    return [end_of(body)[0], lines(1, "errback"), settled()]


def chord_whose_group_fails_before_its_end():
    header = [chain(tasks.breaks.s(), tasks.adds.s(1)), tasks.adds.s(1)]
    body = chord(header)(tasks.collects.s().on_error(tasks.errback.s()))
    return [end_of(body)[0], lines(1, "errback"), settled()]


def chord_whose_body_fails():
    body = chord([tasks.adds.s(1)])(tasks.breaks.s().on_error(tasks.errback.s()))
    return [end_of(body), lines(1, "errback"), settled()]


def replaced_by_a_task():
    return end_of(tasks.replaces.delay("task"))


def replaced_by_a_chain():
    return end_of(tasks.replaces.delay("chain"))


def replaced_by_a_group():
    return end_of(tasks.replaces.delay("group"))


def replaced_by_a_chord():
    return end_of(tasks.replaces.delay("chord"))


def replaced_within_a_chain():
    return end_of(chain(tasks.replaces.s("task"), tasks.adds.s(5)).delay())


def replaced_within_a_chord():
    return end_of(chord([tasks.replaces.s("chain"), tasks.adds.s(1)])(tasks.collects.s()))


def errback_of_one_argument():
    result = tasks.breaks.apply_async((1,), link_error=tasks.errback.s())
    return [end_of(result), lines(1, "errback"), settled()]


def errback_of_three_arguments():
    result = tasks.breaks.apply_async((1, "two"), link_error=tasks.errback_of_three.s())
    return [end_of(result), lines(1, "errback"), settled()]


def bound_errback():
    result = tasks.breaks.apply_async((1,), link_error=tasks.bound_errback.s())
    return [end_of(result), lines(1, "bound errback"), settled()]


def errback_that_takes_nothing():
    result = tasks.breaks.apply_async((1,), link_error=tasks.spend.si(7))
    return [end_of(result), lines(1, "spend"), settled()]


def errback_of_a_chain():
    result = chain(tasks.adds.s(1), tasks.breaks.s(), tasks.adds.s(1)).on_error(tasks.errback.s()).delay()
    return [end_of(result.parent), lines(1, "errback"), settled()]


def errback_of_a_success():
    return [end_of(tasks.adds.apply_async((1, 1), link_error=tasks.errback.s())), settled()]


def expired_before_it_ran():
    return [end_of(tasks.spend.apply_async((1,), countdown=2, expires=1)), settled()]


def not_expired():
    return end_of(tasks.expires.delay())


def retry_as_another_call():
    return end_of(tasks.tries_another.delay(1))


def headers_of_a_call():
    return end_of(tasks.headers.apply_async(headers={"tenant": "acme"}))


def another_task_while_a_rate_limit_holds():
    """The first call uses the token; two more wait 2 s each."""
    results = [tasks.rated.delay(n) for n in range(3)]
    end_of(results[0])
    began = time.monotonic()
    end = end_of(tasks.spend.delay(1))
    soon = time.monotonic() - began < 1.2
    ends = [end_of(result) for result in results]
    return [end, soon, ends, time.monotonic() - began > 3.5]


def soft_limit_caught_in_the_body():
    return end_of(tasks.cleans_up.delay())


def soft_limit_that_nobody_catches():
    return [end_of(tasks.too_slow.delay())[0], settled()]


def hard_limit():
    return [end_of(tasks.far_too_slow.delay())[0], settled()]


def received_of_five_calls():
    return [end_of(result)[1] for result in [tasks.received.delay(n) for n in range(1, 6)]]
