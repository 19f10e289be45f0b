"""How long after a job's end a browser shows it: real worker, real Valkey, real Chromium, the board open.

    python -m bench.screen [--jobs 60] [--every 0.4] [--server uvicorn] [--postgres]

For each job: from ``finished_at``, which the worker stamps right before the UPDATE that it commits, to the change of
the row in the DOM, by the clock of this machine. So the commit itself is inside. Prints median, p90 and the worst, in
ms. The jobs are countdowns of a second: the three moves of a ``noop`` share one tick of the hub.
"""

import argparse
import os
import shutil
import statistics
import tempfile
from datetime import datetime
from pathlib import Path

import requests
from playwright.sync_api import sync_playwright

from tests.browser.conftest import FLAGS
from tests.support.processes import Product
from tests.support.servers import Servers

SEEN = """
window.seen = {};
new MutationObserver(() => {
  const now = performance.timeOrigin + performance.now();
  const rows = document.querySelectorAll("[data-list] [data-state=succeeded]");
  for (const row of rows) window.seen[row.dataset.job] ??= now;
}).observe(document.querySelector("main"), { subtree: true, childList: true, attributes: true });
"""
SUBMIT = """
import time
from tasks.engine import lifecycle
for _ in range({jobs}):
    lifecycle.submit("countdown", {{"seconds": 1, "steps": 1}})
    time.sleep({every} + 1)
"""


def measured(product: Product, jobs: int, every: float) -> list[float]:
    """Milliseconds from the end of each job to its row in the DOM."""
    chromium = os.environ.get("SIGNALBOX_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as kit:
        page = kit.chromium.launch(executable_path=chromium, args=FLAGS).new_page(base_url=product.base_url)
        page.goto("login/")
        page.get_by_label("User name").fill(product.user)
        page.get_by_label("Password").fill(product.password)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_selector("[data-live=live]")
        page.evaluate(SEEN)
        product.python(SUBMIT.format(jobs=jobs, every=every))
        page.wait_for_function("Object.keys(window.seen).length > 0")
        seen = page.evaluate("window.seen")
    browser = product.browser()
    found = []
    for job, at in seen.items():
        ended = requests.get(f"{product.base_url}api/v1/jobs/{job}/", cookies=browser.cookies, timeout=10).json()
        found.append(at - datetime.fromisoformat(ended["finished_at"]).timestamp() * 1000)
    return sorted(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=60)
    parser.add_argument("--every", type=float, default=0.4)
    parser.add_argument("--server", default="daphne")
    parser.add_argument("--postgres", action="store_true")
    options = parser.parse_args()
    servers = Servers()
    product = None
    try:
        if options.postgres:
            servers.start_postgres()
        product = Product(servers, Path(tempfile.mkdtemp(dir=servers.folder)), "--server", options.server).start()
        found = measured(product, options.jobs, options.every)
        print(
            f"{len(found)} of {options.jobs} jobs seen ({options.server}): median {statistics.median(found):.1f} ms, "
            f"p90 {found[int(len(found) * 0.9)]:.1f} ms, worst {found[-1]:.1f} ms; load {os.getloadavg()[0]:.1f}"
        )
    finally:
        if product and product.process:
            product.stop()
        servers.stop()


if __name__ == "__main__":
    main()
