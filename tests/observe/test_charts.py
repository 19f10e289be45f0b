"""Charts of watched applications count what ended as it is written, and show when not everything was seen."""

import re
import time
import uuid
from datetime import timedelta
from html import unescape
from urllib.parse import unquote_plus

import pytest
from django.utils import timezone

from tasks.engine.models import Ending, Job
from tasks.observe import charts, counting, watched
from tasks.observe.models import App, EndedBar, Gap, expired_bars
from tasks.queries import series, stats
from tests.observe.test_api import shop
from tests.observe.test_guard import heard, say, watcher
from tests.observe.test_pages import page
from tests.support.calls import call
from tests.support.watched_rows import watched as task

pytestmark = pytest.mark.django_db(transaction=True)


def lives(watching, *ends: str, kind: str = "a") -> list[str]:
    ids = []
    for end in ends:
        ids.append(str(uuid.uuid4()))
        clock = watching.heard_clock = getattr(watching, "heard_clock", 0) + 3
        say(
            watching,
            heard("task-received", ids[-1], clock, name=kind),
            heard("task-started", ids[-1], clock + 1),
            heard(f"task-{end}", ids[-1], clock + 2),
        )
    return ids


def ended(period: str = "1h", app: str = "shop") -> dict[str, int]:
    return dict(series.of(period, sources=[counting.Bars(App.objects.filter(name=app))]).ended)


def test_what_ends_is_counted_once_however_often_it_is_said():
    watching = watcher()
    ids = lives(watching, "succeeded", "succeeded", "failed", "revoked")
    assert ended() == {"succeeded": 2, "failed": 1, "cancelled": 1}
    say(watching, heard("task-succeeded", ids[0], 3), heard("task-failed", ids[2], 9, exception="x"))
    again = watcher()
    again.reload()
    say(again, heard("task-succeeded", ids[1], 6))
    row = Job.every.get(task_id=ids[1])
    assert (row.kind, row.state, row.attempt) == ("a", "succeeded", 1), "what was known is not forgotten"
    for period in stats.PERIODS:
        assert ended(period) == {"succeeded": 2, "failed": 1, "cancelled": 1}
    lives(watching, "succeeded")
    assert ended() == {"succeeded": 3, "failed": 1, "cancelled": 1}


def test_counts_stay_when_the_rows_go_and_applications_are_counted_apart():
    lives(watcher("shop"), "succeeded")
    lives(watcher("crm"), "failed", "failed")
    Job.every.all().delete()
    assert (ended(), ended(app="crm")) == ({"succeeded": 1}, {"failed": 2})
    assert stats.chart("1h")["buckets"][-1]["failed"] == 0, "our own charts are as before"


def test_times_by_kind_come_from_the_counts():
    watching = watcher()
    lives(watching, "succeeded", "succeeded", "failed", kind="slow")
    lives(watching, "succeeded", kind="quick")
    [slow, quick] = charts.kinds(App.objects.get(), "1h")
    assert (slow["kind"], slow["ended"], slow["failed"]) == ("slow", 3, 1)
    assert (quick["kind"], quick["failure_rate"]) == ("quick", 0.0)
    assert slow["run_p50_s"] is not None and slow["wait_p95_s"] is not None


def test_a_gap_is_marked_on_the_chart_of_its_application_and_said():
    app = shop()
    Gap.objects.create(app=app, begin=timezone.now(), until=timezone.now(), unseen=0, why="nothing was missed")
    Gap.objects.create(app=App.objects.create(name="crm", transport="redis"), begin=timezone.now(),
                       until=timezone.now(), unseen=7, why="another")  # fmt: skip
    chart = charts.of([app.name], "1h")
    [mark] = chart["marks"]
    assert mark["words"] == "3 tasks of shop began unseen: nobody watched"
    assert 57 <= float(mark["x"]) <= 60 and float(mark["width"]) >= 1.5
    html = page("vera", "/apps/shop/")
    assert 'class="gap"' in html and "tasks began that nobody saw" in html
    assert page("vera", "/apps/shop/?period=24h").count('class="gap"') == 1
    assert charts.of(["crm"], "1h")["marks"][0]["words"].startswith("7 tasks of crm")


def test_the_page_of_an_application_lists_its_tasks_by_name():
    shop()
    lives(watcher(), "succeeded", "failed", kind="shop.tasks.pay")
    html = page("vera", "/apps/shop/")
    assert "shop.tasks.pay" in html and "50" in html and 'href="/kinds/shop.tasks.pay/?period=1h"' in html


