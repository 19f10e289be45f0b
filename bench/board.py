"""How much of a core the board costs a browser: quiet, and while jobs come and go.

    python -m bench.board [--seconds 10] [--rate 6]

The page is the product's own, in a real Chromium; its frames come from this script, which stands in for the hub.
Ten jobs run. *Still*: nothing but beats. *Quiet*: each says every ten seconds how far it is. *Busy*: RATE jobs a second
wait, run and end, three frames each, and every tenth fails. Printed is what the page's main thread spent, by
Performance.getMetrics, as a share of a core. A job keeps the moments of its start and end, as a row does: else each
frame would move rows.
"""

import argparse
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import repeat
from pathlib import Path

from playwright.sync_api import BrowserContext, CDPSession, sync_playwright
from websockets.sync.server import ServerConnection, serve

from tests.browser.conftest import FLAGS, chromium_path
from tests.support.processes import Product
from tests.support.servers import Servers

INSTEAD = """const Real = WebSocket;
window.WebSocket = class extends Real { constructor(url, protocols) { super("ws://127.0.0.1:PORT/", protocols); } };"""
METRICS = {
    "all": "TaskDuration",
    "scripts": "ScriptDuration",
    "style": "RecalcStyleDuration",
    "layout": "LayoutDuration",
}
FIRST = 100  # the first job that comes while it is measured
LIVE = ("scheduled", "queued", "running", "retrying")
QUEUE = {
    "name": "default",
    "paused": False,
    "queued": 2,
    "oldest_s": 1.0,
    "running": 10,
    "started_per_min": 9,
    "workers": 1,
}
WORKER = {
    "name": "w1@h",
    "host": "h",
    "pid": 1,
    "queues": ["default"],
    "concurrency": 16,
    "running": [],
    "beat_age_s": 1.0,
    "alive": True,
}


def instant(ago_s: float = 0) -> str:
    return (datetime.now(UTC) - timedelta(seconds=ago_s)).isoformat().replace("+00:00", "Z")


@cache
def started(n: int) -> str:
    """When job ``n`` was started: those that are there from the first on, some minutes ago."""
    return instant(600 - n if n < FIRST else 0)


def job(n: int, state: str, version: int, done: int = 0, total: int = 0, error: str | None = None) -> dict:
    """The summary of job ``n``, as frames carry it."""
    began, ended = started(n), instant(300 if n < FIRST else 0)
    return {
        "id": f"01999999-0000-7000-8000-{n:012}", "version": version, "kind": "send_invoice", "queue": "default",
        "state": state, "attempt": 1, "max_attempts": 4, "priority": 5, "owner": "ada", "title": f"order {n}",
        "progress": {"done": done, "total": total, "note": ""}, "cancel_requested": False, "error": error,
        "worker": "w1@h", "schedule": None, "parent": None, "log_seq": 0, "app": None, "release": None,
        "doubt_at": None, "created_at": began, "due_at": None, "started_at": began,
        "finished_at": ended if state in ("succeeded", "failed") else None,
    }  # fmt: skip


def stats(counts: Counter[str]) -> dict:
    ended = ("succeeded", "failed", "cancelled")
    return {"now": {state: counts[state] for state in LIVE}, "last_hour": {state: counts[state] for state in ended}}


def spent(devtools: CDPSession) -> dict[str, float]:
    """Seconds of CPU that the page's main thread has spent, and on what."""
    now = {each["name"]: each["value"] for each in devtools.send("Performance.getMetrics")["metrics"]}
    return {name: now[metric] for name, metric in METRICS.items()}


