"""How a kind makes one request to another server: it sees cancels while it waits, and knows which failures may pass.

Which addresses it may reach is for the fetcher to decide.
"""

import asyncio
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, TypeVar

from tasks.fetch.errors import ConnectFailed, Disconnected, DnsFailed, FetchError, TimedOut
from tasks.fetch.fetcher import FetchedPage
from tasks.fetch.retry_after import retry_after

T = TypeVar("T")
POLL_S = 0.2  # between two looks whether the job is still wanted
LONGEST_WAIT_S = 24 * 3600.0  # that a server can ask for
PASSING = (TimedOut, ConnectFailed, Disconnected, DnsFailed)
TOO_MANY = 429


class GatewayError(Exception):
    """The other server cannot answer now, and may be able to later. ``wait``: the seconds it asked for, if any."""

    def __init__(self, reason: str, sentence: str, wait: float | None = None) -> None:
        super().__init__(reason, sentence, wait)  # all of them: Celery pickles what is retried
        self.reason, self.sentence, self.wait = reason, sentence, wait

    def __str__(self) -> str:
        return f"{self.reason}: {self.sentence}"


class Refused(Exception):
    """What another server sent is not taken, and trying again would not help. ``reason`` names why."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(reason, sentence)
        self.reason, self.sentence = reason, sentence

    def __str__(self) -> str:
        return f"{self.reason}: {self.sentence}"


def ask(request: Coroutine[Any, Any, T], go_on: Callable[[], None]) -> T:
    """Run one request to its end. ``go_on`` is called several times a second; what it raises ends the request."""
    return asyncio.run(_heard(request, go_on))


async def _heard(request: Coroutine[Any, Any, T], go_on: Callable[[], None]) -> T:
    task = asyncio.create_task(request)
    try:
        while not (await asyncio.wait({task}, timeout=POLL_S))[0]:
            go_on()
        return task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def judged(error: FetchError) -> GatewayError | Refused:
    """What a failed fetch means for the job."""
    if isinstance(error, PASSING):
        return GatewayError(error.reason, str(error))
    return Refused(error.reason, str(error))


def answered(page: FetchedPage) -> FetchedPage:
    """The page, if its status says that it is one (or that it has not changed). Raises GatewayError or Refused."""
    if page.status == TOO_MANY or page.status >= 500:
        raise GatewayError(
            "status", f"The server answered {in_words(page.status)}.", retry_after(page.headers, LONGEST_WAIT_S)
        )
    if page.status != 304 and not 200 <= page.status < 300:
        raise Refused("status", f"The server answered {in_words(page.status)}.")
    return page


def in_words(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
