"""Forms as a person meets them; and the whole way without JavaScript."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.watcher import Watcher
from tests.support.processes import Product

pytestmark = pytest.mark.process

TWO = """
from tasks.engine import lifecycle
print(*(lifecycle.submit("countdown", {"seconds": 600})[0].uid for _ in range(2)))
"""
COUNT = "from tasks.engine.models import Job; print(Job.objects.count())"


def test_choosing_a_kind_brings_its_fields(page: Page, watcher: Watcher) -> None:
    page.goto("submit/")
    page.get_by_role("link", name="site_sizes").click()
    expect(page.get_by_label("Addresses")).to_be_visible()
    expect(page.get_by_text("One per line.")).to_be_visible()
    expect(page.get_by_label("Timeout")).to_have_value("20")
    page.get_by_role("link", name="countdown").click()
    expect(page.get_by_label("Seconds")).to_have_value("10")


def test_the_board_leads_to_the_form_of_a_kind(page: Page, watcher: Watcher) -> None:
    page.goto("")
    page.get_by_role("link", name="Submit…").click()
    page.get_by_role("link", name="countdown").click()
    expect(page).to_have_url(re.compile("/submit/countdown/$"))


def test_wrong_input_is_refused_beside_its_field_and_stays_as_typed(page: Page, product: Product) -> None:
    before = product.python(COUNT)
    page.goto("submit/countdown/")
    page.get_by_label("Seconds").fill("ten or so")
    page.get_by_label("Steps").fill("7")
    page.get_by_label("Fail").check()
    page.get_by_label("Priority").fill("12")
    page.get_by_role("button", name="Submit countdown").click()
    seconds = page.get_by_label("Seconds")
    expect(seconds).to_have_value("ten or so")
    expect(seconds).to_have_attribute("aria-invalid", "true")
    expect(seconds).to_have_accessible_description("Give a whole number.")
    expect(seconds).to_be_focused()
    expect(page.get_by_label("Steps")).to_have_value("7")
    expect(page.get_by_label("Steps")).not_to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Fail")).to_be_checked()
    expect(page.get_by_label("Priority")).to_have_value("12")
    expect(page.get_by_label("Priority")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("alert")).to_contain_text("Not submitted:")
    assert product.python(COUNT) == before


def test_a_form_that_is_sent_twice_makes_one_job(page: Page, product: Product) -> None:
    before = int(product.python(COUNT))
    page.goto("submit/noop/")
    page.get_by_role("button", name="Submit noop").dblclick()
    page.wait_for_url("**/jobs/*/")
    assert int(product.python(COUNT)) == before + 1


def test_edit_and_run_again_begins_with_the_old_values(page: Page, watcher: Watcher) -> None:
    page.goto("submit/countdown/")
    page.get_by_label("Seconds").fill("1")
    page.get_by_label("Steps").fill("3")
    page.get_by_role("button", name="Submit countdown").click()
    page.wait_for_url("**/jobs/*/")
    original = page.url
    page.get_by_role("link", name="Edit and run").click()
    expect(page.get_by_label("Steps")).to_have_value("3")
    page.get_by_label("Steps").fill("4")
    page.get_by_role("button", name="Submit countdown").click()
    page.wait_for_url(lambda url: "/jobs/" in url and url != original)
    expect(page.locator("[data-near]")).to_contain_text("Copy of")
    expect(page.locator("[data-near]")).to_contain_text(original.rstrip("/")[-6:])


def test_selected_jobs_are_cancelled_after_a_question(page: Page, watcher: Watcher, product: Product) -> None:
    jobs = product.python(TWO).split()
    page.goto("")
    for job in jobs:
        page.locator(f"[data-job='{job}']").get_by_role("checkbox").check()
    page.get_by_role("button", name="Cancel…").click()
    page.get_by_role("button", name="Cancel 2 jobs").click()
    expect(page.get_by_text("Cancelled 2 jobs.")).to_be_visible()
    page.mouse.move(2, 2)
    for job in jobs:
        expect(page.locator(f"[data-section=finished] [data-job='{job}'] .word")).to_have_text("Cancelled")


def test_everything_useful_works_without_javascript(
    product: Product, new_context: Callable[..., BrowserContext]
) -> None:
    page = new_context(logged_in=False, java_script_enabled=False).new_page()
    page.goto("")
    page.get_by_label("User name").fill(product.user)
    page.get_by_label("Password").fill(product.password)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="Submit…").click()
    page.get_by_role("link", name="countdown").click()
    page.get_by_label("Seconds").fill("600")
    page.get_by_role("button", name="Submit countdown").click()
    page.wait_for_url("**/jobs/*/")
    page.locator("summary", has_text="Cancel…").click()
    page.get_by_role("button", name="Cancel this job").click()
    expect(page.get_by_text("Cancel")).not_to_have_count(0)
    for _ in range(100):
        if "Cancelled" in page.get_by_role("heading", level=1).inner_text():
            break
        page.reload()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Cancelled")
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_role("heading", level=1)).not_to_contain_text("Cancelled")
    page.locator("summary", has_text="Cancel…").click()
    page.get_by_role("button", name="Cancel this job").click()
