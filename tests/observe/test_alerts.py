"""Rules that name a watched application: made by the form, and looked at with its tasks and workers."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tasks.alerts import evaluate
from tasks.alerts.models import Rule
from tasks.engine import lifecycle
from tasks.engine.errors import Failure
from tasks.engine.models import Worker
from tasks.observe.models import App, WatchedWorker
from tests.support.calls import call
from tests.support.people import person
from tests.support.watched_rows import watched

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def shop(transactional_db):
    Rule.objects.all().delete()
    watched("failed")
    return App.objects.create(name="shop", transport="redis")


def looked() -> list[str]:
    evaluate.evaluate()
    return [alert.sentence for alert in evaluate.open_alerts()]


def worker(app: App, name: str, **more) -> None:
    ago = timezone.now() - timedelta(hours=1)
    row = {"pid": 7, "since": ago, "seen_at": ago, "silent_since": ago} | more
    WatchedWorker.objects.create(app=app, name=name, **row)


@pytest.mark.parametrize(
    ("apps", "lost"), [([], ["ours"]), (["shop"], ["shop:w1@host"]), (["*"], ["ours", "shop:w1@host"])]
)
def test_a_worker_that_is_lost_is_ours_or_one_of_the_application_that_a_rule_names(shop, apps, lost):
    worker(shop, "w1@host")
    worker(shop, "stopped@host", stopped_at=timezone.now())
    worker(shop, "alive@host", seen_at=timezone.now(), silent_since=None)
    ago = timezone.now() - timedelta(hours=1)
    Worker.objects.create(name="ours", host="h", pid=1, queues=["default"], concurrency=1, seen_at=ago, started_at=ago)
    Rule.objects.create(watch="worker", apps=apps)
    assert [sentence.split()[1] for sentence in sorted(looked())] == lost


def test_the_form_offers_the_applications_and_the_rule_counts_their_failures():
    client = Client()
    client.force_login(person("bob"))
    form = {"watch": "failures", "kind": "", "times": 0, "minutes": 10, "queue": "", "schedule": "", "seconds": 60}
    form |= {"apps": ["shop"], "enabled": "on", "quiet_zone": "UTC"}
    assert b'value="shop"' in client.get("/alerts/rules/new/").content
    answer = client.post("/alerts/rules/new/", form)
    assert answer.status_code == 302, answer.content
    assert Rule.objects.get().apps == ["shop"]
    assert looked() == ["shop.tasks.pay of shop: 1 failure in 10 min (limit 0)"]
    wrong = client.post("/alerts/rules/new/", form | {"apps": ["nobody"]})
    assert (wrong.status_code, Rule.objects.count()) == (422, 1)


def test_a_kind_of_the_same_name_there_is_an_alert_of_its_own(shop):
    job = lifecycle.submit("noop", {})[0]
    lifecycle.fail(lifecycle.claim(job.uid, "w@h", 1), Failure("ValueError: ours"))
    for _ in range(3):
        watched("failed", kind="noop")
    watched("failed", "billing", kind="noop")
    Rule.objects.create(watch="failures", apps=["*"], times=0, minutes=10, kind="noop")
    assert sorted(looked()) == [
        f"{about} in 10 min (limit 0)"
        for about in ("noop of billing: 1 failure", "noop of shop: 3 failures", "noop: 1 failure")
    ]


@pytest.mark.parametrize(
    ("path", "body"),
    [("alerts/rules/", {"watch": "failures"}), ("webhooks/", {"url": "https://hooks.example.org/"})],
)
def test_the_name_of_an_application_is_a_text(path, body):
    refused = call("ada").post(path, body | {"apps": [5]})
    assert (refused.status_code, list(refused.json()["errors"])) == (400, ["apps.0"])
