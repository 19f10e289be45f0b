"""As tests/project/test_bad_rows.py, of the tables that stand beside jobs: watched applications, channels, people."""

import logging
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import models

from tasks.access.models import Entry, ShareLink
from tasks.alerts.models import Pending
from tasks.channels.models import Channel, Notification
from tasks.engine import sealing
from tasks.engine.models import Effect, Job
from tasks.failures.models import Snoozed
from tasks.kinds import upkeep
from tasks.monitor.models import Rollout
from tasks.observe.models import App, EndedBar, Gap, Order, WatchedQueue
from tasks.observe.watcher import Watcher
from tasks.people.models import Identity, Invitation
from tasks.queries import stats
from tasks.schedules.models import Beat
from tests.observe.test_api import shop
from tests.project.test_bad_rows import Walk, failed, job, now
from tests.support.bad_rows import bad_rows
from tests.support.people import person
from tests.support.watched_rows import watched

pytestmark = pytest.mark.django_db(transaction=True)


def app() -> App:
    if not App.objects.exists():
        shop()
    return App.objects.get(name="shop")


def ended() -> EndedBar:
    at = stats.floor(now() - timedelta(hours=2), timedelta(minutes=15))
    nothing = upkeep.empty_bars()
    return EndedBar.objects.create(app=app(), minutes=15, at=at, kind="a", outcome="succeeded", n=1, **nothing)


def gap() -> Gap:
    return Gap.objects.create(app=app(), begin=now() - timedelta(minutes=9), until=now(), unseen=3, why="the net")


def order() -> Order:
    task = watched("running")
    return Order.objects.create(app=app(), order="terminate", asked_at=now(), job=task.uid, who="ada")


def channel() -> Channel:
    return Channel.objects.create(
        name="ops", sealed=sealing.seal({"url": "json://127.0.0.1:9/"}), service="JSON", owner=person("ada")
    )


def notification() -> Notification:
    columns = {"about": "failure", "title": "t", "body": "b", "created_at": now(), "finished_at": now()}
    return Notification.objects.create(channel=channel(), status="failed", tries=[], **columns)


def invitation() -> Invitation:
    later = now() + timedelta(days=1)
    return Invitation.objects.create(digest="d", role="viewer", made_by="ada", expires_at=later)


def entry(made: Job) -> Entry:
    return Entry.objects.create(who="ada", via="session", action="cancel", target=str(made.uid), outcome="done")


def share() -> ShareLink:
    return ShareLink.objects.create(job=job(), owner=person("ada"), expires_at=now() + timedelta(days=1))


def snooze() -> Snoozed:
    made = failed()
    return Snoozed.objects.create(kind=made.kind, key=made.error_key, until=now(), at=now(), by="bob")


GOOD: dict[str, dict[str, Callable[[], models.Model]]] = {
    "watched applications": {
        "a worker": lambda: app().workers.first(),
        "a queue": lambda: WatchedQueue.objects.get_or_create(app=app(), name="celery", defaults={"seen_at": now()})[0],
        "a gap": gap,
        "a bar": ended,
        "an order": order,
        "a task that failed": lambda: watched("failed"),
        "a task that runs": watched,
        "an application": app,
    },
    "channels and people": {
        "a channel": channel,
        "a notification": notification,
        "an invitation": invitation,
        "an identity": lambda: Identity.objects.create(issuer="i", subject="s", user=person("bob"), seen_at=now()),
        "an entry": lambda: entry(job()),
        "a link": share,
    },
    "marks and chores": {
        "a snooze": snooze,
        "a condition": lambda: Pending.objects.create(key="k", since=now()),
        "a release": lambda: Rollout.objects.create(release="r1", at=now()),
        "a beat": lambda: Beat.objects.create(name="b@h", started_at=now(), seen_at=now()),
        "an effect": lambda: Effect.objects.create(job=job(), name="mail", at=now()),
    },
}
PAGES = [
    "/apps/", "/apps/shop/", "/channels/", "/people/", "/audit/", "/account/",
    "/jobs/?q=app:shop", "/charts/?app=shop", "/workers/",
]  # fmt: skip
LISTS = [
    "apps/", "apps/shop/", "apps/shop/orders/", "jobs/?app=*", "workers/?app=*", "queues/?app=*", "stats/?app=shop",
    "channels/", "tokens/",
]  # fmt: skip
ONES = {
    Job: ["/jobs/{}/"],
    Channel: ["/channels/{}/", "/channels/{}/change/", "/api/v1/channels/{}/"],
    Order: ["/api/v1/apps/shop/orders/{}/"],
}


def begin_to_watch(watched_app: App) -> None:
    watcher = Watcher(watched_app, lambda hosts: None)
    watcher.reload()
    watcher.doubt(now().timestamp() + 60)
    watcher.write()


@pytest.mark.long
@pytest.mark.parametrize("about", GOOD)
def test_every_walk_goes_on_beside_rows_that_nobody_here_wrote(about, monkeypatch, caplog):
    caplog.set_level(logging.CRITICAL)
    monkeypatch.setattr(upkeep, "REST", 0)
    app()
    walk = Walk()
    for make in GOOD[about].values():
        row = make()
        bad = [each.key for each in bad_rows(row)]
        if isinstance(row, Entry):
            walk.ask(f"/jobs/{row.target}/")
        for address in ONES.get(type(row), ()):
            for uid in [row.uid, *walk.uids(row, bad)]:
                walk.ask(address.format(uid), (200, 302, 404))
    walk.everything(PAGES, LISTS)
    walk.do("an observer begins", lambda: begin_to_watch(App.objects.get(name="shop")))
    assert walk.wrong == [], "\n" + "\n".join(walk.wrong)
