"""Every page, in both themes and three widths: nothing overflows or overlaps, axe finds nothing, nobody complains."""

import re
from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.watcher import Watcher
from tests.support.processes import Product

pytestmark = pytest.mark.process

WIDTHS = (360, 768, 1440)
THEMES = ("light", "dark")
SEED = """
from django.contrib.auth import get_user_model
from datetime import timedelta
from tasks.access import audit
from tasks.engine import lifecycle
from tasks.access.models import ShareLink
from tasks.engine.models import Attempt, Job
owner = get_user_model().objects.get(username="ada")
def put(kind, **params):
    return lifecycle.submit(kind, params, owner=owner)[0].uid
print(put("countdown", seconds=1, steps=3))
print(put("countdown", seconds=1, steps=2, fail=True))
print(put("countdown", seconds=600))
many = lifecycle.submit("countdown", {}, owner=owner, due_at=lifecycle.now() + timedelta(days=1))[0]
for n in range(12):
    at = many.created_at + timedelta(seconds=100 * n)
    Attempt.objects.create(job=many, number=n + 1, worker="main@a-host.with-a.rather-long.example", started_at=at,
        finished_at=at + timedelta(seconds=9), outcome="lost" if n % 3 else "retrying", error="GatewayError: 502 " * 9,
        traceback="" if n % 3 else "Traceback")
audit.note(owner, "cancel", many.uid, reason="a reason of some length " * 9)
for length in range(4, 19):  # of an action, so that the line breaks wherever it may
    audit.note(owner, "a" * length, many.uid)
Job.objects.filter(pk=many.pk).update(params={"text": "word " * 2000, "deep": {"a": {"b": [1, None, "x" * 90]}}})
lifecycle.submit("countdown", {}, owner=owner, parent=many.uid, due_at=many.due_at)
ShareLink.objects.create(job=many, owner=owner, expires_at=many.due_at, framed_by=["https://shop.example"])
print(many.uid)
"""
CHANNEL = """
from django.utils import timezone
from tasks.channels.models import Channel, Notification

now = timezone.now()
said = "Failed to send JSON notification: Service Unavailable."
tries = [{"at": now.isoformat(), "ok": False, "said": said, "seconds": 0.4}]
one = Channel.objects.create(name="on call", service="Slack", sealed="x", last_at=now, last_said=said)
title = "a_kind_with_a_long_name: 622 failures in 10 min (limit 20)"
for status in ("failed", "pending"):
    Notification.objects.create(
        channel=one, about="failure", title=title, body="Open.", status=status, tries=tries, created_at=now
    )
print(one.uid)
"""
OVERLAPS = """() => {
    const things = "a, button, input, select, textarea, summary, h1, h2, h3, p, time, .lamp";
    const hidden = ".sr-only, .skip, .log, .trace, .scroll, details:not([open]) > :not(summary)";
    const header = document.querySelector(".header");
    const seen = [...document.querySelectorAll(things)]
        .filter((e) => e.checkVisibility({ visibilityProperty: true }) && !e.closest(hidden))
        .map((e) => ({ e, box: e.getBoundingClientRect(), above: !!header?.contains(e) }))
        .filter(({ box }) => box.width > 1 && box.height > 1);
    const share = (low, high, a, b) => Math.min(a[high], b[high]) - Math.max(a[low], b[low]) > 1;
    const cross = (a, b) => !a.e.contains(b.e) && !b.e.contains(a.e) && a.above === b.above
        && share("left", "right", a.box, b.box) && share("top", "bottom", a.box, b.box);
    const name = ({ e }) => e.outerHTML.slice(0, 90);
    return seen.flatMap((a, i) => seen.slice(i + 1).filter((b) => cross(a, b)).map((b) => `${name(a)} × ${name(b)}`));
}"""

CLIPPED = """() => [...document.querySelectorAll("body *")]
    .filter((e) => e.checkVisibility() && getComputedStyle(e).display !== "inline" && e.scrollWidth > e.clientWidth + 1)
    .filter((e) => !e.closest(".row-note, .one-line, .row-name a, .row-meta, .attempt-more, .tally"))
    .filter((e) => !e.closest(".log, .trace, .scroll, .sr-only, .skip"))
    .filter((e) => !e.closest("svg, input, textarea, select, .times-axis"))
    .map((e) => e.outerHTML.slice(0, 120))"""

MISSING = """() => [...document.querySelectorAll("tr")]
    .filter((row) => row.checkVisibility())
    .flatMap((row) => [...row.cells].filter((cell) => !cell.checkVisibility()))
    .map((cell) => cell.outerHTML.slice(0, 120))"""


