"""The words that ``@job`` takes: Celery's, ours, and a task's own attributes; what to do instead of those it refuses.

An attribute of the task's own (``@job(team="billing")``, as Celery permits) is taken, unless it looks like a typing
error for a known word: that word would be ignored in silence.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from celery import Task

from tasks.engine import due

OWN = {
    "on_lost",
    "effects",
    "lease",
    "cancel_grace",
    "serial_key",
    "quiet",
    "title",
}  # options that Celery does not know
CELERYS = {"queue", "bind", "name", "shared", "lazy", "autoretry_for", "dont_autoretry_for", "retry_kwargs", "base"}
CELERYS |= {"retry_backoff", "retry_backoff_max", "retry_jitter"}  # beside the attributes of a Task
KNOWN = OWN | CELERYS | {name for name in dir(Task) if not name.startswith("_")}
LIKE = 0.8  # of 1: a word so much like a known one was meant to be that one

HIDDEN = "a secret is sealed and shown nowhere if the parameter says so, `Annotated[str, Secret]`"
INSTEAD = {  # beside the names of a task's own machinery, for which there is nothing to say
    "backend": "a job's result is in its row",
    "routing_key": "a job waits in a queue: give queue=",
    "argsrepr": HIDDEN,
    "kwargsrepr": HIDDEN,
    "exchange": "a job waits in a queue: give queue=",
    "exchange_type": "a job waits in a queue: give queue=",
    "declare": "a job waits in a queue: give queue=",
}
MACHINERY = {"Strategy", "backend", "kind", "perform", "tracer", "__trace__"}  # of the classes of jobs
ATTRIBUTES = (
    "queue",
    "priority",
    "max_retries",
    "autoretry_for",
    "dont_autoretry_for",
    "retry_kwargs",
    "retry_backoff",
)
ATTRIBUTES += ("retry_backoff_max", "retry_jitter", "default_retry_delay", "time_limit", "soft_time_limit", "expires")
unused_requests: set[str] = set()  # names of classes of tasks whose own ``Request`` is not used by our workers
own_calls: set[str] = set()  # names of classes of tasks with an ``apply_async`` of their own
REFUSED = {"abstract", "apply_async", "backend", "kind", "perform", "request", "retry", "run"}


def describe_option(name: str) -> str:
    """What to do instead of an option, as the end of a sentence; empty where there is nothing to say."""
    return f": {INSTEAD[name]}" if name in INSTEAD else ""


def check_options(options: Iterable[str]) -> None:
    """TypeError with one sentence for an option of ``@job`` that would mean nothing, or looks misspelt."""
    for name in options:
        if name in REFUSED or name in INSTEAD:
            raise TypeError(f"a job has no option {name!r}{describe_option(name)}")
        if name not in KNOWN and (meant := misspelt(name, KNOWN)):
            raise TypeError(f"a job has no option {name!r}; if {meant} is not meant, take another name")


def check_serializer(serializer: Any) -> None:
    """TypeError for pickle, which would keep what JSON cannot: a tuple, a number as a key, an object."""
    if serializer == "pickle":
        raise TypeError("serializer='pickle' cannot be honoured: the arguments of a job are JSON")


def misspelt(name: str, known: Iterable[str]) -> str | None:
    """The known word that a name is so much like that it was meant to be that one."""
    return next(iter(get_close_matches(name, known, 1, LIKE)), None)


def mix_base(outermost: type, ours: type[Task], base: Any) -> type[Task]:
    """The class of a task: what the worker calls, then the class given as ``base=``, then ours, then Celery's."""
    if base is None:
        base = ours
    lost = {name for each in base.__mro__ if each not in ours.__mro__ for name in vars(each)} & MACHINERY
    if lost:
        raise TypeError(f"{base.__name__} has a {min(lost)} of its own, and so has every job; do it in the function")
    if base.Request not in (Task.Request, ours.Request):
        unused_requests.add(next(each.__name__ for each in base.__mro__ if "Request" in vars(each)))
    if found := next((each for each in base.__mro__ if each not in ours.__mro__ and "apply_async" in vars(each)), None):
        own_calls.add(f"{found.__module__}.{found.__name__}")
    bases = (outermost, base) if issubclass(base, ours) else (outermost, base, ours)
    return type(base.__name__, bases, {"abstract": True, "Request": ours.Request})


def of_class(base: type[Task]) -> dict[str, Any]:
    """The options that a class of tasks has as attributes, such as ``max_retries``. Those of ``@job`` go before."""
    return {name: getattr(base, name) for name in ATTRIBUTES if hasattr(base, name)}


def check_delays(options: Mapping[str, Any]) -> None:
    """TypeError for a retry that would be due at no moment that can be stored."""
    given = {name: options.get(name) for name in ("default_retry_delay", "retry_backoff", "retry_backoff_max")}
    given["retry_kwargs"] = (options.get("retry_kwargs") or {}).get("countdown")
    for name, seconds in given.items():
        try:
            if not (seconds is None or isinstance(seconds, bool)):
                due.after(seconds)
        except (TypeError, ValueError) as wrong:
            raise TypeError(f"{name}: {wrong}") from None


def retry_policy(options: Mapping[str, Any]) -> dict[str, Any]:
    """Of Celery's options, those that say how often and when again; for readers."""
    return {name: options[name] for name in options if name.startswith("retry_") or name == "max_retries"}
