"""Single keys: they press what is on the page, never while somebody types, and not at all for who turned them off."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.watcher import Watcher
from tests.support.processes import Product

pytestmark = pytest.mark.process

SEED = """
from datetime import timedelta
from django.contrib.auth import get_user_model
from tasks.engine import lifecycle
ada = get_user_model().objects.get(username="ada")
for n in range(3):
    lifecycle.submit("countdown", {"seconds": 600}, owner=ada, due_at=lifecycle.now() + timedelta(days=2))
"""


@pytest.fixture(scope="module", autouse=True)
def waiting(product: Product) -> None:
    """Three jobs that wait, the newest of all."""
    product.python(SEED)


def focused_row(page: Page) -> int:
    """Which row of the page has the focus; -1: none."""
    return page.evaluate("[...document.querySelectorAll('main .row')].indexOf(document.activeElement.closest('.row'))")


def test_rows_are_walked_chosen_and_asked_about(page: Page, watcher: Watcher) -> None:
    page.goto("jobs/")
    page.keyboard.press("j")
    assert focused_row(page) == 0
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    assert focused_row(page) == 1
    page.keyboard.press("x")
    picked = page.locator("[data-pick]:checked")
    expect(picked).to_have_count(1)
    expect(page.locator(".picked b")).to_have_text("1 selected")
    for held in ("Control+j", "Alt+j", "Meta+j"):
        page.keyboard.press(held)
    assert focused_row(page) == 1, "not with a modifier"
    page.keyboard.press("x")
    expect(picked).to_have_count(0)
    page.keyboard.press("c")
    expect(page.get_by_role("heading", level=1)).to_have_text("Cancel 1 job?")
    page.go_back()
    first = page.locator("main .row [data-part=link]").first.get_attribute("href")
    page.locator("main .row [data-pick]").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{first}")


def test_the_row_with_the_focus_is_never_under_the_header(page: Page, watcher: Watcher) -> None:
    page.set_viewport_size({"width": 900, "height": 300})
    page.goto("jobs/")
    last = page.locator("main .row").count() - 1
    assert last >= 2
    for _ in range(last + 1):
        page.keyboard.press("j")
    assert focused_row(page) == last
    for _ in range(last):
        page.keyboard.press("k")
    assert focused_row(page) == 0
    row = page.locator("main .row").first.bounding_box()
    assert row["y"] >= page.locator(".header").bounding_box()["height"]


def test_nothing_happens_while_somebody_types_and_slash_finds_the_box(page: Page, watcher: Watcher) -> None:
    page.goto("workers/")
    page.keyboard.press("/")
    page.wait_for_url(re.compile("/jobs/"))
    box = page.locator("input[name=q]")
    expect(box).to_be_focused()
    page.keyboard.type("jkxrcp?/")
    expect(box).to_have_value("jkxrcp?/")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.keyboard.press("Escape")
    box.blur()
    page.keyboard.press("/")
    expect(box).to_be_focused()


def test_the_list_of_keys_keeps_the_focus_and_gives_it_back(page: Page, watcher: Watcher) -> None:
    page.goto("")
    expect(page.locator("[data-live]")).to_have_attribute("data-live", "live")
    pause = page.locator("[data-pause]")
    page.keyboard.press("p")
    expect(pause).to_have_text("Resume")
    page.keyboard.press("p")
    expect(pause).to_have_text("Pause")
    link = page.get_by_role("link", name="Jobs", exact=True)
    link.focus()
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_be_visible()
    for _ in range(6):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")
    page.keyboard.press("p")
    expect(pause).to_have_text("Pause")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert [each["id"] for each in Axe().run(page).response["violations"]] == []
    page.set_viewport_size({"width": 360, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(link).to_be_focused()
    voices = (
        "[...document.querySelectorAll('[role=status], [aria-live], output, [role=log], [role=alert]:not([hidden])')]"
    )
    assert page.evaluate(f"{voices}.length") == 1, "one voice for all that happens"


def test_who_turns_them_off_can_turn_them_on_again(page: Page, watcher: Watcher) -> None:
    page.goto("jobs/")
    page.keyboard.press("?")
    page.get_by_label("Enable keyboard shortcuts").uncheck()
    page.get_by_role("button", name="Close").click()
    page.reload()
    page.keyboard.press("j")
    assert focused_row(page) == -1
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.locator("summary", has_text="ada").click()
    page.get_by_role("button", name="Keyboard shortcuts").click()
    page.get_by_label("Enable keyboard shortcuts").check()
    page.keyboard.press("Escape")
    expect(page.locator("summary", has_text="ada")).to_be_focused()
    page.keyboard.press("j")
    assert focused_row(page) == 0
