"""One attempt of a job, from the function's first line to the row that says how it ended.

Whatever the code does, raises or leaves behind, exactly one end is written.
"""

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date
from decimal import Decimal
from functools import partial
from os import getpid  # as it was before any job
from typing import Any, NamedTuple
from uuid import UUID

from billiard.common import terminate_handler_fired
from billiard.einfo import ExceptionInfo
from celery import states
from celery.exceptions import Ignore, Reject, Retry, SoftTimeLimitExceeded
from celery.utils.saferepr import saferepr
from celery.utils.serialization import get_pickleable_exception

from tasks.engine import canvas, creation, due, lifecycle, log_context, storable
from tasks.engine.errors import Failure, is_vast
from tasks.engine.models import Job
from tasks.engine.report import MOST_LINES, Cancelled, Fenced, Report
from tasks.params.typed import Typed
from tasks.worker import chain_of, cleanup, connections, deadlines, failures, pulse, recording
from tasks.worker.celery_states import IGNORED, REJECTED

HELD = "signalbox_held"  # in a request: the job that its task is traced for, until the task is called
AGAIN = "signalbox_again"  # in a request: what ``retry()`` gave, raised or not
BY_HAND = "Retry was raised without a call of retry(), so nothing would run the task again: raise self.retry(…)."
ENDLESS = "A requeue has no limit and is not honoured: raise self.retry() instead."
BROKEN_S = 5.0  # for the end in a process that a job has broken: another one may be able to write
PLAIN = (str, int, float, list, tuple, dict, Decimal, date, UUID, type(None))  # no code of the job's own writes them
STOPPING_S = 1.0  # between a signal to a child and the one to its worker, when somebody sends both


class Ended(NamedTuple):
    """How an attempt ended: the verb that writes it, and the value for Celery, which is raised if an exception."""

    write: Callable[..., Any]
    answer: Any


class Replaced(Ignore):
    """Raised by ``self.replace``: the signature does the job's work from here on."""


