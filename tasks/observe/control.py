"""Asks and orders the workers of a watched application through Celery's remote control, and reads their answers.

Always by destination, so that it returns as soon as all have answered. What comes back was written by others: it is
taken as JSON of a bounded depth, and only what is known is read.
"""

from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

from kombu.pidbox import Mailbox

from tasks.engine import storable
from tasks.observe import broker
from tasks.observe.events import ID, NAME, is_shallow
from tasks.observe.fold import epoch
from tasks.observe.looks import Held

ANSWER_S = 1.0  # that each of them may take
CONF = (
    "task_send_sent_event", "result_extended", "result_backend", "task_acks_late", "worker_send_task_events",
    "task_default_queue", "timezone",
)  # the rest may hold secrets  # fmt: skip


class Remote:
    """One connection, used by one thread. ``read_only``: nothing is ever sent."""

    def __init__(self, url: str, options: Mapping[str, Any], read_only: bool) -> None:
        self.url, self.options, self.read_only = url, options, read_only
        self.mailbox = Mailbox(options.get("control_exchange", "celery"), type="fanout", accept=["json"],
                               serializer="json", reply_queue_expires=10.0)  # fmt: skip
        self._bound: Mailbox | None = None  # one for each connection: the queue of its answers is named after it

    def ask(self, command: str, hosts: Collection[str], timeout: float = ANSWER_S, **arguments: Any) -> dict[str, Any]:
        """Worker → its answer, of those that answered in time. Raises what the broker's driver raises."""
        if self.read_only or not hosts:
            return {}
        try:
            if self._bound is None:
                self._bound = self.mailbox(broker.connection(self.url, self.options))
                self._bound.connection.ensure_connection(max_retries=1, interval_start=0)
            found = self._bound._broadcast(
                command, arguments, sorted(hosts), reply=True, timeout=timeout, limit=len(hosts)
            )
        except Exception:
            self.close()
            raise
        if not found:  # a broker that was restarted may not know any more where answers go
            self.close()
        pairs = (pair for each in found or () if isinstance(each, dict) for pair in each.items())
        return {host: answer for host, answer in pairs if host in hosts and is_shallow(answer)}

    def close(self) -> None:
        """Also takes away the list of answers: late ones would stay in Redis for ever."""
        bound, self._bound = self._bound, None
        if bound is None:
            return
        with suppress(Exception):
            if self.url.startswith("redis"):
                queue = bound.reply_queue
                # What kombu remembers as bound, it would not bind again.
                bound.connection.transport.state.queue_bindings_delete(queue.name)
                prefix = self.options.get("global_keyprefix", "")
                with broker.redis_client(self.url) as client:
                    binding = f"{prefix}_kombu.binding.{bound.reply_exchange.name}"
                    for member in client.smembers(binding):
                        if member.decode(errors="replace").split(broker.SEPARATOR)[-1] == queue.name:
                            client.srem(binding, member)
                    client.delete(f"{prefix}{queue.name}")
        with suppress(Exception):
            bound.connection.release()


def read_held(answer: Any) -> dict[str, Held]:
    """Tasks of an answer to active, reserved or scheduled."""
    found: dict[str, Held] = {}
    for each in answer if isinstance(answer, list) else ():
        request = each.get("request", each) if isinstance(each, dict) else None
        if not isinstance(request, dict) or not isinstance(task := request.get("id"), str) or not 0 < len(task) <= ID:
            continue
        name, args, kwargs = request.get("name") or request.get("type"), request.get("args"), request.get("kwargs")
        held = found[task] = Held(name=name[:NAME] if isinstance(name, str) else "")
        if isinstance(args, list) and isinstance(kwargs, dict):
            held.args, held.kwargs = args, kwargs
        started = request.get("time_start")
        if isinstance(started, int | float) and 10**9 < started < 4 * 10**9:
            held.started = float(started)
        if isinstance(where := request.get("delivery_info"), dict) and isinstance(where.get("routing_key"), str):
            held.queue = where["routing_key"][:NAME]
        held.eta = epoch(each.get("eta")) or epoch(request.get("eta"))
    return found


def read_stats(answer: Any) -> dict[str, Any]:
    """What a worker's row keeps of its answer to stats."""
    if not isinstance(answer, dict):
        return {}
    pool = answer.get("pool") if isinstance(answer.get("pool"), dict) else {}
    found: dict[str, Any] = {"detail": {}}
    if name := _pool_of(pool, answer.get("pid")):
        found["pool"] = storable.text(name.removeprefix("celery.concurrency."), 100)
    if isinstance(most := pool.get("max-concurrency"), int):
        found["concurrency"] = max(0, min(most, 10**6))
    for name in ("prefetch_count", "uptime", "pid"):
        if isinstance(answer.get(name), int):
            found["detail"][name] = answer[name]
    if isinstance(total := answer.get("total"), dict):
        names = [name for name, n in total.items() if isinstance(name, str) and isinstance(n, int)][:1_000]
        found["detail"]["total"] = {storable.text(name, NAME): total[name] for name in names}
    if isinstance(usage := answer.get("rusage"), dict):
        found["detail"]["rusage"] = {k: v for k, v in usage.items() if k in ("utime", "stime", "maxrss")}
    return found


def _pool_of(pool: dict[str, Any], pid: Any) -> str:
    """The pool's name. Celery 5.2 does not say it, but each of its pools says other facts. "": it is not known."""
    if isinstance(name := pool.get("implementation"), str):
        return name
    if "threads" in pool:
        return "threads"
    if isinstance(processes := pool.get("processes"), list):
        return "solo" if processes == [pid] else "prefork"
    return "gevent or eventlet" if "max-concurrency" in pool else ""


def read_queues(answer: Any) -> list[str]:
    names = (each.get("name") for each in answer if isinstance(each, dict)) if isinstance(answer, list) else ()
    return [name for name in names if isinstance(name, str) and len(name) <= NAME][:200]


def read_conf(answer: Any) -> dict[str, Any]:
    if not isinstance(answer, dict):
        return {}
    return {name: answer[name] for name in CONF if isinstance(answer.get(name, []), str | bool | int | None)}


def said(answer: Any) -> str:
    """An answer in words: {"ok": …} or {"error": …}."""
    if isinstance(answer, dict):
        for word in ("error", "ok"):
            if word in answer:
                return storable.text(f"{word}: {answer[word]}", 300)
    return storable.text(str(answer), 300)
