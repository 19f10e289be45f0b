"""Lets other Celery apps of the process, such as a team's own, answer about jobs. The answers come from the rows.

Code asks its own app, or Celery's current one: ``AsyncResult(id)``, ``app.send_task``,
``app.control.revoke(id)``, ``app.control.inspect()``. For what is no job the app uses its own broker and result
backend, as before.
"""

from collections.abc import Iterator
from contextvars import ContextVar
from functools import partial
from typing import Any

from celery import Celery, _state
from celery.contrib.abortable import ABORTED

from tasks.engine import adoption, maps, registry
from tasks.engine.celery_app import app, is_ours
from tasks.worker import control, results

OUR_KINDS = "tasks.kinds."  # other programs rely on the names of the kinds there
_senders: list[Any] = []  # of these, the apps with a ``send_task`` of their own, through which Celery's calls go


def serve_all() -> None:
    """Serve each app of the process, and those that are made later."""
    for other in _state._get_active_apps():
        serve(other)
    _state.connect_on_app_finalize(serve)


def serve(other: Any) -> None:
    """Let ``other`` answer about jobs too. Its class stays its own, as code may ask for it."""
    if is_ours(other) or any(each is other for each in adoption.served):
        return
    adoption.served.append(other)
    other._get_backend = partial(_backend, other._get_backend)
    other._backend_cache = None  # one without ours, that was asked for already
    vars(other._local).pop("backend", None)
    if type(other).send_task is not Celery.send_task:
        _senders.append(other)
        other.__class__ = type(type(other).__name__, (type(other), Sender), {"__module__": type(other).__module__})
    other.send_task = partial(_by_name, other.send_task)
    other.control = _mixed(Control, other.control)(app=other)


class Call:
    """A call of a task on its way through ``send_task`` of an app; ``given`` when it has come through."""

    def __init__(self, name: str) -> None:
        self.name, self.given = name, None


_call: ContextVar[Call | None] = ContextVar("signalbox_call", default=None)


