"""What a page does behind its user's back: requests, complaints in the console, exceptions, refused content."""

from playwright.sync_api import Page, Request


class Watcher:
    """Watches a page from now on. ``requests`` holds every HTTP request, ``complaints`` what must never be there."""

    def __init__(self, page: Page) -> None:
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.loads = 0
        page.on("request", self._request)
        page.on("load", self._load)
        page.on("pageerror", lambda error: self.complaints.append(f"exception: {error}"))
        page.on("console", lambda said: said.type in ("error", "warning") and self.complaints.append(said.text))

    def _request(self, request: Request) -> None:
        self.requests.append(f"{request.method} {request.url}")

    def _load(self, _: Page) -> None:
        self.loads += 1

    def forget(self) -> None:
        """What was asked for until now was wanted: the page is loaded."""
        self.requests.clear()
        self.loads = 0