class Hub:
    """Stands in for the server's hub: a snapshot, and then what ``frames`` says, one piece at a time."""

    def __init__(self, frames: Iterator[tuple[float, list[dict]]]) -> None:
        self.frames, self.go, self.done, self.n, self.seconds = frames, threading.Event(), threading.Event(), 0, 0.0
        self.states: dict[str, str] = {}
        self.server = serve(self.serve, "127.0.0.1", 0, subprotocols=["signalbox.v1"])
        self.port = self.server.socket.getsockname()[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def frame(self, kind: str, **more: object) -> str:
        self.n += 1
        return json.dumps({"type": kind, "n": self.n, "as_of": instant(), "age": 0.0, **more})

    def moved(self, jobs: list[dict]) -> dict[str, object]:
        """The members of a frame: these jobs, and the counts if they differ now."""
        before = dict(self.states)
        self.states |= {job["id"]: job["state"] for job in jobs}
        return {"jobs": jobs} | ({} if before == self.states else {"stats": stats(Counter(self.states.values()))})

    def serve(self, socket: ServerConnection) -> None:
        socket.recv()
        jobs = [job(n, "running", version=1, done=0, total=100) for n in range(1, 11)]
        jobs += [job(n, "succeeded", version=1) for n in range(11, 61)]
        socket.send(self.frame("snapshot", queues=[QUEUE], workers=[WORKER], **self.moved(jobs)))
        threading.Thread(target=lambda: list(socket), daemon=True).start()
        self.go.wait()
        end = time.monotonic() + self.seconds
        for pause, jobs in self.frames:
            if time.monotonic() > end:
                break
            if jobs:
                socket.send(self.frame("patch", **self.moved(jobs)))
            else:
                socket.send(json.dumps({"type": "beat", "as_of": instant(), "age": 0.0, "every": 5}))
            time.sleep(pause)
        self.done.set()


def still() -> Iterator[tuple[float, list[dict]]]:
    """Nothing moves: a beat every five seconds."""
    return repeat((5.0, []))


def quiet() -> Iterator[tuple[float, list[dict]]]:
    """Ten jobs that run; one after the other says how far it is, each of them every ten seconds."""
    for turn in range(1, 100_000):
        n = 1 + turn % 10
        yield 1.0, [job(n, "running", version=1 + turn, done=turn % 100, total=100)]


def busy(rate: float) -> Iterator[tuple[float, list[dict]]]:
    """Jobs that are queued, run and end."""
    for n in range(FIRST, 100_000):
        ended = "failed" if n % 10 == 0 else "succeeded"
        for version, state in enumerate(("queued", "running", ended), 1):
            error = "GatewayError: 502 from the bank" if state == "failed" else None
            yield 1 / rate / 3, [job(n, state, version, error=error)]


def measured(context: BrowserContext, frames: Iterator[tuple[float, list[dict]]], seconds: float) -> dict[str, float]:
    """The main thread's seconds for each second: all, scripts, style, layout."""
    hub, page = Hub(frames), context.new_page()
    page.add_init_script(INSTEAD.replace("PORT", str(hub.port)))
    page.goto("")
    page.wait_for_function("document.querySelectorAll('[data-list=running] [data-job]').length >= 10")
    page.wait_for_timeout(2000)  # it has come to rest
    devtools = context.new_cdp_session(page)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
    hub.seconds = seconds
    before, began = spent(devtools), time.monotonic()
    hub.go.set()
    while not hub.done.is_set():
        page.wait_for_timeout(250)
    after, took = spent(devtools), time.monotonic() - began
    page.close()
    return {name: (after[name] - before[name]) / took for name in after}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rate", type=float, default=6)
    options = parser.parse_args()
    servers, product = Servers(), None
    try:
        servers.start_valkey()
        product = Product(servers, Path(servers.folder) / "product").start()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
            context = browser.new_context(base_url=product.base_url, locale="en-GB", bypass_csp=True)
            page = context.new_page()
            page.goto("login/")
            page.get_by_label("User name").fill(product.user)
            page.get_by_label("Password").fill(product.password)
            page.get_by_role("button", name="Log in").click()
            page.wait_for_url(product.base_url)
            page.close()
            for name, frames in (
                ("still", still()),
                ("quiet", quiet()),
                (f"{options.rate:g} jobs/s", busy(options.rate)),
            ):
                shares = measured(context, frames, options.seconds)
                print(
                    f"{name}: " + ", ".join(f"{what} {share:.1%}" for what, share in shares.items()) + " of a core",
                    flush=True,
                )
            browser.close()
    finally:
        if product is not None:
            product.stop()
        servers.stop()


if __name__ == "__main__":
    main()
