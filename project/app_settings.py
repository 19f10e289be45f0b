"""Settings that a project gives its own Celery app in code: ``app.conf.task_routes = …``, ``add_periodic_task``, or a
module of its own for ``config_from_object``.

Workers and beat of Signalbox run the tasks of that app, so what ``project.celery_settings`` honours counts for them.
Names that Celery does not know belong to libraries, whose base classes ask the app of a task: ``app.conf.ONCE``.
"""

from types import SimpleNamespace
from typing import Any

from celery import _state

from project.celery_settings import HONOURED, NAMES, PICKLES, REFUSED, refusals, spelt
from tasks.engine import adoption, broker, registry, routing
from tasks.engine.celery_app import app

# Modules are imported by tasks.worker.imports. Eager mode is looked up at each call, as tests change it.
READ = HONOURED - {"imports", "include", "task_always_eager", "task_eager_propagates", "beat_schedule"}


def _as_settings(other: Any) -> SimpleNamespace:
    """What an app says of those settings that may be refused, as a project's settings would say it."""
    return SimpleNamespace(**{spelt(name): other.conf[name] for name in {*REFUSED, *PICKLES, "task_queues"}})


def read_from_apps() -> None:
    """Take over what other apps of the process say otherwise than Celery's default. Called when kinds are known."""
    taken: dict[str, tuple[Any, str]] = {}
    entries: dict[str, Any] = {}
    foreign: dict[str, Any] = {}
    for other in [each for each in _state._get_active_apps() if each is not app]:
        other.finalize()  # handlers of on_after_finalize add periodic tasks
        for name in sorted(READ):
            value = other.conf[name]
            if name == "task_default_queue" and value != NAMES[name].default:
                value = broker.broker_name(value)
            if value != NAMES[name].default and value != app.conf[name]:
                said, by = taken.setdefault(name, (value, other.main))
                if said != value:
                    adoption.wrong.append(f"The apps {by} and {other.main} differ in {name}; that of {by} counts.")
        if any(registry.knows(name) for name in other.tasks):
            adoption.wrong += [f"Of the app {other.main}: {said}" for said in refusals(_as_settings(other))]
        foreign = {name: value for name, value in other.conf.changes.items() if name not in NAMES} | foreign
        entries |= {name: each for name, each in other.conf.beat_schedule.items() if registry.knows(each["task"])}
    foreign = {name: value for name, value in foreign.items() if name not in app.conf}
    app.conf.update({name: value for name, (value, _) in taken.items()} | foreign)
    if entries:
        app.conf.beat_schedule = {**entries, **app.conf.beat_schedule}
    for kind in registry.kinds():
        routing.settle(kind)
        if "task_annotations" in taken:
            vars(app).pop("annotations", None)  # as they were prepared before
            app.tasks[kind.celery_name].annotate()
