"""The @job decorator and JobTask: a Celery task whose every call is a row.

It submits through the lifecycle, claims the job when its message arrives, runs the function and records the end.
Every Celery option means the same as in Celery. An unsupported option raises TypeError with its name.
"""

import asyncio
import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from datetime import datetime
from functools import wraps
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any
from uuid import UUID

from celery import Task
from celery.exceptions import Ignore, MaxRetriesExceededError, Retry
from django.apps import apps

from tasks.engine import chains, due, lifecycle, options, registry, routing
from tasks.engine.celery_app import app
from tasks.engine.models import Job
from tasks.engine.report import Report, current_report
from tasks.engine.words import number_of
from tasks.params.signature import Signature
from tasks.worker import attempt, connections, pulse
from tasks.worker.results import JobResult

try:
    import uvloop
except ImportError:  # there is none for Windows and PyPy
    uvloop = None

OUR_KINDS = "tasks.kinds."  # other programs rely on the names of the kinds there
ENDLESS = 1_000_000  # attempts, where Celery says max_retries=None


class JobTask(Task):
    """The class of every task made with @job."""

    abstract = True
    typing = False
    Request = "tasks.worker.request:JobRequest"
    kind: registry.Kind

    # --- asking ---

    def apply_async(
        self, args: Any = None, kwargs: Any = None, task_id: str | None = None, **options: Any
    ) -> JobResult:
        """Accept a job. ``countdown`` (seconds) and ``eta`` become its due time; ``priority`` is 0 to 9, 9 first."""
        if self._get_app().conf.task_always_eager:
            return self.apply(args, kwargs, task_id=task_id, **options)
        named = {name: options.pop(name, None) for name in ("idempotency_key", "owner")}
        then = chains.plan_chain(options.pop("chain", None), options.pop("link", None))
        asked = chains.split_options(self.kind, options)
        if (countdown := asked.pop("countdown")) is not None:
            asked["due_at"] = due.after(countdown)
        params = self.kind.signature.bind(tuple(args or ()), dict(kwargs or {}))
        uid = chains.parse_task_id(self.name, task_id)
        parent = current_report().job_id
        named |= {"parent": UUID(parent) if parent else None, "then": then}
        job, _ = lifecycle.submit(self.name, params, uid=uid, **asked, **named)
        return self.AsyncResult(str(job.uid))

    def delay_on_commit(self, *args: Any, **kwargs: Any) -> None:
        """Same as ``delay``: the row is part of the transaction, and its message is sent after the commit."""
        self.delay(*args, **kwargs)

    def apply_async_on_commit(self, *args: Any, **kwargs: Any) -> None:
        self.apply_async(*args, **kwargs)

    def AsyncResult(self, task_id: str, **options: Any) -> JobResult:
        return JobResult(task_id, app=self._get_app(), **options)

    def _not_here(self, *args: Any, **options: Any) -> Any:
        raise TypeError(f"{self.name}: a job is one call: make a group of {self.name}.s(…), or a chain.")

    map = starmap = chunks = replace = add_to_chord = _not_here  # Celery's would vanish, or end the job in silence

    def update_state(self, task_id: str | None = None, state: str | None = None, meta: Any = None, **_: Any) -> None:
        """Set the progress as in Celery and celery-progress: ``current`` and ``total`` of ``meta``."""
        if task_id in (None, self.request.id) and isinstance(meta, dict) and "current" in meta:
            note = meta.get("description") or meta.get("status")
            current_report().progress(meta["current"], meta.get("total"), note and str(note))

    def retry(
        self,
        args: Any = None,
        kwargs: Any = None,
        exc: BaseException | None = None,
        throw: bool = True,
        eta: datetime | None = None,
        countdown: float | None = None,
        max_retries: int | None = None,
        **options: Any,
    ) -> Retry:
        """Same as Celery's ``retry``, but publishes nothing: ``due_at`` says when the next attempt starts."""
        if self.request.called_directly or self.request.is_eager:
            return super().retry(args, kwargs, exc, throw, eta, countdown, max_retries, **options)
        if args is not None or kwargs is not None or options:
            named = ", ".join(["args"] * (args is not None) + ["kwargs"] * (kwargs is not None) + list(options))
            raise TypeError(f"{self.name}: retry cannot change {named} of a job.")
        when = eta if eta is not None else self.default_retry_delay if countdown is None else countdown
        try:
            due.in_seconds(when)
        except (TypeError, ValueError) as wrong:
            raise type(wrong)(f"{self.name}: {wrong}.") from exc
        most = self.max_retries if max_retries is None else max_retries
        if most is not None and self.request.retries >= most:
            raise exc or MaxRetriesExceededError(f"{self.name} was tried {number_of(most + 1, 'time')}.")
        reason = Retry(exc=exc, when=when)
        reason.__cause__ = exc  # as it was: ``reason.exc`` may be a wrapper that can be pickled
        if throw:
            raise reason
        return reason

    # --- running ---

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        request = self.request
        if request.called_directly or request.is_eager:
            return self.run_body(Report(), args, kwargs)
        beating = pulse.current()
        with beating.at_work() if beating else nullcontext():
            if beating:
                connections.clean()  # what on_success and receivers of signals left, after the job before
            job = self._claimed(request.id, request.hostname or "")
            if job is None:
                raise Ignore  # None would count as success and start the next link of a chain
            return self.perform(job)

    def perform(self, job: Job) -> Any:
        """Run a claimed job here and record how it ends. Raises what Celery must hear: Ignore, Retry or the failure."""
        return attempt.perform(self, job)

    def run_body(self, report: Report, args: Iterable[Any], kwargs: Mapping[str, Any]) -> Any:
        """Call the function and return its result. A returned coroutine is run; a generator is refused."""
        result = self.run(*[report] * self.kind.signature.takes_report, *args, **kwargs)
        if isinstance(result, CoroutineType):
            return in_a_loop(result)
        if isinstance(result, GeneratorType | AsyncGeneratorType):
            raise TypeError(f"{self.name} returned a generator, of which nothing has run: return list(…) of it.")
        return result

    def _claimed(self, uid: str, worker: str) -> Job | None:
        try:
            return lifecycle.claim(UUID(uid), worker, os.getpid(), self.name)
        except ValueError:  # a foreign message
            return None


