"""Programs that exist see no difference: with watched tasks in the table, everything means our own jobs as before."""

import json
import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from project import metrics
from tasks.access import actions
from tasks.access.models import Entry
from tasks.access.permissions import Actor
from tasks.alerts import findings
from tasks.alerts.models import Rule
from tasks.engine import lifecycle, notify
from tasks.engine.applications import OWN
from tasks.engine.errors import Failure, Refused
from tasks.engine.models import Job
from tasks.engine.transition import move
from tasks.kinds import upkeep
from tasks.observe import served
from tasks.observe.models import App, Order
from tasks.queries import board, gauges, stats
from tasks.search import bulk
from tasks.search.language import Query
from tasks.webhooks import outbox
from tasks.webhooks.models import Delivery, Endpoint
from tests.support.calls import call
from tests.support.people import person
from tests.support.routes import API
from tests.support.routes import actions as methods
from tests.support.watched_rows import one_of_each, watched

pytestmark = pytest.mark.django_db
AGES = re.compile(r'("(?:beat_age_s|oldest_s|as_of|age|at|handled_at)":)[^,}]*')
LISTS = sorted(
    route
    for route, said in API.items()
    if "GET" in methods(said) and "<" not in route and route not in ("", "apps/", "audit/")
)


def ours() -> list[Job]:
    """One job of ours that waits, one that runs, one that failed, one that succeeded."""
    alice = person("alice")
    jobs = [lifecycle.submit("noop", {}, owner=alice)[0] for _ in range(4)]
    _, failing, good = (lifecycle.claim(job.uid, "w1@here", 1) for job in jobs[1:])
    assert lifecycle.fail(failing, Failure("ValueError: x", "", "k"))
    assert lifecycle.succeed(good, None)
    return jobs


def everything(client: Client) -> dict[str, str]:
    stats.forget()
    found = {}
    for route in LISTS:
        for query in ("", "?limit=100"):
            answer = client.get(f"/api/v1/{route}{query}")
            if answer.status_code == 200 and not answer.streaming:
                found[route + query] = AGES.sub(r"\1", answer.getvalue().decode())
    found["board"] = AGES.sub(r"\1", json.dumps(board.board(), separators=(",", ":")))
    found["counts"] = str(served.counts([OWN], "1h"))
    found["gauges"] = str(gauges.kinds())
    return found


def signed_in() -> Client:
    client = Client()
    client.force_login(person("ada"))
    return client


@pytest.mark.long
def test_lists_and_counts_are_the_same_with_watched_tasks_in_the_table():
    ours()
    client = signed_in()
    before = everything(client)
    assert {"jobs/", "failures/", "stats/", "queues/", "workers/", "kinds/"} <= before.keys()
    one_of_each()
    one_of_each("crm", kind="noop")
    assert Job.every.count() == 4 + 16
    after = everything(client)
    assert {name for name in before if before[name] != after[name]} == set()


def test_a_watched_task_is_shown_where_it_is_asked_for():
    ours()
    task = watched("unknown", release="4.2")
    client = signed_in()
    detail = client.get(f"/api/v1/jobs/{task.uid}/").json()
    assert (detail["app"], detail["state"], detail["release"], detail["doubt_at"]) == ("shop", "unknown", "4.2", None)
    mine = client.get("/api/v1/jobs/").json()["results"]
    assert {job["app"] for job in mine} == {None}
    assert [job["id"] for job in board.board(apps=True)["jobs"] if job["app"]] == [str(task.uid)]


def test_no_verb_moves_a_watched_task():
    tasks = one_of_each()
    before = list(Job.every.order_by("id").values())
    for task in tasks:
        for verb in (lifecycle.cancel, lifecycle.retry, lifecycle.take_back):
            with pytest.raises((Job.DoesNotExist, Refused)):
                verb(task.uid, None)
        assert lifecycle.claim(task.uid, "w1@here", 1) is None
    assert move({"state": "failed"}, "id > 0 OR id < 0") == []
    Job.every.filter(state="scheduled").update(due_at="2020-01-01T00:00:00Z")
    before = list(Job.every.order_by("id").values())
    assert lifecycle.wake() == 0
    notify.resume("shop:celery")
    assert list(Job.every.order_by("id").values()) == before


def test_a_bulk_action_finds_our_own_jobs_only():
    ours()
    one_of_each()
    ada = person("ada")
    assert bulk.count(ada, "cancel", bulk.query_for("cancel", {"state": ["queued", "running"]}, "ada")) == (2, True)
    assert bulk.count(ada, "retry", bulk.narrow_to_action("retry", Query())) == (1, True)


def test_a_bulk_cancel_that_names_an_application_is_asked_of_its_workers():
    App.objects.create(name="shop", transport="redis", as_of=timezone.now())
    mine, theirs, other = ours(), one_of_each(), one_of_each("crm")
    bob = call("bob")

    def counted(action: str, **given: str) -> int:
        return bob.post("bulk/", {"action": action, "filter": given, "dry_run": True}).json()["count"]

    assert counted("cancel", app="shop") == 4, "what has not ended"
    assert counted("cancel", app="*") == 2 + 4 + 4
    assert counted("cancel", app="*", state="running") == 1 + 1 + 1
    assert counted("retry", app="*") == 1, "our own"
    for action in ("retry", "take_back"):
        refused = bob.post("bulk/", {"action": action, "filter": {"app": "shop"}, "dry_run": True})
        assert (refused.status_code, list(refused.json()["errors"])) == (400, ["filter.app"])
        assert "our own jobs" in bob.client.get(f"/jobs/bulk/?action={action}&q=app:shop").content.decode()
    filters = {"app": ["shop"]}
    own, _ = actions.bulk(Actor.of(person("bob")), "cancel", filters)
    Job.every.exclude(app="").update(created_at=own.created_at)
    assert [*bulk.act(own, "cancel", bulk.query_for("cancel", filters, "bob"))][-1] == (4, 0)
    asked = Order.objects.values_list("job", "order")
    live = [task for task in theirs if task.state in Job.LIVE]
    assert set(asked) == {(task.uid, "terminate" if task.state == "running" else "cancel") for task in live}
    assert Entry.objects.filter(action__startswith="watched.", who="bob", via="shell").count() == 4
    assert not Job.every.filter(pk__in=[job.pk for job in (*mine, *other)], cancel_requested_at__isnull=False).exists()
    assert sum(part["n"] for part in bulk.outcome(own.uid)) == 4
    assert counted("cancel", app="shop", q=f"batch:{own.uid}") == 4, "asked, and not yet confirmed"


