"""How the code of a task is entered: once by Celery's tracer for a job, and as a plain function by everybody else.

A task's class is ``Outermost``, then the team's own base class, then ``JobTask``. So the team's ``__call__`` and
``before_start`` run inside the attempt, and what they raise ends it as if the function had raised it.
"""

import asyncio
import inspect
from collections.abc import Callable
from functools import wraps
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

from celery.app.task import Context

from tasks.engine.report import current_report
from tasks.worker import slices
from tasks.worker.attempt import HELD

LOAD = "signalbox_load"  # in a request, until the function runs: what makes its values of the job's
elsewhere: list[bool] = []  # not empty in the worker of another Celery app: its messages are plain calls, no jobs


class Outermost:
    """First in the class of every job: what Celery's worker calls."""

    tracer: Any = None  # Celery's own, as it was built for this task

    @property
    def __trace__(self) -> Any:
        """What a worker calls for a message. Celery sets its tracer here again and again, and gets the one below."""
        return self._trace_message if self.tracer else None

    @__trace__.setter
    def __trace__(self, tracer: Any) -> None:
        self.tracer = tracer

    def _trace_message(self, uid: str, args: Any, kwargs: Any, request: Any = None) -> Any:
        if elsewhere:  # such as a message that waited when its task became one of jobs
            return self.tracer(uid, args, kwargs, request)
        return slices.work(self, uid, request or {})

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        """Called by Celery's tracer before ``__call__``. That of the team's class is called inside the attempt."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        request = self.request
        held = request.__dict__.pop(HELD, None)
        if held is not None:
            return held.perform(lambda: self._first_call(request, held.load, args, kwargs))
        if request.is_eager and LOAD not in request.__dict__:
            return self._first_call(request, as_given, args, kwargs)
        return super().__call__(*args, **kwargs)

    def _first_call(self, request: Context, load: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """The call that Celery's tracer makes. Every further call of the task is a plain one."""
        setattr(request, LOAD, load)
        super().before_start(request.id, request.args, request.kwargs)
        return super().__call__(*args, **kwargs)


def as_given(args: Any, kwargs: Any) -> tuple[Any, Any]:
    return args, kwargs


def run_of(function: Callable[..., Any], bound: bool, takes_report: bool) -> Callable[..., Any]:
    """The method ``run`` of a task made of ``function``: it adds ``self`` and ``report``, and runs a coroutine."""

    @wraps(function)
    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        request = self.request
        load = request.__dict__.get(LOAD)
        if load:
            args, kwargs = load(args, kwargs)
            setattr(request, LOAD, None)
        try:
            result = function(*[self] * bound, *[current_report()] * takes_report, *args, **kwargs)
            if isinstance(result, CoroutineType):
                return in_a_loop(result)
            if isinstance(result, GeneratorType | AsyncGeneratorType):
                raise TypeError(f"{self.name} returned a generator, of which nothing has run: return list(…) of it.")
            return result
        finally:
            if load:  # a base class may call it again
                setattr(request, LOAD, load)

    given = inspect.signature(function)
    own = [] if bound else [inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)]
    run.__signature__ = given.replace(parameters=[*own, *given.parameters.values()])
    return run


def in_a_loop(coroutine: CoroutineType) -> Any:
    try:
        from uvloop import new_event_loop  # loaded by the first job that needs it: few processes do
    except ImportError:  # there is none for Windows and PyPy
        new_event_loop = None
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(coroutine)
