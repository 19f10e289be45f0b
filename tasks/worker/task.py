"""The @job decorator and JobTask: a Celery task whose every call is a row.

It submits through the lifecycle. How a job runs stands in tasks.worker.trace.
Every Celery option means the same as in Celery. An unsupported option raises TypeError with its name.
"""

import inspect
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from celery import Task, _state, chunks, xmap, xstarmap
from celery.exceptions import ImproperlyConfigured, Retry
from celery.local import PromiseProxy
from django.apps import apps
from django.db import transaction
from kombu.serialization import dumps, loads
from kombu.utils.imports import symbol_by_name

from tasks.engine import call_options, canvas, due, lifecycle, options, registry, routing
from tasks.engine.celery_app import app
from tasks.engine.models import Job
from tasks.engine.report import current_report
from tasks.engine.uid import uuid7
from tasks.engine.words import number_of
from tasks.params.signature import Signature
from tasks.worker import again, annotated, attempt, body, other_apps, publish, trace, wrapped
from tasks.worker.results import JobResult

TAKEN = "a job with this task_id exists and is {}, and a job is one call. Leave task_id out to run it again."


class JobTask(Task):
    """The class of every task made with @job."""

    abstract = True
    typing = False
    Request = "tasks.worker.request:JobRequest"
    kind: registry.Kind

    def __setattr__(self, name: str, value: Any) -> None:
        """What code sets after the definition counts from then on, as in Celery."""
        super().__setattr__(name, value)
        if name in annotated.BY_CODE:
            annotated.settle(self.kind, name, value)

    # --- asking ---

    def apply_async(
        self, args: Any = None, kwargs: Any = None, task_id: str | None = None, *more: Any, **options: Any
    ) -> JobResult:
        """Accept a job. ``countdown`` (seconds) and ``eta`` become its due time; ``priority`` is 0 to 9, 9 first.

        What waits beyond ``expires`` is cancelled. ``headers`` are there in the request of the task.
        """
        options = call_options.by_name(more, options)
        if wrapped.around_celerys():
            if not wrapped.passing(self.name):
                options |= {"task_id": task_id} if task_id else {}
                with wrapped.passes(self.name):  # and comes back here, by ``send_task`` of the app
                    return super().apply_async(args, kwargs, **options)
            options = wrapped.own_options(self, options)
        if self._is_eager():
            self.kind.signature.bind(args or (), kwargs or {})
            content_type, encoding, data = dumps((args or (), kwargs or {}), "json")
            args, kwargs = loads(data, content_type, encoding)  # as a worker would get them
            propagates = other_apps.said("task_eager_propagates") or None  # None: as our own app says
            return self.apply(args, kwargs, **({"task_id": task_id, "throw": propagates} | options))
        if other_apps.passes_on(self):
            args, kwargs, options = other_apps.pass_on(self, args, kwargs, {"task_id": task_id, **options})
            task_id = options.pop("task_id", None)
        named = {name: options.pop(name, None) for name in ("idempotency_key", "owner")}
        chord, links = canvas.chord_of(options), [options.pop(name, None) for name in ("chain", "link", "link_error")]
        then = canvas.plan_chain(links[0], links[1], chord, links[2])
        args, kwargs = call_options.check_call(self.name, args, kwargs)
        options["shadow"] = options.get("shadow") or self.shadow_name(args, kwargs, options)
        asked = call_options.split_options(self.kind, options)
        asked["expires_at"] = call_options.expiry(asked)
        asked.pop("expires")
        if (countdown := asked.pop("countdown")) is not None:
            asked["due_at"] = due.after(countdown)
        headers = asked.pop("headers")
        self.kind.signature.bind(args, kwargs)  # a wrong call is refused before anything is written or sent
        uid = call_options.parse_task_id(self.name, task_id) or uuid7()
        call = publish.before(self, str(uid), args, kwargs, headers, asked.get("queue"))
        params = self.kind.signature.bind(call.args, call.kwargs)
        report = current_report()
        named |= {"parent": UUID(report.job_id) if report.job_id else None, "root": report.root}
        named |= {"then": then, "headers": call.headers}
        job, new = lifecycle.submit(self.kind.name, params, uid=uid, chosen=bool(task_id), **asked, **named)
        if task_id and not new and not named["idempotency_key"]:
            raise ValueError(f"{self.name}: {TAKEN.format(job.state)}")
        publish.after(self, call)
        return self.AsyncResult(str(job.uid))

    def _is_eager(self) -> bool:
        return self._get_app().conf.task_always_eager or other_apps.said("task_always_eager")

    def delay_on_commit(self, *args: Any, **kwargs: Any) -> None:
        """Same as ``delay``: the row is part of the transaction, and its message is sent after the commit. In eager
        mode there is no row, and the call runs after the commit."""
        self.apply_async_on_commit(args, kwargs)

    def apply_async_on_commit(self, *args: Any, **kwargs: Any) -> None:
        call = partial(self.apply_async, *args, **kwargs)
        if self._is_eager():
            transaction.on_commit(call)
        else:
            call()

    def AsyncResult(self, task_id: str, **options: Any) -> JobResult:
        return JobResult(task_id, app=self._get_app(), **({"backend": app.backend} | options))

    @property
    def backend(self) -> Any:
        """A job's result is its row, so its app's own backend gets none, and may be away. A message that waited when
        its task became one of jobs is run by that app's worker, whose callers wait for a result there."""
        return Task.backend.fget(self) if body.elsewhere else app.backend

    @backend.setter
    def backend(self, value: Any) -> None:
        self._backend = value

    def map(self, it: Iterable[Any]) -> Any:
        """As in Celery, a signature of one job that calls the task with each item; tasks.kinds.mapped has its kind."""
        return xmap(self.s(), it, app=app)

    def starmap(self, it: Iterable[Any]) -> Any:
        return xstarmap(self.s(), it, app=app)

    def chunks(self, it: Iterable[Any], n: int) -> Any:
        return chunks(self.s(), it, n, app=app)

    def add_to_chord(self, *args: Any, **options: Any) -> Any:
        raise TypeError(f"{self.name}: a chord waits for the jobs that its header has: make a group of more.")

    def replace(self, sig: Any) -> Any:
        """Let ``sig`` do the work of this job, as in Celery: what follows the job follows that, with its result."""
        request = self.request
        if request.called_directly or request.is_eager:
            return super().replace(sig)
        if "chord" in sig.options:
            raise ImproperlyConfigured("A signature replacing a task must not be part of a chord")
        raise attempt.Replaced(sig)

    def update_state(self, task_id: str | None = None, state: str | None = None, meta: Any = None, **_: Any) -> None:
        """Set a state of the task's own, as in Celery: callers read it within a second.

        ``current`` and ``total`` of ``meta`` move the progress bar, as with celery-progress.
        """
        if task_id not in (None, self.request.id):
            raise TypeError(f"{self.name}: update_state cannot set the state of another job.")
        if state is not None:
            current_report().set_state(str(state), meta)
        if isinstance(meta, dict) and "current" in meta:
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
        if body.elsewhere:
            return again.as_a_job(self, args, kwargs, exc, throw, eta, countdown)
        when = eta if eta is not None else self.default_retry_delay if countdown is None else countdown
        try:
            due.in_seconds(when)
        except (TypeError, ValueError) as wrong:
            raise type(wrong)(f"{self.name}: {wrong}.") from exc
        most = self.max_retries if max_retries is None else max_retries
        if most is not None and self.request.retries >= most:
            if exc is not None:
                raise exc
            call = {"task_args": tuple(self.request.args or ()), "task_kwargs": self.request.kwargs}
            raise self.MaxRetriesExceededError(f"{self.name} was tried {number_of(most + 1, 'time')}.", **call)
        reason = Retry(exc=exc, when=when)
        reason.changed = again.changed(self, args, kwargs, options)
        reason.__cause__ = exc  # as it was: ``reason.exc`` may be a wrapper that can be pickled
        setattr(self.request, attempt.AGAIN, reason)
        if throw:
            raise reason
        return reason

    # --- running ---

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Behind the team's own ``__call__``: the request of a job stays, and a plain call gets one of its own."""
        if self.request.__dict__.get(body.LOAD):
            return self.run(*args, **kwargs)
        return super().__call__(*args, **kwargs)

    def perform(self, job: Job, foreground: bool = False) -> Any:
        """Run a claimed job here by Celery's tracer and record how it ends. Raises only what ends a process."""
        return trace.trace(self, job, {"hostname": job.worker}, foreground)


