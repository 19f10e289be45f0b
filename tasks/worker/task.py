"""The @job decorator and JobTask: a Celery task whose every call is a row.

Submits through the lifecycle, claims when its bell is heard, runs the function, and records how that ended.
Every Celery option means what Celery says; one that cannot be honoured raises TypeError and names itself.
"""

import asyncio
import inspect
import logging
import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from functools import partial, wraps
from typing import Any
from uuid import UUID

from billiard.common import terminate_handler_fired
from celery import Task, shared_task
from celery.exceptions import Ignore, MaxRetriesExceededError, Retry, SoftTimeLimitExceeded
from django.apps import apps
from django.db import InterfaceError, OperationalError, connection

from tasks.engine import chains, creation, lifecycle, log_context, options, registry
from tasks.engine.errors import Failure
from tasks.engine.models import Job
from tasks.engine.report import MOST_LINES, Cancelled, Fenced, Report, current_report
from tasks.engine.words import number_of
from tasks.params.signature import Signature
from tasks.worker import pulse
from tasks.worker.results import JobResult

try:
    import uvloop
except ImportError:  # there is none for Windows and PyPy
    uvloop = None

log = logging.getLogger(__name__)

REFUSALS = 3  # of an end by a database that works, until it counts as one that cannot be stored
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
            asked["due_at"] = datetime.now(UTC) + timedelta(seconds=countdown)
        params = self.kind.signature.bind(tuple(args or ()), dict(kwargs or {}))
        uid = chains.parse_task_id(self.name, task_id)
        parent = current_report().job_id
        named |= {"parent": UUID(parent) if parent else None, "then": then}
        job, _ = lifecycle.submit(self.name, params, uid=uid, **asked, **named)
        return self.AsyncResult(str(job.uid))

    def delay_on_commit(self, *args: Any, **kwargs: Any) -> None:
        """As Django's tasks have it. The row is part of the transaction anyway, and its bell rings after the commit."""
        self.delay(*args, **kwargs)

    def apply_async_on_commit(self, *args: Any, **kwargs: Any) -> None:
        self.apply_async(*args, **kwargs)

    def AsyncResult(self, task_id: str, **options: Any) -> JobResult:
        return JobResult(task_id, app=self._get_app(), **options)

    def _not_here(self, *args: Any, **options: Any) -> Any:
        raise TypeError(f"{self.name}: a job is one call: make a group of {self.name}.s(…), or a chain.")

    map = starmap = chunks = replace = add_to_chord = _not_here  # Celery's would vanish, or end the job in silence

    def update_state(self, task_id: str | None = None, state: str | None = None, meta: Any = None, **_: Any) -> None:
        """Celery's way to tell progress, also that of celery-progress: ``current`` and ``total`` of ``meta``."""
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
        """As Celery's, but nothing is published: the row says when the next attempt is due."""
        if self.request.called_directly or self.request.is_eager:
            return super().retry(args, kwargs, exc, throw, eta, countdown, max_retries, **options)
        if args is not None or kwargs is not None or options:
            named = ", ".join(["args"] * (args is not None) + ["kwargs"] * (kwargs is not None) + list(options))
            raise TypeError(f"{self.name}: retry cannot change {named} of a job.")
        most = self.max_retries if max_retries is None else max_retries
        if most is not None and self.request.retries >= most:
            raise exc or MaxRetriesExceededError(f"{self.name} was tried {number_of(most + 1, 'time')}.")
        if eta is None and countdown is None:
            countdown = self.default_retry_delay
        reason = Retry(exc=exc, when=eta if eta is not None else countdown)
        reason.__cause__ = exc  # as it was: ``reason.exc`` may be a wrapper that can be pickled
        if throw:
            raise reason
        return reason

    # --- running ---

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        request = self.request
        if request.called_directly or request.is_eager:
            return self._body(Report(), self.kind.signature.bind(args, kwargs))
        beating = pulse.current()
        with beating.at_work() if beating else nullcontext():
            job = self._claimed(request.id, request.hostname or "")
            if job is None:
                raise Ignore  # None would count as success and start the next link of a chain
            return self.perform(job)

    def perform(self, job: Job) -> Any:
        """Run a claimed job here and record how it ends. Raises what Celery must hear: Ignore, Retry or the failure."""
        self.request.retries = job.failures
        if isinstance(self.request.kwargs, dict):  # the one that on_success, on_failure and their signals are handed
            self.request.kwargs.update(job.params)
        try:
            params, secrets = creation.open_params(job)
        except Exception as error:  # such as secrets sealed with a key that is gone
            self._record(job, partial(lifecycle.fail, job, Failure.of(error)))
            raise
        log_context.keep(str(job.uid), secrets)
        report = Report(str(job.uid), job.attempt, job.log_seq, secrets)
        beating, running = pulse.current(), pulse.Running(job, report, self.kind.cancel_grace, self.kind.lease)
        if beating:
            beating.watch(running)
        pid = os.getpid()
        ending, heard = self._run(job, report, params)
        if os.getpid() != pid:
            os._exit(0)  # a fork of the job's own that came back from it: the job is its parent's
        if beating:
            beating.unwatch(running)
        self._record(job, partial(ending, news=report.take(most_lines=MOST_LINES + 1)))
        if isinstance(heard, BaseException):
            raise heard
        return heard

    def _run(self, job: Job, report: Report, params: dict[str, Any]) -> tuple[Callable[..., Any], Any]:
        """Run the function; returns the verb that records its end, and what Celery hears after that: raised if it is
        an exception, else the result, for ``on_success`` and ``task_success``."""
        try:
            with report:
                result = self._body(report, self.kind.signature.load(params))
        except Fenced:  # the verb finds that the attempt holds nothing any more, and says so in the attempt
            return partial(lifecycle.cancel_acknowledged, job), Ignore()
        except Cancelled:
            return partial(lifecycle.cancel_acknowledged, job, sentence="Cancelled while it ran."), Ignore()
        except Retry as later:
            failure = Failure.of(later.__cause__ or later.exc or later, report.hidden)
            return partial(lifecycle.retry_later, job, _seconds(later.when), failure), later
        except Ignore as ignored:
            return partial(lifecycle.succeed, job, None), ignored
        except SoftTimeLimitExceeded as error:
            sentence = f"Time limit: it ran for more than {self.soft_time_limit} s."
            return partial(lifecycle.fail, job, Failure.of(error, report.hidden)._replace(error=sentence)), error
        except Exception as error:
            return partial(lifecycle.fail, job, Failure.of(error, report.hidden)), error
        except BaseException as error:
            if self._told_to_end(error):  # the job goes back
                return partial(lifecycle.release, job), error
            failure = Failure.of(error, report.hidden)  # the job's own, such as sys.exit(): the worker stays
            return partial(lifecycle.fail, job, failure), RuntimeError(failure.error)
        told = report.hidden_in(result)
        return partial(lifecycle.succeed, job, told), None if isinstance(told, BaseException) else told

    def _told_to_end(self, error: BaseException) -> bool:
        """Whether it is this process that ends, and not only a job that raises what ends a process."""
        interrupted = isinstance(error, KeyboardInterrupt) and self.request.called_directly  # `manage.py run`
        return pulse.stopping() or terminate_handler_fired() or interrupted

    def _body(self, report: Report, params: dict[str, Any]) -> Any:
        return self.run(report, **params) if self.kind.signature.takes_report else self.run(**params)

    def _claimed(self, uid: str, worker: str) -> Job | None:
        try:
            return lifecycle.claim(UUID(uid), worker, os.getpid())
        except ValueError:  # a foreign message
            return None

    def _record(self, job: Job, ending: Callable[[], Any]) -> None:
        """Write the end, as soon as the database can be reached, unless the job was given away meanwhile.

        An end that the database can be reached for and yet refuses is written as a failure that says so.
        """
        pause, refused = 0.05, 0
        while True:
            try:
                ending()
                return
            except SoftTimeLimitExceeded:  # too late: the job has ended, and nothing but that is left to write
                connection.close()
            except Exception as error:
                log.warning("The end of a job cannot be written yet: %s", error)
                connection.close()
                refused += not isinstance(error, OperationalError | InterfaceError)
                if refused > 2 * REFUSALS or (pulse.stopping() and pause >= 1):
                    raise
                if refused == REFUSALS:
                    ending = partial(lifecycle.fail, job, Failure.said(f"How it ended could not be stored: {error}"))
                time.sleep(pause)
                pause = min(pause * 2, 2.0)


