"""The socket sends watched tasks only to who asks for them."""

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from live import consumers, push
from tasks.engine import lifecycle
from tasks.engine.models import Job
from tasks.observe.models import App, EndedBar
from tests.observe.test_api import shop
from tests.support.live_hub import Tab, paced, running
from tests.support.live_parts import until
from tests.support.watched_rows import watched

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quick(settings, monkeypatch):
    paced(settings, monkeypatch, 0.2, 1, 20)


async def rows():
    def make():
        shop()
        at = timezone.now().replace(second=0, microsecond=0)
        EndedBar.objects.create(app=App.objects.get(name="shop"), minutes=1, at=at, kind="a", outcome="failed", n=7)
        return str(lifecycle.submit("noop", {})[0].uid), watched("running")

    return await sync_to_async(make)()


async def test_only_who_asks_for_apps_is_sent_watched_tasks():
    mine, task = await rows()
    async with running() as live:
        old, new = Tab(live).watch(), Tab(live)
        live.watch_board(new.mailbox, apps=True)
        await until(lambda: mine in old.page.jobs and {mine, str(task.uid)} <= new.page.jobs.keys())
        assert str(task.uid) not in old.page.jobs
        assert "apps" not in old.page.extras["stats"]
        [app] = new.page.extras["stats"]["apps"]
        assert app.keys() == {"name", "as_of", "lag_s", "unseen", "workers"}
        assert (app["name"], app["unseen"], app["workers"]) == ("shop", 3, 2)
        hours = [tab.page.extras["stats"]["last_hour"]["failed"] for tab in (old, new)]
        assert hours == [0, 7]
        assert (old.page.extras["stats"]["now"]["running"], new.page.extras["stats"]["now"]["running"]) == (0, 1)

        def doubt():
            Job.every.filter(pk=task.pk).update(version=task.version + 1, state="unknown")
            push.job_changed(Job.every.get(pk=task.pk).summary() | {"finished_at": "2026-11-28T10:00:00Z"})

        await sync_to_async(doubt)()
        await until(lambda: new.page.jobs[str(task.uid)]["state"] == "unknown")
        assert str(task.uid) not in old.page.jobs


async def test_a_hint_of_a_watched_task_reaches_only_who_asked():
    _, task = await rows()
    async with running() as live:
        old, new = Tab(live).watch(), Tab(live)
        live.watch_board(new.mailbox, apps=True)
        await until(lambda: str(task.uid) in new.page.jobs)
        live.picture.hints({"jobs": [task.summary() | {"version": task.version + 1, "error": "x"}]})
        await until(lambda: new.page.jobs[str(task.uid)]["error"] == "x")
        assert all(str(task.uid) not in text for text in old.texts)


async def test_without_a_watched_application_the_list_is_empty():
    await sync_to_async(lifecycle.submit)("noop", {})
    async with running() as live:
        new = Tab(live)
        live.watch_board(new.mailbox, apps=True)
        await until(lambda: "stats" in new.page.extras)
        assert new.page.extras["stats"]["apps"] == []


def test_apps_is_true_or_false():
    with pytest.raises(consumers.BadFrame, match='"apps" is true or false'):
        consumers.LiveConsumer()._board("watch", True, "yes")