class TaskProxy(PromiseProxy):
    # What @job returns while apps are loaded. Celery's own hides ``__module__`` of the task, which that of
    # ``shared_task`` does not: a decorator above it may make a name of it.
    __slots__ = ()
    __module__ = property(lambda self: self._get_current_object().__module__)  # type: ignore[assignment]
    __doc__ = property(lambda self: self._get_current_object().__doc__)  # type: ignore[assignment]


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


def _class_of_the_app(module: str) -> Any:
    """The class for all tasks of the team's own Celery app, ``Celery(task_cls=…)``, if the process has one by now."""
    others = [
        each for each in _state._get_active_apps() if each is not app and not module.startswith(other_apps.OUR_KINDS)
    ]
    classes = {symbol_by_name(each.task_cls) for each in others} - {Task}
    if len(classes) > 1:
        names = " and ".join(sorted(each.__name__ for each in classes))
        raise TypeError(f"several Celery apps of this process have a class for all tasks, {names}; give base=")
    return next(iter(classes), None)


def _make_task(function: Callable[..., Any], given: dict[str, Any]) -> Any:
    where = f"{function.__module__}.{function.__qualname__}"
    own = {name: given.pop(name) for name in options.OWN & given.keys()}
    try:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(
                "a generator runs only as far as somebody asks for its values, and nobody does: return a list"
            )
        options.check_options(given)
        wanted = given.pop("base", None) or _class_of_the_app(function.__module__)
        base = options.mix_base(body.Outermost, JobTask, wanted)
        options.check_serializer(given.get("serializer") or base.serializer)
        options.check_delays(options.of_class(base) | given)
    except TypeError as error:
        raise TypeError(f"{where}: {error}") from None
    dotted = f"{function.__module__}.{function.__name__}"
    chosen = given.get("name")
    celery = {**given, "name": dotted if chosen is None else chosen}
    said = options.of_class(base) | celery
    tries = (said.get("retry_kwargs") or {}).get("max_retries", said["max_retries"])
    bound = bool(celery.get("bind"))
    signature = Signature.of(function, bound=bound)
    kind = registry.Kind(
        name=function.__name__ if chosen is None else chosen,
        signature=signature,
        bound=bound,
        celery_name=celery["name"],
        dotted=dotted,
        named=chosen is not None or dotted.startswith(other_apps.OUR_KINDS),
        where=where,
        place=registry.place(function),
        doc=inspect.getdoc(function) or "",
        queue=said.get("queue") or "default",
        routed=not said.get("queue"),
        priority=5 if said.get("priority") is None else said["priority"],
        max_attempts=registry.ENDLESS if tries is None else 1 + tries,
        own_retries=bool(said.get("autoretry_for")),
        soft_time_limit=said.get("soft_time_limit"),
        time_limit=said.get("time_limit"),
        expires=said.get("expires"),
        rate_limit=said.get("rate_limit"),
        retry=options.retry_policy(said),
        **own,
    )
    registry.register(kind)
    routing.settle(kind)
    celery.pop("typing", None)
    for name in {"queue", "priority"} & celery.keys():  # as options of a task, Celery warns that they end with 6.0
        setattr(base, name, celery.pop(name))
    celery["bind"] = True
    run = body.run_of(function, bound, signature.takes_report)
    made = app.task(base=base, typing=False, kind=kind, **celery)(run)
    if type(made) is not PromiseProxy:
        return made
    proxy = TaskProxy(made._get_current_object)
    made.__then__(proxy._get_current_object)  # receivers of signals wait for it
    return proxy
