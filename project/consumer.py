"""The part of a worker's parent process that reads messages and passes them on to its children."""

import time
from functools import partial
from typing import Any
from uuid import uuid4

from celery.worker import consumer, state
from celery.worker.request import create_request_cls
from kombu.message import Message

from tasks.engine import registry
from tasks.worker import alive, deadlines, rates, request, slices

LIMITS_S = 0.25  # between two looks at time limits while a job runs
IDLE_S = 1.0  # else: what begins meanwhile is looked at before the shortest usual limit is over


class Consumer(consumer.Consumer):
    """Of every worker, however it was started: it talks to its broker, and to nobody else.

    It also looks after limits: it ends attempts that are overdue, and calls a process when a rate limit has a token.
    """

    def __init__(self, *args: Any, worker_options: Any = None, **options: Any) -> None:
        # Workers are rows. What they would tell each other through Redis costs time, and anybody could say it.
        alone = dict.fromkeys(("without_gossip", "without_mingle", "without_heartbeat"), True)
        super().__init__(*args, worker_options=(worker_options or {}) | alone, **options)
        self._planned: dict[str, float] = {}  # kinds with a rate limit, and the token for which a call is planned
        request.message_ended[:] = [self._plan_calls]

    def update_strategies(self) -> None:
        """Messages of an older or newer release may name a kind by its own name, and not as Celery names its task."""
        super().update_strategies()
        for kind in registry.kinds():
            if kind.celery_name in self.strategies:
                self.strategies.setdefault(kind.name, self.strategies[kind.celery_name])

    def bucket_for_task(self, task: Any) -> None:
        """Celery would hold messages back, and with them the jobs of other kinds that they call for as well."""

    def register_with_event_loop(self, hub: Any) -> None:
        super().register_with_event_loop(hub)
        self._planned.clear()  # what was planned before a connection was lost may have been lost with it
        self._keep_looking(hub)

    def _keep_looking(self, hub: Any) -> None:
        runs = True
        try:
            runs = self._look_at_limits()
        finally:
            hub.call_later(LIMITS_S if runs else IDLE_S, self._keep_looking, hub)

    def _look_at_limits(self) -> bool:
        """End what is overdue. Whether it is to be looked at again soon: a job runs, or a kind has a rate limit."""
        runs = False
        if deadlines.board is not None and getattr(self.pool, "_pool", None) is not None:  # of processes
            children = {child.index: child.pid for child in self.pool._pool._pool}
            runs = deadlines.board.look(children)
            for index, stood in list(alive.board.still(children)):
                deadlines.board.end_still(index, children[index], stood)
        self._plan_calls()
        return runs or bool(self._planned)

    def _plan_calls(self) -> None:
        """Plan a call for the next token of each kind with a rate limit."""
        for kind in rates.buckets.every if rates.buckets else ():
            if self._planned.get(kind) != (next_at := rates.buckets.next_at(kind)):
                self._planned[kind] = next_at
                self.timer.call_after(max(0.0, next_at - time.monotonic()), self._call_for, (kind,))

    def _call_for(self, kind: str) -> None:
        """Let a process of this worker look for jobs, as a message from the broker would."""
        task = self.app.tasks[registry.celery_name(kind)]
        made = self.app.amqp.as_task_v2(str(uuid4()), task.name, (), {}, ignore_result=True)
        make = partial(create_request_cls, request.JobRequest, task, self.pool, self.hostname)
        call = make(self.event_dispatcher, app=self.app)(
            Message(headers=made.headers),
            app=self.app,
            hostname=self.hostname,
            task=task,
            body=((), {}, {}),
            headers=made.headers | {slices.ANY: True},
            decoded=True,
        )
        state.task_reserved(call)
        self.on_task_request(call)

    def ensure_connected(self, conn: Any) -> Any:
        """Celery's waits up to half a minute between two tries; jobs would wait as long. Time limits hold meanwhile."""
        ensure = conn.ensure_connection

        def ensure_connection(*args: Any, callback: Any = None, **options: Any) -> Any:
            def wait() -> None:
                self._look_at_limits()
                callback()

            return ensure(*args, callback=wait, interval_max=2, **options)

        conn.ensure_connection = ensure_connection
        return super().ensure_connected(conn)
