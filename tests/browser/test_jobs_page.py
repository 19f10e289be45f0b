"""The Jobs page in a browser: the box and its suggestions, scrolling into the past, rows that stay true, bulk."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.line import Line, job, stats
from tests.browser.watcher import Watcher
from tests.support.processes import Product

pytestmark = pytest.mark.process

HISTORY = """
from datetime import timedelta
from django.contrib.auth import get_user_model
from django.utils import timezone
from tasks.engine.models import Job
from tasks.engine.uid import uuid7
zoe = get_user_model().objects.create_user("zoe")
now = timezone.now()
Job.objects.bulk_create([
    Job(uid=uuid7(), kind="noop", queue="io", owner=zoe, state="succeeded", attempt=1,
        params={"n": n}, created_at=now, started_at=now, finished_at=now - timedelta(days=2))
    for n in range(120)
])
"""


@pytest.fixture(scope="module", autouse=True)
def history(product: Product) -> None:
    """120 jobs of zoe's, finished so long ago that no board shows them."""
    product.python(HISTORY)


def rows(page: Page) -> Locator:
    return page.locator("[data-list=jobs] > [data-job]")


def ids(page: Page) -> list[str]:
    return rows(page).evaluate_all("(rows) => rows.map((row) => row.dataset.job)")


def box(page: Page) -> Locator:
    return page.get_by_role("combobox", name="Search jobs")


def test_the_box_completes_by_keyboard_and_everything_is_in_the_address(page: Page, watcher: Watcher) -> None:
    page.goto("jobs/")
    expect(page.locator("[data-live]")).to_have_attribute("data-live", "live")
    watcher.forget()
    options = page.get_by_role("option")
    box(page).press_sequentially("zo")
    expect(options).to_have_text("owner:zoe owner")
    expect(box(page)).to_have_attribute("aria-expanded", "true")
    box(page).press("ArrowDown")
    expect(page.get_by_role("option", selected=True)).to_have_id(box(page).get_attribute("aria-activedescendant"))
    box(page).press("Enter")
    expect(box(page)).to_have_value("owner:zoe ")
    expect(options).to_have_count(0)
    box(page).press_sequentially("sta")
    box(page).press("ArrowDown")
    box(page).press("Enter")
    expect(options, "a filter's name opens its values").to_have_count(7)
    assert [found["id"] for found in Axe().run(page).response["violations"]] == []
    page.get_by_role("option", name="state:succeeded").click()
    expect(box(page)).to_have_value("owner:zoe state:succeeded ")
    box(page).press_sequentially("ki")
    expect(options.first).to_be_visible()
    box(page).press("Escape")
    expect(options).to_have_count(0)
    expect(box(page)).to_have_value("owner:zoe state:succeeded ki")
    box(page).fill("owner:zoe state:succeeded")
    assert watcher.requests == [], "suggestions came with the page"
    box(page).press("Escape")
    box(page).press("Enter")
    page.wait_for_url("**/jobs/?q=owner%3Azoe+state%3Asucceeded")
    expect(rows(page)).to_have_count(50)
    expect(page).to_have_title(re.compile("owner:zoe state:succeeded · Jobs · Signalbox$"))
    page.get_by_role("link", name="Failed").click()
    page.wait_for_url("**/jobs/?q=owner%3Azoe+state%3Afailed")
    expect(page.get_by_text("No match")).to_be_visible()
    page.go_back()
    expect(box(page)).to_have_value("owner:zoe state:succeeded")
    box(page).fill("state:faild owner:zoe")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("alert")).to_contain_text("There is no state 'faild'.")
    expect(box(page)).to_have_value("state:faild owner:zoe")
    expect(box(page)).to_have_accessible_description(re.compile("There is no state"))


def test_a_drag_over_the_chart_narrows_the_search_and_a_bar_shows_its_jobs(page: Page, watcher: Watcher) -> None:
    page.goto("jobs/?q=kind:noop")
    chart = page.locator("[data-bars-of] svg")
    box_of = chart.bounding_box()
    assert box_of
    y = box_of["y"] + box_of["height"] / 2
    page.mouse.move(box_of["x"] + box_of["width"] * 0.5, y)
    page.mouse.down()
    page.mouse.move(box_of["x"] + box_of["width"] * 0.75, y, steps=5)
    expect(page.locator("[data-chosen]")).not_to_have_attribute("width", "0")
    page.mouse.up()
    page.wait_for_url(re.compile(r"ended%3A.*\.\."))
    expect(box(page)).to_have_value(re.compile(r"^kind:noop ended:\S+Z\.\.\S+Z$"))
    page.go_back()
    chart.click(position={"x": box_of["width"] * 0.3, "y": 5})
    page.wait_for_url(re.compile(r"ended%3A.*\.\."))
    assert watcher.complaints == []


