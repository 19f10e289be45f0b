"""One row that cannot be read stops nothing: every page, list, chore and process goes on, and the row is named.

For each table a good row is made by the product, and beside it one bad row for each column and sort of nonsense.
"""

import logging
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import models
from django.test import Client
from django_celery_beat.models import PeriodicTask

from live import reads
from project import beat
from tasks.alerts import evaluate
from tasks.alerts.models import Alert, Rule
from tasks.engine import lifecycle, notify
from tasks.engine.celery_app import app
from tasks.engine.errors import Failure
from tasks.engine.models import Bar, Job, LogLine, Minute, Queue, Worker
from tasks.failures.models import Handled, Merged
from tasks.kinds import upkeep
from tasks.kinds.checks.models import Observation, Service
from tasks.kinds.feeds.models import Entry, Feed
from tasks.kinds.images.models import Collection, Image
from tasks.queries import board, gauges, stats
from tasks.schedules import actions
from tasks.schedules.models import Run, Schedule
from tasks.search import finder
from tasks.webhooks import sender
from tasks.webhooks.models import Delivery, DeliveryAttempt, Endpoint
from tasks.worker import sweep
from tests.support.bad_rows import bad_rows
from tests.support.calls import call
from tests.support.people import person
from tests.support.receivers import endpoint
from tests.support.runs import run

pytestmark = pytest.mark.django_db(transaction=True)


def now() -> datetime:
    return datetime.now(UTC)


def job() -> Job:
    return lifecycle.submit("noop", {}, owner=person("alice"))[0]


def failed() -> Job:
    return lifecycle.fail(lifecycle.claim(job().uid, "w@h", 1), Failure.of(ValueError("no")))


def schedule(timing: dict[str, Any] | None = None) -> Schedule:
    return actions.create(f"good {uuid.uuid4()}", "noop", {}, timing or actions.every(60), owner=person("alice"))


def delivery() -> Delivery:
    made = endpoint("http://127.0.0.1:9/")
    lifecycle.cancel(job().uid)
    return Delivery.objects.filter(endpoint=made).first()


def tried() -> DeliveryAttempt:
    made = delivery()
    return DeliveryAttempt.objects.create(delivery=made, number=1, at=now(), seconds=1.0, code=500)


def minute() -> Minute:
    run("noop")
    Job.objects.update(finished_at=now() - timedelta(minutes=10))
    run("roll_up")
    return Minute.objects.get()


def bar() -> Bar:
    at = stats.floor(now() - timedelta(hours=2), timedelta(minutes=15))
    return Bar.objects.create(minutes=15, at=at, kind="noop", outcome="succeeded", n=1, **upkeep.empty_bars())


def alert() -> Alert:
    evaluate.open_alert("key", "worker", "w", "The worker w is lost.", Rule.objects.first())
    return Alert.objects.get()


def image() -> Image:
    row = Collection.objects.create(name="Trip", folder="/srv/a")
    return Image.objects.create(collection=row, sha256="0" * 64, path="a.jpg", bytes=1, completed_at=now())


def observation() -> Observation:
    return Service.objects.get_or_create(url="http://a.test/")[0].observe(uuid.uuid4(), now(), True, seconds=0.1)


def entry() -> Entry:
    feed, _ = Feed.objects.get_or_create(url="http://a.test/feed")
    return Entry.objects.create(feed=feed, entry_id="1", digest="1", title="One", at=now())


def worker() -> Worker:
    return Worker.objects.create(name="w@h", host="h", pid=1, queues=["default"], seen_at=now(), started_at=now())


def handled() -> Handled:
    made = failed()
    return Handled.objects.create(kind=made.kind, key=made.error_key, until=now(), at=now(), by="bob")


def of_schedule(name: str) -> Callable[[], models.Model]:
    timings = {
        "interval": lambda: actions.every(60),
        "crontab": lambda: actions.crontab("0 4 * * *", "Europe/Berlin"),
        "clocked": lambda: actions.once(now() + timedelta(hours=1)),
    }
    return lambda: getattr(schedule(timings[name]()).periodic, name)


