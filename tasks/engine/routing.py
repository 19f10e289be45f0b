"""Which queue a job waits in, and how urgent it is, as Celery decides it.

What the call says counts first, then the kind, then ``task_routes``, then ``task_default_queue``. Queues go by the
names that people give them here; tasks.engine.broker puts SIGNALBOX_NAME in front.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from celery.app.routes import MapRoute, Router, prepare
from django.conf import settings
from kombu import Queue

from tasks.engine import broker, registry
from tasks.engine.celery_app import app

PRIORITY = 5
_prepared: tuple[Any, Any] = (None, ())


def default_queue() -> str:
    return _plain(_said("task_default_queue", "default"))


def queue_name(queue: Any) -> str | None:
    """The name of what a call gives as ``queue``: a text, or kombu's Queue. ValueError for one that no row can hold."""
    if queue is None or queue == "":
        return None
    name = _plain(queue.name if isinstance(queue, Queue) else queue)
    if not registry.is_name(name, registry.QUEUE):
        raise ValueError(f"a queue has a name of 1 to {registry.QUEUE} printable characters")
    return name


class Routes(NamedTuple):
    """What the settings say of every job, read once where many are asked for."""

    routers: Any
    queue: str
    priority: int | None


def routes() -> Routes:
    return Routes(_routers(), default_queue(), _said("task_default_priority"))


def destination(
    kind: registry.Kind,
    params: Mapping[str, Any],
    queue: str | None = None,
    priority: int | None = None,
    by: Routes | None = None,
) -> tuple[str, int]:
    """Queue and priority of a new job. ``queue``, ``priority``: what was asked for; ``by``: the settings, if read."""
    by = by or routes()
    asked = {"queue": queue, "priority": priority}
    route = look_up(by.routers, kind.celery_name or kind.name, params, asked)
    queue = queue or ("" if kind.routed else kind.queue) or queue_name(route.get("queue")) or by.queue
    own = None if kind.priority == PRIORITY else kind.priority
    said = (priority, own, route.get("priority"), by.priority)
    found = next((number for number in said if number is not None), PRIORITY)
    if priority is None and found not in range(10):
        raise ValueError("a priority is a whole number from 0 to 9: see task_routes and task_default_priority")
    return queue, found


def look_up(routers: Any, name: str, params: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """What the routers say of a task; what each of them raises is raised."""
    if not routers:
        return {}
    given = {option: value for option, value in options.items() if value is not None}
    route = Router(routers, app=app).lookup_route(name, (), dict(params), given, app.tasks.get(name))
    return {"queue": route} if isinstance(route, str | Queue) else dict(route or {})


def settle(kind: registry.Kind) -> None:
    """The queue of a kind that names none, as far as it does not depend on a job's parameters; for readers."""
    if kind.routed:
        routes = (router(kind.celery_name) for router in _routers() if isinstance(router, MapRoute))
        found = next((route for route in routes if route is not None), {})
        kind.queue = queue_name(found.get("queue")) or default_queue()


def named_queues() -> set[str]:
    """The queues that the project's settings name: workers serve them although no kind has them for its own."""
    named = {default_queue()}
    for router in _routers():
        if isinstance(router, MapRoute):
            for route in (*router.map.values(), *router.patterns.values()):
                named.add(queue_name(route.get("queue") if isinstance(route, Mapping) else route) or default_queue())
    return named | set(_declared())


def _declared() -> Iterator[str]:
    """CELERY_TASK_QUEUES: a list of kombu's Queues, or a dict by their names. Only the names count here."""
    queues = getattr(settings, "CELERY_TASK_QUEUES", None) or _said("task_queues") or ()
    for queue in queues:
        if (name := queue_name(queue)) is not None:
            yield name


def _routers() -> Any:
    """``task_routes`` as Celery reads them, prepared once for each value of the setting."""
    global _prepared
    routes = _said("task_routes")
    if _prepared[0] is not routes:
        _prepared = routes, prepare(routes)
    return _prepared[1]


def _said(name: str, default: Any = None) -> Any:
    """A setting of Celery's. Asked for each job: ``app.conf`` itself takes 30 microseconds for an answer."""
    changed = app.conf.changes.get(name)
    return getattr(settings, f"CELERY_{name.upper()}", default) if changed is None else changed


def _plain(name: Any) -> str:
    return str(name).removeprefix(broker.broker_name(""))
