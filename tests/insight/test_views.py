"""Pages of a kind, a queue and a worker, and the kind in the API: what they count, and that it agrees with the rest."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.test import Client
from django.utils import timezone

from tasks.engine import attempts, lifecycle
from tasks.engine.errors import Failure
from tasks.engine.models import Job, Minute, Worker
from tasks.queries import series, stats
from tasks.web import bars
from tests.queries.test_stats import rolled_up_until
from tests.support.calls import call
from tests.support.people import person

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def fresh() -> None:
    stats.forget()


def page(address: str, name: str = "vera") -> str:
    client = Client()
    client.force_login(person(name))
    answer = client.get(address)
    assert answer.status_code == 200, (address, answer.status_code)
    return answer.content.decode()


def ended(ago: timedelta, state: str = "succeeded", kind: str = "noop", ran: float = 1.0, **more) -> Job:
    at = timezone.now() - ago
    start = at - timedelta(seconds=ran)
    made = Job.objects.create(
        kind=kind, queue="default", state=state, created_at=start - timedelta(seconds=2), started_at=start,
        finished_at=at, **more,
    )  # fmt: skip
    attempts.write_endings([made])
    return made


def test_a_kind_in_the_api_counts_its_own_jobs_whether_they_are_counted_yet_or_not():
    for minutes in (1, 5, 50):
        ended(timedelta(minutes=minutes))
        ended(timedelta(minutes=minutes), kind="countdown")
    ended(timedelta(minutes=40), "failed", ran=100)
    ended(timedelta(minutes=2), "cancelled")
    for until in (None, timedelta(minutes=30), timedelta(minutes=3)):
        if until:
            rolled_up_until(stats.floor(timezone.now() - until, stats.MINUTE))
        found = call("vera").get("kinds/noop/?period=24h").json()
        assert found["totals"] == {"succeeded": 3, "failed_attempts": 1, "cancelled": 1}
        assert found["failure_rate"] == 0.25
        assert (found["name"], found["queue"]) == ("noop", "default") and found["params"]["type"] == "object"
        assert 0.5 <= found["run_p50_s"] <= 1 and 1 <= found["wait_p50_s"] <= 2 and found["run_p95_s"] > 60
        assert len(found["buckets"]) == 96 and sum(bar["succeeded"] for bar in found["buckets"]) == 3
        assert sum(row["running"] for row in found["histogram"]) == 5
        assert found["previous"] == {"succeeded": 0, "failed_attempts": 0, "cancelled": 0}
    assert Minute.objects.exists()


def test_what_was_before_is_counted_apart():
    ended(timedelta(minutes=90), "failed")
    ended(timedelta(minutes=80))
    ended(timedelta(minutes=2))
    rolled_up_until(stats.floor(timezone.now() - timedelta(minutes=5), stats.MINUTE))
    found = call("vera").get("kinds/noop/?period=1h").json()
    assert found["totals"] == {"succeeded": 1, "failed_attempts": 0, "cancelled": 0}
    assert found["previous"] == {"succeeded": 1, "failed_attempts": 1, "cancelled": 0}
    assert len(call("vera").get("kinds/noop/?period=30d").json()["buckets"]) == 60


def test_what_is_no_kind_or_no_period_is_refused():
    assert call("vera").get("kinds/nothing/").status_code == 404
    assert "Choose one of: 1h, 24h, 30d." in call("vera").get("kinds/noop/?period=7d").content.decode()
    client = Client()
    client.force_login(person("vera"))
    for address in ("/kinds/nothing/", "/queues/nothing/", "/workers/nothing/", "/kinds/noop/?period=7d",
                    "/kinds/?sort=x", "/kinds/noop/?against=year", "/kinds/noop/?period=30d&against=week"):  # fmt: skip
        assert client.get(address).status_code == 404, address


@pytest.mark.long
def test_the_page_of_a_kind_has_its_chart_failures_jobs_and_form():
    broken = lifecycle.fail(
        lifecycle.claim(lifecycle.submit("countdown", {"seconds": 4})[0].uid, "w@h", 1), Failure("E: 502", "", "k")
    )
    other, _ = lifecycle.submit("noop", {})
    text = page("/kinds/countdown/", "bob")
    assert f'data-job="{broken.uid}"' in text and f'data-job="{other.uid}"' not in text
    assert "failure%3Ak" in text and "E: 502" in text
    assert ('action="/submit/countdown/"' in text and 'name="p-seconds"' in text) or 'name="seconds"' in text
    assert 'action="/submit/countdown/"' not in page("/kinds/countdown/")
    links = [unescape(link) for link in re.findall(r'<a href="(/jobs/\?q=kind[^"]*ended[^"]*)" tabindex="-1">', text)]
    assert len(links) == 96
    held = [link for link in links if str(broken.uid) in page(link)]
    assert len(held) == 1, "the bar that counts the job leads to it"
    Job.objects.update(kind="shop.retired")
    assert "No code here has this kind any more" in page("/kinds/shop.retired/")


def test_a_day_stands_beside_another():
    ended(timedelta(hours=25))
    ended(timedelta(days=7, hours=2))
    rolled_up_until(stats.floor(timezone.now() - timedelta(minutes=5), stats.MINUTE))
    for against, words in (("day", "yesterday"), ("week", "last week")):
        text = page(f"/kinds/noop/?period=24h&against={against}")
        assert 'class="before"' in text and words.capitalize() in text
        assert "(before: 1 in all)" in text
    assert 'class="before"' not in page("/kinds/noop/?period=24h&against=")


def test_the_list_of_kinds_is_sorted_by_what_one_asks():
    for _ in range(3):
        ended(timedelta(minutes=1), kind="countdown")
    ended(timedelta(minutes=1), "failed", ran=500)

    def order(sort: str) -> list[str]:
        text = page(f"/kinds/?sort={sort}&period=1h")
        assert 'aria-sort="descending"' in text or sort == "kind"
        return re.findall(r'data-kind="(noop|countdown)"', text)

    assert order("kind") == order("ended") == ["countdown", "noop"]
    kinds = re.findall(r'<tr role="row" data-kind="([^"]+)"', page("/kinds/?period=1h"))
    assert set(kinds[:2]) == {"noop", "countdown"}, "what nobody ran comes last, unless one asks for names"
    for sort in ("failed", "rate", "run_p50_s", "run_p95_s"):
        assert order(sort) == ["noop", "countdown"], sort


def test_a_queue_and_a_worker_have_pages_and_every_name_leads_there():
    now = timezone.now()
    Worker.objects.create(
        name="w1@here", host="here", pid=7, queues=["default"], concurrency=2, seen_at=now, started_at=now
    )
    job = ended(timedelta(minutes=1), worker="w1@here", attempt=1)
    waiting, _ = lifecycle.submit("noop", {})
    text = page("/queues/default/")
    assert str(job.uid) in text and str(waiting.uid) in text and 'href="/workers/w1@here/"' in text
    assert "Pause this queue" in page("/queues/default/", "bob") and "Pause this queue" not in text
    text = page("/workers/w1@here/")
    assert str(job.uid) in text and "process 7" in text and 'href="/queues/default/"' in text
    workers = page("/workers/")
    assert 'href="/queues/default/"' in workers and 'href="/workers/w1@here/"' in workers
    text = page(f"/jobs/{job.uid}/")
    assert 'href="/kinds/noop/"' in text and 'href="/queues/default/"' in text


@pytest.mark.long
def test_a_chart_stands_above_the_jobs_and_narrows_their_search():
    job = ended(timedelta(minutes=20), title="order 8812")
    text = page("/jobs/?q=8812+kind:noop+since:1h")
    assert "Ended of kind noop, last hour" in text
    links = [unescape(link) for link in re.findall(r'<a href="([^"]*ended[^"]*)" tabindex="-1">', text)]
    assert len(links) == 60 and all("8812" in link and "since" not in link for link in links)
    assert [link for link in links if str(job.uid) in page(link)]
    assert "last 24 hours" in page("/jobs/?q=queue:io+since:20d"), "queues are counted by the minute only"


def test_bars_stand_on_each_other_and_never_above_the_scale():
    for counts in ((1000, 1, 1), (0, 0, 1), (3, 0, 997)):
        parts = bars.stack(list(zip(bars.PARTS, counts, strict=True)), 1000)
        assert sum(float(part["height"]) for part in parts) <= 100.001
        assert all(float(part["y"]) >= -0.001 for part in parts) and len(parts) == sum(n > 0 for n in counts)
    assert bars.polyline([None, 1.0, None, 1.0]).count("M") == 2 and bars.polyline([None]) == ""


def test_a_series_of_nothing_is_all_zeros():
    found = series.to_dict(series.of("1h", kind="noop"), series.of("1h", kind="noop").ended)
    assert found["failure_rate"] is None and found["run_p50_s"] is None and len(found["buckets"]) == 60


def test_the_page_of_a_worker_draws_what_it_ended_in_the_last_hour():
    for name in ("w1@here", "w2@here"):
        Worker.objects.create(
            name=name, host="here", pid=1, queues=["default"], concurrency=1, seen_at=timezone.now(),
            started_at=timezone.now(),
        )  # fmt: skip
    for name, ends in (("w1@here", (True, True, False)), ("w2@here", (True,))):
        for well in ends:
            job = lifecycle.claim(lifecycle.submit("noop", {})[0].uid, name, 1)
            lifecycle.succeed(job, None) if well else lifecycle.fail(job, Failure("ValueError: no"))
    text = page("/workers/w1@here/")
    assert re.search(r"Succeeded <b[^>]*>2</b>", text) and re.search(r"Failed <b[^>]*>1</b>", text)
    assert "worker%3Aw1%40here" in text or "worker:w1@here" in text  # a bar narrows the search


def test_the_scale_of_times_fits_what_is_shown_on_it():
    assert bars.scale([0.3, 0.4]) == (0.1, 1.0)
    assert bars.scale([0.05, 400]) == (0.01, 600.0)
    assert bars.scale([]) == (0.1, 1.0)
    assert bars.scale([1.0]) == (1.0, 10.0)
    assert bars.scale([1e6]) == (86_400.0, 86_400.0) or bars.place(1e6, *bars.scale([1e6])) == 100
    assert bars.scale_marks(0.1, 10.0) == [{"y": "50.0", "words": "1 s"}, {"y": "0.0", "words": "10 s"}]


def test_each_line_of_times_lies_on_its_marks():
    ended(timedelta(minutes=5), ran=0.3)
    shown = page("/kinds/noop/?period=1h")
    ran = shown[shown.index('id="head-ran"') : shown.index('id="head-waited"')]
    assert re.findall(r"<text[^>]*>([^<]+)</text>", ran) == ["1 s", "10 s"]