class Sender(Celery):
    """Behind the class of an app with a ``send_task`` of its own, and before Celery's, which would send a message."""

    def send_task(self, name: str, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        call = _call.get()
        if call is None or call.name != name:
            return super().send_task(name, args, kwargs, **options)
        options.pop("task_type", None)
        call.given = args, kwargs, options
        return call


def pass_on(task: Any, args: Any, kwargs: Any, options: dict[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
    """A call as ``send_task`` of the team's app hands it on to Celery, such as with the tenant in its headers."""
    of = [each for each in _senders if each is task.app] or _senders
    if len(of) > 1:
        raise TypeError(
            f"{task.name}: several Celery apps of this process have a send_task of their own; adopt the task."
        )
    call = Call(task.name)
    token = _call.set(call)
    try:
        type(of[0]).send_task(of[0], task.name, args, kwargs, task_type=task, **options)
    finally:
        _call.reset(token)
    if call.given is None:
        raise TypeError(f"{task.name}: send_task of {type(of[0]).__name__} did not hand the call on to Celery.")
    return call.given


def passes_on(task: Any) -> bool:
    return bool(_senders) and not task.__module__.startswith(OUR_KINDS)


def said(name: str) -> Any:
    """A setting of Celery's as code has set it on such an app; tests set eager mode so. None: it is not set."""
    for each in adoption.served:
        value = (each._preconf if each._conf is None else each._conf.changes).get(name)
        if value is not None:
            return value
    return None


def _by_name(theirs: Any, name: str, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
    if registry.knows(name) and (name not in maps.NAMES or _maps_a_job(kwargs)):
        return app.tasks[registry.celery_name(name)].apply_async(args, kwargs, **options)
    return theirs(name, args, kwargs, **options)


def _maps_a_job(kwargs: Any) -> bool:
    return registry.knows(maps.called_by(kwargs["task"]))


def _backend(theirs: Any) -> Any:
    made = theirs()
    made.chords_of_jobs = set()
    made.own_chord = vars(made).pop("apply_chord", None)  # some of Celery's have it on the object, before its class
    made.__class__ = _mixed(Backend, made)
    return made


def _mixed(ours: type, theirs: Any) -> type:
    return type(type(theirs).__name__, (ours, type(theirs)), {})


class Backend:
    """Before the class of an app's result backend: it has the results of jobs too, and stores none of them."""

    own_chord: Any
    chords_of_jobs: set[str]  # whose header is being called

    def get_task_meta(self, task_id: str, cache: bool = True) -> dict[str, Any]:
        found = results.with_children(task_id)
        return super().get_task_meta(task_id, cache=cache) if found is None else found

    def add_pending_result(self, result: Any, *args: Any, **options: Any) -> Any:
        if results.known(result.id) is None:
            return super().add_pending_result(result, *args, **options)
        return result

    def wait_for_pending(self, result: Any, callback: Any = None, propagate: bool = True, **options: Any) -> Any:
        if results.known(result.id) is None:
            return super().wait_for_pending(result, callback=callback, propagate=propagate, **options)
        asked = {name: options[name] for name in ("timeout", "interval") if options.get(name) is not None}
        job = results.JobResult(result.id, app=app, parent=result.parent)
        return job.get(propagate=propagate, callback=callback, **asked)

    def iter_native(self, result: Any, *args: Any, **options: Any) -> Iterator[tuple[str, Any]]:
        if any(results.known(each.id) is not None for each in results.leaves(result.results)):
            return results.iterate(result.results, *args, **options)
        return super().iter_native(result, *args, **options)

    def ensure_chords_allowed(self) -> None:
        """``apply_chord`` asks it for what is no job."""

    def apply_chord(self, header_result_args: Any, body: Any, **options: Any) -> Any:
        """Whatever backend an app has, a chord of jobs is a row."""
        jobs = {isinstance(each, results.JobResult) for each in results.leaves(header_result_args[1])}
        if jobs == {True, False}:
            raise TypeError("A chord waits for jobs or for plain Celery tasks, and not for both: make jobs of all.")
        if True in jobs:
            self.chords_of_jobs.add(header_result_args[0])
            return app.backend.apply_chord(header_result_args, body, **options)
        super().ensure_chords_allowed()
        return (self.own_chord or super().apply_chord)(header_result_args, body, **options)

    def set_chord_size(self, group_id: str, chord_size: int) -> None:
        """A chord's row knows its size: that of jobs needs no backend, which may be away."""
        if group_id not in self.chords_of_jobs:
            return super().set_chord_size(group_id, chord_size)
        return self.chords_of_jobs.discard(group_id)

    def store_result(self, task_id: str, result: Any, state: str, *args: Any, **options: Any) -> Any:
        if state == ABORTED and results.known(task_id) is not None:
            return app.backend.store_result(task_id, result, state)
        return super().store_result(task_id, result, state, *args, **options)

    def forget(self, task_id: str) -> None:
        if results.known(task_id) is None:
            super().forget(task_id)


class Control:
    """Before the class of an app's ``control``: what names jobs or asks workers is done by ours too."""

    def revoke(self, task_id: Any, *args: Any, **options: Any) -> list[dict[str, Any]] | None:
        ids = control.listed(task_id)
        jobs = [each for each in ids if results.row_of(each)[1] is not None]
        said = app.control.revoke(jobs, *args, **options) if jobs else None
        others: Any = [each for each in ids if each not in jobs]
        if not others and jobs:
            return said
        theirs = super().revoke(task_id if isinstance(task_id, str) else others, *args, **options)
        return [*(said or ()), *(theirs or ())] if options.get("reply") else theirs

    def rate_limit(self, task_name: str, *args: Any, **options: Any) -> Any:
        theirs = app.control if registry.knows(task_name) else super()
        return theirs.rate_limit(task_name, *args, **options)

    def terminate(self, task_id: Any, destination: Any = None, signal: Any = "SIGTERM", **options: Any) -> Any:
        return self.revoke(task_id, destination=destination, terminate=True, signal=signal, **options)

    def broadcast(self, command: str, *args: Any, **options: Any) -> list[dict[str, Any]] | None:
        asks = options.get("reply") and command in control.SAYS
        said = app.control.broadcast(command, *args, **options) if asks else []
        theirs = super().broadcast(command, *args, **options)  # until its timeout is over
        return [*said, *(theirs or ())] if asks else theirs
