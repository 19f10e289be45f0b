"""Queues and workers under the reader's hands: frames fill them, banners come and go, a queue is paused."""

import re

import pytest
from playwright.sync_api import Page, expect

from tasks.queries.diagnosis import troubles
from tests.browser.line import Line, job, stats, uid
from tests.browser.watcher import Watcher
from tests.monitor.test_views import queue, worker

pytestmark = pytest.mark.process


def rows(queues: list, workers: list) -> dict:
    return {"queues": queues, "workers": workers, "jobs": [job(1, kind="countdown")], "stats": stats(running=1)}


def test_frames_fill_the_page_and_banners_come_and_go(page: Page, watcher: Watcher) -> None:
    one = worker("io") | {"running": [uid(1)]}
    line = Line(page, lambda line: line.send("snapshot", **rows([queue(queued=3, oldest_s=10)], [one])))
    page.goto("workers/")
    row = page.locator("[data-queue=io]")
    expect(row.locator("[data-part=queued]")).to_have_text("3")
    card = page.locator("[data-worker='w1@here']")
    expect(card.get_by_role("link", name=f"countdown {uid(1)[-6:]}")).to_be_visible()
    expect(page.locator("[data-trouble]")).to_have_count(0)
    assert {"type": "watch", "gauge": "queues"} in line.received
    watcher.forget()
    times = {"wait_p50_s": 0.031, "wait_p95_s": 4.25, "run_p50_s": 61, "run_p95_s": None}
    line.send("gauge", gauge="queues", value={"io": times})
    expect(row.locator("[data-part=waited]")).to_have_text("31 ms · 4.3 s")
    expect(row.locator("[data-part=ran]")).to_have_text("1.0 min · –")

    lost, waiting = one | {"alive": False, "beat_age_s": 31.0, "running": []}, [queue(queued=3, oldest_s=10)]
    line.send("patch", workers=[lost])
    line.send("gauge", gauge="troubles", value=troubles(waiting, [lost], ""))
    expect(page.locator("[data-trouble]")).to_contain_text("No worker is running: 3 jobs wait.")
    expect(card).to_contain_text("Lost")
    expect(card.locator(".worker-lost")).to_be_visible()
    expect(page.locator("[data-announce]")).to_contain_text("No worker is running")
    line.send("patch", workers=[one])
    line.send("gauge", gauge="troubles", value=troubles(waiting, [one], ""))
    expect(page.locator("[data-trouble]")).to_have_count(0)
    expect(card.locator(".worker-lost")).to_be_hidden()
    queues = [queue(), queue("new", queued=2, workers=0)]
    line.send("patch", queues=queues)
    line.send("gauge", gauge="troubles", value=troubles(queues, [one], ""))
    expect(page.locator("[data-trouble=new]")).to_contain_text("No worker serves queue new")
    expect(page.locator("[data-queue=new] form").first).to_have_attribute("action", "/queues/new/pause/")
    assert watcher.requests == [], "all of this came by the socket"


def test_a_queue_is_paused_after_a_question_and_resumed(page: Page, watcher: Watcher) -> None:
    """On the running product; the button answers at once, other pages learn it by their sockets."""
    page.goto("workers/")
    other = page.context.new_page()
    other.goto("workers/")
    for each in (page, other):
        expect(each.locator("[data-live]")).to_have_attribute("data-live", "live")
    row = page.locator("[data-queue=chores]")
    state = row.locator("[data-part=state]")
    row.get_by_text("Pause…").click()
    expect(row.get_by_text("even after a restart")).to_be_visible()
    page.keyboard.press("Escape")
    expect(row.get_by_text("even after a restart")).to_be_hidden()
    expect(state).to_have_text("Open")
    row.get_by_text("Pause…").click()
    row.get_by_role("button", name="Pause queue").click()
    try:
        expect(state).to_have_text("Paused")
        expect(other.locator("[data-queue=chores] [data-part=state]")).to_have_text("Paused")
    finally:
        row.get_by_role("button", name="Resume").click()
    expect(state).to_have_text("Open")
    expect(other.locator("[data-queue=chores] [data-part=state]")).to_have_text("Open")
    assert [re.sub(r"http://[^/]+", "", said) for said in watcher.requests if said.startswith("POST")] == [
        "POST /queues/chores/pause/", "POST /queues/chores/resume/",
    ]  # fmt: skip


def test_a_queue_row_made_here_is_the_row_the_server_paints(page: Page) -> None:
    Line(page)
    page.goto("workers/")
    shape = """(root) => [root, ...root.querySelectorAll("*")]
        .map((e) => [e.tagName, e.getAttribute("class"), e.dataset.part])"""
    made = page.locator("template[data-queue-row]").evaluate(f"(t) => ({shape})(t.content.firstElementChild)")
    assert page.locator("[data-queue]").first.evaluate(shape) == made
