"""A real Chromium, people who are logged in, and a watcher of everything a page does that it should not.

One Chromium serves the whole package, and ends with it: Playwright's loop would disturb asynchronous tests elsewhere.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from tests.browser.line import Line, job, stats
from tests.browser.watcher import Watcher
from tests.support.processes import Product

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


def chromium_path() -> str | None:
    """The one script/test has found; system Chromium or Chrome; else the one Playwright has fetched."""
    named = (shutil.which(name) for name in ("chromium", "google-chrome", "chrome"))
    return os.environ.get("SIGNALBOX_CHROMIUM") or next(filter(None, named), None)


@pytest.fixture(scope="package")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
    yield browser
    browser.close()


@pytest.fixture(scope="package")
def admin_state(chromium: Browser, product: Product) -> dict:
    """The cookies of a logged-in admin."""
    context = chromium.new_context(base_url=product.base_url)
    page = context.new_page()
    page.goto("login/")
    page.get_by_label("User name").fill(product.user)
    page.get_by_label("Password").fill(product.password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(product.base_url)
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def new_context(chromium: Browser, product: Product, admin_state: dict) -> Iterator[Callable[..., BrowserContext]]:
    """Makes browsers' contexts: ``new_context(color_scheme="dark")``; the admin is logged in, or else nobody."""
    made: list[BrowserContext] = []

    def make(logged_in: bool = True, **options) -> BrowserContext:
        options = {"locale": "en-GB", "timezone_id": "Europe/Berlin", "base_url": product.base_url} | options
        made.append(chromium.new_context(storage_state=admin_state if logged_in else None, **options))
        made[-1].set_default_timeout(15_000)
        return made[-1]

    yield make
    for context in made:
        context.close()


@pytest.fixture
def page(new_context: Callable[..., BrowserContext]) -> Page:
    return new_context().new_page()


@pytest.fixture
def watcher(page: Page) -> Iterator[Watcher]:
    """Fails the test at its end if the page complained of anything."""
    watching = Watcher(page)
    yield watching
    assert watching.complaints == []


@pytest.fixture
def line(page: Page) -> Line:
    """A board with three running jobs and two queued ones, of which nothing else is known yet."""
    jobs = [*map(job, (1, 2, 3)), job(11, "queued"), job(12, "queued")]

    def greet(line: Line) -> None:
        line.send("snapshot", jobs=jobs, stats=stats(running=3, queued=2), workers=[], queues=[])

    line = Line(page, greet)
    page.goto("")
    expect(page.locator("[data-list=running] > [data-job]")).to_have_count(3)
    return line
