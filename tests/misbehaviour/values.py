"""Results, log lines and progress that cannot be written."""

import logging
import sys
from collections.abc import Callable
from typing import Any

from celery import current_task

from tasks.engine.report import current_report

WAYS: dict[str, Callable[[], Any]] = {}


def way(function: Callable[[], Any]) -> Callable[[], Any]:
    WAYS[function.__name__] = function
    return function


class Hostile:
    """Raises whatever it is asked."""

    def _raise(self, *_: Any) -> Any:
        raise RuntimeError("no")

    __repr__ = __str__ = __int__ = __index__ = __eq__ = __bool__ = __len__ = __iter__ = __reduce__ = _raise
    __hash__ = None


class Exiting(Hostile):
    def _raise(self, *_: Any) -> Any:
        sys.exit(9)

    __repr__ = __str__ = __int__ = __index__ = __eq__ = __bool__ = __len__ = __iter__ = __reduce__ = _raise


@way
def a_result_that_raises() -> Any:
    return Hostile()


@way
def a_result_that_exits() -> Any:
    return {"a": [Exiting()]}


@way
def a_result_in_a_circle() -> Any:
    found: list[Any] = []
    found.append(found)
    return found


@way
def a_result_that_is_huge() -> Any:
    return "x" * 20_000_000


@way
def a_result_that_is_an_error() -> Any:
    return SystemExit(1)


@way
def a_result_of_letters_that_are_none() -> Any:
    return {"\udc80\x00": "\ud83d"}


@way
def a_class() -> Any:
    return type("Odd", (dict,), {"items": None})(a=1)


@way
def a_line_with_the_wrong_values() -> Any:
    logging.getLogger("shop").warning("%d apples", "ten")
    logging.getLogger("shop").warning("%s", Hostile())
    logging.getLogger("shop").error("%s", "no", "yes", exc_info=(ValueError, Hostile(), None))  # noqa: PLE1205


@way
def a_line_that_raises() -> Any:
    current_report().log(Hostile())
    current_report().log("an odd level", Hostile())


@way
def a_line_of_letters_that_are_none() -> Any:
    logging.getLogger("shop").warning("\udc80 \x00 \x1b[2J \u2028")
    current_report().log("\udc80 \x00")
    print("\udc80 \x00")


@way
def bytes_to_standard_output() -> Any:
    sys.stdout.buffer.write("bytes of zürich\n".encode() + b"\xff\n")
    sys.stdout.buffer.flush()
    sys.stdout.reconfigure(encoding="utf-8")
    print(sys.stdout.encoding, sys.stdout.isatty(), file=sys.stderr, flush=True)


@way
def progress_that_is_none() -> Any:
    current_report().progress(Hostile(), Hostile(), Hostile())
    current_report().progress(float("nan"), 10**400, "x" * 1_000_000)
    current_task.update_state(meta={"current": Hostile(), "total": Exiting(), "description": "no"})
