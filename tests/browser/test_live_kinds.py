"""The pages of rows beside jobs, alive: what a person does on one page is seen on another that nobody touches."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from tests.browser.test_looks import CLIPPED, OVERLAPS
from tests.browser.watcher import Watcher
from tests.kinds.test_feeds_documents import RSS
from tests.support.origins import reply
from tests.support.pictures import collection_of, zipped
from tests.support.serving import serving

pytestmark = pytest.mark.process
SLOW = 30_000  # ms, on a loaded machine


class Door:
    """A web service whose answer the test changes."""

    def __init__(self) -> None:
        self.answer = reply(b"welcome")

    def __call__(self, head: bytes) -> bytes:
        return self.answer


@pytest.fixture
def other(page: Page, watcher: Watcher) -> Iterator[Page]:
    """A second page of the same person."""
    yield page.context.new_page()


def live(page: Page, address: str) -> Page:
    page.goto(address)
    expect(page.locator("[data-live]")).to_have_attribute("data-live", "live")
    return page


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).click()


def looks_well(page: Page) -> None:
    """Full of rows as it now is: in the dark on a telephone, and in the light on a desk."""
    for theme, width in (("dark", 360), ("light", 1440)):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"scrolls sideways at {width} px"
        assert page.evaluate(CLIPPED) == [], f"cut off at {width} px"
        assert page.evaluate(OVERLAPS) == [], f"overlaps at {width} px"
        found = Axe().run(page).response["violations"]
        assert [(each["id"], each["nodes"][0]["html"]) for each in found] == [], f"at {width} px"


def row(page: Page, text: str) -> Locator:
    return page.locator("[data-keep] > [data-key]").filter(has_text=text)


def test_a_feed_is_added_and_its_list_and_its_page_fill_themselves(page: Page, other: Page) -> None:
    with serving(reply(RSS, "200 OK", "Content-Type: application/rss+xml")) as site:
        url = f"{site.url}/{uuid4().hex}"
        live(page, "feeds/")
        other.goto("feeds/new/")
        other.get_by_label("Address").fill("ftp://nowhere")
        other.locator("main form .button").first.click()
        expect(other.get_by_role("alert")).to_contain_text("Not saved")
        expect(other.get_by_label("Address")).to_have_value("ftp://nowhere")
        other.get_by_label("Address").fill(url)
        other.locator("main form .button").first.click()
        expect(other.locator(".entry")).to_have_count(2, timeout=SLOW)
        expect(other.locator(".entry script")).to_have_count(0)
        mine = page.locator("[data-key]").filter(
            has=page.locator(f"a[href='{other.url[other.url.index('/feeds/') :]}']")
        )
        expect(mine).to_contain_text("2 entries", timeout=SLOW)
        looks_well(page)
        looks_well(other)
        press(other, "Subscribe")
        expect(other.locator("[data-keep=facts]")).to_contain_text("Subscribers 1", use_inner_text=True)
        press(other, "Unsubscribe")
        expect(other.locator("[data-keep=facts]")).to_contain_text("Subscribers 0", use_inner_text=True)


def test_an_archive_is_uploaded_and_images_stand_beside_their_references(
    page: Page, tmp_path: Path, watcher: Watcher
) -> None:
    archive, bad = tmp_path / "trip.zip", tmp_path / "notes.zip"
    archive.write_bytes(zipped(collection_of(6, references=2)))
    bad.write_bytes(b"no archive at all")
    page.goto("collections/new/")
    page.get_by_label("Name").fill("Trip")
    for file in (bad, archive):
        page.get_by_label("Archive").set_input_files(file)
        press(page, "Add collection and compare")
        if file is bad:
            expect(page.get_by_label("Archive")).to_have_attribute("aria-invalid", "true")
            expect(page.locator(".errorlist")).to_contain_text("Give a zip, or a tar")
            refusals = [watcher.complaints.pop() for _ in watcher.complaints[:]]
            assert all("422" in said for said in refusals), refusals
    expect(page.locator("[data-keep=counts]")).to_contain_text("6 of 6 images compared", timeout=SLOW)
    expect(page.locator("[data-keep=counts]")).to_contain_text("Done")
    expect(page.locator(".pictures-pair")).to_have_count(6)
    expect(page.locator(".pictures-pair").filter(has_text="distance")).to_have_count(6)
    pair = page.locator(".pictures-pair").filter(has_text="photos/0000.jpg").locator("img")
    expect(pair).to_have_count(2)
    for picture in pair.all():
        assert picture.evaluate("(img) => img.decode().then(() => img.naturalWidth)") > 0
    looks_well(page)
    page.get_by_role("link", name="Unmatched").click()
    expect(page.locator(".pictures-pair")).to_have_count(3)


def test_the_strip_of_a_service_grows_while_it_is_up_and_while_it_is_down(page: Page, other: Page) -> None:
    door = Door()
    with serving(door) as site:
        live(page, "checks/")
        for bars, word in ((1, "Up"), (2, "Down")):
            other.goto("submit/check_health/")
            other.get_by_label("Url").fill(site.url)
            press(other, "Submit check_health")
            other.wait_for_url("**/jobs/*/")
            mine = row(page, site.url)
            expect(mine.locator(".strip rect")).to_have_count(bars, timeout=SLOW)
            expect(mine.locator(".word")).to_have_text(word)
            door.answer = reply(b"sorry", "500 Internal Server Error")
        looks_well(page)
        page.get_by_role("link", name=site.url).click()
        looks_well(page)


def test_a_schedule_is_looked_at_before_it_is_made_runs_and_is_paused(page: Page, other: Page) -> None:
    page.goto("schedules/new/noop/")
    page.get_by_label("Name").fill("each second")
    page.get_by_label("By a crontab").check()
    expect(page.get_by_label("Every", exact=True)).to_be_hidden()
    expect(page.get_by_label("Crontab", exact=True)).to_be_visible()
    page.get_by_label("Every so often").check()
    expect(page.get_by_label("Crontab", exact=True)).to_be_hidden()
    expect(page.get_by_label("Priority")).to_have_count(1)
    page.get_by_label("Every", exact=True).fill("1")
    page.get_by_label("Unit").select_option("second")
    press(page, "Preview times")
    expect(page.locator(".times li")).to_have_count(5)
    expect(page.get_by_text("Every second.")).to_be_visible()
    looks_well(page)
    press(page, "Add schedule")
    expect(page.locator("[data-live]")).to_have_attribute("data-live", "live")
    expect(row(page, "job ").nth(1)).to_contain_text("Succeeded", timeout=SLOW)
    expect(page.locator("[data-keep=next] li")).to_have_count(5)
    expect(row(live(other, "schedules/"), "each second")).to_contain_text("Started", ignore_case=True)
    press(page, "Pause")
    expect(page.get_by_text("This schedule is paused.")).to_be_visible()
    looks_well(page)
    expect(row(other, "each second")).to_contain_text("Paused", timeout=SLOW)
    expect(row(other, "roll_up")).to_contain_text("every 5 minutes")
    looks_well(other)
    page.get_by_role("link", name="Delete").click()
    press(page, "Delete")
    expect(row(other, "each second")).to_have_count(0, timeout=SLOW)


def test_a_webhooks_log_shows_each_try_as_it_is_made_and_replays(page: Page, other: Page) -> None:
    door = Door()
    door.answer = reply(b"not now", "503 Service Unavailable")
    with serving(door) as site:
        page.goto("webhooks/new/")
        page.get_by_label("Address").fill(f"{site.url}/hook")
        page.get_by_label("Succeeded").check()
        page.get_by_label("noop", exact=True).check()
        page.locator("main form .button").first.click()
        secret = page.locator(".secret").inner_text()
        assert secret.startswith("whsec_")
        here = page.url
        live(page, here)
        assert secret not in page.content(), "it is shown once"
        other.goto("submit/noop/")
        press(other, "Submit noop")
        reported = row(page, "job.succeeded")
        expect(reported.locator("summary")).to_have_text("503", timeout=SLOW)
        reported.locator("summary").click()
        door.answer = reply(b"thank you", "200 OK")
        other.goto(here)
        press(other, "Try now")
        expect(reported.locator(".word")).to_have_text("Delivered", timeout=SLOW)
        expect(reported.locator(".tries")).to_be_visible()
        expect(reported.locator(".tries li")).to_have_count(2)
        expect(reported.locator(".tries li").last).to_contain_text("thank you")
        looks_well(page)
        press(other, "Send again")
        expect(reported.locator(".row-meta")).to_contain_text("3 tries", timeout=SLOW)
        page.get_by_role("link", name="Delete").click()
        press(page, "Delete")


def test_a_notice_comes_and_goes_on_every_page_by_itself(page: Page, other: Page) -> None:
    """Even on a form, and what is typed there stays."""
    other.goto("submit/countdown/")
    other.get_by_label("Seconds").fill("1")
    other.get_by_label("Fail").check()
    press(other, "Submit countdown")
    expect(other.get_by_role("heading", level=1)).to_contain_text("Failed", timeout=SLOW)
    other.goto("submit/countdown/")
    other.get_by_label("Seconds").fill("77")
    page.goto("alerts/rules/new/")
    page.get_by_label("Watch for").select_option("failures")
    page.get_by_label("Kind of job").select_option("countdown")
    page.get_by_label("More failures than").fill("0")
    looks_well(page)
    page.locator("main form .button").first.click()
    failures = re.compile(r"countdown: \d+ failure")  # tests before this one may have left some
    notice = other.locator("[data-alert-bar]").filter(has_text=failures)
    expect(notice).to_have_count(1, timeout=SLOW)
    expect(page.locator("[data-keep=now]")).to_contain_text(failures, timeout=SLOW)
    looks_well(page)
    rule = row(page, "countdown fails more than 0 times")
    rule.locator("summary", has_text="Delete…").click()
    rule.get_by_role("button", name="Delete rule").click()
    expect(notice).to_have_count(0, timeout=SLOW)
    expect(page.locator("[data-keep=past]")).to_contain_text(failures, timeout=SLOW)
    expect(other.get_by_label("Seconds")).to_have_value("77")


def test_a_page_without_news_asks_for_nothing(page: Page, other: Page, watcher: Watcher) -> None:
    """Over several beats and reconciles, beside jobs of other kinds."""
    received: list[str] = []
    page.on(
        "websocket", lambda socket: socket.on("framereceived", lambda text: received.append(json.loads(text)["type"]))
    )
    with page.expect_request_finished(lambda request: request.resource_type == "fetch"):  # the first look
        live(page, "webhooks/")
    watcher.forget()
    received.clear()
    other.goto("submit/countdown/")
    other.get_by_label("Seconds").fill("4")
    press(other, "Submit countdown")
    expect(other.get_by_role("heading", level=1)).to_contain_text("Succeeded", timeout=SLOW)
    assert received.count("beat") >= 2
    assert watcher.requests == []