def test_older_jobs_come_as_one_scrolls_and_stay_when_one_comes_back(page: Page, watcher: Watcher) -> None:
    page.goto("jobs/?q=owner:zoe")
    expect(rows(page)).to_have_count(50)
    address = page.url
    page.get_by_role("link", name="Older jobs").focus()
    page.keyboard.press("Enter")
    expect(rows(page)).to_have_count(100)
    expect(rows(page).nth(50).get_by_role("link"), "what was asked for has the focus").to_be_focused()
    expect(page.locator("[data-announce]")).to_have_text("50 more jobs.")
    page.mouse.wheel(0, 100_000)
    expect(rows(page)).to_have_count(120)
    expect(page.get_by_text("No older match")).to_be_visible()
    assert len(set(ids(page))) == 120
    assert page.url == address
    rows(page).last.get_by_role("link").click()
    page.wait_for_url("**/jobs/*-*/")
    page.go_back()
    expect(rows(page)).to_have_count(120)
    expect(rows(page).last).to_be_in_viewport()


def test_without_javascript_links_do_it(new_context: Callable[..., BrowserContext]) -> None:
    page = new_context(java_script_enabled=False).new_page()
    page.goto("jobs/")
    page.get_by_label("Search jobs").fill("owner:zoe")
    page.get_by_role("button", name="Search").click()
    expect(page).to_have_url(re.compile("zoe"))
    expect(rows(page)).to_have_count(50)
    seen = ids(page)
    for count in (50, 20):
        before = page.url
        page.get_by_role("link", name="Older jobs").click()
        expect(page).not_to_have_url(before)  # the page before has fifty rows, too
        expect(rows(page)).to_have_count(count)
        seen += ids(page)
    assert len(set(seen)) == 120
    before = page.url
    page.get_by_role("link", name="Newer jobs").click()
    expect(page).not_to_have_url(before)
    expect(rows(page)).to_have_count(50)
    assert ids(page) == seen[50:100]
    page.goto("./")
    for dead in (page.get_by_text("Connecting"), page.get_by_role("button", name="Pause")):
        expect(dead).to_be_hidden()  # nothing connects here, and nothing could be paused


def test_rows_stay_true_and_new_jobs_are_counted_and_push_nothing(page: Page, watcher: Watcher) -> None:
    def greet(line: Line) -> None:
        if line.received[-1].get("board"):
            line.send("snapshot", jobs=[], stats=stats(), workers=[], queues=[])

    line = Line(page, greet)
    just_before = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    page.goto("jobs/?q=owner:zoe+kind:noop")
    shown = ids(page)
    watcher.forget()

    def update(n: int, state: str, version: int, **more) -> dict:
        return job(n, state, version, **({"kind": "noop", "owner": "zoe", "queue": "io"} | more))

    line.send("patch", jobs=[update(1, "running", 7, id=shown[2], done=3)])
    row = page.locator(f"[data-job='{shown[2]}']")
    expect(row).to_have_attribute("data-state", "running")
    expect(row.locator("[data-part=fraction]")).to_have_text("3 / 10")
    line.send("patch", jobs=[update(1, "queued", 6, id=shown[2])])
    new = page.get_by_role("link", name=re.compile(r"^\d+ new$"))
    later = "2999-01-01T00:00:00.000000Z"
    new_ones = [update(n, "queued", 1, created_at=later) for n in (5, 6)]
    others = [update(7, "queued", 1, created_at=later, owner="bob"), update(8, "running", 1)]
    line.send("patch", jobs=[*new_ones, *others])
    expect(new).to_have_text("2 new")
    line.send("patch", jobs=[update(9, "queued", 1, created_at=just_before)])
    expect(new, "its row came after the page had been read").to_have_text("3 new")
    expect(row, "an older version changes nothing").to_have_attribute("data-state", "running")
    assert ids(page) == shown
    watched = wait_for_watch(page, line, shown[0])
    assert watched["after"] > 2**50, "rows want no log"
    line.send("job", job=update(1, "failed", 9, id=shown[0], error="ValueError: late") | {"attempts": [], "log": []})
    expect(page.locator(f"[data-job='{shown[0]}']")).to_contain_text("ValueError: late")
    line.send("error", code="unknown-job", detail="there is no such job", job=shown[1])
    expect(page.locator(f"[data-job='{shown[1]}']"), "pruned").to_have_count(0)
    assert watcher.requests == [], "nothing was asked for"


