"""What scripts and server say of a moment, in the words of Chromium's own calendar."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import Browser, Route

from tasks.web.templatetags import signalbox as words

STATIC = Path(__file__).parents[2] / "static/js"
ORIGIN = "http://scripts.test/"


def serve(route: Route) -> None:
    name = route.request.url.removeprefix(ORIGIN)
    if name:
        route.fulfill(body=(STATIC / name).read_text(), content_type="text/javascript")
    else:
        route.fulfill(body="<!doctype html><title>scripts</title>", content_type="text/html")


def test_dates_are_written_as_the_server_writes_them_and_with_a_year_that_is_not_this_one(chromium: Browser) -> None:
    now = datetime.now(UTC)
    dates = [datetime(year, month, 9, 8, 7, tzinfo=UTC) for year in (2019, now.year, 2031) for month in range(1, 13)]
    at = [each.isoformat() for each in dates if abs(each - now) > timedelta(days=1)]
    context = chromium.new_context(timezone_id="UTC")
    context.route(f"{ORIGIN}**", serve)
    page = context.new_page()
    page.goto(ORIGIN)
    shown = page.evaluate(
        """async (at) => {
            const { show } = await import("./parts/time.js");
            const element = document.createElement("time");
            return at.map((at) => ["clock", "words"].map((tell) => (show(element, at, tell), element.textContent)));
        }""",
        at,
    )
    context.close()
    assert [clock for clock, _ in shown] == [words.time_text(each) for each in at]
    assert (shown[0], shown[8][0]) == (["9 Jan 2019, 08:07", "Wednesday, 9 January 2019, 08:07"], "9 Sep 2019, 08:07")
