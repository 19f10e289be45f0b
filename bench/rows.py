"""The board in a real Chromium while 500 rows change ten times a second: is any task of the main thread over 50 ms?

    python -m bench.rows [--seconds 10] [--rows 500]

The page is the product's own, from a running server; its frames come from this script, which stands in for the hub so
that each of them has every row. Chromium's own observer of long tasks is asked. Printed: how many tasks
took longer than 50 ms, the longest one, how many frames were sent and dealt with, and how long one took the page.
"""

import argparse
import json
import os
import shutil
import statistics
import threading
import time
from pathlib import Path

from playwright.sync_api import BrowserContext, CDPSession, sync_playwright
from websockets.sync.server import ServerConnection, serve

from tests.browser.conftest import FLAGS
from tests.browser.line import instant, job, stats
from tests.support.processes import Product
from tests.support.servers import Servers

WATCH = """() => {
    window.long = [];
    new PerformanceObserver((list) => window.long.push(...list.getEntries().map((e) => e.duration)))
        .observe({ type: "longtask" });
}"""
SECTIONS = (("running", 0.6), ("queued", 0.2), ("retrying", 0.1), ("succeeded", 0.1))
EVERY_S = 0.1
EMPTY = {"workers": [], "queues": []}
INSTEAD = """const Real = WebSocket;
window.WebSocket = class extends Real { constructor(url, protocols) { super("ws://127.0.0.1:PORT/", protocols); } };"""


def rows(count: int, turn: int) -> list[dict]:
    """Every row at its next version: what runs has come on, what waits says something else."""
    made, n = [], 0
    for state, share in SECTIONS:
        for _ in range(round(count * share)):
            n += 1
            note = f"part {turn} of {n}"
            more = {"note": note} if state == "running" else {"error": note if state == "retrying" else None}
            made.append(job(n, state, version=turn, done=turn % 100, total=100, log_seq=turn, **more))
    return made


class Hub:
    """Stands in for the server's hub: after ``go``, a frame of all rows each tenth of a second, four unacknowledged."""

    def __init__(self, count: int) -> None:
        self.count, self.turn, self.go, self.seconds = count, 1, threading.Event(), 0.0
        self.answered: list[float] = []
        self.server = serve(self.serve, "127.0.0.1", 0, subprotocols=["signalbox.v1"])
        self.port = self.server.socket.getsockname()[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def frame(self, kind: str) -> str:
        live = {state: round(self.count * share) for state, share in SECTIONS}
        head = {"type": kind, "n": self.turn, "as_of": instant(), "age": 0.0, "stats": stats(**live)}
        return json.dumps(head | {"jobs": rows(self.count, self.turn)} | ({} if self.turn > 1 else EMPTY))

    def serve(self, socket: ServerConnection) -> None:
        socket.recv()
        socket.send(self.frame("snapshot"))
        sent: dict[int, float] = {}
        threading.Thread(target=self.hear, args=(socket, sent), daemon=True).start()
        self.go.wait()
        end = time.monotonic() + self.seconds
        while (now := time.monotonic()) < end:
            if len(sent) < 4:
                self.turn += 1
                text = self.frame("patch")
                sent[self.turn] = time.monotonic()
                socket.send(text)
            time.sleep(max(0.0, now + EVERY_S - time.monotonic()))
        self.go.clear()

    def hear(self, socket: ServerConnection, sent: dict[int, float]) -> None:
        for text in socket:
            said = json.loads(text)
            if said["type"] == "ack" and (at := sent.pop(said["n"], None)) is not None:
                self.answered.append(time.monotonic() - at)


def measure(context: BrowserContext, count: int, seconds: float) -> str:
    hub, page = Hub(count), context.new_page()
    page.add_init_script(INSTEAD.replace("PORT", str(hub.port)))
    page.goto("")
    page.wait_for_function("(n) => document.querySelectorAll('[data-job]').length >= n", arg=round(count * 0.9))
    page.wait_for_timeout(1500)  # it has come to rest
    page.evaluate(WATCH)
    devtools = context.new_cdp_session(page)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
    before = spent(devtools)
    hub.seconds = seconds
    hub.go.set()
    end = time.monotonic() + seconds + 20
    while hub.go.is_set() and time.monotonic() < end:
        page.wait_for_timeout(100)
    page.wait_for_timeout(300)
    cost = {name: (now - before[name]) * 1000 / (hub.turn - 1) for name, now in spent(devtools).items()}
    long = page.evaluate("window.long")
    page.wait_for_function("(turn) => document.body.textContent.includes(`part ${turn} of`)", arg=hub.turn)
    page.close()
    return (
        f"{hub.turn - 1} frames of {count} rows in {seconds:g} s, acknowledged after "
        f"{statistics.median(hub.answered) * 1000:.0f} ms (median); tasks over 50 ms: {len(long)}, "
        f"longest {max(long, default=0):.0f} ms; CPU a frame: "
        + ", ".join(f"{name} {ms:.1f} ms" for name, ms in cost.items())
    )


def spent(devtools: CDPSession) -> dict[str, float]:
    """Seconds of CPU that the page's main thread has spent, and on what."""
    reported = {each["name"]: each["value"] for each in devtools.send("Performance.getMetrics")["metrics"]}
    return {
        "all": reported["TaskDuration"],
        "scripts": reported["ScriptDuration"],
        "style": reported["RecalcStyleDuration"],
        "layout": reported["LayoutDuration"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rows", type=int, default=500)
    options = parser.parse_args()
    servers = Servers()
    product = None
    try:
        servers.start_valkey()
        product = Product(servers, Path(servers.folder) / "product").start()
        with sync_playwright() as playwright:
            found = os.environ.get("SIGNALBOX_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
            browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
            context = browser.new_context(base_url=product.base_url, locale="en-GB", bypass_csp=True)
            page = context.new_page()
            page.goto("login/")
            page.get_by_label("User name").fill(product.user)
            page.get_by_label("Password").fill(product.password)
            page.get_by_role("button", name="Log in").click()
            page.wait_for_url(product.base_url)
            page.close()
            print(measure(context, options.rows, options.seconds), flush=True)
            browser.close()
    finally:
        if product is not None:
            product.stop()
        servers.stop()


if __name__ == "__main__":
    main()
