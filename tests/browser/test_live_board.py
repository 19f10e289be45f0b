"""The board under the reader's hands, against frames that the test itself sends."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.line import Line, instant, job, stats, uid
from tests.browser.watcher import Watcher
from tests.support.processes import Product, wait_until

pytestmark = pytest.mark.process


def rows(page: Page, section: str) -> Locator:
    return page.locator(f"[data-list={section}] > [data-job]")


def ids(page: Page, section: str) -> list[str]:
    return rows(page, section).evaluate_all("(rows) => rows.map((row) => row.dataset.job)")


def row(page: Page, n: int) -> Locator:
    return page.locator(f"[data-job='{uid(n)}']")


def away(page: Page) -> None:
    page.mouse.move(2, 2)


def painted(page: Page) -> None:
    """Until what has arrived is drawn."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def test_it_shows_each_job_where_its_state_belongs_in_the_order_of_the_board(page: Page, line: Line) -> None:
    line.send(
        "patch",
        jobs=[
            job(12, "queued", 2, priority=9),
            job(21, "retrying", due_at=instant(50)),
            job(22, "retrying", due_at=instant(20)),
            job(31, "succeeded"),
            job(32, "failed", error="ValueError: no\nsecond line"),
            job(1, "cancelled", 2),
        ],
    )
    line.send("gauge", gauge="failures", value=[])
    expect(rows(page, "finished")).to_have_count(2)
    expect(rows(page, "failed")).to_have_count(1)
    assert ids(page, "running") == [uid(2), uid(3)]
    assert ids(page, "queued") == [uid(12), uid(11)]
    assert ids(page, "retrying") == [uid(22), uid(21)]
    assert ids(page, "failed") == [uid(32)]
    assert ids(page, "finished") == [uid(31), uid(1)]
    expect(row(page, 32)).to_contain_text("ValueError: no")
    expect(row(page, 32)).not_to_contain_text("second line")


def test_an_older_version_changes_nothing(page: Page, line: Line) -> None:
    line.send("patch", jobs=[job(1, version=5, done=7)])
    line.send("patch", jobs=[job(1, "queued", version=4), job(2, version=2, done=9)])
    expect(row(page, 2).locator("[data-part=fraction]")).to_have_text("9 / 10")
    expect(row(page, 1).locator("[data-part=fraction]")).to_have_text("7 / 10")
    assert uid(1) in ids(page, "running")


def test_every_counted_frame_is_acknowledged_and_no_other(page: Page, line: Line) -> None:
    line.send("beat", every=5)
    line.send("patch", jobs=[job(1, version=2, done=1)])
    expect(row(page, 1).locator("[data-part=fraction]")).to_have_text("1 / 10")
    assert [said for said in line.received if said["type"] == "ack"] == [
        {"type": "ack", "n": 1},
        {"type": "ack", "n": 2},
    ]
    assert line.received[0] == {"type": "watch", "board": True, "apps": True}


def test_rows_under_the_pointer_do_not_move_and_new_ones_are_announced(page: Page, line: Line) -> None:
    row(page, 2).hover()
    before = row(page, 2).bounding_box()
    line.send("patch", jobs=[job(0), job(1, "succeeded", 2), job(2, version=2, done=5), job(13, "queued")])
    button = page.locator("[data-section=running] [data-new]")
    expect(button).to_have_text("1 new")
    expect(row(page, 2).locator("[data-part=fraction]"), "what a row says still changes").to_have_text("5 / 10")
    expect(row(page, 1).locator(".word"), "in its old place").to_have_text("Succeeded")
    assert row(page, 2).bounding_box() == before
    assert ids(page, "running") == [uid(1), uid(2), uid(3)]
    away(page)
    expect(rows(page, "queued")).to_have_count(3)
    assert ids(page, "running") == [uid(0), uid(2), uid(3)]
    expect(button).to_be_hidden()


def test_the_button_shows_new_rows_at_once_even_under_the_pointer(page: Page, line: Line) -> None:
    row(page, 2).hover()
    line.send("patch", jobs=[job(4), job(5)])
    button = page.locator("[data-section=running] [data-new]")
    expect(button).to_have_text("2 new")
    button.dispatch_event("click")
    expect(rows(page, "running")).to_have_count(5)
    expect(button).to_be_hidden()


