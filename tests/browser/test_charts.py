"""Charts: kept up by the socket alone, drawn by the scripts as by the server, looked at by keyboard and pointer."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tasks.queries import plots
from tests.browser.line import Line, stats
from tests.browser.test_live_job import submit
from tests.browser.watcher import Watcher

pytestmark = pytest.mark.process

DRAWN = """() => [...document.querySelectorAll("[data-plot], [data-bars], [data-kinds]")]
    .map((e) => e.outerHTML.replace(/ title="[^"]*"/g, "")).join("\\n")"""
TOLD = """() => [...document.querySelectorAll("[data-bars] tr")].map((row) => {
    const n = (name) => Number(row.querySelector(`[data-part=${name}]`).textContent);
    return {
        at: row.querySelector("time").dateTime,
        succeeded: n("succeeded"), failed: n("failed"), cancelled: n("cancelled"),
    };
})"""


def test_a_gauge_redraws_the_page_as_the_server_drew_it(page: Page, watcher: Watcher) -> None:
    line = Line(page, lambda line: line.send("snapshot", jobs=[], stats=stats(), workers=[], queues=[]))
    page.goto("charts/?period=24h")
    page.wait_for_function("() => document.querySelector('[data-looked]').textContent")
    before, buckets = page.evaluate(DRAWN), page.evaluate(TOLD)
    api = page.request.get("api/v1/stats/?period=24h").json()
    assert len(buckets) == 96
    watcher.forget()
    line.send(
        "gauge", gauge="chart-24h", value=plots.draw({"buckets": buckets, "kinds": api["kinds"], "missing": None})
    )
    line.send(
        "gauge", gauge="chart-24h", value=plots.draw({"buckets": buckets, "kinds": api["kinds"], "missing": None})
    )
    page.wait_for_function("() => new Promise((done) => requestAnimationFrame(() => done(true)))")
    assert page.evaluate(DRAWN) == before, "the same numbers are the same picture"

    buckets[-1] |= {"succeeded": 40, "failed": 7, "cancelled": 2}
    kinds = [{"kind": "weigh", "wait_p50_s": 0.02, "wait_p95_s": 1.5, "run_p50_s": 70.0, "run_p95_s": 200.0}]
    missing = [buckets[3]["at"], buckets[5]["at"]]
    line.send("gauge", gauge="chart-24h", value=plots.draw({"buckets": buckets, "kinds": kinds, "missing": missing}))
    expect(page.locator("[data-bars] tr").last.locator("[data-part=failed]")).to_have_text("7")
    expect(page.locator("path[data-of=failed]")).to_have_attribute(
        "d", re.compile(r"M95\.1 100\.0v-70\.0h\.8V100\.0z$")
    )
    expect(page.locator("[data-kind=weigh]")).to_contain_text("20 ms")
    expect(page.locator("[data-missing]")).to_be_visible()
    expect(page.locator("[data-kind]:not([data-kind=weigh])")).to_have_count(0)
    assert watcher.requests == []


def test_any_bar_can_be_looked_at(page: Page, watcher: Watcher) -> None:
    Line(page)
    page.goto("charts/?period=1h")
    slider = page.get_by_role("slider", name="Select a minute")
    slider.focus()
    said = page.locator("[data-looked]")
    expect(said).to_have_text(re.compile(r"^\d\d:\d\d to now: \d+ succeeded, \d+ failed, \d+ cancelled$"))
    page.keyboard.press("ArrowLeft")
    expect(said).to_have_text(re.compile(r"^\d\d:\d\d to \d\d:\d\d: "))
    expect(slider).to_have_attribute("aria-valuetext", said.inner_text())
    page.locator("[data-plot=ended] svg").hover(position={"x": 3, "y": 20})
    expect(slider).to_have_value("0")
    expect(page.locator("[data-cursor]").first).to_have_attribute("x", "0")
    page.get_by_text("Show as a table").click()
    expect(page.get_by_role("columnheader", name="Succeeded")).to_be_visible()


def test_what_finishes_now_is_drawn_by_push(page: Page, watcher: Watcher) -> None:
    """On the running product."""
    page.goto("charts/")
    page.wait_for_load_state("networkidle")
    expect(page.locator("[data-live]")).to_have_attribute("data-live", "live")
    total = page.locator("[data-total=succeeded]")
    before = int(total.inner_text().replace(",", ""))
    watcher.forget()
    submit(page.context.new_page(), "noop")
    page.wait_for_function(
        "(before) => Number(document.querySelector('[data-total=succeeded]').textContent.replace(',', '')) > before",
        arg=before,
    )
    expect(page.locator("[data-kind=noop]")).to_be_visible()
    assert watcher.requests == []


def test_without_javascript_the_charts_are_there(new_context: Callable[..., BrowserContext]) -> None:
    page = new_context(java_script_enabled=False).new_page()
    page.goto("charts/")
    assert page.locator("[data-bars] tr").count() == 60
    expect(page.locator("[data-plot=ended] svg")).to_be_visible()
    expect(page.get_by_role("slider")).to_have_count(0)
    page.get_by_role("link", name="Last 30 days").click()
    assert page.locator("[data-bars] tr").count() == 60
    page.get_by_text("Show as a table").click()
    expect(page.locator("[data-bars] tr").first).to_be_visible()