def test_a_period_that_is_none_is_not_found():
    shop()
    assert call("vera").client.get("/apps/shop/?period=1y").status_code == 404


def test_old_bars_are_pruned_by_their_width():
    app = shop()
    now = timezone.now()
    kept, gone = [], []
    for minutes, days in ((1, 0.05), (15, 1.5), (720, 34)):
        of = {"app": app, "minutes": minutes, "outcome": "failed", "kind": "a"}
        kept.append(EndedBar.objects.create(at=now - timedelta(days=days), **of))
        gone.append(EndedBar.objects.create(at=now - timedelta(days=days * 2 + 1), **of))
    assert set(expired_bars(now)) == set(gone) and len(kept) == 3


# --- searches that span a gap ---------------------------------------------------------------------------------------


def test_a_search_that_spans_a_gap_says_so():
    shop()
    task("succeeded")
    html = page("vera", "/jobs/?q=app:shop")
    assert "3 tasks of" in html and "began unseen from" in html and "(nobody watched) and are not listed" in html
    assert "began unseen" in page("vera", "/jobs/"), "the page shows all applications when none is named"
    for elsewhere in ("app:own", "app:crm", "app:shop until:2020-01-01", "app:shop ended:2020-01-01..2020-01-02"):
        assert "began unseen from" not in page("vera", f"/jobs/?q={elsewhere}"), elsewhere


def test_a_search_that_can_only_find_our_own_jobs_says_nothing_of_gaps():
    shop()
    for only_ours in ("kind:noop", "kind:noop,countdown", "queue:default", "owner:vera", "release:v1"):
        assert "began unseen from" not in page("vera", f"/jobs/?q={only_ours}"), only_ours
    for perhaps_theirs in ("kind:a", "kind:noop,a", "queue:shop:celery", "queue:default,shop:celery", "state:failed"):
        assert "began unseen from" in page("vera", f"/jobs/?q={perhaps_theirs}"), perhaps_theirs
    lives(watcher("shop"), "succeeded", kind="noop")
    assert "began unseen from" in page("vera", "/jobs/?q=kind:noop"), "they have one of that name too"


def test_the_api_says_so_where_applications_are_asked_for():
    shop()
    task("succeeded")
    vera = call("vera")
    [gap] = vera.get("jobs/?app=shop").json()["gaps"]
    assert gap == watched.gaps_in()[0] and gap.keys() == {"app", "from", "until", "unseen", "why"}
    assert "gaps" in vera.get("jobs/?app=*").json()
    for other in ("jobs/", "jobs/?app=own", "jobs/?app=crm", "jobs/?app=shop&until=2020-01-01T00:00:00Z"):
        assert "gaps" not in vera.get(other).json(), other


def test_a_page_of_older_rows_says_only_the_gaps_of_their_time():
    app = shop()
    Gap.objects.all().delete()
    now = timezone.now()
    Gap.objects.create(app=app, begin=now - timedelta(hours=1), until=now - timedelta(minutes=50), unseen=9, why="late")
    for hours in (10, 9, 8):
        task("succeeded", created_at=now - timedelta(hours=hours))
    for _ in range(2):
        task("succeeded", created_at=now)
    vera = call("vera")
    first = vera.get("jobs/?app=shop&limit=2").json()
    assert "gaps" not in first, "it begins after the gap"
    second = vera.get(first["next"].partition("testserver")[2]).json()
    assert "gaps" not in second and len(second["results"]) == 2, "what was created before the gap"
    assert "gaps" in vera.get("jobs/?app=shop&limit=3").json()


def test_an_attempt_that_ends_and_is_terminated_after_all_is_counted_once():
    """A pool of gevent says both. Of one attempt the termination counts, in the chart and among the endings."""
    watching = watcher()
    [done, bad] = lives(watching, "succeeded", "failed")
    assert ended() == {"succeeded": 1, "failed": 1}
    before = watching
    for name in (done, bad):
        if name is bad:  # an observer that has read the row knows it too
            before = watcher()
            before._make(bad)
            before._recognise()
        say(before, heard("task-revoked", name, 99, terminated=True, signum="SIGTERM", expired=False))
        assert Job.every.get(task_id=name).state == "cancelled"
    for period in stats.PERIODS:
        assert ended(period) == {"cancelled": 2}, period
    assert list(Ending.objects.values_list("state", flat=True)) == ["cancelled", "cancelled"]