def test_rows_stay_while_something_is_selected(page: Page, line: Line) -> None:
    row(page, 1).get_by_role("checkbox").check()
    away(page)
    line.send("patch", jobs=[job(1, "succeeded", 2), job(4)])
    expect(page.locator("[data-section=running] [data-new]")).to_have_text("1 new")
    assert ids(page, "running") == [uid(1), uid(2), uid(3)]
    page.get_by_role("button", name="Clear").click()
    away(page)  # the bar is gone, and what was below it is under the pointer
    expect(page.locator("[data-section=running] [data-new]")).to_be_hidden()
    assert ids(page, "running") == [uid(2), uid(3), uid(4)]


def test_pause_stops_the_lists_and_going_on_catches_up(page: Page, line: Line) -> None:
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("[data-live]")).to_have_attribute("data-live", "paused")
    line.send("patch", jobs=[job(1, version=2, done=5), job(4)], stats=stats(running=4))
    line.send("patch", jobs=[job(1, version=3, done=6)])
    painted(page)
    expect(rows(page, "running")).to_have_count(3)
    expect(row(page, 1).locator("[data-part=fraction]")).to_have_text("0 / 10")
    page.get_by_role("button", name="Resume").click()
    expect(rows(page, "running")).to_have_count(4)
    expect(row(page, 1).locator("[data-part=fraction]")).to_have_text("6 / 10")
    expect(page.locator("[data-count=running] b")).to_have_text("4")


def test_failures_stay_when_successes_push_them_out_and_leave_when_they_are_retried(page: Page, line: Line) -> None:
    old, new = job(41, "failed", finished_at=instant(-60)), job(42, "failed", finished_at=instant(-1))
    line.send("gauge", gauge="failures", value=[old])
    line.send("patch", jobs=[new])
    expect(rows(page, "failed")).to_have_count(2)
    assert ids(page, "failed") == [uid(42), uid(41)]
    line.send("gauge", gauge="failures", value=[new, old])
    line.send("patch", gone=[uid(42)])
    line.send("patch", jobs=[job(41, "queued", 2)])
    expect(rows(page, "failed")).to_have_count(1)
    assert ids(page, "failed") == [uid(42)] and uid(41) in ids(page, "queued")


def test_the_verdict_names_its_reasons_and_is_fine_again(page: Page, line: Line) -> None:
    verdict = page.locator("[data-verdict-words]")
    line.send("news", topics=["alerts"], alerts=[])
    line.send("patch", stats=stats())
    expect(verdict).to_have_text("All fine")
    line.send("patch", stats=stats(failed=2))
    expect(verdict).to_have_text("Needs attention")
    expect(page.get_by_role("link", name="2 failed in the last hour")).to_be_visible()
    line.send("news", topics=["alerts"], alerts=[{"id": uid(90), "sentence": "A worker is lost."}])
    expect(verdict).to_have_text("Something is wrong")
    expect(page.get_by_role("link", name="1 open alert")).to_be_visible()
    line.send("news", topics=["alerts"], alerts=[])
    line.send("patch", stats=stats())
    expect(verdict).to_have_text("All fine")


def test_focus_stays_with_its_row_and_goes_to_the_next_when_that_leaves(page: Page, line: Line) -> None:
    row(page, 2).get_by_role("link").focus()
    line.send("patch", jobs=[job(0), job(4)])
    painted(page)
    expect(row(page, 2).get_by_role("link")).to_be_focused()
    line.send("patch", gone=[uid(2)])
    expect(page.locator("[data-section=running] [data-new]")).to_be_visible()
    page.locator("[data-section=running] [data-new]").dispatch_event("click")
    expect(row(page, 2)).to_have_count(0)
    expect(row(page, 3).get_by_role("link")).to_be_focused()