GOOD: dict[str, Callable[[], models.Model]] = {
    "a queued job": job,
    "a failed job": failed,
    "an attempt": lambda: failed().attempts.get(),
    "an ending": lambda: failed().endings.get(),
    "a log line": lambda: LogLine.objects.create(job=job(), seq=1, at=now(), text="hello"),
    "a schedule": schedule,
    "a periodic task": lambda: schedule().periodic,
    "an interval": of_schedule("interval"),
    "a crontab": of_schedule("crontab"),
    "a moment": of_schedule("clocked"),
    "a run": lambda: Run.objects.create(schedule=schedule(), slot="now 1", outcome="started", at=now()),
    "a rule": lambda: Rule.objects.create(watch="failures", owner=person("alice")),
    "an alert": alert,
    "an endpoint": lambda: endpoint("http://127.0.0.1:9/"),
    "a delivery": delivery,
    "a try": tried,
    "a minute": minute,
    "a bar": bar,
    "a worker": worker,
    "a queue": lambda: Queue.objects.create(name="io"),
    "a mark": handled,
    "a merged group": lambda: Merged.objects.create(kind="noop", key="a", into="b", at=now(), by="bob"),
    "a feed": lambda: Feed.objects.create(url="http://a.test/feed"),
    "an entry": entry,
    "a collection": lambda: Collection.objects.create(name="Trip", folder="/srv/a", owner=person("alice")),
    "an image": image,
    "a service": lambda: Service.objects.get_or_create(url="http://a.test/")[0],
    "an observation": observation,
}
WALKS = {  # what stands beside what in one walk
    "jobs": ("a queued job", "a failed job", "an attempt", "an ending", "a log line", "a mark", "a merged group"),
    "schedules": ("a schedule", "a periodic task", "an interval", "a crontab", "a moment", "a run"),
    "alerts and webhooks": ("a rule", "an alert", "an endpoint", "a delivery", "a try"),
    "counts and processes": ("a minute", "a bar", "a worker", "a queue"),
    "kinds": ("a feed", "an entry", "a collection", "an image", "a service", "an observation"),
}
LINKS = {"an interval": "interval", "a crontab": "crontab", "a moment": "clocked"}
ONES = {  # pages and resources of single rows, by their model
    Job: ["/jobs/{}/", "/jobs/{}/params/", "/jobs/{}/log/", "/api/v1/jobs/{}/", "/api/v1/jobs/{}/log/"],
    Schedule: [
        "/schedules/{}/", "/schedules/{}/change/", "/schedules/{}/delete/", "/api/v1/schedules/{}/",
        "/api/v1/schedules/{}/runs/",
    ],
    Rule: ["/alerts/rules/{}/", "/api/v1/alerts/rules/{}/"],
    Endpoint: ["/webhooks/{}/", "/webhooks/{}/change/", "/api/v1/webhooks/{}/", "/api/v1/webhooks/{}/deliveries/"],
    Delivery: ["/api/v1/deliveries/{}/"],
    Feed: ["/feeds/{}/", "/feeds/{}/change/", "/api/v1/feeds/{}/"],
    Collection: ["/collections/{}/", "/collections/{}/rename/", "/api/v1/collections/{}/"],
    Service: ["/checks/{}/"],
}  # fmt: skip
PAGES = [
    "/", "/jobs/", "/jobs/?q=state:failed", "/jobs/?q=hello", "/workers/", "/charts/", "/charts/?period=24h",
    "/charts/?period=30d", "/schedules/", "/alerts/", "/webhooks/", "/webhooks/callbacks/", "/failures/",
    "/failures/?show=handled", "/feeds/", "/collections/", "/checks/", "/audit/", "/account/", "/self-test/",
    "/metrics",
]  # fmt: skip
LISTS = [
    "kinds/", "jobs/", "jobs/?state=failed", "queues/", "workers/", "stats/", "stats/?period=24h", "stats/?period=30d",
    "schedules/", "alerts/", "alerts/rules/", "webhooks/", "failures/", "feeds/", "collections/", "tokens/",
]  # fmt: skip


