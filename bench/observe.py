"""How fast an observer is: events as workers send them, in batches, from a Redis of its own into the database.

    python -m bench.observe [--seconds 20] [--quick] [--postgres]

Prints tasks a second that become rows for good, the processor time that they take, how long an event takes to its
committed row at 200 tasks a second, and the memory of the observer.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import uuid
from base64 import b64encode

import psutil
import redis

from bench.installed import ROOT, installed

BATCH = 8  # tasks; with three events each that is what a busy worker sends at once


class Worker:
    """Says what a worker says."""

    def __init__(self, client: redis.Redis) -> None:
        self.client, self.clock, self.processed = client, 0, 0

    def event(self, kind: str, **facts) -> dict:
        self.clock += 1
        own = {"type": kind, "hostname": "w1@bench", "pid": 1, "clock": self.clock, "timestamp": time.time()}
        return own | {"utcoffset": 0} | facts

    def publish(self, body: object) -> None:
        envelope = {
            "body": b64encode(json.dumps(body).encode()).decode(), "content-encoding": "utf-8",
            "content-type": "application/json", "headers": {}, "properties": {"body_encoding": "base64"},
        }  # fmt: skip
        self.client.publish("/0.celeryev/task.multi", json.dumps(envelope))

    def beat(self) -> None:
        self.publish(self.event("worker-heartbeat", freq=2.0, processed=self.processed, active=0, loadavg=[1, 1, 1]))

    def run(self, tasks: int) -> list[str]:
        ids, events = [str(uuid.uuid4()) for _ in range(tasks)], []
        for task in ids:
            named = {"name": "shop.add", "args": "(1, 2)", "kwargs": "{'a': 1}", "retries": 0, "root_id": task}
            events += [
                self.event("task-received", uuid=task, **named),
                self.event("task-started", uuid=task),
                self.event("task-succeeded", uuid=task, result="3", runtime=0.001),
            ]
        self.processed += tasks
        self.publish(events)
        return ids


def send(worker: Worker, rate: float, seconds: float) -> int:
    """Tasks at a steady rate; returns how many."""
    began, sent, beat = time.monotonic(), 0, 0.0
    while (passed := time.monotonic() - began) < seconds:
        if passed >= beat:
            worker.beat()
            beat += 2
        while sent < passed * rate:
            worker.run(min(BATCH, max(1, round(rate / 25))))
            sent += min(BATCH, max(1, round(rate / 25)))
        time.sleep(0.002)
    return sent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--postgres", action="store_true")
    given = parser.parse_args()
    with installed(given.postgres, SIGNALBOX_OBSERVE_READONLY="on") as (servers, environment):
        environment |= {"SIGNALBOX_OBSERVE": f"shop={servers.redis_url}"}
        process = servers.keep([sys.executable, str(ROOT / "manage.py"), "observe"], env=environment)
        os.environ.update(environment)
        measure(process, servers.redis_url, 5 if given.quick else given.seconds)


def measure(process: subprocess.Popen, url: str, seconds: float) -> None:
    import django

    django.setup()
    from tasks.engine.models import Job
    from tasks.observe.models import App

    rows = Job.every
    worker, observer = Worker(redis.Redis.from_url(url)), psutil.Process(process.pid)
    while not App.objects.filter(since__isnull=False).exists():
        time.sleep(0.1)
    time.sleep(1)

    send(worker, 200, seconds)
    while rows.filter(app="shop", state="succeeded").count() < worker.processed:
        time.sleep(0.1)
    worst = latencies(worker, rows)
    print(f"event → committed row at 200 tasks/s: p50 {worst[0]:.0f} ms, p95 {worst[1]:.0f} ms")

    for rate in (1_000, 2_000, 3_000):
        before, cpu, began = worker.processed, sum(observer.cpu_times()[:2]), time.monotonic()
        sent = send(worker, rate, seconds)
        while (done := rows.filter(app="shop", state="succeeded").count()) < before + sent:
            if time.monotonic() - began > seconds * 4:
                break
            time.sleep(0.05)
        passed, used = time.monotonic() - began, sum(observer.cpu_times()[:2]) - cpu
        print(
            f"{rate:>5} tasks/s asked: {sent / passed:,.0f} tasks/s as rows, {done - before} of {sent}, "
            f"{used / max(1, sent) * 1000:.2f} ms of processor time a task, {observer.memory_info().rss / 2**20:.0f} MB"
        )
    app = App.objects.get()
    print(f"unseen: {app.unseen}, dropped: {app.dropped or 0}")


def latencies(worker: Worker, rows) -> tuple[float, float]:
    """Of 200 tasks among 200 a second: from the event's sending to when its row can be read."""
    found = []
    for _ in range(100):
        (task, *_), sent = worker.run(2), time.monotonic()
        while not rows.filter(task_id=task, app="shop", state="succeeded").exists():
            time.sleep(0.002)
        found.append((time.monotonic() - sent) * 1000)
        time.sleep(0.01)
    found.sort()
    return found[50], found[95]


if __name__ == "__main__":
    main()
