"""site_sizes: how large are these pages, and how long do they take? All at once, in coroutines.

Teaches one rule: work that waits for others belongs in one process that waits for all of it together. Knows nothing of
sockets; whom it may reach, and how much it reads, is the fetcher's to say.
"""

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Annotated, Any

from tasks.engine.report import Report
from tasks.engine.words import number_of
from tasks.fetch.errors import FetchError
from tasks.fetch.fetcher import Fetcher, Hop
from tasks.kinds.sample import sample
from tasks.params.signature import ParamError

MOST = 1000  # addresses in one job
AT_ONCE = 20  # fetched at a time
CAP = 10_000_000  # bytes of one page, after decompression; they are counted, not kept
TOTAL = 900.0  # seconds, after which no further address is begun
POLL_S = 0.2  # seconds between two looks whether the job is still wanted
SHOWN = 300  # characters of an address, which another server may have chosen, in the result
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)

Row = dict[str, Any]


@sample(queue="io", effects="none", time_limit=TOTAL + 180)
async def site_sizes(report: Report, addresses: list[str], timeout: Annotated[int, range(1, 121)] = 20) -> dict:  # noqa: ASYNC109
    """Fetch web addresses at the same time, and tell how large each page is and how long it took.

    `addresses` one a line, `https://` where no scheme is given; `timeout` in seconds for each address.
    """
    if not 1 <= len(addresses) <= MOST:
        raise ParamError({"addresses": [f"Give 1 to {MOST:,} addresses; these are {len(addresses):,}."]})
    done = 0

    def tell(row: Row) -> None:
        nonlocal done
        done += 1
        report.log(line(row), "warning" if row["error"] else "info")
        report.progress(done, len(addresses), row["address"])

    async with Fetcher(total=timeout, connect=min(timeout, 10), cap=CAP, at_once=AT_ONCE) as fetcher:
        rows = await measure(fetcher, addresses, tell, lambda: report.progress(done, len(addresses)))
    failed = sum(row["error"] is not None for row in rows)
    return {
        "rows": rows,
        "total_bytes": sum(row["bytes"] or 0 for row in rows),
        "ok": len(rows) - failed,
        "failed": failed,
    }


async def measure(
    fetcher: Fetcher,
    addresses: Sequence[str],
    tell: Callable[[Row], None],
    go_on: Callable[[], None] = lambda: None,
    total: float = TOTAL,
) -> list[Row]:
    """A row for each address, in the order given. `tell` is called with each as it comes.

    What `tell` or `go_on` (called every 0.2 s) raise ends everything at once, and all connections with it.
    """
    rows: list[Row] = [{}] * len(addresses)
    waiting = iter(enumerate(addresses))
    until = time.monotonic() + total

    async def fetch_what_waits() -> None:
        for index, address in waiting:  # one iterator for all: whoever is free takes the next
            rows[index] = await row_of(fetcher, address) if time.monotonic() < until else late(address, total)
            tell(rows[index])

    workers = working = {asyncio.create_task(fetch_what_waits()) for _ in range(min(AT_ONCE, len(addresses)))}
    try:
        while working:
            ended, working = await asyncio.wait(working, timeout=POLL_S, return_when=asyncio.FIRST_EXCEPTION)
            for task in ended:
                task.result()
            go_on()
    finally:
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return rows


async def row_of(fetcher: Fetcher, address: str) -> Row:
    """What became of one address. A failure is a row like any other, with its reason."""
    try:
        page = await fetcher.get(with_scheme(address), keep=False)
    except FetchError as error:
        return row(address, error.final_url, error.seconds, error.hops, error=f"{error.reason}: {error}")
    wrong = f"status: The server answered {status_words(page.status)}." if page.status >= 400 else None
    return row(address, page.final_url, page.seconds, page.hops, page.status, page.size, wrong)


def late(address: str, total: float) -> Row:
    return row(address, error=f"timeout: After {total:g} s no further address is fetched, and this one had to wait.")


def row(
    address: str,
    final_url: str = "",
    seconds: float = 0.0,
    hops: Sequence[Hop] = (),
    status: int | None = None,
    size: int | None = None,
    error: str | None = None,
) -> Row:
    return {
        "address": shown(address),
        "final_url": shown(final_url) or None,
        "status": status,
        "bytes": size,
        "seconds": round(seconds, 3),
        "redirects": [{"status": hop.status, "to": shown(hop.url)} for hop in hops],
        "error": error,
    }


def line(row: Row) -> str:
    """A row as one line of the log."""
    if row["bytes"] is None:
        return f"{row['address']}: {row['error']}"
    hops = len(row["redirects"])
    after = f", after {number_of(hops, 'redirect')}" if hops else ""
    size = number_of(row["bytes"], "byte")
    return f"{row['address']}: {size} in {row['seconds']:.3f} s, {status_words(row['status'])}{after}"


def with_scheme(address: str) -> str:
    address = address.strip()
    return address if SCHEME.match(address) else f"https://{address.removeprefix('//')}"


def shown(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def status_words(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
