"""A job's page in the hands of an operator: attempts, log, long values, cancel and undo it, run a copy, share."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.line import Line, instant
from tests.browser.watcher import Watcher
from tests.support.processes import Product

pytestmark = pytest.mark.process

SEED = """
from datetime import timedelta
from django.contrib.auth import get_user_model
from django.db.models import F
from tasks.engine import lifecycle
from tasks.engine.models import Attempt, Job, LogLine
ada = get_user_model().objects.get(username="ada")
now = lifecycle.now()
def put(kind, later=True, **params):
    due = now + timedelta(days=2) if later else None
    return lifecycle.submit(kind, params, owner=ada, due_at=due, priority=9)[0]
def levelled(i):
    return "error" if i % 100 == 0 else "warning" if i % 20 == 0 else "info"
job = put("countdown", seconds=5)
for n in range(1, 21):
    at = now - timedelta(hours=2) + timedelta(seconds=100 * n)
    Attempt.objects.create(job=job, number=n, worker="w1@west", started_at=at, finished_at=at + timedelta(seconds=30),
        outcome="retrying", error=f"GatewayError: 502, try {n}", traceback=f"Traceback of {n}\\n  <b>502</b>")
lines = [LogLine(job=job, seq=i, at=now, level=levelled(i), text=f"Order {i} stored") for i in range(1, 1201)]
LogLine.objects.bulk_create(lines)
Job.objects.filter(pk=job.pk).update(state="retrying", attempt=20, failures=20, max_attempts=25, log_seq=1200,
    started_at=at, due_at=now + timedelta(minutes=50), error="GatewayError: 502, try 20", version=F("version") + 1)
big = put("site_sizes", addresses=["https://shop.example/"])
values = [["ä" * 500], [], None, True, 1.5, list(range(1500))]
Job.objects.filter(pk=big.pk).update(state="succeeded", attempt=1, started_at=now, finished_at=now, due_at=None,
    version=F("version") + 1, result={"n": 1, "body": "All the words. " * 3000, "a/b ~": values})
