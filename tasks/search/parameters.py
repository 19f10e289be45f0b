"""A search as parameters of an address: what the API's lists of jobs take, and what each finds."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter

from tasks.api.problems import wrong
from tasks.engine.models import Job
from tasks.search.language import Query, SearchError

ABOUT = {
    "state": "one of the states; may repeat, and then means any of them",
    "kind": "name of a kind; may repeat",
    "queue": "name of a queue; may repeat",
    "owner": "user name, or `me`; may repeat",
    "app": "name of a watched app, or `*` for all jobs of all apps; without it, our own jobs",
    "worker": "name of a worker that ran an attempt; may repeat",
    "release": "release that the job ran on; may repeat",
    "error": "text in the error of any attempt; may repeat",
    "took": "how long it ran: `>1s`, `<500ms`, `>=2min`; may repeat, and then both hold",
    "since": "created at or after: an RFC 3339 time, a date, a time of day, `yesterday`, or an age such as 30m, 2h, 7d",
    "until": "created before",
    "ended": "ended within a span of moments, the second exclusive: `2026-11-23T14:05Z..2026-11-23T14:20Z`",
    "id": "a job's id, or its first 4 digits or more",
    "parent": "id of the job that made it",
    "schedule": "id of the schedule that made it",
    "bulk": "id of the bulk action that cancelled it",
    "batch": "id of a bulk action that changed it",
    "failure": "key of a group of failures, as `failures/` has it",
    "q": "a search as in the search box: filters such as `state:failed`, and words",
}
REPEATED = ("state", "kind", "queue", "owner", "app", "worker", "release", "error", "took")


def parameter(name: str) -> OpenApiParameter:
    kind: dict[str, Any] = {"type": "string"}
    if name == "state":
        kind["enum"] = Job.State.values
    elif name in ("parent", "schedule", "bulk", "batch"):
        kind["format"] = "uuid"
    if name in REPEATED:
        kind = {"type": "array", "items": kind}
    return OpenApiParameter(name, kind, description=ABOUT[name])


SEARCH = [parameter(name) for name in ABOUT]


def query_of(given: dict[str, Any], me: str) -> Query:
    try:
        return Query.of(given, me)
    except SearchError as error:
        raise wrong(**error.errors) from None
