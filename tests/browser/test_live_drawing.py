"""How often the board draws, and what changes together: against frames that the test itself sends."""

import re
import time
from collections import Counter

import pytest
from playwright.sync_api import Page, expect

from tests.browser.line import Line, instant, job, stats, uid
from tests.browser.test_live_board import ids, painted, row, rows

pytestmark = pytest.mark.process


def test_rows_move_in_batches_while_many_jobs_come_and_go(page: Page, line: Line) -> None:
    page.evaluate("""() => {
        window.batches = 0;
        const seen = () => (window.batches += 1);
        new MutationObserver(seen).observe(document.querySelector("[data-list=queued]"), { childList: true });
    }""")
    began = time.monotonic()
    for n in range(100, 140):
        line.send("patch", jobs=[job(n, "queued")])
        page.wait_for_timeout(25)  # a rate, not a wait: forty jobs in a second
    expect(rows(page, "queued")).to_have_count(42)
    # The first three moves are shown at once, the others once a second; a busy machine takes longer for all of them.
    assert page.evaluate("window.batches") <= 4 + (time.monotonic() - began)


def test_two_numbers_for_one_thing_never_differ_on_screen(page: Page, line: Line) -> None:
    """Each time the page has changed, tiles and heads say what the lists show, while jobs rush through."""
    page.evaluate("""() => {
        window.seen = [];
        const at = (name) => document.querySelectorAll(`[data-list=${name}] > li`).length;
        const tile = (name) => Number(document.querySelector(`[data-count=${name}] b`).textContent);
        const head = (name) => document.querySelector(`[data-section=${name}] [data-total]`).textContent;
        new MutationObserver(() => {
            for (const name of ["running", "queued"])
                window.seen.push([`${name} ${at(name)}`, `${name} ${tile(name)}`, `${name} ${head(name)}`]);
            const words = [...document.querySelectorAll("[data-list=running] .word")].map((word) => word.textContent);
            window.seen.push(["Running", ...words]);
        }).observe(document.querySelector("main"), { subtree: true, childList: true, characterData: true });
    }""")
    states = dict.fromkeys((1, 2, 3), "running") | dict.fromkeys((11, 12), "queued")
    for n in range(100, 130):
        for version, state in enumerate(("queued", "running", "succeeded"), 1):
            states[n] = state
            counts = Counter(states.values())
            line.send("patch", jobs=[job(n, state, version)], stats=stats(**counts))
            page.wait_for_timeout(15)  # a rate, not a wait
    expect(page.locator("[data-count=succeeded] b")).to_have_text("30")
    expect(rows(page, "finished")).to_have_count(30)
    seen = page.evaluate("window.seen")
    assert [each for each in seen if len(set(each)) > 1] == []


COUNTED = """() => {
    window.batches = 0;
    new MutationObserver(() => (window.batches += 1))
        .observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
}"""


def test_what_changes_as_time_passes_changes_together_and_not_in_a_hidden_tab(page: Page) -> None:
    page.clock.install()
    page.add_init_script(AWAY)
    jobs = [job(n, started_at=instant(-5)) for n in (1, 2, 3)]
    line = Line(page, lambda line: line.send("snapshot", jobs=jobs, stats=stats(running=3)))
    page.goto("")
    expect(rows(page, "running")).to_have_count(3)
    page.clock.run_for(3_000)
    line.send("beat", every=60)  # or the page would take the silence for a lost link
    painted(page)
    page.evaluate(COUNTED)
    page.clock.run_for(10_000)
    assert 9 <= page.evaluate("window.batches") <= 11, "once a second, whatever there is to change"
    line.send("beat", every=60)
    expect(page.locator("[data-live]")).to_have_attribute("data-live", "live")
    page.evaluate("look(false)")
    page.evaluate("window.batches = 0")
    page.clock.run_for(6_000)
    assert page.evaluate("window.batches") == 0
    page.clock.run_for(12_000)
    expect(page, "the title speaks from afar").to_have_title(re.compile("^Stale"))
    assert page.evaluate("window.batches") <= 4


AWAY = """
    let away = false;
    const waiting = [], frame = window.requestAnimationFrame.bind(window);
    window.requestAnimationFrame = (draw) => (away ? waiting.push(draw) : frame(draw));
    Object.defineProperty(document, "hidden", { get: () => away });
    window.look = (at) => {
        away = !at;
        document.dispatchEvent(new Event("visibilitychange"));
        if (at) for (const draw of waiting.splice(0)) frame(draw);
    };
"""


def test_a_hidden_tab_rests_and_catches_up_when_it_is_looked_at(page: Page) -> None:
    """A browser draws no frames for a hidden tab; here the test holds them back."""
    page.add_init_script(AWAY)
    line = Line(page, lambda line: line.send("snapshot", jobs=[job(1), job(2)], stats=stats(running=2)))
    page.goto("")
    expect(rows(page, "running")).to_have_count(2)
    page.evaluate("look(false)")
    line.send("patch", jobs=[job(1, version=2, done=7), job(2, "succeeded", 2), job(3)], stats=stats(failed=1))
    expect(page, "the title speaks from afar").to_have_title(re.compile("^1 failed"))
    assert ids(page, "running") == [uid(1), uid(2)]
    expect(row(page, 1).locator("[data-part=fraction]")).to_have_text("0 / 10")
    page.evaluate("look(true)")
    expect(row(page, 1).locator("[data-part=fraction]")).to_have_text("7 / 10")
    expect(rows(page, "finished")).to_have_count(1)
    assert ids(page, "running") == [uid(1), uid(3)]