class Walk:
    """All that reads rows. ``wrong``: what did not go on."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.client = Client(raise_request_exception=True)
        self.client.force_login(person("ada"), "django.contrib.auth.backends.ModelBackend")
        self.api = call("ada", "manage")

    def do(self, name: str, action: Callable[[], Any]) -> None:
        try:
            action()
        except Exception as error:
            at, last = error.__traceback__, None
            while at:
                where = at.tb_frame.f_code
                if "/site-packages/" not in where.co_filename:
                    last = f"{where.co_filename.rpartition('/')[2]}:{at.tb_lineno} {where.co_name}"
                at = at.tb_next
            self.wrong.append(f"{name}: {type(error).__name__}: {str(error)[:150]} ({last})")

    def ask(self, address: str, found: tuple[int, ...] = (200,)) -> None:
        def asked() -> None:
            headers = self.api.headers if address.startswith("/api/") else {}
            client = Client() if headers else self.client
            answer = client.get(address, headers=headers)
            assert answer.status_code in found, f"{answer.status_code} {answer.content[:200]!r}"

        self.do(address, asked)

    def everything(self, pages: Sequence[str] = (), lists: Sequence[str] = ()) -> None:
        stats.forget()
        board._shown = ({}, 0.0)
        for address in (*PAGES, *pages):
            self.ask(address)
        for name in (*LISTS, *lists):
            self.ask(f"/api/v1/{name}")
        self.do(
            "board of sockets",
            lambda: reads.read_all(
                [str(uuid.uuid4())], {"alerts", "apps", "failures", "schedules", "webhooks"}, set(), lambda visitors: {}
            ),
        )
        self.do("counts", lambda: reads.recount(set(gauges.NAMES)))
        self.do("marks", lambda: reads.read_marks(["alerts", "apps", "failures", "schedules", "webhooks"]))
        self.do("alerts", evaluate.evaluate)
        timekeeper = beat.Timekeeper(app=app, lazy=True)
        self.do("beat", lambda: (timekeeper._read(), timekeeper._settle(now() + timedelta(minutes=2))))
        reaper = sweep.Reaper()
        self.do("reaper", lambda: (reaper(), reaper()))
        self.do("wake", sweep.wake)
        self.do("dispatch", sweep.dispatch)
        self.do("sender", lambda: sender._turn([], {}, lambda busy, lane: 10))
        self.do("a job moves", lambda: lifecycle.succeed(lifecycle.claim(job().uid, "w@h", 1)))
        self.do("a queue rests", lambda: (notify.pause("default"), notify.resume("default")))
        self.do("search", lambda: finder.find(finder.Query.of({"q": ["hello"]}), Job.objects.all()))
        for chore in ("prune", "roll_up"):
            self.do(chore, lambda chore=chore: ran(chore))

    def uids(self, good: models.Model, keys: list[int]) -> list[Any]:
        found = []
        for key in keys:
            try:
                found.append(type(good)._base_manager.values_list("uid", flat=True).get(pk=key))
            except (ValueError, AttributeError):
                pass
        return found


def ran(chore: str) -> None:
    done = run(chore)
    assert done.state == "succeeded", done.error


def test_each_table_has_its_walk():
    assert sorted(name for names in WALKS.values() for name in names) == sorted(GOOD)


@pytest.mark.long
@pytest.mark.parametrize("about", WALKS)
def test_every_walk_goes_on_beside_rows_that_nobody_here_wrote(about, monkeypatch, caplog):
    caplog.set_level(logging.CRITICAL)
    monkeypatch.setattr(upkeep, "REST", 0)
    walk, good = Walk(), {name: GOOD[name]() for name in WALKS[about]}
    for name, row in good.items():
        bad = [each.key for each in bad_rows(row)]
        for key in bad if (link := LINKS.get(name)) else ():
            columns = {f"{link}_id": key, "task": "noop", "one_off": link == "clocked", "kwargs": "{}"}
            [periodic] = PeriodicTask.objects.bulk_create([PeriodicTask(name=f"of {link} {key}", **columns)])
            Schedule.objects.create(periodic_id=periodic.pk)
        for address in ONES.get(type(row), ()):
            for uid in [row.uid, *walk.uids(row, bad)]:
                walk.ask(address.format(uid), (200, 302, 404))
    walk.everything()
    assert walk.wrong == [], "\n" + "\n".join(walk.wrong)
