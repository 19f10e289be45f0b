"""check_health and back_up_database: jobs that run again and again, and leave a history.

Teaches two rules: what a job found out is a row of its own, known by the job's id, so a repeat replaces it; and a
backup that nobody has opened is none.
"""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from tasks.base import job
from tasks.engine import storable
from tasks.engine.report import Report
from tasks.engine.uid import uuid7
from tasks.fetch import addresses
from tasks.fetch.errors import FetchError
from tasks.fetch.fetcher import FetchedPage, Fetcher
from tasks.kinds.asking import Refused, ask, in_words
from tasks.kinds.checks import backups
from tasks.kinds.checks.models import Service
from tasks.kinds.sample import sample
from tasks.params.signature import Url

TOTAL_S = 20.0  # for one check with all its redirects
CAP = 5_000_000  # bytes of the page, which are counted and not kept


@sample(queue="io", soft_time_limit=60, time_limit=70)
def check_health(report: Report, url: Annotated[str, Url]) -> dict[str, Any]:
    """Ask a web service whether it is well, and keep the answer in its history.

    Well means a status below 400 within 20 s, after redirects. A service that is not well is no failure of the job.
    """
    try:
        address = str(addresses.parse(url))
    except addresses.BadAddress as error:
        raise Refused("bad-url", str(error)) from None
    report.progress(0, 1, "asking")
    at = datetime.now(UTC)
    seen = looked(report, address)
    service, _ = Service.objects.get_or_create(url=address)
    was = service.status
    observation = service.observe(UUID(report.job_id) if report.job_id else uuid7(), at, **seen)
    if observation.pk % 50 == 0:
        service.forget_old()
    well = "up" if seen["up"] else "down"
    report.log(f"{well}, {seen['seconds']:.3f} s. {seen['reason']}".strip(), "info" if seen["up"] else "warning")
    report.progress(1, 1, well)
    return {"service": str(service.uid), **seen, "changed": service.status != was}


def looked(report: Report, url: str) -> dict[str, Any]:
    async def request() -> FetchedPage:
        async with Fetcher(total=TOTAL_S, connect=10, cap=CAP) as fetcher:
            return await fetcher.get(url, keep=False)

    try:
        page = ask(request(), lambda: report.progress(0))
    except FetchError as error:
        reason = storable.text(f"{error.reason}: {error}", 300)
        return {"up": False, "http_status": None, "seconds": round(error.seconds, 3), "reason": reason}
    well = page.status < 400
    reason = "" if well else f"status: The server answered {in_words(page.status)}."
    return {"up": well, "http_status": page.status, "seconds": round(page.seconds, 3), "reason": reason}


@job(queue="chores", serial_key="database", soft_time_limit=3600, time_limit=3660)
def back_up_database(
    report: Report, keep: Annotated[int, range(1, 1001), "How many backups are kept; older ones are deleted."] = 7
) -> dict[str, Any]:
    """Make a consistent backup of the database, open it to see that it is whole, and delete the oldest.

    It goes to SIGNALBOX_HOME/backups; `manage.py restore_backup` brings it back.
    """
    made = backups.make(report, UUID(report.job_id) if report.job_id else uuid7())
    gone = backups.delete_old(keep, made)
    report.log(f"{made.name}: {made.stat().st_size:,} bytes, opened and found whole. {len(gone)} older deleted.")
    return {"file": made.name, "bytes": made.stat().st_size, "deleted": gone}
