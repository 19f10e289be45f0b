"""The self test in a real browser: every leg timed on the running product, and each missing one explained."""

import json
import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.line import Line, instant, job
from tests.browser.watcher import Watcher

pytestmark = pytest.mark.process
BUTTON = "Run self test"


def test_every_leg_of_the_line_is_timed(page: Page, watcher: Watcher) -> None:
    """On the running product: from the button to the paint, and the sum is right."""
    page.goto("workers/")
    page.get_by_role("link", name="Self test").first.click()
    expect(page.locator("[data-live]")).to_have_attribute("data-live", "live")
    page.get_by_role("button", name=BUTTON).click()
    verdict = page.locator("[data-verdict]")
    expect(verdict).to_have_text(re.compile("^Everything works: .* from click to screen"), timeout=12_000)
    took = [milliseconds(text) for text in page.locator("[data-leg] [data-part=took]").all_inner_texts()]
    assert len(took) == 6
    assert abs(sum(took) - milliseconds(re.search(r"works: (.*?) from", verdict.inner_text())[1])) < 60
    page.get_by_role("link", name=re.compile("^[0-9a-f]{6}$")).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("noop")


def milliseconds(text: str) -> float:
    number, unit = text.split()
    return float(number) * {"ms": 1, "s": 1000}[unit]


@pytest.fixture
def server(page: Page) -> dict:
    """What the server answers, in the hands of the test."""
    answers = {
        "post": answer(),
        "why": {"job": job(1, "queued", started_at=None), "why": "No worker serves queue default."},
    }

    def fulfil(route: Route) -> None:
        body = answers["post" if route.request.method == "POST" else "why"]
        if route.request.method == "GET" and "job=" not in route.request.url:
            route.continue_()
        elif body is None:
            route.abort()
        else:
            route.fulfill(body=json.dumps(body), content_type="application/json", status=body.pop("status", 200))

    page.clock.install()
    page.route("**/self-test/**", fulfil)
    return answers


def answer(**at: str | None) -> dict:
    now = instant()
    return {"job": job(1, "queued"), "at": {"received": now, "accepted": now, "notified": now} | at, "answered": now}


def test_a_leg_that_does_not_come_is_explained_in_ten_seconds(page: Page, server: dict) -> None:
    line = Line(page, lambda line: line.send("snapshot", jobs=[], workers=[], queues=[]))
    page.goto("self-test/")
    verdict = page.locator("[data-verdict]")

    def run(seconds: float = 10.1) -> None:
        page.get_by_role("button", name=BUTTON).click()
        expect(verdict).to_have_text("Running…")
        expect(page.locator("[data-leg=accepted] [data-part=took]")).not_to_have_text("–")
        page.clock.run_for(seconds * 1000)

    run()
    expect(verdict).to_have_text("Not finished within 10 s. No worker serves queue default.")
    expect(page.locator("[data-leg=claimed]")).to_have_attribute("data-missing-leg", "")
    server["why"] = {"job": job(1, "succeeded", 3), "why": ""}
    run()
    expect(verdict).to_contain_text("this page got no update within 10 s. Check the channel layer")
    server["why"] = None
    run()
    expect(verdict).to_have_text("The job was accepted, but the server no longer answers.")
    server["why"] = {"job": job(1, "succeeded", 3), "why": ""}
    line.close(4403, "your role was taken away")
    run()
    expect(verdict).to_contain_text("this page is not connected")


def test_a_late_push_and_a_lost_message_are_named(page: Page, server: dict) -> None:
    line = Line(page, lambda line: line.send("snapshot", jobs=[], workers=[], queues=[]))
    page.goto("self-test/")
    server["post"] = answer(notified=None)
    page.get_by_role("button", name=BUTTON).click()
    expect(page.locator("[data-leg=notified]")).to_have_attribute("data-missing-leg", "")
    line.send("patch", jobs=[job(1, "succeeded", 3, finished_at=instant(-3))])
    page.clock.run_for(100)
    verdict = page.locator("[data-verdict]")
    expect(verdict).to_contain_text("Everything works")
    expect(verdict).to_contain_text("did not accept the message at once")
    expect(verdict).to_contain_text("The push was late or lost")


def test_a_refusal_is_shown(page: Page, server: dict) -> None:
    page.goto("self-test/")
    server["post"] = {"detail": "Too many submits. Try again in 7 s.", "status": 429}
    page.get_by_role("button", name=BUTTON).click()
    verdict = page.locator("[data-verdict]")
    expect(verdict).to_have_text("Not accepted: Too many submits. Try again in 7 s.")
    server["post"] = None
    page.get_by_role("button", name=BUTTON).click()
    expect(verdict).to_contain_text("Not accepted: the server did not answer.")


def test_two_clocks_are_compared_as_well_as_one_question_allows(page: Page) -> None:
    page.goto("self-test/")
    ask = """async () => {
        const { clocks, instant } = await import("/static/js/pages/selftest.js");
        return [clocks(1000, 6010, 6030, 1040), instant("2026-11-23T10:00:00.123456Z") % 1000];
    }"""
    body, parts = page.evaluate(ask)
    assert body == {"offset": 5000, "error": 10}
    assert abs(parts - 123.456) < 0.001
