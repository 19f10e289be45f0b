"""A search as a file: CSV or JSON, written while it is read, in the same memory however many jobs there are.

A text that a spreadsheet would take for a formula begins with an apostrophe. Parameters and results stay out.
"""

import csv
import io
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

from asgiref.sync import sync_to_async
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone

from tasks.engine.models import Job
from tasks.search import finder
from tasks.search.language import Query

TYPES = {"csv": "text/csv; charset=utf-8", "json": "application/json"}
STEP = 500  # jobs that are read and sent at once
COLUMNS = (
    "id", "kind", "title", "state", "queue", "priority", "owner", "attempt", "max_attempts", "app", "release", "worker",
    "schedule", "parent", "created_at", "due_at", "started_at", "finished_at", "ran_s", "error",
)  # fmt: skip
FORMULA = ("=", "+", "-", "@")
SEPARATORS = frozenset(";\t")


def streamed(form: str, query: Query, jobs: QuerySet[Job]) -> StreamingHttpResponse:
    """The answer: all jobs that match, newest first, as an attachment."""
    pieces = {"csv": csv_pieces, "json": json_pieces}[form](query, jobs)
    answer = StreamingHttpResponse(pieces, content_type=TYPES[form])
    answer["Content-Disposition"] = f'attachment; filename="jobs-{timezone.localtime():%Y-%m-%d-%H%M}.{form}"'
    answer["X-Accel-Buffering"] = "no"
    return answer


async def csv_pieces(query: Query, jobs: QuerySet[Job]) -> AsyncIterator[str]:
    yield _lines([COLUMNS])
    async for rows in _steps(query, jobs):
        yield _lines([defused(row.get(column)) for column in COLUMNS] for row in rows)


async def json_pieces(query: Query, jobs: QuerySet[Job]) -> AsyncIterator[str]:
    """One array of summaries, one a line."""
    before = "[\n"
    async for rows in _steps(query, jobs):
        for begin, row in zip([before, *[",\n"] * len(rows)], rows, strict=False):
            yield begin + json.dumps(row, ensure_ascii=False)
        before = ",\n" if rows else before
    yield "[]\n" if before == "[\n" else "\n]\n"


async def _steps(query: Query, jobs: QuerySet[Job]) -> AsyncIterator[list[dict[str, Any]]]:
    """The summaries piece by piece, each read when the one before it was sent."""
    older: int | None = None
    while True:
        rows, older = await sync_to_async(_step)(query, jobs, older)
        if rows:
            yield rows
        if older is None:
            return


def _step(query: Query, jobs: QuerySet[Job], older: int | None) -> tuple[list[dict[str, Any]], int | None]:
    found = finder.find(query, jobs, older=older, limit=STEP)
    return [job.summary() | {"ran_s": ran_s(job)} for job in found.jobs], found.older


def ran_s(job: Job) -> float | None:
    """Seconds that the last attempt ran, if it has ended."""
    ended = job.started_at and job.finished_at
    return round((job.finished_at - job.started_at).total_seconds(), 3) if ended else None


def _lines(rows: Iterable[Sequence[Any]]) -> str:
    """Some spreadsheets end a cell at a semicolon or a tab too, where nothing stands around it."""
    text = io.StringIO()
    plain, quoted = csv.writer(text), csv.writer(text, quoting=csv.QUOTE_ALL)
    for row in rows:
        is_torn = any(isinstance(value, str) and not SEPARATORS.isdisjoint(value) for value in row)
        (quoted if is_torn else plain).writerow(row)
    return text.getvalue()


def defused(value: Any) -> Any:
    """The value as a cell that no spreadsheet calculates."""
    if isinstance(value, str) and value.lstrip().startswith(FORMULA):
        return f"'{value}"
    return value