def test_counts_title_and_favicon_show_failures_without_a_request(page: Page, line: Line, watcher: Watcher) -> None:
    assert page.title() == "Board · Signalbox"
    line.send("patch", stats=stats(running=1204, failed=2))
    expect(page.locator("[data-count=running] b")).to_have_text("1,204")
    expect(page.locator("[data-section=running] [data-total]")).to_have_text("3 of 1204")
    expect(page).to_have_title("2 failed · Board · Signalbox")
    failing = page.locator("link[rel=icon]").get_attribute("href")
    assert failing.startswith("data:image/svg+xml,")
    line.send("patch", stats=stats(running=3))
    expect(page).to_have_title("Board · Signalbox")
    assert page.locator("link[rel=icon]").get_attribute("href") != failing
    assert watcher.requests == []


def test_a_picture_that_grows_old_is_called_catching_up_then_stale(page: Page, line: Line) -> None:
    badge = page.locator("[data-live]")
    line.send("beat", age=6.0, every=60)
    expect(badge).to_have_attribute("data-live", "live")
    line.send("beat", age=7.5, every=60)
    expect(badge).to_have_attribute("data-live", "catching-up")
    expect(badge).to_contain_text("7 s")
    line.send("beat", age=16.0, every=60)
    expect(badge).to_contain_text("Stale")
    expect(page).to_have_title(re.compile("^Stale · "))
    line.send("beat", age=0.1, every=60)
    expect(badge).to_have_attribute("data-live", "live")


def test_a_lost_link_comes_back_by_itself_and_the_board_is_right_again(page: Page, line: Line) -> None:
    jobs = [job(3, version=4, done=4), job(7)]
    line.greet = lambda line: line.send("snapshot", jobs=jobs, stats=stats(running=2), workers=[], queues=[])
    line.close(1013, "too slow")
    expect(row(page, 7)).to_be_visible()
    assert ids(page, "running") == [uid(3), uid(7)]
    expect(row(page, 3).locator("[data-part=fraction]")).to_have_text("4 / 10")
    expect(page.locator("[data-live]")).to_have_attribute("data-live", "live")
    assert len(line.sockets) == 2


def test_one_who_is_no_longer_logged_in_is_led_to_the_login_page(page: Page, line: Line) -> None:
    page.context.clear_cookies()
    line.close(4401, "not logged in")
    page.wait_for_url("**/login/?next=%2F")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()


def test_a_page_says_that_its_reader_may_no_longer_watch(page: Page, line: Line) -> None:
    line.close(4403, "your role was taken away")
    badge = page.locator("[data-live]")
    expect(badge).to_contain_text("Not allowed")
    expect(page.get_by_role("status").last).to_have_text("your role was taken away")


def test_one_voice_sums_up_what_happened(page: Page) -> None:
    page.clock.install()
    line = Line(page, lambda line: line.send("snapshot", jobs=[job(1), job(2), job(3)], stats=stats()))
    page.goto("")
    expect(row(page, 3)).to_have_count(1)
    for n, state in ((1, "succeeded"), (2, "succeeded"), (3, "failed")):
        line.send("patch", jobs=[job(n, state, 2)])
    line.send("patch", jobs=[job(4)])
    expect(row(page, 4)).to_have_count(1)
    voice = page.locator("[data-announce]")
    expect(voice).to_have_text("")
    page.clock.run_for(12_100)
    expect(voice).to_have_text("Jobs: 1 started, 2 succeeded, 1 failed.")
    assert page.locator("[aria-live], [role=status], [role=alert]").count() == 1


def test_a_row_from_the_socket_is_the_row_the_server_paints(page: Page) -> None:
    """The markup exists once: attributes and all, whoever wrote it."""
    page.goto("")
    shape = """(row) => [...row.querySelectorAll("*")]
        .map((e) => [e.tagName, e.getAttribute("class"), e.dataset.part])"""
    fresh = page.evaluate(
        f"""async (job) => {{
            const {{ make }} = await import("/static/js/parts/row.js");
            return ({shape})(make(job));
        }}""",
        job(1),
    )
    painted = page.locator("template[data-row]").evaluate(
        f"(template) => ({shape})(template.content.firstElementChild)"
    )
    assert fresh == painted


