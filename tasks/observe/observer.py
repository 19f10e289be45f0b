"""The observer's process: for each watched application its streams, its controller and its watcher; one thread writes.

A lease in the application's row makes one observer the leader. The others read along and keep the last seconds of what
they heard. One that takes over applies it again, which changes nothing that is known already.
"""

import logging
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from queue import Empty
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections
from django.utils import timezone

from tasks.engine.models import Job
from tasks.observe import ledger, pruning, streams
from tasks.observe.fold import OPEN
from tasks.observe.models import App
from tasks.observe.reconcile import Controller
from tasks.observe.watcher import Watcher

log = logging.getLogger(__name__)

BEAT_S = 1.5
LOST_S = 6.0  # a leader whose beat stands still for so long has lost the lease
REPLAYED_S = 15.0
MOST_AT_ONCE = 2_000
SETTLED_S = 5.0  # between two looks for open tasks that nobody watches


class Watched:
    """One application of this process."""

    def __init__(self, name: str, url: str, transport: str, inbox: streams.Inbox, holder: str) -> None:
        self.name, self.url, self.holder, self.inbox = name, url, holder, inbox
        self.app, _ = App.objects.update_or_create(name=name, defaults={"transport": transport, "watched": True})
        self.put = inbox.putter(name)
        self.pruner = pruning.Pruner(name)
        self.options: Mapping[str, Any] = settings.SIGNALBOX_OBSERVE_OPTIONS.get(name, {})
        self.kept: deque[tuple[str, Any, float]] = deque()
        self.watcher: Watcher | None = None
        self.controller: Controller | None = None
        self.threads: list[Any] = []
        self.seen: tuple[int, float] = (-1, time.monotonic())  # the leader's beat, and since when it stands still
        self.beaten = 0.0
        self.listening: float | None = None  # since when nothing that was said can have been missed
        self.read: tuple[int, int] | None = None  # of RabbitMQ: the last message that was taken

    def start(self) -> None:
        if self.app.transport == "redis":
            self.threads.append(streams.RedisEvents(self.name, self.put, self.url, self.options))
        else:
            own = settings.SIGNALBOX_NAME
            self.threads.append(streams.AmqpEvents(self.name, self.put, self.url, self.options, own, self.is_leader))
        self.threads[0].start()

    @property
    def leads(self) -> bool:
        return self.watcher is not None

    def is_leader(self) -> bool:
        return self.leads

    # --- the lease ------------------------------------------------------------------------------------------------
    def keep_lease(self) -> None:
        """Beat, take the lease over, or find that it is lost."""
        now = time.monotonic()
        if now - self.beaten < BEAT_S:
            return
        self.beaten = now
        if self.leads:
            mine = App.objects.filter(pk=self.app.pk, holder=self.holder, beat=self.app.beat)
            if mine.update(beat=self.app.beat + 1):
                self.app.beat += 1
            else:
                log.warning("Another observer watches %s now.", self.name)
                self.resign()
            return
        holder, beat = App.objects.values_list("holder", "beat").get(pk=self.app.pk)
        if beat != self.seen[0]:
            self.seen = (beat, now)
        if not holder or now - self.seen[1] >= LOST_S:
            taken = App.objects.filter(pk=self.app.pk, holder=holder, beat=beat)
            if taken.update(holder=self.holder, beat=beat + 1):
                self.lead()

    def lead(self) -> None:
        """Become the leader: read the open tasks, apply again what was heard, look at everything."""
        self.app.refresh_from_db()
        before = self.app.as_of
        self.app.since = timezone.now()
        self.app.reads = {"results": len(self.threads) > 1}
        self.app.save(update_fields=["since", "reads"])
        watcher = Watcher(self.app, self._ask)
        watcher.was_watched = before is not None
        watcher.reload()
        self.controller = Controller(self.app, self.url, self.put, watcher.workers.hosts, lambda: self.leads)
        watcher.greets, watcher.seeks = self.controller.greet, self.controller.seek
        if before is not None and self.app.transport == "amqp":
            self.threads[0].last = before.timestamp()
        self.watcher = watcher
        self.controller.start()
        kept, self.kept = self.kept, deque()
        now = time.time()
        begin = datetime.fromtimestamp(max(self.listening or now, now - REPLAYED_S), UTC)
        if before is not None and self.app.transport == "redis" and before < begin:
            self.watcher.open_gap(before, begin, "no observer ran")
        log.info("This observer watches %s now.", self.name)
        for what, value, arrived in kept:
            self.take("again" if what == "events" else what, value, arrived)
        self._ask(None)

    def resign(self) -> None:
        if self.controller is not None:
            self.controller.stop()
        self.watcher = self.controller = self.read = None
        self.seen = (-1, time.monotonic())

    def _ask(self, hosts: set[str] | None) -> None:
        if self.controller is not None:
            self.controller.ask(hosts)

    # --- what comes -----------------------------------------------------------------------------------------------
    def take(self, what: str, value: Any, arrived: float) -> None:
        if what == "gap" or (what == "state" and value == "" and self.listening is None):
            self.listening = arrived
        if self.watcher is None:
            if what in ("events", "heard"):
                self.kept.append((what, value, arrived))
            while self.kept and arrived - self.kept[0][2] > REPLAYED_S:
                self.kept.popleft()
            return
        match what:
            case "events" | "again":
                self.watcher.take(value, arrived, what == "again")
            case "read":
                self.read = value
            case "heard" if not self.watcher.is_surely_ours(value["task"]):
                if self.controller is not None:
                    self.controller.read_result(value["task"])
            case "heard" | "result":
                self.watcher.take_result(value.pop("task", ""), value, arrived)
            case "found":
                self.watcher.take_found(value, arrived)
            case "sent":
                self.watcher.take_sent(value, arrived)
            case "look":
                self.watcher.take_look(value)
                missing = {name for name, entry in self.watcher.entries.items()
                           if entry.task.missing and not entry.task.gone}  # fmt: skip
                if missing and self.controller is not None:
                    self.controller.ask_again(missing)
            case "gap":
                since, why = value
                self.watcher.workers.listen(arrived)
                self.watcher.open_gap(datetime.fromtimestamp(since, UTC), datetime.fromtimestamp(arrived, UTC), why)
            case "state":
                App.objects.filter(pk=self.app.pk).update(note=value[:500])
            case "results" if len(self.threads) == 1:
                prefix = self.options.get("result_prefix", "")
                thread = streams.RedisResults(self.name, self.put, value, prefix)
                self.threads.append(thread)
                thread.start()
                App.objects.filter(pk=self.app.pk).update(reads={"results": True})

    def write(self) -> None:
        if self.watcher is None:
            return
        if self.name in self.inbox.overflowed:
            self.inbox.overflowed.discard(self.name)
            now = time.time()
            self.take(
                "gap", (self.app.as_of.timestamp() if self.app.as_of else now, "more came than could be read"), now
            )
        now = time.time()
        self.watcher.dropped.update(self._dropped())
        self.watcher.deaf_since = None if self.threads[0].hears else self.threads[0].last
        self.watcher.doubt(now)
        if self.watcher.is_due(now):
            self.watcher.write()
        if self.read is not None and not self.watcher.changed:
            self.threads[0].commit(self.read)
            self.read = None

    def _dropped(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for thread in self.threads:
            taken, thread.dropped = thread.dropped, type(thread.dropped)()
            found |= taken
        return found

    def stop(self) -> None:
        for thread in self.threads:
            thread.stop()
        if self.controller is not None:
            self.controller.stop()
            self.controller.join(3)
        for thread in self.threads:
            thread.join(2)
        if self.watcher is not None:
            self.watcher.write()
            App.objects.filter(pk=self.app.pk, holder=self.holder).update(holder="", beat=self.app.beat + 1)


class Observer:
    """All applications of the setting. ``run`` until ``stopping`` is set."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self.inbox = streams.Inbox()
        self.holder = f"{socket.gethostname()[:100]}:{os.getpid()}:{os.urandom(6).hex()}"
        self.watched: dict[str, Watched] = {}
        self.pruned = time.monotonic() - pruning.EVERY_S + 60
        self.settled = time.monotonic()

    def start(self) -> None:
        """Begin to read. The database must be there."""
        stop_watching(set(settings.SIGNALBOX_OBSERVE))
        for name, address in settings.SIGNALBOX_OBSERVE.items():
            self.watched[name] = Watched(name, address.url, address.transport, self.inbox, self.holder)
        for each in self.watched.values():
            each.start()

    def run(self) -> None:
        while not self.stopping.is_set():
            try:
                self.step()
            except (DatabaseError, InterfaceError):
                log.warning("The database cannot be used; what comes meanwhile waits.", exc_info=True)
                close_old_connections()
                self.stopping.wait(1.0)
        for each in self.watched.values():
            each.stop()

    def step(self, longest: float = 0.05) -> None:
        """Take what has come, write what is due."""
        self._take(longest)
        for each in self.watched.values():
            each.keep_lease()
            each.write()
        if time.monotonic() - self.settled > SETTLED_S:  # an observer with the setting of before may have written since
            self.settled = time.monotonic()
            close_old_connections()
            settle_unwatched()
        if time.monotonic() - self.pruned > pruning.EVERY_S:
            self.pruned = time.monotonic()
            for each in self.watched.values():
                if each.leads:
                    each.pruner.visit()

    def _take(self, longest: float) -> None:
        taken = 0
        try:
            name, what, value, arrived = self.inbox.queue.get(timeout=longest)
            while True:
                self.watched[name].take(what, value, arrived)
                taken += len(value) if what in ("events", "again") else 1
                if taken >= MOST_AT_ONCE:
                    return
                name, what, value, arrived = self.inbox.queue.get_nowait()
        except Empty:
            return


def stop_watching(but: set[str]) -> list[str]:
    """Applications that the setting does not name any more, and that it named until now. Returns their names."""
    gone = list(App.objects.filter(watched=True).exclude(name__in=but).order_by("name"))
    for app in gone:
        app.watched, app.since, app.note = False, None, ""
        app.save(update_fields=["watched", "since", "note"])
    settle_unwatched()
    return [app.name for app in gone]


def settle_unwatched() -> None:
    """Make open tasks unknown whose application is no longer watched, since nobody learns how they end."""
    for app in App.objects.filter(watched=False):
        while rows := list(Job.every.filter(app=app.name, state__in=OPEN).order_by("id")[:500]):
            watcher = Watcher(app, lambda hosts: None)
            for row in rows:
                entry = watcher.restore(row)
                entry.task.gone, entry.task.missing = True, [time.time()]
                entry.task.note = "Its application is no longer watched."
                watcher.changed[row.task_id] = entry
            if not ledger.write(app.name, list(watcher.changed.values())):
                break
