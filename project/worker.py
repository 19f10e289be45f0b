"""Signals of Celery's worker: what a worker process does when it starts, forks, stops.

The only place that knows how a worker is built. Another application's worker is left as it is.
"""

import logging
import os
from functools import partial
from importlib import import_module
from typing import Any

from billiard import current_process, pool
from celery import concurrency, signals
from celery.concurrency import asynpool, prefork, solo, thread
from django.conf import settings
from django.db import DatabaseError, connection

from live import push
from project import env, logs, startup
from tasks.alerts import evaluate
from tasks.engine import adoption, releases
from tasks.engine.celery_app import is_ours
from tasks.monitor.models import note_release
from tasks.webhooks import deliveries
from tasks.webhooks import sender as webhooks
from tasks.worker import annotated, body, connections, deadlines, heartbeat, pulse, rates, sweep

log = logging.getLogger(__name__)


def remember_worker(sender: str, instance: Any, **_: Any) -> None:
    pulse.remember_worker(instance)
    annotated.settle_common({"time_limit": instance.time_limit, "soft_time_limit": instance.soft_time_limit})
    deadlines.share(instance.concurrency)
    if not instance.disable_rate_limits:
        rates.share()
    try:
        note_release(releases.current())  # asked of git here, once, before the pool's children are forked
    except DatabaseError as error:
        log.warning("The release could not be written: %s", error)
    finally:
        connection.close()


def keep_connections(sender: Any, **_: Any) -> None:
    """Celery's Django fixup closes the connection around every task: half the speed. Ours keeps a healthy one."""
    fixup = next(fixup for fixup in sender.app._fixups if hasattr(fixup, "worker_fixup")).worker_fixup
    signals.task_prerun.disconnect(fixup.on_task_prerun)
    signals.task_postrun.disconnect(fixup.on_task_postrun)
    for name in [name for name in sender.app.tasks if name.startswith("celery.")]:
        sender.app.tasks.unregister(
            name
        )  # celery.map and its like would run a job's code for whoever writes to the broker


LOOK_S = 0.5  # between two looks at a pool's children, where nothing tells of their end
WAKE_S = 0.5  # while something runs; a pulse that idles looks once a second


def duties() -> list[tuple[float, Any]]:
    """What the first child of each worker does: (seconds between, call)."""
    often = min(settings.SIGNALBOX_SWEEP_S, settings.SIGNALBOX_LEASE_S / 10, settings.SIGNALBOX_HEARTBEAT_S)
    look = sweep.Look((deliveries.DUE_LANES, webhooks.look))
    swept = (look.if_queued(sweep.dispatch), look.if_queued(sweep.Watcher()), evaluate.evaluate)
    return [
        (settings.SIGNALBOX_HEARTBEAT_S, heartbeat.say_alive),
        (often, sweep.Reaper()),
        (min(settings.SIGNALBOX_SWEEP_S, WAKE_S), look),
        *((settings.SIGNALBOX_SWEEP_S, heartbeat.by_leader(call)) for call in swept),
        (1.0, partial(webhooks.keep_sending, pulse.stopping)),
    ]


def see_ends() -> None:
    """Celery sees that a child ends by a pipe. It closes before the child can be waited for, and a job can close it."""
    track = asynpool.AsynPool._track_child_process

    def track_by_its_id(self: asynpool.AsynPool, child: Any, hub: Any) -> None:
        if not hasattr(child, "_sentinel_poll"):
            child._sentinel_poll = os.pidfd_open(child.pid)
        track(self, child, hub)

    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):  # another system than Linux, an old one, or a container that forbids it
        asynpool.AsynPool.timers = property(lambda self: {self.maintain_pool: LOOK_S})
    else:
        asynpool.AsynPool._track_child_process = track_by_its_id


used_memory = pool.mem_rss


def used_memory_unless_broken() -> int:
    """Called by a pool's child between two jobs. It ends here if a job left something that cannot be put back."""
    if (beating := pulse.current()) and beating.is_spent():
        raise SystemExit(0)
    return used_memory()


def start_in_child(**_: Any) -> None:
    if not current_process()._identity:
        return  # the solo pool says so of the worker itself
    pool.mem_rss = used_memory_unless_broken
    pool.soft_timeout_sighandler = deadlines.on_soft_signal  # billiard sets it as the handler a moment later
    connections.watch()
    deadlines.join(current_process().index)
    pulse.start(kills=True, duties=duties() if getattr(current_process(), "index", 0) == 0 else [])


def start_in_process(sender: Any, **_: Any) -> None:
    """With solo or threads, the one process has the pulse; with prefork, its children do."""
    if "prefork" not in type(sender.pool).__module__:
        connections.watch()
        pulse.start(kills=False, duties=duties())


def list_adopted(**_: Any) -> None:
    """What became jobs without a changed line, and what did not."""
    if adoption.adopted:
        log.info("Plain Celery tasks that are jobs: %s.", ", ".join(adoption.adopted))
    for sentence in adoption.wrong:
        log.warning(sentence)


def stop(**_: Any) -> None:
    pulse.say_stopping()


def say_stopped(**_: Any) -> None:
    heartbeat.say_stopped()


def flush_at_exit(**_: Any) -> None:
    push.flush(1.0)
    webhooks.finish(2.0)


def check_pool(named: Any) -> None:
    """A pool of green threads cannot run jobs: they would share one database connection, one log and one clock."""
    found = concurrency.get_implementation(named)
    if not issubclass(found, (prefork.TaskPool, solo.TaskPool, thread.TaskPool)):
        startup.refuse(f"Signalbox runs jobs with --pool prefork, threads or solo, and not with {found.__module__}.")


@signals.celeryd_init.connect
def begin(instance: Any, options: dict[str, Any], **_: Any) -> None:
    """A worker begins. Celery sends its signals to every application, so all others are connected here, for ours."""
    if not is_ours(instance.app):
        body.elsewhere[:] = [True]
        return
    import_module("tasks.fetch.sessions")  # its libraries, once: children share what is loaded before they are forked
    check_pool(options.get("pool") or options.get("pool_cls") or instance.app.conf.worker_pool)
    env.forget_first_admin()
    asynpool.AsynPool._create_timelimit_handlers = lambda self, hub: None  # they go by messages
    see_ends()
    logs.connect()
    signals.celeryd_after_setup.connect(remember_worker)
    signals.worker_init.connect(keep_connections)
    signals.worker_process_init.connect(start_in_child)
    signals.worker_ready.connect(start_in_process)
    signals.worker_ready.connect(list_adopted)
    signals.worker_shutting_down.connect(stop)
    signals.worker_shutdown.connect(say_stopped)
    signals.worker_process_shutdown.connect(flush_at_exit)
