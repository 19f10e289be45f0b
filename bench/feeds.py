"""Feeds a second through fetch_feed: the first time, with entries to store, and again, when nothing has changed.

    python -m bench.feeds [--feeds 300] [--entries 30] [--postgres]

A server on loopback answers each feed with its own document and honours ETag; one worker with two processes fetches.
"""

import argparse
import os
import subprocess
import sys
import time

from bench.throughput import ROOT, until
from project import parts
from tests.support.origins import reply
from tests.support.servers import Servers
from tests.support.serving import serving


def document(feed: bytes, entries: int) -> bytes:
    items = b"".join(
        b"<item><guid>%s-%d</guid><title>Entry %d</title><link>https://x.example/%d</link>"
        b"<pubDate>Mon, 02 Mar 2026 10:00:00 GMT</pubDate><description>&lt;p&gt;%s&lt;/p&gt;</description></item>"
        % (feed, n, n, n, b"A few words of a normal length. " * 20)
        for n in range(entries)
    )
    return b"<rss version='2.0'><channel><title>" + feed + b"</title>" + items + b"</channel></rss>"


def fetch(base: str, feeds: int) -> None:
    """Runs inside the product's Django: prints feeds a second, new and unchanged."""
    import django

    django.setup()
    from tasks.engine import lifecycle
    from tasks.engine.models import Job
    from tasks.kinds.feeds.models import Entry, Feed

    warm, _ = lifecycle.submit("noop", {})
    until(lambda: Job.objects.get(pk=warm.pk).finished_at)
    rows = [Feed(url=f"{base}/{n}") for n in range(feeds)]
    Feed.objects.bulk_create(rows)
    rates = []
    for _ in range(2):
        started = time.monotonic()
        lifecycle.submit_many("fetch_feed", [{"feed": str(feed.uid)} for feed in rows])
        until(lambda: not Job.objects.filter(finished_at=None).exists(), 600)
        rates.append(feeds / (time.monotonic() - started))
    assert not Job.objects.exclude(state="succeeded").exists()
    print(*rates, Entry.objects.count())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--feeds", type=int, default=300)
    parser.add_argument("--entries", type=int, default=30)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--fetch")
    options = parser.parse_args()
    if options.fetch:
        return fetch(options.fetch, options.feeds)
    servers = Servers()
    try:
        servers.start_valkey()
        if options.postgres:
            servers.start_postgres()
        environment = os.environ | servers.environment() | {"SIGNALBOX_LOG_LEVEL": "WARNING"}
        environment |= {"DJANGO_SETTINGS_MODULE": "project.settings"}
        subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=environment, check=True)
        worker_options = ["-n", "bench@%h", "-c", "2", "-l", "WARNING"]
        worker = servers.keep(parts.celery("worker", *worker_options), cwd=ROOT, env=environment)

        def says(head: bytes) -> bytes:
            if b"If-None-Match" in head:
                return reply(b"", "304 Not Modified")
            return reply(document(head.split()[1][1:], options.entries), "200 OK", 'ETag: "1"')

        try:
            with serving(says) as site:
                command = [sys.executable, "-m", "bench.feeds", "--fetch", site.url, "--feeds", str(options.feeds)]
                said = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        finally:
            worker.terminate()
            worker.wait(20)
        new, same, entries = said.stdout.split()[-3:]
        where = "PostgreSQL" if options.postgres else "SQLite"
        print(
            f"{options.feeds} feeds, {entries} entries ({where}): {float(new):.0f}/s new, {float(same):.0f}/s unchanged"
        )
    finally:
        servers.stop()


if __name__ == "__main__":
    main()
