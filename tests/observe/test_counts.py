"""``app=`` of counts, queues and workers: our own without it, an application's with its name, everything with ``*``."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tasks.engine import lifecycle
from tasks.engine.models import Worker
from tasks.observe.models import App, WatchedQueue, WatchedWorker
from tasks.queries import stats
from tests.observe.test_api import shop
from tests.observe.test_charts import lives
from tests.observe.test_guard import watcher
from tests.support.calls import call
from tests.support.watched_rows import watched

pytestmark = pytest.mark.django_db(transaction=True)
PARTS = ("stats/", "queues/", "workers/")


@pytest.fixture(autouse=True)
def without_memory():
    stats.forget()


def asked(path: str, app: str | None = None):
    answer = call("vera").get(path + (f"?app={app}" if app else ""))
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_counts_are_our_own_unless_an_application_is_named():
    lives(watcher("shop"), "succeeded", "failed", kind="pay")
    lives(watcher("crm"), "succeeded", kind="mail")
    for state in ("queued", "running", "running", "retrying"):
        watched(state)
    lifecycle.submit("noop", {})
    own, of_shop, every = (asked("stats/", app) for app in (None, "shop", "*"))
    assert own["now"] == {"scheduled": 0, "queued": 1, "running": 0, "retrying": 0} and own["kinds"] == []
    assert own == asked("stats/", "own") and sum(own["last_hour"].values()) == 0
    assert of_shop["now"] == {"scheduled": 0, "queued": 1, "running": 2, "retrying": 1}
    assert of_shop["last_hour"] == {"succeeded": 1, "failed": 1, "cancelled": 0}
    assert every["now"] == {"scheduled": 0, "queued": 2, "running": 2, "retrying": 1}
    assert every["last_hour"] == {"succeeded": 2, "failed": 1, "cancelled": 0}
    for found in (of_shop, every):
        assert [bar["at"] for bar in found["buckets"]] == [bar["at"] for bar in own["buckets"]]
        assert {end: sum(bar[end] for bar in found["buckets"]) for end in found["last_hour"]} == found["last_hour"]
    assert [row["kind"] for row in of_shop["kinds"]] == ["pay"]
    assert [row["kind"] for row in every["kinds"]] == ["mail", "pay"] and every["kinds"][1]["run_p50_s"] > 0
    assert call("vera").get("stats/?app=shop&period=30d").json()["buckets"][-1]["succeeded"] == 1


def test_queues_of_an_application_have_the_shape_of_our_own():
    app = shop()
    now = timezone.now()
    WatchedQueue.objects.create(app=app, name="mail", depth=7, unacknowledged=1, consumers=1, seen_at=now)
    WatchedWorker.objects.filter(name="w1@host").update(queues=["celery", "mail"])
    watched("queued")
    watched("running", queue="shop:celery", started_at=now - timedelta(seconds=5))
    watched("succeeded", queue="shop:celery", started_at=now - timedelta(seconds=9))
    watched("queued", app="crm", queue="crm:celery")
    own, of_shop, every = (asked("queues/", app)["results"] for app in (None, "shop", "*"))
    assert [row["name"] for row in of_shop] == ["shop:celery", "shop:mail"]
    celery, mail = of_shop
    assert celery.pop("oldest_s") >= 119
    assert celery == {
        "name": "shop:celery",
        "paused": False,
        "queued": 1,
        "running": 1,
        "started_per_min": 2,
        "workers": 1,
    }
    assert (mail["queued"], mail["oldest_s"], mail["running"], mail["workers"]) == (7, None, 0, 1)
    assert set(own[0]) == set(mail) and not any(":" in row["name"] for row in own)
    assert sorted(row["name"] for row in every) == sorted([row["name"] for row in own + of_shop])


def test_workers_of_an_application_have_the_shape_of_our_own():
    shop()
    now = timezone.now()
    Worker.objects.create(
        name="own@host", host="host", pid=3, queues=["default"], concurrency=1, seen_at=now, started_at=now
    )
    task = watched("running")
    own, of_shop, every = (asked("workers/", app)["results"] for app in (None, "shop", "*"))
    assert [row["name"] for row in own] == ["own@host"]
    assert [(row["name"], row["alive"], row["running"]) for row in of_shop] == [
        ("shop:old@host", False, []), ("shop:w1@host", True, [str(task.uid)]), ("shop:w2@host", True, []),
    ]  # fmt: skip
    assert set(of_shop[0]) == set(own[0]) and [row["name"] for row in every] == [
        "own@host", *(row["name"] for row in of_shop)
    ]  # fmt: skip
    [first] = call("vera").get("workers/?app=*&limit=1").json()["results"]
    assert first["name"] == "own@host"


@pytest.mark.parametrize("path", PARTS)
def test_an_application_that_nobody_watches_is_named_as_wrong(path):
    App.objects.create(name="shop", transport="redis")
    answer = call("vera").get(f"{path}?app=shpo")
    assert answer.status_code == 400 and answer.json()["errors"] == {"app": ["No application of that name is watched."]}