@pytest.fixture(scope="package")
def addresses(product: Product) -> dict[str, str]:
    """Pages by name, with jobs in several states to show."""
    done, failed, running, many = product.python(SEED).split()
    pages = {"board": "", "jobs": "jobs/", "submit": "submit/", "workers": "workers/", "nothing": "jobs/nothing/"}
    pages |= {"countdown form": "submit/countdown/", "site_sizes form": "submit/site_sizes/"}
    pages |= {
        "failures": "failures/",
        "wrong search": "jobs/?q=state:faild",
        "bulk": "jobs/bulk/?action=cancel&q=kind:countdown",
    }
    pages |= {
        "account": "account/",
        "manual": "docs/lifecycle.md",
        "password": "account/password/",
        "feeds": "feeds/",
        "checks": "checks/",
        "webhooks": "webhooks/",
        "charts": "charts/",
        "self test": "self-test/",
    }
    pages |= {"kinds": "kinds/", "a kind": "kinds/countdown/", "a queue": "queues/default/"}
    pages |= {"alerts": "alerts/", "alert rule": "alerts/rules/new/", "people": "people/"}
    pages |= {"channels": "channels/", "channel form": "channels/new/"}
    pages |= {"a channel": f"channels/{product.python(CHANNEL).strip()}/"}
    pages |= {"audit": "audit/", "many attempts": f"jobs/{many}/", "share": f"jobs/{many}/share/"}
    return pages | {"done": f"jobs/{done}/", "failed": f"jobs/{failed}/", "running": f"jobs/{running}/"}


NAMES = (
    "board", "jobs", "submit", "countdown form", "site_sizes form", "workers", "done", "failed", "running", "nothing",
    "feeds", "checks", "webhooks", "charts", "self test", "failures", "wrong search", "bulk",
    "alerts", "alert rule", "people", "channels", "channel form", "a channel",
    "audit", "many attempts", "share", "kinds", "a kind", "a queue",
)  # fmt: skip


def settled(page: Page, address: str) -> None:
    page.goto(address)
    if page.locator("[data-live]").count():
        expect(page.locator("[data-live]")).to_have_attribute("data-live", "live")


def displeasing(page: Page, theme: str = "light") -> list[tuple[str, str]]:
    """What axe finds wrong: the rule, and the first element that breaks it. A theme is colours only: the second is
    asked for its contrasts.
    """
    page.emulate_media(color_scheme=theme)
    only = {} if theme == "light" else {"runOnly": ["color-contrast", "link-in-text-block"]}
    found = Axe().run(page, options={"resultTypes": ["violations"]} | only).response["violations"]
    return [(each["id"], each["nodes"][0]["html"]) for each in found]


@pytest.mark.parametrize("name", NAMES)
def test_a_page_fits_and_pleases_axe(
    name: str, addresses: dict[str, str], new_context: Callable[..., BrowserContext]
) -> None:
    page = new_context(reduced_motion="reduce").new_page()
    watcher = Watcher(page)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        settled(page, addresses[name])
        for theme in THEMES if width != 768 else ():  # its parts are those of one of the other two
            assert displeasing(page, theme) == [], f"at {width} px, {theme}"
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"scrolls sideways at {width} px"
        assert page.evaluate(CLIPPED) == [], f"cut off at {width} px"
        assert page.evaluate(OVERLAPS) == [], f"overlaps at {width} px"
        assert page.evaluate(MISSING) == [], f"a cell is missing at {width} px"
    assert [said for said in watcher.complaints if name != "nothing" or "404" not in said] == []


def test_the_login_page_fits_and_pleases_axe(new_context: Callable[..., BrowserContext]) -> None:
    page = new_context(logged_in=False).new_page()
    watcher = Watcher(page)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.goto("login/")
        for theme in THEMES:
            assert displeasing(page, theme) == [], f"at {width} px, {theme}"
            assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert watcher.complaints == []


def test_the_theme_is_chosen_and_kept_and_the_server_paints_with_it(page: Page, watcher: Watcher) -> None:
    page.emulate_media(color_scheme="light")
    page.goto("")
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(ground)
    page.locator("summary", has_text="ada").click()
    page.get_by_role("radio", name="Dark").check(force=True)
    dark = page.evaluate(ground)
    assert dark != light
    page.goto("workers/")
    assert page.evaluate(ground) == dark
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.locator("summary", has_text="ada").click()
    expect(page.get_by_role("radio", name="Dark")).to_be_checked()
    page.get_by_role("radio", name="System").check(force=True)
    assert page.evaluate(ground) == light


def test_times_are_the_readers_own_from_the_second_paint_on(
    addresses: dict[str, str], new_context: Callable[..., BrowserContext]
) -> None:
    page = new_context(timezone_id="Asia/Kathmandu").new_page()
    page.goto(addresses["failed"])
    page.goto(addresses["failed"])
    expect(page.get_by_text(re.compile("Times are in Asia/Kath?mandu"))).to_be_visible()
    started = page.locator("[data-part=started_at]")
    by_script = started.inner_text()
    bare = new_context(java_script_enabled=False)
    bare.clear_cookies(name="signalbox_zone")
    bare.add_cookies([{"name": "signalbox_zone", "value": "Asia%2FKathmandu", "domain": "127.0.0.1", "path": "/"}])
    plain = bare.new_page()
    plain.goto(addresses["failed"])
    assert plain.locator("[data-part=started_at]").inner_text() == by_script
    started.hover()
    assert "GMT+5:45" in started.get_attribute("title")
