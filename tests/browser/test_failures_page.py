"""The page of failures in a browser: groups appear as jobs fail, nothing is asked while none does, handled ones go."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.line import Line
from tests.browser.watcher import Watcher
from tests.support.processes import Product

pytestmark = pytest.mark.process

BREAK = """
from django.utils import timezone
from tasks.engine.errors import Failure
from tasks.engine.models import Job
from tasks.engine.uid import uuid7
failure, now = Failure.of({error}), timezone.now()
for _ in range({n}):
    Job.objects.create(uid=uuid7(), kind="send_invoice", queue="io", state="failed", attempt=1, error=failure.error,
                       error_key=failure.key, created_at=now, started_at=now, finished_at=now)
"""


def breaks(product: Product, error: str, n: int = 1) -> None:
    product.python(BREAK.format(error=error, n=n))


def group(page: Page, words: str) -> Locator:
    """The group whose own error says so; the menu of groups to merge into names the others."""
    return page.locator("[data-groups] > li").filter(has=page.locator(".group-pattern").filter(has_text=words))


def test_groups_come_live_are_marked_as_handled_and_tried_again(page: Page, watcher: Watcher, product: Product) -> None:
    line = Line(page)
    breaks(product, "ConnectionError('502 from the bank')", 3)
    page.goto("failures/")
    bank = group(page, "from the bank")
    expect(bank.locator(".group-count")).to_have_text("3 ×")
    handle = bank.get_by_role("button", name="Mark as handled")
    handle.focus()
    watcher.forget()
    line.send("beat", every=60)  # the page takes a link for dead that is silent for two and a half beats
    line.send("news", topics=["alerts"], alerts=[])
    breaks(product, "LookupError('no such invoice')")
    assert watcher.requests == [], "what does not fail is no news"
    assert line.received == [{"type": "watch", "news": ["failures", "alerts"]}]
    line.send("news", topics=["failures"])
    expect(group(page, "no such invoice")).to_be_visible()
    expect(handle, "focus stays").to_be_focused()
    assert len(watcher.requests) == 1
    breaks(product, "ConnectionError('503 from the bank')")
    line.send("news", topics=["failures"])
    expect(bank.locator(".group-count")).to_have_text("4 ×")
    expect(handle).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Marked as handled.")).to_be_visible()
    expect(bank).to_have_count(0)
    page.get_by_role("link", name="Handled").click()
    expect(bank).to_contain_text("handled by ada")
    bank.get_by_role("button", name="Reopen").click()
    expect(bank).to_be_visible()
    bank.get_by_role("link", name="send_invoice", exact=True).click()
    expect(page.locator("[data-list=jobs] > [data-job]")).to_have_count(4)
    page.go_back()
    bank.get_by_role("link", name="Retry all send_invoice").click()
    expect(page.get_by_text("4 jobs to retry.")).to_be_visible()
    page.get_by_role("link", name="Go back").click()
    expect(page.locator("[data-list=jobs] > [data-job]")).to_have_count(4)


def test_a_group_that_is_tried_again_leaves_the_page_by_itself(page: Page, watcher: Watcher, product: Product) -> None:
    page.goto("failures/")
    expect(page.locator("[data-live]")).to_have_attribute("data-live", "live")
    watcher.forget()
    product.manage("submit", "countdown", "seconds=0", "steps=1", "fail=true", "--owner", "ada")
    failed = group(page, "It failed, as it was asked to.")
    expect(failed).to_be_visible(timeout=20_000)
    product.python(
        "from tasks.engine import lifecycle; from tasks.engine.models import Job;"
        "broken = list(Job.objects.filter(kind='countdown', state='failed'));"
        "Job.objects.filter(kind='countdown').update(params={'seconds': 0, 'steps': 1, 'fail': False});"
        "[lifecycle.retry(job.uid) for job in broken]"
    )
    expect(failed).to_have_count(0, timeout=20_000)
    assert watcher.loads == 0