class Held:
    """A claimed job in this process, from its claim until its end is recorded. The pulse keeps its lease meanwhile."""

    def __init__(self, task: Any, job: Job, foreground: bool = False) -> None:
        self.task, self.job, self.foreground, self.ended = task, job, foreground, False
        self.unreadable: Exception | None = None
        self.follows: dict[str, Any] | None = None  # not known yet
        try:
            self.params, secrets = creation.open_params(job)
            self.args, self.kwargs = task.kind.signature.arguments(creation.masked(job, self.params))
        except Exception as error:  # such as secrets sealed with a key that is gone
            self.params, self.args, self.kwargs, secrets, self.unreadable = {}, [], {}, [], error
        log_context.keep(str(job.uid), secrets)
        self.report = Report(str(job.uid), job.attempt, job.log_seq, secrets, job.headers)
        self.report.root = job.root or job.uid
        self.beating = pulse.current()
        self.running = pulse.Running(job, self.report, task.kind.cancel_grace, task.kind.lease)
        if self.beating:
            self.beating.watch(self.running)

    def load(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Sequence[Any], dict[str, Any]]:
        """The arguments that Celery's tracer was given, with the job's secrets in the place of their masks."""
        signature = self.task.kind.signature
        secrets = {name: self.params[name] for name in signature.secrets & self.params.keys()}
        args, kwargs = signature.put_secrets(args, kwargs, secrets) if secrets else (args, kwargs)
        return failures.opened(args, kwargs)

    def perform(self, call: Callable[[], Any]) -> Any:
        """Call the job's code and record its end. Raises Ignore, Retry or the failure, as Celery expects."""
        pid, before = getpid(), cleanup.begin(str(self.job.uid), kept=self.beating is not None)
        returned, error = self._run(call)
        if getpid() != pid:
            os._exit(0)  # a process that the job's code has forked: the job belongs to its parent
        left = cleanup.end(before)
        ended = self._judge(returned, error)
        if error is not None or not _is_plain(returned):
            connections.clean(before.inside)  # an exception was turned into text, and may have queried the database
        if left.put_back:
            self.report.note(f"The job left this behind, and it was put back: {', '.join(left.put_back)}.", "warning")
        if self.beating:
            self.beating.leave(left.broken)
        self._record(ended, left)
        if isinstance(ended.answer, BaseException):
            raise ended.answer
        return ended.answer

    def end_unless_ended(self, error: BaseException | None) -> None:
        """Record the end of a job whose code Celery's tracer did not reach, or left before its end was recorded."""
        if not self.ended:
            self._record(self._judge(None, error or RuntimeError("Celery's tracer did not call the task.")))

    def _run(self, call: Callable[[], Any]) -> tuple[Any, BaseException | None]:
        """What the code returned, or raised."""
        try:
            with self.report:
                if self.unreadable:
                    raise self.unreadable
                return deadlines.call(call), None
        except BaseException as error:
            return None, error

    def _judge(self, returned: Any, error: BaseException | None) -> Ended:
        """Decide how the attempt ended. Raises nothing: an error on the way counts as the attempt's failure."""
        try:
            then = self._what_follows()
            error = self._asked_again(error)
            if error is None:
                kept = storable.result(returned, self.report.hidden)
                answer = kept if self.report.has_secrets or not _can_be_shown(returned) else returned
                return Ended(partial(lifecycle.succeed, self.job, kept, **then), answer)
            return self._judge_error(error, then)
        except BaseException as worse:
            worse.__context__ = worse.__context__ or error
            failure = Failure.of(worse, self.report.hidden)
            return Ended(partial(lifecycle.fail, self.job, failure), RuntimeError(failure.error))

    def _judge_error(self, error: BaseException, then: dict[str, Any]) -> Ended:
        """What an exception of the job's code means."""
        job, report = self.job, self.report
        kind = type(error)  # asked of the class: an exception may have a __class__ of its own
        if issubclass(kind, Fenced):  # the verb finds that the attempt holds nothing any more, and says so there
            return Ended(partial(lifecycle.cancel_acknowledged, job), Ignore())
        if issubclass(kind, Cancelled):
            return Ended(partial(lifecycle.cancel_acknowledged, job, sentence="Cancelled while it ran."), Ignore())
        if issubclass(kind, Retry) and not hasattr(error, "changed"):
            failure = Failure.of(error, report.hidden)._replace(error=BY_HAND)
            return Ended(partial(lifecycle.fail, job, failure), RuntimeError(failure.error))
        if issubclass(kind, Retry):
            failure = self._failure_of(error.__cause__ or error.exc or error)
            changed = creation.changed_columns(job, self.task.kind, error.changed)
            later = partial(lifecycle.retry_later, job, due.in_seconds(error.when), failure, changed=changed, **then)
            return Ended(later, error)
        if issubclass(kind, Replaced):
            followed = then.get("then", {"follow_ups": job.then})["follow_ups"]
            follows, last = canvas.plan_replacement(error.args[0], followed)
            result = Typed(last, creation.RESULT_OF)
            return Ended(partial(lifecycle.succeed, job, result, then={"follow_ups": follows}), error)
        if issubclass(kind, Ignore):
            return self._judge_ignore(error)
        if issubclass(kind, Reject) and not error.requeue:
            return Ended(partial(lifecycle.ignore, job, REJECTED), error)
        failure = self._failure_of(error)
        if issubclass(kind, SoftTimeLimitExceeded):
            soft, _ = deadlines.limits(job, self.task.kind)
            failure = failure._replace(error=f"Time limit: it ran for more than {soft:g} s.")
        if issubclass(kind, Reject):
            failure = failure._replace(error=f"{failure.error}. {ENDLESS}")
            return Ended(partial(lifecycle.fail, job, failure), RuntimeError(failure.error))
        if issubclass(kind, Exception):
            return Ended(partial(lifecycle.fail, job, failure), _for_celery(error, failure))
        if self._worker_stops(error):
            return Ended(partial(lifecycle.release, job), error)  # the job goes back
        if terminate_handler_fired():
            sentence = "The process that ran the job got the signal to end (SIGTERM)."
            return Ended(partial(lifecycle.rescue, job, sentence=sentence), error)
        return Ended(partial(lifecycle.fail, job, failure), RuntimeError(failure.error))  # such as sys.exit()

    def _failure_of(self, error: BaseException) -> Failure:
        """What an exception is to its row. Arguments that its text does not tell are kept beside it."""
        failure = Failure.of(error, self.report.hidden)
        with suppress(BaseException):  # of the job's own classes
            is_of_files = isinstance(error, OSError)  # whose file is not among its arguments
            args = OSError.__reduce__(error)[1] if is_of_files else BaseException.args.__get__(error)
            if all(isinstance(each, PLAIN) for each in args) and [type(each) for each in args] != [str]:
                self.report.set_raised(args)
        return failure

    def _asked_again(self, error: BaseException | None) -> BaseException | None:
        """As in Celery, ``retry(throw=False)`` counts although it raises nothing, unless the task says that it ends."""
        again = self.task.request.__dict__.get(AGAIN)
        kind = type(error)
        ends = error is not None and (issubclass(kind, Ignore | Reject) or not issubclass(kind, Exception))
        if again is None or ends:
            return error
        if error is not None and not issubclass(kind, Retry) and again.__cause__ is None:
            again.__cause__ = error  # what the row says of the attempt
        return again

    def _judge_ignore(self, error: Ignore) -> Ended:
        """``Ignore`` leaves the state that the code has set, as in Celery; nothing follows."""
        state, meta = self.report.own_state or (states.IGNORED, None)
        if state == states.FAILURE:
            failure = Failure.said(self.report.hidden(_said_of(meta))[:2_000])
            return Ended(partial(lifecycle.fail, self.job, failure), error)
        if state == states.SUCCESS:
            kept = storable.result(meta, self.report.hidden)
            return Ended(partial(lifecycle.succeed, self.job, kept, then={"follow_ups": None}), error)
        return Ended(partial(lifecycle.ignore, self.job, IGNORED), error)

    def _worker_stops(self, error: BaseException) -> bool:
        """Whether it is the worker that ends, and not only a job that raises what ends a process."""
        until = time.monotonic() + STOPPING_S * terminate_handler_fired()
        while not pulse.stopping() and time.monotonic() < until:
            time.sleep(0.02)
        interrupted = isinstance(error, KeyboardInterrupt) and self.foreground  # `manage.py run`
        return pulse.stopping() or interrupted

    def _what_follows(self) -> dict[str, Any]:
        """``then`` if the code took something out of its request's chain or callbacks, which Celery must not start."""
        request = self.task.request
        if self.follows is None and request.id == str(self.job.uid) and not request.called_directly:
            then = chain_of.kept(self.job.then, request.chain, request.callbacks)
            self.follows = {} if then is chain_of.SAME else {"then": {"follow_ups": then}}
            request.chain = request.callbacks = None
        return self.follows or {}

    def _record(self, ended: Ended, left: cleanup.Left = cleanup.NOTHING) -> None:
        if self.beating:
            self.beating.unwatch(self.running)
        write = partial(ended.write, news=self.report.take(most_lines=MOST_LINES + 1))
        if left.cut_off:
            recording.record_elsewhere(self.job, write)
        recording.record(self.job, write, BROKEN_S if left.broken and self.beating else math.inf)
        self.ended = True


def _said_of(meta: Any) -> str:
    """The error in the meta of a FAILURE, in which Celery wants ``exc_type`` and ``exc_message``."""
    if not (isinstance(meta, dict) and "exc_type" in meta):
        return "The task says that it failed." if meta is None else str(meta)
    message = meta.get("exc_message") or ""
    words = " ".join(map(str, message)) if isinstance(message, list | tuple) else str(message)
    return ": ".join(filter(None, (str(meta["exc_type"]), words)))


def _for_celery(error: Exception, failure: Failure) -> Exception:
    """Return the exception, or a plain one if Celery could not pickle and show it, or not within a second."""
    if is_vast(error):
        return RuntimeError(failure.error)
    try:
        repr(get_pickleable_exception(error))
        ExceptionInfo((type(error), error, error.__traceback__))
    except BaseException:
        return RuntimeError(failure.error)
    return error


def _can_be_shown(result: Any) -> bool:
    """Whether Celery may have a result: it shows each, and an exception as one would be raised."""
    if _is_plain(result):
        return True
    try:
        saferepr(result)
    except BaseException:
        return False
    return not isinstance(result, BaseException)


def _is_plain(result: Any) -> bool:
    return result is None or type(result) in (bool, int, float, str)