def test_a_watched_task_that_cannot_be_cancelled_is_counted_as_refused():
    app = App.objects.create(name="shop", transport="redis", as_of=timezone.now())
    watched("queued")
    filters = {"app": ["*"], "state": ["queued"]}
    own, _ = actions.bulk(Actor.of(person("bob")), "cancel", filters)
    App.objects.filter(pk=app.pk).update(watched=False)
    job = lifecycle.submit("noop", {}, owner=person("alice"))[0]
    Job.every.exclude(pk=own.pk).update(created_at=own.created_at)
    assert [*bulk.act(own, "cancel", bulk.query_for("cancel", filters, "bob"))][-1] == (1, 1)
    assert Job.objects.get(pk=job.pk).state == "cancelled"


def test_metrics_and_roll_ups_count_our_own_jobs():
    ours()
    counted = upkeep.counted(*span())
    names = sorted(family.name for family in metrics.rows())
    before = [str(family.samples) for family in metrics.rows() if "oldest" not in family.name]
    one_of_each()
    one_of_each("crm")
    assert sorted(family.name for family in metrics.rows()) >= names
    assert [
        str(family.samples) for family in metrics.rows() if "oldest" not in family.name and "app" not in family.name
    ] == before
    assert len(upkeep.counted(*span())) == len(counted)


def span():
    end = stats.floor(lifecycle.now(), stats.MINUTE) + stats.MINUTE
    return end - 2 * stats.MINUTE, end


def test_webhooks_get_messages_about_our_own_jobs_only_unless_they_name_an_application():
    alice = person("alice")
    for name, apps in (("old", []), ("shop", ["shop"]), ("all", ["*"]), ("both", ["own", "shop"])):
        Endpoint.objects.create(name=name, url="https://example.org/", secret=outbox.make_secret(), apps=apps)
    task, job = watched("failed"), lifecycle.submit("noop", {}, owner=alice)[0]
    Delivery.objects.all().delete()
    outbox.queue_deliveries([task])
    assert heard() == ["all", "both", "shop"]
    Delivery.objects.all().delete()
    outbox.queue_deliveries([job])
    assert heard() == ["all", "both", "old"]


def heard() -> list[str]:
    return sorted(Delivery.objects.values_list("endpoint__name", flat=True))


def test_chores_of_pruning_leave_watched_tasks_to_the_observer():
    long_ago = "2020-01-01T00:00:00Z"
    for task in one_of_each():
        Job.every.filter(pk=task.pk).update(created_at=long_ago, finished_at=task.finished_at and long_ago)
    for old in upkeep.expired_jobs(lifecycle.now()):
        assert not old.exists()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="of SQLite, which has no statistics to choose by")
def test_own_lists_and_counts_are_read_from_indexes_that_leave_watched_tasks_out():
    ours()
    one_of_each()
    with CaptureQueriesContext(connection) as asked:
        board.board()
        board.board(apps=True)
        call("ada").get("jobs/")
    scanned = []
    for each in asked:
        if each["sql"].startswith("SELECT") and '"tasks_job"' in each["sql"]:
            with connection.cursor() as cursor:
                cursor.execute("EXPLAIN QUERY PLAN " + each["sql"].replace("%", "%%"))
                scanned += [(row[3], each["sql"]) for row in cursor.fetchall() if row[3].startswith("SCAN tasks_job")]
    allowed = ("job_queued", "job_running", "job_due", "job_own")
    assert [found for found in scanned if not any(name in found[0] for name in allowed)] == []


def test_an_alert_rule_looks_at_our_own_jobs_unless_it_names_an_application():
    rules = {name: Rule.objects.create(watch="failures", times=0, apps=apps) for name, apps in RULES.items()}
    watched("failed")
    watched("queued")
    now = timezone.now()
    found = {name for name, rule in rules.items() if findings.find(rule, now)}
    assert found == {"shop", "all"}
    Rule.objects.update(watch="waiting", seconds=1)
    rules = {name: Rule.objects.get(pk=rule.pk) for name, rule in rules.items()}
    assert {name for name, rule in rules.items() if findings.find(rule, now)} == {"shop", "all"}


RULES = {"old": [], "own": ["own"], "shop": ["shop"], "crm": ["crm"], "all": ["*"]}


def test_the_newest_failures_that_the_board_keeps_are_of_watched_tasks_too(monkeypatch):
    monkeypatch.setattr(gauges, "FAILED", 3)
    own = lifecycle.submit("noop", {})[0]
    lifecycle.fail(lifecycle.claim(own.uid, "w@h", 1), Failure("ValueError: ours", "", ""))
    old = [watched("failed") for _ in range(5)]
    found = [job["id"] for job in gauges.failures()]
    assert found == [str(job.uid) for job in old[:1:-1]] + [str(own.uid)]
