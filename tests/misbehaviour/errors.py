"""Errors that cannot be shown."""

import asyncio
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from celery import current_task
from celery.exceptions import Reject, Retry

WAYS: dict[str, tuple[str, Callable[[], Any]]] = {}  # name: what the row must say, and the code


def way(said: str) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    def named(function: Callable[[], Any]) -> Callable[[], Any]:
        WAYS[function.__name__] = said, function
        return function

    return named


class ApiError(Exception):
    def __getattr__(self, name: str) -> Any:
        return getattr(self.response, name)  # which it has only once it was sent


class Noted(Exception):
    @property
    def __notes__(self) -> Any:
        raise RuntimeError("no notes")


class Silent(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class Exits(Exception):
    def __str__(self) -> str:  # noqa: PLE0307 - that it returns none is the point
        sys.exit(7)

    __repr__ = __str__


class Stuck(Exception):
    def __reduce__(self) -> Any:
        raise SystemExit(8)


class Posing(Exception):
    @property
    def __class__(self) -> Any:
        raise RuntimeError("no class")

    @property
    def __traceback__(self) -> Any:
        raise RuntimeError("no traceback")

    @property
    def __cause__(self) -> Any:
        raise RuntimeError("no cause")


class Bare(BaseException):
    def __str__(self) -> str:
        raise KeyboardInterrupt


class Meta(type):
    def __getattribute__(cls, name: str) -> Any:
        if name in ("__name__", "__module__", "__qualname__"):
            raise RuntimeError("no name")
        return super().__getattribute__(name)


class Nameless(Exception, metaclass=Meta):
    pass


@way("ApiError: ")
def asks_itself_for_ever() -> None:
    raise ApiError("502 from bank")


@way("Noted")
def notes_that_raise() -> None:
    raise Noted


@way("ValueError: with notes")
def notes_that_are_none() -> None:
    error = ValueError("with notes")
    error.__notes__ = 7
    raise error


@way("Silent: (Silent, which cannot be shown)")
def no_text() -> None:
    raise Silent


@way("Exits: (Exits, which cannot be shown)")
def a_text_that_exits() -> None:
    raise Exits


@way("Stuck: 1")
def no_pickle() -> None:
    raise Stuck(1)


@way("Posing: 2")
def no_attributes() -> None:
    raise Posing(2)


@way("Nameless: 3")
def no_name() -> None:
    raise Nameless(3)


@way("Bare: (Bare, which cannot be shown)")
def no_exception_at_all() -> None:
    raise Bare


@way("ExceptionGroup: many (3 sub-exceptions)")
def many_at_once() -> None:
    raise ExceptionGroup("many", [ApiError(1), Silent(), ValueError(3)])


@way("BaseExceptionGroup: exits (1 sub-exception)")
def many_that_exit() -> None:
    raise BaseExceptionGroup("exits", [SystemExit(4)])


@way("ValueError: in a group in a group")
def led_to_by_a_worse_one() -> None:
    try:
        raise Posing("first")
    except Posing:
        raise ValueError("in a group in a group")  # noqa: B904


@way("ValueError: 20000")
def many_behind_each_other() -> None:
    last: BaseException | None = None
    for n in range(20_001):
        error = ValueError(n)
        error.__context__, last = last, error
    raise last


@way("ExceptionGroup: wide (20000 sub-exceptions)")
def many_beside_each_other() -> None:
    raise ExceptionGroup("wide", [ValueError(n) for n in range(20_000)])


@way("ValueError: mmm")
def a_huge_message() -> None:
    raise ValueError("m" * 50_000_000)


@way("ValueError: '")
def a_message_of_quotes() -> None:
    raise ValueError("'\"" * 200_000 + "'")


@way("ValueError: a ? b \ufffd c")
def letters_that_are_none() -> None:
    raise ValueError("a \udc80 b \x00 c")


@way("RecursionError: maximum recursion depth exceeded")
def too_deep() -> None:
    too_deep()


@way("MemoryError")
def no_memory() -> None:
    raise MemoryError


@way("SystemExit: 0")
def an_exit() -> None:
    sys.exit(0)


@way("KeyboardInterrupt")
def an_interrupt() -> None:
    raise KeyboardInterrupt


@way("CancelledError")
def a_cancelled_coroutine() -> None:
    raise asyncio.CancelledError


@way("StopIteration")
def the_end_of_an_iterator() -> None:
    next(iter(()))


@way("Reject")
def a_rejected_message() -> None:
    raise Reject("no", requeue=True)


@way("TypeError: tests.misbehaviour.tasks.misbehaves: a countdown is a number of seconds, and not timedelta.")
def a_countdown_that_is_none() -> None:
    raise current_task.retry(countdown=timedelta(seconds=1))


@way("ValueError: tests.misbehaviour.tasks.misbehaves: a countdown ends before the year 9999, and not after 1e+12 s.")
def an_endless_countdown() -> None:
    raise current_task.retry(countdown=1e12)


@way("ValueError: tests.misbehaviour.tasks.misbehaves: a countdown ends before the year 9999, and not after nan s.")
def a_countdown_of_nothing() -> None:
    raise current_task.retry(countdown=float("nan"))


@way("Retry was raised without a call of retry()")
def a_retry_by_hand() -> None:
    raise Retry(when=object())
