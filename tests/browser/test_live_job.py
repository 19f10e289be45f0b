"""The main job, end to end: a form, a worker, a row, a push, and a bar that moves in a page nobody reloads."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.watcher import Watcher
from tests.support.processes import Product

pytestmark = pytest.mark.process


def submit(page: Page, kind: str, **values: str) -> str:
    """Submit through the form; returns the new job's id, on whose page the browser then is."""
    page.goto(f"submit/{kind}/")
    for label, value in values.items():
        page.get_by_label(label.capitalize(), exact=True).fill(value)
    page.get_by_role("button", name=f"Submit {kind}").click()
    page.wait_for_url("**/jobs/*/")
    return page.url.rstrip("/").rsplit("/", 1)[1]


def test_a_job_is_seen_to_move_and_to_end_without_a_reload_or_a_request(page: Page, watcher: Watcher) -> None:
    submit(page, "countdown", seconds="3", steps="30")
    page.wait_for_load_state("networkidle")
    watcher.forget()
    expect(page.locator("[data-live]")).to_have_attribute("data-live", "live")
    bar = page.get_by_role("progressbar")
    seen = [bar.evaluate("(bar) => bar.value")]
    for _ in range(3):
        page.wait_for_function("(least) => document.querySelector('.travel progress').value > least", arg=seen[-1])
        seen.append(bar.evaluate("(bar) => bar.value"))
    assert seen == sorted(seen)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Succeeded")
    expect(page.locator("[data-part=fraction]")).to_have_text("30 / 30")
    expect(page.get_by_text("Counted down to zero.")).to_be_visible()
    expect(page.locator("[data-part=result]")).to_contain_text("seconds")
    expect(page.locator("[data-part=attempts] li")).to_have_count(1)
    assert watcher.requests == [], "everything came by the socket"
    assert watcher.loads == 0


def test_what_the_socket_painted_is_what_the_server_paints(page: Page, watcher: Watcher) -> None:
    submit(page, "countdown", seconds="1", steps="4")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Succeeded")
    expect(page.locator("[data-part=result]")).to_contain_text("seconds")
    expect(page.get_by_text("Counted down to zero.")).to_be_visible()
    said = "(main) => main.innerText.replace(/\\d+ s ago/, 'just now')"
    by_socket = page.locator("main").evaluate(said)
    page.reload()
    assert page.locator("main").evaluate(said) == by_socket


NUMBERS = """
import sys
from django.db.models import F
from tasks.engine import lifecycle
from tasks.engine.models import Job
job = Job.objects.get(uid=JOB)
if STEP == "go on":
    far = {"progress_done": 9007199254740993, "progress_total": 9223372036854775807, "version": F("version") + 1}
    Job.objects.filter(pk=job.pk).update(**far)
else:
    Job.objects.filter(pk=job.pk).update(state="queued", due_at=None)
    held = lifecycle.claim(job.uid, "nobody@here", 1)
    numbers = {"b": [9007199254740993, 1.0, 1e16, -0.0, 10**400, 1e300], "10": "ten", "2": {"note": "n", "bytes": 5}}
    lifecycle.succeed(held, numbers | {"deep": eval("[" * 150 + "1" + "]" * 150)})
"""


def test_numbers_and_names_are_shown_as_they_are(page: Page, watcher: Watcher, product: Product) -> None:
    later = (
        "from tasks.engine import lifecycle; from datetime import timedelta; at = lifecycle.now() + timedelta(days=2); "
    )
    uid = product.python(later + "print(lifecycle.submit('noop', {}, due_at=at)[0].uid)").strip()
    script = NUMBERS.replace("JOB", f"'{uid}'").replace
    page.goto(f"jobs/{uid}/")
    expect(page.locator("[data-live]")).to_have_attribute("data-live", "live")
    product.python(script("STEP", "'go on'"))
    expect(page.locator("[data-part=fraction]")).to_have_text("9,007,199,254,740,993 / 9,223,372,036,854,775,807")
    product.python(script("STEP", "'end'"))
    place = page.locator("[data-part=result]")
    expect(place).to_contain_text("9007199254740993")
    for number in ("1.0", "1e+16", "-0.0", "1" + "0" * 400, "1e+300"):
        expect(place.get_by_text(number, exact=True)).to_have_count(1)
    assert place.locator("> dl > dt").all_inner_texts() == ["b", "10", "2", "deep"]
    painted = place.inner_text()
    assert watcher.loads == 1, "by the socket"
    page.reload()
    assert place.inner_text() == painted


def test_a_failure_shows_its_error_its_traceback_and_the_way_to_try_again(page: Page, watcher: Watcher) -> None:
    page.goto("submit/countdown/")
    page.get_by_label("Seconds").fill("1")
    page.get_by_label("Fail").check()
    page.get_by_role("button", name="Submit countdown").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Failed")
    expect(page.locator("[data-part=error]")).to_contain_text("It failed, as it was asked to.")
    expect(page.locator("[data-part=traceback]")).to_contain_text("RuntimeError")
    watcher.forget()
    page.get_by_role("button", name="Retry").click()
    expect(page.locator("[data-part=attempts] li")).to_have_count(2)
    expect(page.locator("[data-part=attempts] [data-outcome]").last).to_have_text("Failed")
    assert [asked.split()[0] for asked in watcher.requests] == ["POST"]
    assert watcher.loads == 0


def test_a_cancel_is_asked_for_then_true(page: Page, watcher: Watcher, product: Product) -> None:
    job = submit(page, "countdown", seconds="60", steps="600")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Running")
    page.locator("summary", has_text="Cancel…").click()
    page.get_by_label("Reason").fill("the wrong number")
    page.get_by_role("button", name="Cancel this job").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Cancelled")
    expect(page.get_by_role("button", name="Retry")).to_be_visible()
    expect(page.locator("summary", has_text="Cancel…")).to_be_hidden()
    page.reload()
    expect(page.get_by_text(f"{product.user}: the wrong number")).to_be_visible()
    assert job in page.url


def test_the_board_shows_a_job_run_and_end_in_place_of_polling(page: Page, watcher: Watcher) -> None:
    page.goto("")
    page.wait_for_load_state("networkidle")
    expect(page.locator("[data-live]")).to_have_attribute("data-live", "live")
    watcher.forget()
    other = page.context.new_page()
    job = submit(other, "countdown", seconds="2", steps="20")
    row = page.locator(f"[data-section=running] [data-job='{job}']")
    expect(row).to_be_visible()
    page.wait_for_function("(row) => row.querySelector('progress').value > 0.2", arg=row.element_handle())
    expect(page.locator(f"[data-section=finished] [data-job='{job}'] .word")).to_have_text("Succeeded")
    expect(row).to_have_count(0)
    assert watcher.requests == []


def test_the_workers_page_shows_who_works(page: Page, watcher: Watcher) -> None:
    page.goto("workers/")
    worker = page.locator("[data-worker]").first
    expect(worker).to_contain_text("Alive")
    job = submit(page.context.new_page(), "countdown", seconds="4", steps="4")
    expect(worker.locator(f"a[href*='{job}']")).to_be_visible()
    expect(page.get_by_role("rowheader", name="default")).to_be_visible()