def wait_for_watch(page: Page, line: Line, uid: str) -> dict:
    for _ in range(150):
        found = [said for said in line.received if said["type"] == "watch" and said.get("job") == uid]
        if found:
            return found[0]
        page.wait_for_timeout(100)
    raise AssertionError(f"{uid} was not watched")


def test_a_job_goes_through_its_states_on_the_page_without_a_request(
    page: Page, watcher: Watcher, product: Product
) -> None:
    page.goto("jobs/?q=kind:countdown+owner:ada")
    expect(page.locator("[data-live]")).to_have_attribute("data-live", "live")
    watcher.forget()
    product.manage("submit", "countdown", "seconds=2", "--owner", "ada")
    new = page.get_by_role("link", name="1 new")
    expect(new).to_be_visible()
    assert watcher.requests == []
    new.click()
    expect(rows(page).first).to_have_attribute("data-state", "succeeded", timeout=20_000)


def test_everything_that_matches_is_cancelled_after_a_look_at_the_count_and_taken_back(
    page: Page, watcher: Watcher, product: Product
) -> None:
    product.python(
        "from tasks.engine import lifecycle; from django.contrib.auth import get_user_model;"
        "zoe = get_user_model().objects.get(username='zoe'); from datetime import UTC, datetime;"
        "lifecycle.submit_many('noop', [{}] * 60, owner=zoe, due_at=datetime(2999, 1, 1, tzinfo=UTC))"
    )
    page.goto("jobs/?q=owner:zoe+state:scheduled")
    page.get_by_role("link", name="Cancel…").click()
    expect(page.get_by_text("60 jobs to cancel.")).to_be_visible()
    expect(page.get_by_text("jobs that are scheduled, owned by zoe")).to_be_visible()
    page.get_by_role("button", name="Cancel 60 jobs").click()
    page.wait_for_url("**/jobs/*-*/")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Succeeded", timeout=30_000)
    expect(page.get_by_text("Cancelled 60 jobs; 0 had already changed")).to_be_visible()
    own = page.url
    page.goto("jobs/?q=owner:zoe+state:scheduled")
    expect(page.get_by_text("No match")).to_be_visible()
    product.python(
        "from tasks.engine import lifecycle; from django.contrib.auth import get_user_model;"
        "zoe = get_user_model().objects.get(username='zoe'); from datetime import UTC, datetime;"
        "job, _ = lifecycle.submit('noop', {}, owner=zoe, due_at=datetime(2999, 1, 1, tzinfo=UTC));"
        "lifecycle.cancel(job.uid, zoe)"
    )
    page.goto(own)
    page.get_by_role("link", name="Undo all cancels…").click()
    expect(page.get_by_text("60 jobs, cancelled before they started.")).to_be_visible()
    assert [found["id"] for found in Axe().run(page).response["violations"]] == []
    page.get_by_role("button", name="Undo cancel of 60 jobs").click()
    page.wait_for_url(lambda address: address != own and "/bulk/" not in address)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Succeeded", timeout=30_000)
    expect(page.get_by_text("Undid the cancel of 60 jobs; 0 had already changed")).to_be_visible()
    page.goto("jobs/?q=owner:zoe+state:cancelled")
    expect(rows(page), "one that was cancelled by hand stays so").to_have_count(1)
    page.goto("jobs/?q=owner:zoe+state:scheduled")
    page.keyboard.press("End")
    expect(rows(page)).to_have_count(60)
    product.python(
        "from tasks.engine import lifecycle; from tasks.engine.models import Job;"
        "[lifecycle.cancel(job.uid) for job in Job.objects.filter(owner__username='zoe', state='scheduled')]"
    )
