"""What is wrong after an observer was killed for ten seconds under load: our observer, and Flower beside it.

    python -m bench.watched [--seconds 30] [--rate 20] [--flower /path/to/python]

A plain Celery application on a Redis of its own runs quick, failing and long tasks, and writes a file of what truly
ran. Both observers are killed (SIGKILL) in the middle and started again ten seconds later. ``--flower`` names a Python
that has Flower; without it only ours is measured, which is said.
"""

import argparse
import json
import os
import signal
import sys
import time
import urllib.request
from collections import Counter
from typing import Any

from bench.installed import ROOT, installed
from project import valkey

AWAY_S = 10.0
SETTLED_S = 12.0
FLOWERS = {"SUCCESS": "succeeded", "FAILURE": "failed", "RETRY": "retried", "STARTED": "running", "RECEIVED": "queued"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--rate", type=float, default=20)
    parser.add_argument("--flower", default="")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    with installed(False, SIGNALBOX_LOG_LEVEL="ERROR") as (servers, environment):
        os.environ.update(environment | {"SIGNALBOX_OBSERVE": f"shop={servers.redis_url}"})
        rig(servers, servers.redis_url, 20 if given.quick else given.seconds, given.rate, given.flower)


def rig(servers: Any, broker: str, seconds: float, rate: float, flower: str) -> None:
    import django

    django.setup()
    from tasks.engine.models import Job
    from tasks.observe.models import App
    from tests.support.watched import Shop

    rows = Job.every
    shop = Shop(servers, servers.folder / "shop", broker)
    shop.start(concurrency=4)
    port = valkey.free_port()
    words = [flower, "-m", "celery", "-A", "tests.observe.shop", "flower", f"--port={port}", "--address=127.0.0.1"]
    words += ["--persistent=True", f"--db={servers.folder / 'flower'}", "--state_save_interval=2000"]
    more = shop.environment() | {"FLOWER_UNAUTHENTICATED_API": "true"}
    commands = {"Signalbox": ([sys.executable, str(ROOT / "manage.py"), "observe"], dict(os.environ))}
    if flower:
        commands["Flower"] = (words, more)
    else:
        print("Flower is not measured: --flower names no Python that has it.")
    running = {name: servers.keep(command, env=env, cwd=ROOT) for name, (command, env) in commands.items()}
    wait(lambda: App.objects.filter(since__isnull=False).exists())
    wait(lambda: rows.filter(app="shop", kind="shop.add", state="succeeded").exists(), lambda: shop.send("add", 1, 2))

    began, sent, killed, back = time.monotonic(), 0, False, False
    while (passed := time.monotonic() - began) < seconds:
        while sent < passed * rate:
            name, args = [("add", (1, 2)), ("fail", ()), ("add", (3, 4)), ("again", (1,)), ("sleep", (6,))][
                min(sent % 41, 4) if sent % 41 < 5 else sent % 4
            ]
            shop.send(name, *args)
            sent += 1
        if not killed and passed > seconds / 3:
            for process in running.values():
                os.killpg(process.pid, signal.SIGKILL)
            killed = True
        if not back and passed > seconds / 3 + AWAY_S:
            running = {name: servers.keep(command, env=env, cwd=ROOT) for name, (command, env) in commands.items()}
            back = True
        time.sleep(0.01)
    wait(lambda: all(words[-1] != "started" for words in shop.diary().values()))
    time.sleep(SETTLED_S)
    truth = {task: words[-1] for task, words in shop.diary().items()}
    ours = dict(rows.filter(app="shop").values_list("task_id", "state"))
    report("Signalbox", truth, ours, f"; {App.objects.get().unseen} starts were counted that nobody saw")
    if flower:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/tasks?limit=100000", timeout=10) as answer:
            found = json.load(answer)
        report("Flower", truth, {task: FLOWERS.get(each["state"], each["state"]) for task, each in found.items()}, "")
    shop.stop()


def report(name: str, truth: dict[str, str], shown: dict[str, str], more: str) -> None:
    both = [(shown[task], word) for task, word in truth.items() if task in shown]
    wrong = Counter(f"{said} though {word}" for said, word in both if said not in (word, "unknown"))
    unknown = sum(word == "unknown" for word in shown.values())
    print(
        f"{name}: of {len(truth)} tasks {wrong.total()} are shown wrong {dict(wrong) or ''}, {unknown} as unknown, ",
        end="",
    )
    print(f"{len(truth.keys() - shown.keys())} not at all{more}")


def wait(true: Any, again: Any = None, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise SystemExit("It took too long.")
        if again:
            again()
        time.sleep(0.3)


if __name__ == "__main__":
    main()
