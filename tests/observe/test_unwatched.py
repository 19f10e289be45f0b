"""An application that was taken out of the setting: its rows stay, its open tasks become unknown, and that is said."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from tasks.engine import lifecycle
from tasks.engine.models import Job
from tasks.kinds import upkeep
from tasks.observe import observer, watched
from tasks.observe.models import App, Gap, expired_tasks
from tests.observe.test_api import shop
from tests.observe.test_pages import page
from tests.support.calls import call
from tests.support.watched import Watching, soon, wait_state
from tests.support.watched_rows import one_of_each
from tests.support.watched_rows import watched as task

pytestmark = pytest.mark.django_db(transaction=True)


def test_its_open_tasks_become_unknown_and_ended_ones_stay_as_they_were():
    shop()
    App.objects.create(name="crm", transport="redis")
    tasks = one_of_each()
    other, mine = task("running", "crm"), lifecycle.submit("noop", {})[0]
    assert observer.stop_watching({"crm"}) == ["shop"]
    states = {each.state: Job.every.get(pk=each.pk) for each in tasks}
    for was in ("scheduled", "queued", "running", "retrying"):
        assert states[was].state == "unknown", was
        assert states[was].error == "Its application is no longer watched."
        assert states[was].finished_at
    for was in ("succeeded", "failed", "cancelled", "unknown"):
        assert states[was].state == was
    assert (Job.every.get(pk=other.pk).state, Job.objects.get(pk=mine.pk).state) == ("running", "queued")
    assert observer.stop_watching({"crm"}) == []


def test_what_an_observer_of_before_still_writes_becomes_unknown_too():
    shop()
    observer.stop_watching(set())
    late = task("running")
    observer.settle_unwatched()
    assert Job.every.get(pk=late.pk).state == "unknown"


def test_pages_and_api_say_that_it_is_no_longer_watched():
    shop()
    running = task("running")
    observer.stop_watching(set())
    html = page("ada", "/apps/shop/")
    assert "no longer watched: it was taken out of SIGNALBOX_OBSERVE" in html
    assert "nobody watched" in html, "its gaps stay"
    assert "Alive since" not in html and "Last heard of" in html
    assert "Ask its workers" not in html and "sends events" not in html
    assert "No longer watched" in page("vera", "/apps/")
    assert "What is shown" not in html
    said = page("vera", f"/jobs/{running.uid}/")
    assert "no longer: what is shown is what was known on" in said and "Unknown" in said
    board = page("vera", "/")
    assert f'data-job="{running.uid}"' in board and 'href="/apps/shop/"' not in board
    [app] = call("vera").get("apps/").json()["results"]
    assert (app["workers"], app["events"], app["unseen"], len(app["gaps"])) == (0, "off", 3, 1)
    assert [job["id"] for job in call("vera").get("jobs/?app=shop").json()["results"]] == [str(running.uid)]
    refused = call("ada").post("apps/shop/orders/", {"order": "purge", "queue": "celery"})
    assert (refused.status_code, refused.json()["detail"]) == (409, "shop is no longer watched.")


def test_the_command_without_the_setting_says_what_is_no_longer_watched(settings, capsys):
    shop()
    settings.SIGNALBOX_OBSERVE = {}
    with pytest.raises(SystemExit) as stopped:
        call_command("observe", stdout=StringIO())
    assert stopped.value.code == 2
    assert "there is nothing to watch. No longer watched: shop." in capsys.readouterr().err
    assert not App.objects.get().watched


@pytest.mark.process
def test_an_application_that_comes_back_has_a_gap_and_its_tasks_again(new_shop):
    app = new_shop(worker_send_task_events=True)
    app.start()
    with Watching({"shop": app.broker}):
        running = app.send("sleep", 60)
        wait_state(running, "running")
    observer.stop_watching(set())
    assert Job.every.get(task_id=running).state == "unknown"
    with Watching({"shop": app.broker}):
        assert App.objects.get().watched
        wait_state(running, "running", seconds=20)
        soon(lambda: Gap.objects.filter(why="no observer ran").exists(), what="the gap")
    assert watched.app("shop")["workers"] == 1


def test_its_old_rows_are_pruned_by_the_chore(settings):
    settings.SIGNALBOX_KEEP_WATCHED_D = 7
    shop(watched=False)
    App.objects.create(name="crm", transport="redis")
    now = timezone.now()
    long_ago = now - timedelta(days=8)
    old, new = task("succeeded", finished_at=long_ago), task("succeeded")
    others = [task("succeeded", "crm", finished_at=long_ago), lifecycle.submit("noop", {})[0]]
    Job.every.filter(pk=others[1].pk).update(finished_at=long_ago, state="succeeded")
    assert upkeep.deleted_rows(expired_tasks(now), lambda: None) == 1
    assert set(Job.every.values_list("pk", flat=True)) == {new.pk, *(each.pk for each in others)}
    assert not Job.every.filter(pk=old.pk).exists()
