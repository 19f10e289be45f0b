"""Plain Celery tasks as jobs without a changed line: SIGNALBOX_ADOPT names them, or ``take`` names their app.

Each task that Celery has made of ``@shared_task`` or ``@app.task`` becomes one of a job in its place, in every app of
the process, so whoever holds it, calls it or waits for its signals goes on with the very same object.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial
from types import MethodType
from typing import Any

from celery import Task, _state
from django.conf import settings

from tasks.engine import adoption, options, registry, routing
from tasks.engine.celery_app import app
from tasks.params.json_types import SealedJson
from tasks.params.signature import Signature
from tasks.worker import body
from tasks.worker.task import JobTask

NEVER = "celery."  # Celery's own chores


def adopt_all() -> None:
    """Make jobs of the tasks that SIGNALBOX_ADOPT names, and of taken apps. Called when all modules are imported."""
    patterns, found, adopted = list(getattr(settings, "SIGNALBOX_ADOPT", ())), _tasks(), []
    idle = [pattern for pattern in patterns if not _any(found, pattern)]
    wrong = [f"SIGNALBOX_ADOPT names {each!r}, and no plain Celery task of this process is called so." for each in idle]
    named = {name for name in found if _matches(name, patterns)}
    taken = {name for name, tasks in found.items() if any(task.app in adoption.taken for task in tasks)}
    for name in sorted(named | taken):
        try:
            adopt(name, found[name])
        except TypeError as error:
            wrong.append(f"The task {name} stays a plain Celery task: {error}.")
        else:
            adopted.append(name)
    closed = [each for each in getattr(settings, "SIGNALBOX_ADOPT_SUBMIT", ()) if not _any(adopted, each)]
    wrong += [f"SIGNALBOX_ADOPT_SUBMIT names {each!r}, and no task that became a job is called so." for each in closed]
    adoption.started[:], adoption.adopted[:], adoption.wrong[:] = [True], adopted, wrong
    adoption.left_alone[:] = sorted(name for name, tasks in found.items() if _goes_elsewhere(tasks[0]))


def adopt(name: str, tasks: list[Task]) -> registry.Kind:
    """Make jobs of the same task in all apps. TypeError: it cannot be one, and nothing is changed."""
    kind = _kind_of(name, tasks[0])
    classes = [_class_of(task, kind) for task in tasks]
    registry.register(kind)
    routing.settle(kind)
    for task, made in zip(tasks, classes, strict=True):
        task.__class__ = made
        if "_orig_run" in vars(task):  # ``run`` is Celery's wrapper around it, which tries again
            task._orig_run = partial(made.run, task)
        elif "run" in vars(task):  # a wrapper of the team's own, around the function without its values
            task.run = MethodType(body.run_of(task.run, bound=False, takes_report=False), task)
    app.tasks[name] = tasks[0]
    return kind


def _kind_of(name: str, task: Task) -> registry.Kind:
    function, bound = _function_of(task)
    options.check_serializer(task.serializer)
    dotted = f"{function.__module__}.{function.__name__}"
    tries = (getattr(task, "retry_kwargs", None) or {}).get("max_retries", task.max_retries)
    queue, priority = getattr(task, "queue", None), getattr(task, "priority", None)
    return registry.Kind(
        name=function.__name__ if name == dotted else name,
        celery_name=name,
        dotted=dotted,
        named=name != dotted,
        signature=_sealed(Signature.of(function, bound=bound, adopted=True)),
        bound=bound,
        where=f"{function.__module__}.{function.__qualname__}",
        place=registry.place(function),
        doc=(function.__doc__ or "").strip(),
        queue=queue or "default",
        routed=not queue,
        priority=routing.PRIORITY if priority is None else priority,
        max_attempts=registry.ENDLESS if tries is None else 1 + tries,
        own_retries=bool(getattr(task, "autoretry_for", None)),
        soft_time_limit=task.soft_time_limit,
        time_limit=task.time_limit,
        expires=getattr(task, "expires", None),
        rate_limit=task.rate_limit,
        on_lost=getattr(task, "on_lost", "retry"),
        retry=options.retry_policy(options.of_class(type(task))),
        open=_matches(name, getattr(settings, "SIGNALBOX_ADOPT_SUBMIT", ())),
    )


def _class_of(task: Task, kind: registry.Kind) -> type:
    mixed = options.mix_base(body.Outermost, JobTask, type(task))
    about = {"abstract": False, "kind": kind, "run": body.run_of(*_function_of(task), takes_report=False)}
    return type(type(task).__name__, (mixed,), about | {"__doc__": task.__doc__, "__module__": type(task).__module__})


def _function_of(task: Task) -> tuple[Any, bool]:
    """The function of a task as it stands in its class, and whether it takes the task as its first argument."""
    run = next(vars(each)["run"] for each in type(task).__mro__ if "run" in vars(each))
    return (run.__func__, False) if isinstance(run, staticmethod) else (run, True)


def _sealed(signature: Signature) -> Signature:
    """The same, with those parameters sealed whose names look like secrets."""
    looks = re.compile(settings.SIGNALBOX_ADOPT_SECRETS, re.IGNORECASE)
    fields = (replace(each, rule=SealedJson()) if looks.search(each.name) else each for each in signature.fields)
    return replace(signature, fields=tuple(fields))


def _goes_elsewhere(task: Task) -> bool:
    """Whether a call of the function, as its module has it, is a message to the broker of another app and no row."""
    held = _held(task)
    return isinstance(held, Task) and not isinstance(held, JobTask) and held.app is not app


def _held(task: Task) -> Any:
    """What the module of a task's function has under its name: the task of one app, in most cases."""
    function, _ = _function_of(task)
    return getattr(sys.modules.get(function.__module__), function.__name__, None)


def _tasks() -> dict[str, list[Task]]:
    """Name → the tasks of that name, one for each app of the process; first the one that code holds.

    Celery makes a copy of each task for every app that starts later, in no certain order.
    """
    found: dict[str, list[Task]] = {}
    for each in _apps():
        for name, task in list(each.tasks.items()):
            if not name.startswith(NEVER) and not isinstance(task, JobTask) and task not in found.get(name, ()):
                found.setdefault(name, []).append(task)
    for tasks in found.values():
        of = getattr(_held(tasks[0]), "app", None)
        tasks.sort(key=lambda task: task.app is not of)
    return found


def _apps() -> Iterator[Any]:
    current = _state.get_current_app()
    yield current
    yield from (each for each in _state._get_active_apps() if each is not current)


def _any(names: Iterable[str], pattern: str) -> bool:
    return any(fnmatchcase(name, pattern) for name in names)


def _matches(name: str, patterns: Any) -> bool:
    return not name.startswith(NEVER) and any(fnmatchcase(name, pattern) for pattern in patterns)
