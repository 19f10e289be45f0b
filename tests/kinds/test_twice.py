"""Every kind that comes with Signalbox, run twice: the same end state. A kind without an example here is found out."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from tasks.channels.models import Notification
from tasks.engine import lifecycle, registry
from tasks.engine.celery_app import app
from tasks.engine.models import Job, Minute
from tasks.kinds.checks.models import Observation, Service
from tasks.kinds.feeds.models import Entry, Feed
from tasks.kinds.images import storing
from tasks.kinds.images.models import Collection, Image
from tests.kinds.test_feeds_documents import RSS
from tests.support.origins import reply
from tests.support.people import person
from tests.support.pictures import collection_of, zipped
from tests.support.receivers import channel, receiver
from tests.support.runs import again, perform
from tests.support.serving import serving

pytestmark = pytest.mark.django_db(transaction=True)
Example = tuple[dict[str, Any], Callable[[], Any]]  # parameters, and what tells the state that the kind leaves


@pytest.fixture(autouse=True)
def surroundings(settings, tmp_path, servers, monkeypatch) -> Path:
    settings.SIGNALBOX_HOME = tmp_path
    settings.SIGNALBOX_ALLOW_NETWORKS = [ip_network("127.0.0.1/32")]
    if servers.database_url:
        monkeypatch.setenv("PATH", str(Path(servers.createdb[0]).parent), prepend=":")
    return tmp_path


@contextmanager
def nothing(home: Path, **params: Any) -> Iterator[Example]:
    yield params, lambda: None


@contextmanager
def send_notification(home: Path) -> Iterator[Example]:
    with receiver() as site:
        line = channel(site.url.replace("http", "json"))
        row = Notification.objects.create(channel=line, about="info", title="t", body="b", created_at=timezone.now())
        yield {"notification": str(row.uid)}, lambda: (len(site.received), [*Notification.objects.values()])


@contextmanager
def site_sizes(home: Path) -> Iterator[Example]:
    with serving(reply(b"x" * 10)) as site:
        yield {"addresses": [site.url] * 3}, lambda: None


@contextmanager
def fetch_feed(home: Path) -> Iterator[Example]:
    with serving(reply(RSS)) as site:
        feed = Feed.objects.create(url=site.url)
        columns = ("title", "status", "problem", "changed_at", "subscribers")
        yield {"feed": str(feed.uid)}, lambda: [*Feed.objects.values(*columns), *Entry.objects.order_by("pk").values()]


@contextmanager
def match_images(home: Path) -> Iterator[Example]:
    collection = Collection(name="twice")
    storing.keep_archive(collection, [zipped(collection_of(4))])
    collection.save()

    def state() -> list:
        for part in Job.objects.filter(parent__isnull=False, state="queued"):
            perform(part)
        files = sorted(str(path) for path in collection.home.rglob("*") if path.is_file())
        jobs = Job.objects.filter(parent__isnull=False).values_list("uid", "state")
        return [*Image.objects.order_by("pk").values(), files, sorted(jobs)]

    yield {"collection": str(collection.uid)}, state


@contextmanager
def match_part(home: Path) -> Iterator[Example]:
    with match_images(home) as (params, state):
        perform(lifecycle.submit("match_images", params)[0])
        Job.objects.filter(kind="match_part").delete()  # ours is the one that does it
        yield {**params, "part": 1}, state


@contextmanager
def check_health(home: Path) -> Iterator[Example]:
    with serving(reply()) as site:
        yield (
            {"url": site.url},
            lambda: [
                *Service.objects.values("url", "status", "since"),
                *Observation.objects.values("job", "up", "http_status"),
            ],
        )


@contextmanager
def back_up_database(home: Path) -> Iterator[Example]:
    yield {"keep": 2}, lambda: sorted(path.name for path in (home / "backups").iterdir())


@contextmanager
def bulk_action(home: Path) -> Iterator[Example]:
    jobs = [lifecycle.submit("noop", {}, owner=person("bob"))[0].pk for _ in range(3)]
    state = Job.objects.filter(pk__in=jobs).order_by("pk")
    yield (
        {"action": "cancel", "filter": {"state": ["queued"], "kind": ["noop"]}},
        lambda: list(state.values("state", "version")),
    )


@contextmanager
def prune(home: Path) -> Iterator[Example]:
    old = timezone.now() - timedelta(days=400)
    for state in ("succeeded", "failed"):
        Job.objects.create(kind="noop", queue="default", state=state, created_at=old, finished_at=old)
    yield {}, lambda: Job.objects.exclude(kind="prune").count()


@contextmanager
def roll_up(home: Path) -> Iterator[Example]:
    then = timezone.now() - timedelta(minutes=5)
    Job.objects.create(kind="noop", queue="default", state="succeeded", created_at=then, finished_at=then)
    yield {}, lambda: list(Minute.objects.values())


EXAMPLES: dict[str, Callable[[Path], Any]] = {
    "noop": nothing,
    "countdown": lambda home: nothing(home, seconds=0, steps=2),
    "send_notification": send_notification,
    "site_sizes": site_sizes,
    "fetch_feed": fetch_feed,
    "match_images": match_images,
    "match_part": match_part,
    "check_health": check_health,
    "back_up_database": back_up_database,
    "bulk_action": bulk_action,
    "prune": prune,
    "roll_up": roll_up,
    "collect_results": lambda home: nothing(home, results=[1, 2]),
    "map_task": lambda home: nothing(home, task="add", it=[1, 2]),
    "starmap_task": lambda home: nothing(home, task="add", it=[[1, 2]]),
}


def test_every_kind_has_an_example():
    ours = {kind.name for kind in registry.kinds() if app.tasks[kind.name].run.__module__.startswith("tasks.")}
    assert ours == EXAMPLES.keys()


@pytest.mark.long
@pytest.mark.parametrize("name", EXAMPLES)
def test_run_twice_it_leaves_the_same_state(name, surroundings):
    with EXAMPLES[name](surroundings) as (params, state):
        job = perform(lifecycle.submit(name, params, owner=person("bob"))[0])
        assert job.state == "succeeded", job.error
        once = state()
        second = again(job)
        assert second.state == "succeeded", second.error
        assert state() == once
        assert job.progress_total == 0 or job.progress_done == job.progress_total