child = lifecycle.submit("countdown", {"seconds": 600}, owner=ada, parent=big.uid, due_at=now + timedelta(days=1))[0]
print(job.uid, big.uid, child.uid, put("countdown", seconds=600).uid, put("noop").uid)
"""

VIEWER = """
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
vera = get_user_model().objects.create_user("vera", password="only for looking at")
vera.groups.add(Group.objects.get(name="viewer"))
"""


@pytest.fixture(scope="module")
def jobs(product: Product) -> dict[str, str]:
    """Ids of jobs with much to tell: of many attempts, with a big result, its child, and one that waits."""
    return dict(zip(("many", "big", "child", "waiting", "pruned"), product.python(SEED).split(), strict=True))


def live(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.locator("[data-live]")).to_have_attribute("data-live", "live")


def test_twenty_attempts_and_a_long_log(page: Page, watcher: Watcher, jobs: dict[str, str], tmp_path: Path) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    live(page, f"jobs/{jobs['many']}/")
    rows = page.locator("[data-part=attempts] > li")
    expect(rows).to_have_count(20)
    expect(rows.filter(visible=True)).to_have_count(10)
    page.get_by_label("Show all attempts").check()
    expect(rows.filter(visible=True)).to_have_count(20)
    spots = rows.locator("[data-stretch]").evaluate_all("(all) => all.map((each) => Number(each.getAttribute('x')))")
    assert spots == sorted(set(spots)), "each attempt stands right of the one before"
    expect(rows.last).to_contain_text("30 s")
    expect(page.locator("[data-part=next]")).to_contain_text("Attempt 21 starts in")
    left = page.locator("[data-part=moment]").inner_text()
    expect(page.locator("[data-part=moment]")).not_to_have_text(left)

    log = page.locator("[data-part=log] > li")
    expect(log).to_have_count(500)
    page.get_by_label("Minimum log level").select_option("error")
    expect(log.filter(visible=True)).to_have_count(5)
    expect(page.locator("[data-count]")).to_have_text("5 of 500 lines match")
    page.get_by_role("button", name="Search older").click()
    expect(log.filter(visible=True)).to_have_count(12)
    expect(log.first).to_contain_text("Order 100 stored")
    expect(page.get_by_role("button", name="Search older")).to_be_hidden()
    page.get_by_label("Minimum log level").select_option("debug")
    page.get_by_label("Search the log").fill("ORDER 119")
    expect(log.filter(visible=True)).to_have_count(10)
    expect(page.locator("[data-announce]")).to_contain_text("10 of")
    assert page.evaluate("CSS.highlights.get('found').size") == 10

    with page.expect_download() as coming:
        page.get_by_role("link", name="Download").click()
    coming.value.save_as(tmp_path / "log")
    lines = (tmp_path / "log").read_text().splitlines()
    assert (len(lines), lines[-1][27:]) == (1200, " error   Order 1200 stored")
    assert coming.value.suggested_filename == f"countdown-{jobs['many'][-6:]}.log"

    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "Traceback of 20\n  <b>502</b>"
    assert page.locator("[role=status]").count() == 1, "one voice"


def test_the_log_follows_until_the_reader_holds_it(page: Page, watcher: Watcher, jobs: dict[str, str]) -> None:
    reported = {
        "id": jobs["many"],
        "version": 0,
        "state": "running",
        "attempts": [],
        "progress": {"done": 0, "total": 0},
    }

    def write(line: Line, first: int, last: int) -> None:
        lines = [{"seq": n, "at": instant(), "level": "info", "text": f"Order {n}"} for n in range(first, last + 1)]
        line.send("job", job=reported | {"log": lines})

    line = Line(page, lambda line: write(line, 1201, 1240))
    page.goto(f"jobs/{jobs['many']}/")
    expect(page.locator("[data-seq='1240']")).to_have_count(1)
    expect(page.locator("[data-part=log] > li")).to_have_count(540)
    at_end = "(view) => view.scrollHeight - view.scrollTop - view.clientHeight < 24"
    view = page.locator("[data-scroll]")
    assert view.evaluate(at_end)
    view.evaluate("(view) => view.scrollTo(0, 0)")
    expect(page.get_by_role("button", name="Follow")).to_have_attribute("aria-pressed", "false")
    write(line, 1241, 1260)
    expect(page.locator("[data-seq='1260']")).to_have_count(1)
    assert view.evaluate("(view) => view.scrollTop") == 0
    page.get_by_role("button", name="Follow (20 new)").click()
    assert view.evaluate(at_end)
    expect(page.get_by_role("button", name="Follow", exact=True)).to_have_attribute("aria-pressed", "true")


def test_a_long_value_unfolds_where_it_stands(
    page: Page, watcher: Watcher, jobs: dict[str, str], product: Product
) -> None:
    live(page, f"jobs/{jobs['big']}/")
    assert len(page.content()) < 80_000
    addresses = "(place) => [...place.querySelectorAll('a')].map((link) => link.href)"
    result = page.locator("[data-part=result]")
    painted = result.inner_text(), result.evaluate(addresses)
    page.evaluate(
        """async (html) => {
        const { plant } = await import("/static/js/parts/tree.js");
        await plant(document.querySelector("[data-part=result]"), html);
    }""",
        product.python(f"from live.job_feeds import whole; print(whole('{jobs['big']}', None, 1)['result_tree'])"),
    )
    assert (result.inner_text(), result.evaluate(addresses)) == painted, "what a frame brings is what the page brought"
    watcher.forget()
    page.get_by_role("link", name="Show 44 KiB of text").click()
    value = page.locator("[data-part=result] .unfolded")
    expect(value).to_be_focused()
    assert value.inner_text().count("All the words.") == 3000
    assert watcher.requests == [f"GET {product.base_url}jobs/{jobs['big']}/result/?at=%2Fbody&as=tree"]
    assert watcher.loads == 0

    row = page.locator(f"[data-near] [data-job='{jobs['child']}']")
    expect(row).to_contain_text("Scheduled")
    product.python(
        f"from uuid import UUID; from tasks.engine import lifecycle; lifecycle.cancel(UUID('{jobs['child']}'))"
    )
    expect(row).to_contain_text("Cancelled")
    product.python(f"from tasks.engine.models import Job; Job.objects.filter(uid='{jobs['child']}').delete()")
    expect(row).to_have_count(0)
    assert watcher.loads == 0


def test_a_job_that_is_pruned_says_so(page: Page, watcher: Watcher, jobs: dict[str, str], product: Product) -> None:
    live(page, f"jobs/{jobs['pruned']}/")
    product.python(f"from tasks.engine.models import Job; Job.objects.filter(uid='{jobs['pruned']}').delete()")
    expect(page.get_by_text("This job was deleted")).to_be_visible()
    expect(page.get_by_role("button", name="Run a copy")).to_be_hidden()


def test_a_cancel_by_mistake_is_undone_by_keyboard(page: Page, watcher: Watcher, jobs: dict[str, str]) -> None:
    live(page, f"jobs/{jobs['waiting']}/")
    watcher.forget()
    page.keyboard.press("c")
    expect(page.get_by_label("Reason")).to_be_focused()
    page.keyboard.type("c is for customer")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Cancelled")
    expect(page.get_by_role("button", name="Undo cancel")).to_be_focused()
    trail = page.locator("[data-part=trail]")
    expect(trail).to_contain_text("ada cancelled: c is for customer")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Scheduled")
    expect(page.locator("[data-part=moment]")).to_contain_text("in 1 d")
    expect(trail).to_contain_text("ada undid the cancel")
    expect(page.locator("summary", has_text="Cancel…")).to_be_focused()
    assert [asked.split()[0] for asked in watcher.requests] == ["POST", "POST"]
    before = trail.inner_text()
    page.reload()
    assert trail.inner_text() == before


def test_run_again_is_one_press(page: Page, watcher: Watcher, jobs: dict[str, str]) -> None:
    live(page, f"jobs/{jobs['big']}/")
    page.keyboard.press("r")
    page.wait_for_url(lambda url: jobs["big"] not in url)
    expect(page.get_by_text("This is the copy.")).to_be_visible()
    expect(page.locator("[data-near]")).to_contain_text("Copy of")


def test_a_viewer_is_offered_nothing_and_no_key_does_anything(
    product: Product, jobs: dict[str, str], new_context: Callable[..., BrowserContext]
) -> None:
    product.python(VIEWER)
    page = new_context(logged_in=False).new_page()
    watching = Watcher(page)
    page.goto(f"login/?next=/jobs/{jobs['big']}/")
    page.get_by_label("User name").fill("vera")
    page.get_by_label("Password").fill("only for looking at")
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("[data-live]")).to_have_attribute("data-live", "live")
    assert page.locator(".job-actions").inner_text() == ""
    expect(page.get_by_role("link", name="Audit trail")).to_have_count(0)
    for key in "rcpx":
        page.keyboard.press(key)
    assert page.url.endswith(f"/jobs/{jobs['big']}/")
    assert page.goto("audit/").status == 403
    assert page.goto(f"jobs/{jobs['big']}/share/").status == 403
    assert [said for said in watching.complaints if "403" not in said] == []


def test_a_job_is_shared_and_the_link_revoked(page: Page, watcher: Watcher, jobs: dict[str, str], new_context) -> None:
    page.goto(f"jobs/{jobs['waiting']}/")
    page.get_by_role("link", name="Share…").click()
    page.get_by_label("For how long").select_option("1 day")
    page.get_by_label(re.compile("Pages that may show it")).fill("https://shop.example")
    page.get_by_role("button", name="Create link").click()
    address = page.locator("[data-part=address]").inner_text()
    expect(page.get_by_text("embeddable in https://shop.example")).to_be_visible()
    visitor = new_context(logged_in=False).new_page()
    visitor.goto(address)
    expect(visitor.get_by_role("heading", level=1)).to_contain_text("Scheduled")
    page.reload()
    expect(page.locator("[data-part=address]")).to_have_count(0)
    page.get_by_role("button", name="Revoke").click()
    expect(page.locator(".row .word")).to_have_text("Revoked")
    assert visitor.goto(address).status == 404
