"""The board in a real Chromium, open while a deployment is restarted around it."""

import threading
import time

from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import FLAGS, chromium_path
from tests.browser.watcher import Watcher

LOOK_MS = 100


class Board(threading.Thread):
    """Logs in as a person does, opens the board, and looks at it until ``stop``: what its badge says and counts.

    Playwright belongs to the thread that starts it, and this one goes on while the test waits for commands.
    """

    def __init__(self, host: str, user: str, password: str) -> None:
        super().__init__(daemon=True)
        self.host, self.user, self.password = host, user, password
        self.badges: list[tuple[float, str]] = []  # what it said from when on
        self.counts: dict[str, str] = {}
        self.loads, self.sockets, self.looked = 0, 0, 0.0
        self.wrong: list[str] = []  # the console's errors and warnings, exceptions, what was refused or did not arrive
        self.over = threading.Event()

    def run(self) -> None:
        try:
            with sync_playwright() as kit:
                name = self.host.partition(":")[0]
                mapped = [*FLAGS, f"--host-resolver-rules=MAP {name} 127.0.0.1"]
                browser = kit.chromium.launch(executable_path=chromium_path(), args=mapped)
                page = browser.new_context(ignore_https_errors=True, base_url=f"https://{self.host}/").new_page()
                self._watch(page)
                browser.close()
        except Exception as error:
            self.wrong.append(repr(error))

    def _watch(self, page: Page) -> None:
        watcher = Watcher(page)
        watcher.complaints = self.wrong
        page.on("response", lambda had: had.status >= 400 and self.wrong.append(f"{had.status} {had.url}"))
        page.on("requestfailed", lambda had: self.wrong.append(f"{had.failure} {had.url}"))
        page.on("websocket", self._count_socket)
        page.goto("login/")
        page.get_by_label("User name").fill(self.user)
        page.get_by_label("Password").fill(self.password)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_selector("[data-live=live]")
        watcher.forget()
        while not self.over.is_set():
            badge = page.locator("[data-live]").get_attribute("data-live")
            if not self.badges or self.badges[-1][1] != badge:
                self.badges.append((time.monotonic(), badge))
            self.counts = page.evaluate(
                "() => Object.fromEntries([...document.querySelectorAll('[data-count] b')]"
                ".map((count) => [count.parentElement.dataset.count, count.textContent]))"
            )
            self.loads, self.looked = watcher.loads, time.monotonic()
            page.wait_for_timeout(LOOK_MS)  # meanwhile Playwright hears of what happens

    def _count_socket(self, _: object) -> None:
        self.sockets += 1

    def is_live_since(self, moment: float) -> bool:
        """Whether it was looked at after this moment, and says that it is live."""
        return self.looked > moment and self.badges[-1][1] == "live"

    def stop(self) -> None:
        self.over.set()
        self.join(30)