def job(*plain: Callable[..., Any], **given: Any) -> Any:
    """Make a function a kind of job: ``@job`` or ``@job(queue="io", max_retries=5, …)``.

    Options are those of ``celery.shared_task``, and: ``on_lost`` "retry" or "fail", ``effects`` "none", "idempotent"
    or "once", ``lease`` and ``cancel_grace`` in seconds, ``serial_key`` a format over the parameters or a function
    of them, ``quiet`` for chores. The kind's name is the function's, unless ``name`` says otherwise; it answers to
    ``module.function`` too. TypeError for a
    signature that no form could be made of, or an option that means nothing; while apps are loaded, all such sentences
    are gathered, and stop the start together.
    """
    if plain:
        return job()(plain[0])

    def made(function: Callable[..., Any]) -> Any:
        try:
            return _make_task(function, {**given})
        except TypeError as error:
            if apps.ready:
                raise
            registry.refused.append(f"{registry.place(function)}: {error}")
            return function

    return made


def _make_task(function: Callable[..., Any], given: dict[str, Any]) -> Any:
    where = f"{function.__module__}.{function.__qualname__}"
    own = {name: given.pop(name) for name in options.OWN & given.keys()}
    try:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(
                "a generator runs only as far as somebody asks for its values, and nobody does: return a list"
            )
        options.check_options(given)
        options.check_delays(given)
        base = options.mix_base(JobTask, given.pop("base", None))
    except TypeError as error:
        raise TypeError(f"{where}: {error}") from None
    dotted = f"{function.__module__}.{function.__name__}"
    chosen = given.get("name")
    celery = {"max_retries": 3, **given, "name": dotted if chosen is None else chosen}
    tries = (celery.get("retry_kwargs") or {}).get("max_retries", celery["max_retries"])
    signature = Signature.of(function, bound=celery.get("bind", False))
    kind = registry.Kind(
        name=function.__name__ if chosen is None else chosen,
        signature=signature,
        celery_name=celery["name"],
        dotted=dotted,
        named=chosen is not None or dotted.startswith(OUR_KINDS),
        where=where,
        place=registry.place(function),
        doc=inspect.getdoc(function) or "",
        queue=celery.get("queue") or "default",
        routed=not celery.get("queue"),
        priority=5 if celery.get("priority") is None else celery["priority"],
        max_attempts=ENDLESS if tries is None else 1 + tries,
        own_retries=bool(celery.get("autoretry_for")),
        soft_time_limit=celery.get("soft_time_limit"),
        time_limit=celery.get("time_limit"),
        retry=options.retry_policy(celery),
        **own,
    )
    registry.register(kind)
    routing.settle(kind)
    for name in ("queue", "priority", "typing"):  # ours; of the first two, Celery warns that they end with 6.0
        celery.pop(name, None)
    body = _run_to_end(function) if inspect.iscoroutinefunction(function) else function
    return app.task(base=base, typing=False, kind=kind, **celery)(body)


def _run_to_end(function: Callable[..., Any]) -> Callable[..., Any]:
    """A coroutine function as a plain one: it runs on a loop of its own, so a job leaves no task of it behind."""

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        return in_a_loop(function(*args, **kwargs))

    run.__dict__.pop("__wrapped__", None)
    return run


def in_a_loop(coroutine: CoroutineType) -> Any:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if uvloop else None) as runner:
        return runner.run(coroutine)