def job(*plain: Callable[..., Any], **given: Any) -> Any:
    """Make a function a kind of job: ``@job`` or ``@job(queue="io", max_retries=5, …)``.

    Options are those of ``celery.shared_task``, and: ``on_lost`` "retry" or "fail", ``effects`` "none", "idempotent"
    or "once", ``lease`` and ``cancel_grace`` in seconds, ``serial_key`` a format over the parameters or a function
    of them, ``quiet`` for chores. The kind's name is the function's, unless ``name`` says otherwise. TypeError for a
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
        options.check_options(given)
        base = options.mix_base(JobTask, given.pop("base", None))
    except TypeError as error:
        raise TypeError(f"{where}: {error}") from None
    celery = {"name": function.__name__, "max_retries": 3, **given}
    tries = (celery.get("retry_kwargs") or {}).get("max_retries", celery["max_retries"])
    signature = Signature.of(function, bound=celery.get("bind", False))
    kind = registry.Kind(
        name=celery["name"],
        signature=signature,
        where=where,
        place=registry.place(function),
        doc=inspect.getdoc(function) or "",
        queue=celery.get("queue") or "default",
        priority=5 if celery.get("priority") is None else celery["priority"],
        max_attempts=ENDLESS if tries is None else 1 + tries,
        own_retries=bool(celery.get("autoretry_for")),
        soft_time_limit=celery.get("soft_time_limit"),
        time_limit=celery.get("time_limit"),
        retry=options.retry_policy(celery),
        **own,
    )
    registry.register(kind)
    for name in ("queue", "priority", "typing"):  # ours; of the first two, Celery warns that they end with 6.0
        celery.pop(name, None)
    body = _run_to_end(function) if inspect.iscoroutinefunction(function) else function
    return shared_task(base=base, typing=False, kind=kind, **celery)(body)


def _run_to_end(function: Callable[..., Any]) -> Callable[..., Any]:
    """A coroutine function as a plain one: it runs on a loop of its own, so a job leaves no task of it behind."""

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop if uvloop else None) as runner:
            return runner.run(function(*args, **kwargs))

    run.__dict__.pop("__wrapped__", None)
    return run


def _seconds(when: Any) -> float:
    if isinstance(when, datetime):
        return (when - datetime.now(when.tzinfo)).total_seconds()
    return float(when or 0)
