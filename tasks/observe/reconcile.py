"""Asks what is true: what each worker holds, what waits in the broker, what the result backend has. Carries out orders.

One thread for each application, with connections of its own.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import redis
from django.conf import settings
from django.db import close_old_connections

from tasks.observe import broker, control, orders, streams
from tasks.observe.looks import Look
from tasks.observe.models import App
from tasks.observe.result_search import ResultSearch

log = logging.getLogger(__name__)

LOOK_S = 30.0  # between two looks that nobody asked for
AGAIN_S = 3.2  # between two looks when the first did not find everything
ORDERS_S = 0.4
STATS_S = 30.0  # between two questions of a worker for its pool, its queues and its settings
GREETINGS, GREET_S = 3, 2.0  # times that a new worker is asked, and seconds between: at first it may not listen
CALM_S = 0.3  # after a look, so that many reasons make one


class Controller(threading.Thread):
    """``hosts``: the workers that are there now. ``put``: into the inbox: "look", "result", "found"."""

    def __init__(
        self,
        app: App,
        url: str,
        put: streams.Put,
        hosts: Callable[[], Iterable[str]],
        leads: Callable[[], bool],
    ) -> None:
        super().__init__(name=f"signalbox-observe-{app.name}-control", daemon=True)
        self.app, self.url, self.put, self.hosts, self.leads = app, url, put, hosts, leads
        self.options: Mapping[str, Any] = settings.SIGNALBOX_OBSERVE_OPTIONS.get(app.name, {})
        self.remote = control.Remote(url, self.options, settings.SIGNALBOX_OBSERVE_READONLY)
        self.queues = broker.queues(url, self.options)
        self.results: redis.Redis | None = None
        self.results_url = ""
        self.stopping = threading.Event()
        self._bell = threading.Event()
        self._lock = threading.Lock()
        self._wanted: set[str] | None = set()  # workers to ask; None: all of them
        self._again: float | None = None
        self._greeted: dict[str, int] = {}  # workers that have come up and have not answered yet → times to ask them
        self._missing: set[str] = set()  # tasks whose results are to be read
        self._gap: tuple[float, float] | None = None  # in which tasks may have ended that nobody saw
        self._search: ResultSearch | None = None
        self._known: dict[str, dict[str, Any]] = {}  # worker → what its stats said, and when they were read
        self._next = self._greet_at = 0.0

    # --- asked by the watcher -------------------------------------------------------------------------------------
    def ask(self, hosts: set[str] | None) -> None:
        with self._lock:
            self._wanted = None if hosts is None or self._wanted is None else self._wanted | hosts
        self._bell.set()

    def ask_again(self, missing: set[str]) -> None:
        """A look did not find these tasks: read their results, and look again."""
        with self._lock:
            self._missing |= missing
            self._again = self._again or time.monotonic() + AGAIN_S
        self._bell.set()

    def read_result(self, task: str) -> None:
        """Somebody's result was heard: see whether it stands in the database of this application."""
        with self._lock:
            self._missing.add(task)
        self._bell.set()

    def seek(self, begin: float, until: float) -> None:
        """Search the results for what ended in a time in which nobody listened."""
        with self._lock:
            before = self._gap or (begin, until)
            self._gap = min(before[0], begin), max(before[1], until)
        self._bell.set()

    def greet(self, host: str) -> None:
        """Ask a worker that has come up what it is, switch its events on, and send it the cancels again."""
        with self._lock:
            self._known.pop(host, None)
            self._greeted[host] = GREETINGS
        self.ask({host})

    def run(self) -> None:
        orders_at = 0.0
        while not self.stopping.is_set():
            self._bell.wait(ORDERS_S / 2)
            self._bell.clear()
            if not self.leads():
                continue
            try:
                close_old_connections()
                if time.monotonic() >= orders_at:
                    orders.carry_out(self.app, self)
                    orders_at = time.monotonic() + ORDERS_S
                self._read_results()
                self._seek_results()
                if (wanted := self._due()) is not False:
                    self._look_or_ask_again(wanted)
                    self.stopping.wait(CALM_S)
            except Exception as error:
                self.put("state", streams.describe(error), time.time())
                log.info("Watching %s: %s", self.app.name, streams.describe(error), exc_info=log.isEnabledFor(10))
                self.stopping.wait(1.0)
        self.remote.close()
        self.queues.close()

    def _due(self) -> set[str] | bool | None:
        """The workers to ask now, None for all, False for no look."""
        now = time.monotonic()
        with self._lock:
            wanted, again = self._wanted, self._again is not None and now >= self._again
            if wanted is not None and self._greeted and now >= self._greet_at:
                wanted = wanted | self._greeted.keys()
            if again or now >= self._next:
                wanted = None
            if wanted is not None and not wanted:
                return False
            self._wanted = set()
            if again:
                self._again = None
        if wanted is None:
            self._next = now + LOOK_S
        return wanted

    def _look_or_ask_again(self, wanted: set[str] | None) -> None:
        try:
            self.look(wanted)
        except Exception:
            self.ask(wanted)  # what was wanted is wanted still, as soon as the broker can be asked
            raise

    # --- looking --------------------------------------------------------------------------------------------------
    def look(self, wanted: set[str] | None = None) -> Look:
        """One look at these workers, or all, and at the queues."""
        every = frozenset(self.hosts())
        hosts = every if wanted is None else frozenset(wanted) & every
        look = Look(time.time(), hosts=hosts, every=hosts == every)
        left = hosts
        for name, into in (("active", look.active), ("reserved", look.reserved), ("scheduled", look.scheduled)):
            answers = self.remote.ask(name, left)
            for host, answer in answers.items():
                into[host] = control.read_held(answer)
            left = frozenset(answers)
        self._get_to_know(left, look)
        names = {name for each in self._known.values() for name in each.get("queues", ())}
        names |= self.queues.names()
        names = {name for name in names if not broker.is_ours(name)}
        look.queued, depths, look.complete = self.queues.read(sorted(names)[:1_000])
        look.unacked = self.queues.unacknowledged()
        counted = getattr(self.queues, "consumers", {})
        serve = Counter(name for each in self._known.values() for name in each.get("queues", ()))
        look.depths = {name: (depth, None, counted.get(name, serve[name])) for name, depth in depths.items()}
        look.at = time.time()
        self.put("look", look, look.at)
        with self._lock:
            new = self._greeted.keys() & hosts
            self._greeted = {host: n - 1 for host, n in self._greeted.items() if host not in left and n > 1}
            self._greet_at = time.monotonic() + GREET_S
        if new:
            orders.repeat(self.app, self.remote, new)
        return look

    def _get_to_know(self, hosts: frozenset[str], look: Look) -> None:
        """Pool, queues and events of workers that answer; switches events on where that is wanted."""
        now = time.monotonic()
        due = frozenset(host for host in hosts if now - self._known.get(host, {}).get("read", -STATS_S) >= STATS_S)
        if not due:
            return
        stats, queues = self.remote.ask("stats", due), self.remote.ask("active_queues", due)
        conf = self.remote.ask("conf", due)
        wanted = settings.SIGNALBOX_OBSERVE_ENABLE
        enabled = self.remote.ask("enable_events", due) if wanted else {}
        for host in due & stats.keys():
            found = control.read_stats(stats[host])
            found["queues"] = control.read_queues(queues.get(host))
            said = control.read_conf(conf.get(host))
            kept = {name: value for name, value in said.items() if name != "result_backend"}  # it may hold a password
            found.setdefault("detail", {})["conf"] = kept
            answer = control.said(enabled.get(host, ""))
            if "unavailable" in answer:
                found["events"], found["events_why"] = "unavailable", "The worker runs without heartbeat and gossip."
            elif host in enabled:
                found["events"], found["events_why"] = "on", ""
            elif not wanted:
                on = bool(said.get("worker_send_task_events"))
                found["events"] = "on" if on else "off"
                found["events_why"] = "" if on else "SIGNALBOX_OBSERVE_ENABLE is off."
            else:
                found["events"], found["events_why"] = "off", "The worker did not answer."
            self._known[host] = found | {"read": now}
            look.workers[host] = found
            self._find_results(said)

    # --- results --------------------------------------------------------------------------------------------------
    def _find_results(self, conf: Mapping[str, Any]) -> None:
        """Where results are: as the setting says, else as a worker says, with the credentials of the broker."""
        if self.results_url:
            return
        named = settings.SIGNALBOX_OBSERVE_RESULTS
        if self.app.name in named:
            found = named[self.app.name].url if named[self.app.name] else ""
        else:
            found = results_url(conf.get("result_backend"), self.url)
        if found:
            self.results_url = found
            self.put("results", found, time.time())

    def _read_results(self) -> None:
        with self._lock:
            missing, self._missing = self._missing, set()
        if not missing or not self.results_url:
            return
        self.results = self.results or broker.redis_client(self.results_url)
        prefix = self.options.get("result_prefix", "")
        names = sorted(missing)
        for start in range(0, len(names), 500):
            some = names[start : start + 500]
            for raw in self.results.mget([f"{prefix}celery-task-meta-{name}" for name in some]):
                if raw and (meta := streams.read_meta(raw, streams.Counter())):
                    self.put("result", meta, time.time())

    def _seek_results(self) -> None:
        """A step of the search for what ended in a gap; the next step follows at once."""
        if self._search is None and self._gap is not None and self.results_url:
            with self._lock:
                gap, self._gap = self._gap, None
            self.results = self.results or broker.redis_client(self.results_url)
            self._search = ResultSearch(self.results, self.options.get("result_prefix", ""), *gap)
        if self._search is None:
            return
        if found := self._search.step():
            self.put("found", found, time.time())
        self._search = None if self._search.is_over else self._search
        if self._search or self._gap:
            self._bell.set()

    def stop(self) -> None:
        self.stopping.set()
        self._bell.set()


def results_url(said: Any, broker_url: str) -> str:
    """The address of a Redis result backend on the broker's own server, of which a worker says all but the password."""
    if not isinstance(said, str) or not broker_url.startswith(("redis://", "rediss://")):
        return ""
    theirs, ours = urlsplit(said), urlsplit(broker_url)
    number = theirs.path.strip("/") or "0"
    same = theirs.scheme == ours.scheme and (theirs.port or 6379) == (ours.port or 6379) and number.isdecimal()
    if not same or len(said) > 500:
        return ""
    return urlunsplit((ours.scheme, ours.netloc, f"/{number}", ours.query, ""))
