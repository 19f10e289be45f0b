"""What pages cost the server when there are a million jobs, beside the same pages with a thousand.

    python -m bench.million [--jobs 1000000] [--rounds 15] [--postgres] [--only charts]

Two databases with the same jobs alive and the same month of history, one a thousand times as dense. Each address is
asked for in turns, after one unmeasured time; of each the best wall time in the server counts (database included), so
that other load of the machine matters little. Printed: milliseconds in both, and their ratio.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.support.servers import Servers

ROOT = Path(__file__).resolve().parent.parent
BASE = 1_000  # jobs that are made one by one; the rest are copies of them, further back in time
MONTH = timedelta(days=30)
KINDS = {"noop": 50, "countdown": 20, "fetch_feed": 20, "site_sizes": 10, "check_health": 6}
ADDRESSES = {
    "board": "/",
    "board over the socket": "picture.board",
    "jobs": "/jobs/",
    "jobs, second page": "next /jobs/",
    "state:failed": "/jobs/?q=state:failed",
    "kind:check_health": "/jobs/?q=kind:check_health",
    "owner:user3": "/jobs/?q=owner:user3",
    "queue:io state:succeeded": "/jobs/?q=queue:io+state:succeeded",
    "since:2h": "/jobs/?q=since:2h",
    "a word of many jobs": "/jobs/?q=example",
    "a word of no job": "/jobs/?q=nowheretobefound",
    "args.address": "/jobs/?q=args.note:nothing",
    "took:>1h": "/jobs/?q=took:>1h",
    "longest first": "/jobs/?q=kind:check_health&sort=took",
    "kinds": "/kinds/?period=24h",
    "kinds, month": "/kinds/?period=30d",
    "a kind, hour": "/kinds/noop/?period=1h",
    "a kind, day": "/kinds/noop/?period=24h&against=week",
    "a kind, month": "/kinds/noop/?period=30d",
    "a queue": "/queues/io/",
    "a worker": "/workers/w1@here/",
    "failures": "/failures/",
    "charts, hour": "/charts/?period=1h",
    "charts, day": "/charts/?period=24h",
    "charts, month": "/charts/?period=30d",
    "queues and workers": "/workers/",
    "API jobs": "/api/v1/jobs/?limit=50",
    "API, a word of no job": "/api/v1/jobs/?q=nowheretobefound",
    "API, a kind": "/api/v1/kinds/noop/?period=24h",
    "API failures": "/api/v1/failures/",
    "API stats, month": "/api/v1/stats/?period=30d",
}


# --- a database of so many jobs --------------------------------------------------------------------------------


def fill(jobs: int) -> None:
    """A month of history, evenly; what is alive is the same however many there are."""
    import django

    django.setup()
    from django.contrib.auth import get_user_model
    from django.db import connection
    from django.utils import timezone

    from tasks.engine.models import Job, Worker
    from tasks.kinds import upkeep

    rnd, now = random.Random(1), timezone.now()
    people = [get_user_model().objects.create(username=f"user{n}") for n in range(20)]
    copies = jobs // BASE
    step = MONTH / copies
    Job.objects.bulk_create(ended(Job, now - step * (1 - n / BASE), rnd, people) for n in range(BASE))
    multiply(connection, copies, step)
    with connection.cursor() as cursor:  # what every failure and every cancel leaves, as the moves would have
        cursor.execute(
            "INSERT INTO tasks_ending (job_id, state, at, kind, queue, queued_at, started_at) "
            "SELECT id, state, finished_at, kind, queue, created_at, started_at FROM tasks_job "
            "WHERE state IN ('failed', 'cancelled') ORDER BY id"
        )
    alive = [("running", 20), ("queued", 30), ("retrying", 10)]
    for state, count in alive:
        Job.objects.bulk_create(
            Job(
                kind="countdown", queue="default", state=state, owner=rnd.choice(people), created_at=now, rung_at=now,
                started_at=None if state == "queued" else now, due_at=now if state == "retrying" else None,
            )
            for _ in range(count)
        )  # fmt: skip
    Worker.objects.create(
        name="w1@here", host="here", pid=1, queues=["default", "io"], concurrency=20, seen_at=now, started_at=now
    )
    with connection.cursor() as cursor:  # as autovacuum would, and as the product does on SQLite: not at all
        if connection.vendor == "postgresql":
            cursor.execute("VACUUM ANALYZE")
    began = time.monotonic()
    print(upkeep.roll_up.run(), f"rolled up in {time.monotonic() - began:.1f} s", file=sys.stderr)


def ended(job: Any, at: Any, rnd: random.Random, people: list[Any]) -> Any:
    """One job that has ended, as they are: most succeeded, errors of a few sorts, parameters of some length."""
    kind = rnd.choices(list(KINDS), KINDS.values())[0]
    state = rnd.choices(["succeeded", "failed", "cancelled"], [95, 4, 1])[0]
    ran = timedelta(seconds=rnd.expovariate(1 / 2))
    wrong = state == "failed"
    params = {
        "address": f"https://www.example.org/{rnd.randrange(10**6)}",
        "note": " ".join(["word"] * rnd.randrange(9)),
    }
    return job(
        kind=kind, queue="io" if kind in ("fetch_feed", "site_sizes") else "default", state=state, attempt=1, version=3,
        owner=rnd.choice(people), params=params, worker="w1@here", created_at=at - ran - timedelta(seconds=1),
        rung_at=at, started_at=at - ran, finished_at=at, error_key=f"key{rnd.randrange(5)}" if wrong else "",
        error=f"GatewayError: the gateway said {rnd.randrange(500, 505)}" if wrong else "",
    )  # fmt: skip


def multiply(connection: Any, copies: int, step: timedelta) -> None:
    """Put copies of the base before it, the oldest first: keys are in the order of creation, as in life."""
    columns = [field.column for field in sys.modules["tasks.engine.models"].Job._meta.concrete_fields]
    postgres = connection.vendor == "postgresql"
    moved = {"created_at", "rung_at", "started_at", "finished_at"}

    def copied(column: str) -> str:
        if column == "id":
            return f"(copy.n - {copies}) * {BASE} + base.id"
        if column == "uid":
            return "gen_random_uuid()" if postgres else "lower(hex(randomblob(16)))"
        if column not in moved:
            return f'base."{column}"'
        back = f"({copies} - copy.n) * {step.total_seconds():.3f}"
        if postgres:
            return f"base.{column} - make_interval(secs => {back})"
        return f"strftime('%Y-%m-%d %H:%M:%f', base.{column}, '-' || ({back}) || ' seconds')"

    last = copies - 1
    series = f"WITH RECURSIVE copy(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM copy WHERE n < {last}) "
    sql = (
        f"{'' if postgres else series}INSERT INTO tasks_job ({', '.join(columns)}) "
        f"SELECT {', '.join(map(copied, columns))} "
        f"FROM {f'generate_series(1, {last}) AS copy(n)' if postgres else 'copy'} CROSS JOIN tasks_job AS base "
        "ORDER BY copy.n, base.id"
    )
    if copies > 1:
        with connection.cursor() as cursor:
            cursor.execute(f"UPDATE tasks_job SET id = id + {BASE * copies}")
            cursor.execute(sql)
            if postgres:
                cursor.execute("SELECT setval('tasks_job_id_seq', (SELECT MAX(id) FROM tasks_job))")


# --- what its pages cost ---------------------------------------------------------------------------------------


def serve() -> None:
    """A server without a network: reads an address a line, says the milliseconds that the answer took."""
    import django

    django.setup()
    import re

    from django.contrib.auth import get_user_model
    from django.test import Client

    from tasks.queries import board

    client = Client()
    client.force_login(get_user_model().objects.create_superuser("bench"))
    for line in sys.stdin:
        address = line.strip()
        if address.startswith("next "):
            first = client.get(address.removeprefix("next ")).content.decode()
            found = re.search(r'href="([^"]*(?:before|older|cursor)=[^"]*)"', first)
            address = "/jobs/" + found[1].replace("&amp;", "&").removeprefix("/jobs/")
        began = time.perf_counter()
        if address == "picture.board":
            board.board()
        else:
            answer = client.get(address)
            assert answer.status_code == 200, (address, answer.status_code)
        print(f"{(time.perf_counter() - began) * 1000:.3f}", flush=True)


class Asked:
    """One database, and the process that answers for it."""

    def __init__(self, servers: Servers, jobs: int) -> None:
        home = servers.folder / f"home{jobs}"
        (home / "static").mkdir(parents=True)
        self.environment = os.environ | servers.environment() | {
            "SIGNALBOX_HOME": str(home), "SIGNALBOX_LOG_LEVEL": "ERROR", "DJANGO_SETTINGS_MODULE": "project.settings",
            "ALLOWED_HOSTS": "testserver",
        }  # fmt: skip
        if servers.database_url:
            self.environment["DATABASE_URL"] = servers.new_database()
        self.run([sys.executable, "manage.py", "migrate", "-v0"])
        self.run([sys.executable, "-m", "bench.million", "--fill", str(jobs)])
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.million", "--serve"], cwd=ROOT, env=self.environment, text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def run(self, command: list[str]) -> None:
        subprocess.run(command, cwd=ROOT, env=self.environment, check=True)

    def ask(self, address: str) -> float:
        print(address, file=self.process.stdin)
        return float(self.process.stdout.readline())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--only", default="", help="addresses whose name has this in it")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    parser.add_argument("--fill", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fill:
        return fill(options.fill)
    if options.serve:
        return serve()
    servers = Servers()
    try:
        servers.start_valkey()
        if options.postgres:
            servers.start_postgres()
        few, many = Asked(servers, BASE), Asked(servers, options.jobs)
        figures = {}
        print(f"{'':30} {BASE:>12,} {options.jobs:>12,}   ratio")
        for name, address in ADDRESSES.items():
            if options.only not in name:
                continue
            times: tuple[list[float], list[float]] = ([], [])
            for turn in range(options.rounds + 1):
                for each, found in zip((few, many), times, strict=True):
                    took = each.ask(address)
                    if turn:
                        found.append(took)
            small, large = min(times[0]), min(times[1])
            figures[name] = {"few_ms": small, "many_ms": large, "ratio": round(large / small, 2)}
            print(f"{name:30} {small:9.1f} ms {large:9.1f} ms {large / small:7.2f}", flush=True)
        if options.json:
            options.json.write_text(json.dumps(figures, indent=1))
        for each in (few, many):
            each.process.terminate()
            each.process.wait(10)
    finally:
        servers.stop()


if __name__ == "__main__":
    main()
