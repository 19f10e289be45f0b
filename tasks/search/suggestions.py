"""Suggestions of the search box, each with its meaning. They come with the page, so typing sends no requests."""

from collections.abc import Iterator
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Exists, OuterRef, TextField
from django.db.models.functions import Cast, Length

from tasks.access.permissions import visible
from tasks.engine import registry
from tasks.engine.models import Job, Queue, State, Worker
from tasks.params.signature import MASK
from tasks.search.language import ARGS, is_argument
from tasks.web.links import quoted

OWNERS = 200  # that are suggested
WORKERS = 50
NEWEST, SHORT, VALUES = 200, 2_000, 200  # jobs whose parameters are read; bytes of those; values that are suggested
LETTERS = 40  # of a value that is suggested
AGES = ("15m", "1h", "24h", "7d", "30d")
ABOUT = {
    "state": "one of the states",
    "kind": "name of a kind",
    "queue": "name of a queue",
    "owner": "user name, or me",
    "args.": "a parameter: args.order_id:8812",
    "error": "text in the error of any attempt",
    "took": "how long it ran: >1s, <500ms, >=2min",
    "worker": "name of a worker",
    "release": "release it ran on",
    "app": "a watched app, or * for every app",
    "since": "made since: 30m, 14:05, yesterday, a date",
    "until": "made before",
    "succeeded": "succeeded since: 1h, a date or a time",
    "failed": "failed since, even if it was tried again",
    "cancelled": "cancelled since, even if it was tried again",
    "ended": "ended within: 14:05..14:20",
    "id": "an id, or its first digits",
    "parent": "id of the job that made it",
    "schedule": "id of the schedule that made it",
    "bulk": "id of the bulk action that cancelled it",
    "batch": "id of a bulk action that changed it",
    "failure": "key of a group of failures",
}


def suggested(user: Any) -> Iterator[tuple[str, str]]:
    """(what to type, what it means), most general first."""
    yield from ((name if name == ARGS else f"{name}:", about) for name, about in ABOUT.items())
    yield from ((f"state:{state}", "state") for state in State.values if state != State.UNKNOWN)
    yield from ((f"kind:{quoted(kind.name)}", "kind") for kind in registry.kinds())
    queues = {*registry.queues(), *Queue.objects.values_list("name", flat=True)}
    yield from ((f"queue:{quoted(queue)}", "queue") for queue in sorted(queues))
    yield "owner:me", "your own"
    name_field = get_user_model().USERNAME_FIELD
    owners = get_user_model().objects.filter(Exists(Job.objects.filter(owner=OuterRef("pk")))).order_by(name_field)
    yield from ((f"owner:{quoted(name)}", "owner") for name in owners.values_list(name_field, flat=True)[:OWNERS])
    yield from ((f"{name}:{age}", f"{name} this long ago") for name in ("since", "until") for age in AGES)
    yield from (("since:today", "made today"), ("since:yesterday", "made since yesterday"))
    workers = Worker.objects.order_by("-seen_at").values_list("name", flat=True)[:WORKERS]
    yield from ((f"worker:{quoted(name)}", "worker") for name in workers)
    yield from ((f"took:>{bound}", "ran longer") for bound in ("1s", "1min", "1h"))
    yield from arguments()
    yield from values(visible(user, Job.objects.filter(app="")))


def arguments() -> Iterator[tuple[str, str]]:
    """The parameters of all kinds, without secrets, and the values that only some can have."""
    kinds: dict[str, list[str]] = {}
    choices: dict[str, str] = {}
    for kind in registry.kinds():
        for field in kind.signature.fields:
            if field.type == "secret":
                continue
            kinds.setdefault(field.name, []).append(kind.name)
            possible = ["true", "false"] if field.type == "boolean" else [str(value) for value, _ in field.choices]
            choices |= {f"{ARGS}{field.name}:{quoted(value)}": field.name for value in possible}
    for name, of in sorted(kinds.items()):
        if is_argument(ARGS + name):
            yield f"{ARGS}{name}:", f"parameter of {', '.join(of[:3])}"
    yield from ((typed, "parameter") for typed, name in choices.items() if is_argument(ARGS + name))


def values(jobs: Any) -> Iterator[tuple[str, str]]:
    """Short values of parameters of the newest jobs."""
    newest = list(jobs.order_by("-pk").values_list("pk", flat=True)[:NEWEST])
    short = Job.objects.filter(pk__in=newest).alias(size=Length(Cast("params", TextField()))).filter(size__lt=SHORT)
    found: dict[str, str] = {}
    for kind, params in short.order_by("-pk").values_list("kind", "params"):
        for name, value in params.items() if isinstance(params, dict) else ():
            typed = f"{ARGS}{name}:{quoted(_text(value))}"
            if is_argument(ARGS + name) and _is_short(value) and typed not in found:
                found[typed] = f"of {kind}"
        if len(found) >= VALUES:
            break
    yield from list(found.items())[:VALUES]


def _is_short(value: Any) -> bool:
    return isinstance(value, bool | int | float | str) and value not in ("", MASK) and len(_text(value)) <= LETTERS


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)[: LETTERS + 1]