def test_an_attempt_after_one_that_ended_is_counted_too():
    """The broker handed the message out again: two attempts ended."""
    watching = watcher()
    [name] = lives(watching, "succeeded")
    say(watching, heard("task-received", name, 90, name="a", retries=1), heard("task-started", name, 91))
    say(watching, heard("task-failed", name, 92, exception="ValueError('x')"))
    assert ended() == {"succeeded": 1, "failed": 1}


def test_what_is_said_again_to_an_observer_that_takes_over_is_not_counted_again():
    watching = watcher()
    [name] = lives(watching, "failed", kind="b")
    begun = Job.every.get(task_id=name)
    said = [heard(f"task-{word}", name, clock, begun.created_at.timestamp(), name="b")
            for clock, word in enumerate(("received", "started", "failed"), 3)]  # fmt: skip
    second = watcher()
    second.take(said, time.time(), again=True)
    second.write()
    assert ended() == {"failed": 1}
    assert Ending.objects.count() == 1
    assert Job.every.get(task_id=name).version == begun.version


def drawn(address: str) -> dict[str, str]:
    """Of the chart of a page: title, and each outcome with its number."""
    text = page("vera", address)
    title = re.search(r"<summary>([^<]*?)\s*<", text)
    keys = re.findall(r'<span class="key" data-of="\w+">(\w+) <b>(\d+)</b>', text)
    return {"title": title[1] if title else "", **dict(keys)}


@pytest.mark.parametrize("search, title, good, bad", [
    ("", "Ended, last 24 hours", "4", "3"),
    ("app:own", "Ended, last 24 hours", "1", "0"),
    ("app:shop", "Ended in shop, last 24 hours", "2", "1"),
    ("app:shop,crm", "Ended in crm, shop, last 24 hours", "3", "3"),
    ("app:own,crm", "Ended, last 24 hours", "2", "2"),
    ("kind:b", "Ended of kind b, last 24 hours", "1", "2"),
    ("queue:default", "Ended in queue default, last 24 hours", "1", "0"),
    ("app:shop kind:a queue:shop:celery", "Ended in shop of kind a, last 24 hours", "2", "1"),
])  # fmt: skip
def test_a_chart_above_a_search_counts_what_its_list_shows(search, title, good, bad):
    lives(watcher("shop"), "succeeded", "succeeded", "failed")
    lives(watcher("crm"), "succeeded", "failed", "failed", kind="b")
    stats.forget()
    now = timezone.now()
    Job.objects.create(kind="noop", queue="default", state="succeeded", created_at=now, started_at=now, finished_at=now)
    assert drawn(f"/jobs/?q={search}") == {"title": title, "Succeeded": good, "Failed": bad, "Cancelled": "0"}


def test_the_chart_of_failures_counts_those_that_its_groups_show():
    lives(watcher("shop"), "succeeded", "failed")
    lives(watcher("crm"), "failed", "failed")
    assert [drawn(f"/failures/{more}")["Failed"] for more in ("", "?app=own", "?app=crm")] == ["3", "0", "2"]


def test_the_page_of_a_kind_that_only_watched_applications_have():
    lives(watcher("shop"), "succeeded", "failed", kind="orders.charge")
    lives(watcher("crm"), "failed", kind="orders.charge")
    text = page("vera", "/kinds/orders.charge/?period=1h")
    assert 'href="/apps/crm/"' in text and 'href="/apps/shop/"' in text
    assert drawn("/kinds/orders.charge/?period=1h")["Failed"] == "2"
    assert text.count('data-job="') == 3, "the last tasks of both"
    assert {"app:shop", "app:crm"} <= set(unquote_plus(text).replace('"', " ").split()), "failures, each of its own"


def test_the_list_of_kinds_has_those_of_watched_applications_apart():
    lives(watcher("shop"), "succeeded", "failed", kind="orders.charge")
    lives(watcher("crm"), "failed", kind="noop")  # one of ours has that name as well
    rows = re.findall(
        r'data-kind="([^"]+)"( data-app="(\w+)")?.*?href="([^"]+)".*?>([\d,]+)</td>', page("vera", "/kinds/"), re.S
    )
    shown = {(kind, app): (unquote_plus(unescape(url)), ended) for kind, _, app, url, ended in rows}
    assert shown["orders.charge", "shop"] == ("/kinds/orders.charge/?period=24h", "2")
    assert shown["noop", "crm"] == ("/jobs/?q=app:crm kind:noop", "1")
    assert shown["noop", ""] == ("/kinds/noop/?period=24h", "0")