def test_what_waits_and_runs_is_counted_by_queue_and_by_kind(page: Page, line: Line) -> None:
    def tallies(queues: dict[str, tuple[int, int]], kinds: dict[str, tuple[int, int]]) -> None:
        both = {"queues": queues, "kinds": kinds}
        counted = {
            by: {name: {"running": running, "waiting": waiting} for name, (running, waiting) in found.items()}
            for by, found in both.items()
        }
        line.send("gauge", gauge="tallies", value=counted)

    chips = page.locator("[data-tally=queue] > li")
    queues = {"io": (0, 1200), "default": (3, 2), "chores": (0, 0)}
    tallies(queues, {"noop": (1, 0)})
    expect(chips).to_have_text(["default 3 running · 2 waiting", "io 1,200 waiting"])
    assert {"type": "watch", "gauge": "tallies"} in line.received
    kinds = page.locator("[data-tally=kind] > li")
    expect(kinds).to_have_text(["noop 1 running"])
    kinds.get_by_role("link").focus()
    tallies(queues, {"a_kind": (0, 1), "noop": (2, 0)})
    expect(kinds).to_have_text(["a_kind 1 waiting", "noop 2 running"])
    expect(page.get_by_role("link", name="noop 2 running")).to_be_focused()
    page.get_by_role("button", name="Pause").click()
    tallies({"io": (0, 0)}, {})
    painted(page)
    expect(chips).to_have_count(2)
    page.get_by_role("button", name="Resume").click()
    expect(chips).to_have_count(0)
    expect(kinds).to_have_count(0)


def test_when_the_last_chip_that_the_server_painted_goes_a_sentence_takes_its_place(
    page: Page, line: Line, product: Product
) -> None:
    submit = "from tasks.engine import lifecycle; print(lifecycle.submit('countdown', {'seconds': 600})[0].uid)"
    uid = product.python(submit).strip()
    chip = page.locator("[data-tally=kind] > li", has_text="countdown")
    wait_until(lambda: page.reload() and chip.count(), what="a chip of the server's")
    line.send("gauge", gauge="tallies", value={"queues": {}, "kinds": {}})
    for by in ("queue", "kind"):
        expect(page.locator(f"[data-tally={by}] > li")).to_have_count(0)
        said = page.locator(f"[data-tally={by}]").evaluate("(list) => getComputedStyle(list, '::before').content")
        assert said == '"nothing waiting or running"'
    product.python(f"from uuid import UUID; from tasks.engine import lifecycle; lifecycle.cancel(UUID('{uid}'))")


def test_a_chip_leads_to_its_jobs(page: Page, watcher: Watcher) -> None:
    page.goto("")
    expect(page.locator("[data-live]")).to_have_attribute("data-live", "live")
    href = page.evaluate(
        """async () => {
            const { Tallies } = await import(document.querySelector('link[href*="tallies.js"]').href);
            const tallies = { queues: {}, kinds: { noop: { running: 1, waiting: 0 } } };
            const store = { queues: [], gauges: new Map([["tallies", tallies]]) };
            new Tallies(document.querySelector("main"), store).show();
            return document.querySelector("[data-tally=kind] a").href;
        }"""
    )
    page.goto(href)
    expect(page.get_by_role("combobox")).to_have_value("kind:noop state:scheduled,queued,running,retrying")


def test_a_new_alert_is_shown_and_said_once(page: Page, line: Line) -> None:
    alerts = [{"id": uid(90), "sentence": "noop failed 6 times in 10 min."}]
    line.send("news", topics=["alerts"], alerts=alerts)
    expect(page.locator("[data-alert-bar]")).to_contain_text("noop failed 6 times in 10 min.")
    voice = page.locator("[data-announce]")
    expect(voice).to_have_text("noop failed 6 times in 10 min.")
    voice.evaluate("(element) => { element.textContent = ''; }")
    line.send("news", topics=["alerts"], alerts=[*alerts, {"id": uid(91), "sentence": "A worker is lost."}])
    expect(voice).to_have_text("A worker is lost.")
