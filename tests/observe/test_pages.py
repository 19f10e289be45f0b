"""Pages of watched applications: the board, a task, the application itself, and what admins ask there."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tasks.engine import lifecycle
from tasks.engine.models import Job
from tasks.observe import knowledge
from tasks.observe import watched as watched_apps
from tasks.observe.models import App, Order, WatchedQueue
from tests.observe.test_api import shop
from tests.support.calls import call
from tests.support.people import person
from tests.support.watched_rows import one_of_each, watched

pytestmark = pytest.mark.django_db


def page(name: str, path: str) -> str:
    client = Client()
    client.force_login(person(name))
    answer = client.get(path)
    assert answer.status_code == 200, path
    return answer.content.decode()


def test_an_application_page_says_which_tasks_are_never_seen():
    shop()
    App.objects.update(unseen=3)
    html = page("vera", "/apps/shop/")
    assert "3 tasks began that nobody saw" in html and "Tasks with send_events=False are always among them" in html


def test_what_people_asked_of_a_task_is_said_in_words():
    shop()
    task = watched("running")
    call("bob").post(f"jobs/{task.uid}/cancel/", {})
    html = page("ada", f"/jobs/{task.uid}/")
    assert "asked its worker to terminate it" in html and "watched.terminate" not in html
    call("ada").post("apps/shop/orders/", {"order": "rate_limit", "kind": "shop.tasks.pay", "rate": "1/s"})
    html = page("ada", "/audit/")
    assert "asked to terminate" in html and "ordered" in html and ">watched." not in html


def test_the_board_shows_watched_tasks_with_a_mark_and_no_box_to_pick():
    shop()
    task = watched("running", doubt_at=timezone.now())
    mine, _ = lifecycle.submit("noop", {})
    html = page("bob", "/")
    assert f'data-job="{task.uid}"' in html and f'data-job="{mine.uid}"' in html
    row = html[html.index(f'data-job="{task.uid}"') :].split("</li>")[0]
    assert ">shop</span>" in row and "not confirmed since" in row
    assert 'type="checkbox"' not in row
    assert "live, 3 unseen" in html


def test_the_board_says_when_its_failures_are_only_the_newest():
    shop()
    for _ in range(19):
        watched("failed")
    assert ">newest " not in page("vera", "/")
    watched("failed")
    watched("failed")
    html = page("vera", "/")
    section = html[html.index('data-section="failed"') :].split("</section>")[0]
    assert section.count("data-job=") == 20 and ">newest 20<" in section


def test_an_unknown_task_has_its_own_lamp_and_word():
    shop()
    task = watched("unknown", error="Nobody knows it.")
    for html in (page("vera", "/"), page("vera", f"/jobs/{task.uid}/")):
        assert "#lamp-unknown" in html and ">Unknown</span>" in html
        assert "Nobody knows it." in html


def test_a_tasks_page_says_how_each_fact_is_known():
    shop()
    for arguments, said in (
        ("message", "real: from its message"),
        ("text", "text that the sender wrote"),
        (None, "no"),
    ):
        task = watched("running", headers={"arguments": arguments, "held_by": ""}, params={"args": "(1, 2)"})
        html = page("bob", f"/jobs/{task.uid}/")
        assert "How this is known" in html and said in html
        assert (">text</span>" in html) == (arguments != "message")
        assert "Cancel this job" in html
        for words in (">Run again<", ">Try again<", "Share…"):
            assert words not in html
    own, _ = lifecycle.submit("noop", {})
    assert "How this is known" not in page("bob", f"/jobs/{own.uid}/")


def test_a_cancel_on_the_page_is_an_order():
    shop()
    task = watched("queued")
    client = Client()
    client.force_login(person("bob"))
    answer = client.post(f"/jobs/{task.uid}/cancel/", {"reason": "late"}, follow=True)
    assert "Cancel requested, not confirmed yet" in answer.content.decode()
    assert Order.objects.get().order == "cancel"
    assert Job.every.get(pk=task.pk).state == "queued"


def test_the_page_of_an_application_says_what_is_seen():
    app = shop()
    one_of_each()
    WatchedQueue.objects.create(app=app, name="celery", depth=1234, seen_at=timezone.now())
    assert 'href="/apps/shop/"' in page("vera", "/apps/")
    html = page("vera", "/apps/shop/")
    for words in (
        "What is shown is 0.2 s behind",
        "1 of 2 workers sends events",
        "3 tasks began that nobody saw",
        "the next 1,000 waiting tasks",
        "nobody watched",
        "w1@host",
        "Alive since",
        "Stopped since",
        "1,234",
        "exact",
    ):
        assert words in html, words
    assert "Purge…" not in html and "Ask its workers" not in html
    html = page("ada", "/apps/shop/")
    assert "About 1,234 messages" in html and "Ask its workers" in html


def test_the_page_of_workers_lists_those_of_watched_applications(settings):
    app = shop()
    one_of_each()
    assert "head-watched" not in page("vera", "/workers/")
    settings.SIGNALBOX_OBSERVE = {"shop": None}
    WatchedQueue.objects.create(app=app, name="celery", depth=1234, consumers=2, seen_at=timezone.now())
    html = page("vera", "/workers/")
    assert 'data-news="apps"' in html
    row = html[html.index('data-key="shop:w1@host"') :].partition("</tr>")[0]
    for words in ('href="/apps/shop/#head-workers"', ">w1@host<", ">Alive<", ">shop<"):
        assert words in row, words
    row = html[html.index('data-key="shop:celery"') :].partition("</tr>")[0]
    assert ">1,234<" in row and ">2<" in row
    App.objects.update(as_of=timezone.now() - timedelta(minutes=5))
    html = page("vera", "/workers/")
    assert "nobody watches now" in html and ">Alive<" not in html[html.index("head-watched") :], (
        "nobody can vouch for it"
    )


def test_an_application_that_nobody_watches_says_so():
    app = shop()
    App.objects.update(as_of=timezone.now() - timedelta(minutes=5))
    assert "Nobody watches it now: what is shown is 29" in page("vera", "/apps/shop/")
    App.objects.update(watched=False)
    assert "no longer watched" in page("vera", "/apps/shop/")
    app.refresh_from_db()
    assert watched_apps.stats() == []
    assert knowledge.coverage(app, [])


def test_a_broker_that_cannot_be_heard_is_said_with_the_reason_and_nothing_is_claimed_of_its_workers():
    app = shop()
    App.objects.filter(pk=app.pk).update(
        as_of=timezone.now() - timedelta(seconds=40), note="AuthenticationError: invalid username-password pair"
    )
    said = page("vera", "/apps/shop/")
    assert "Its broker cannot be heard: what is shown is 39 s old. AuthenticationError: invalid" in said
    assert "Is manage.py observe running?" not in said and "send events" not in said
    assert said.count("AuthenticationError") == 1


def test_an_admin_asks_for_an_order_on_the_page():
    shop()
    client = Client()
    client.force_login(person("ada"))
    form = {"limits-order": "rate_limit", "limits-kind": "shop.tasks.pay", "limits-rate": "10/m", "limits-worker": ""}
    answer = client.post("/apps/shop/orders/limits/", form, follow=True)
    assert answer.status_code == 200
    assert Order.objects.get().values == {"kind": "shop.tasks.pay", "rate": "10/m"}
    assert "rate_limit" in answer.content.decode()
    wrong = client.post("/apps/shop/orders/limits/", form | {"limits-rate": ""})
    assert wrong.status_code == 422
    assert "It is missing." in wrong.content.decode()
    client.force_login(person("bob"))
    assert client.post("/apps/shop/orders/limits/", form).status_code == 403
    assert Order.objects.count() == 1


def test_a_purge_wants_the_name_of_the_queue_typed():
    app = shop()
    WatchedQueue.objects.create(app=app, name="celery", depth=7, seen_at=timezone.now())
    client = Client()
    client.force_login(person("ada"))
    client.post("/apps/shop/queues/celery/purge/", {"name": "celer"})
    assert not Order.objects.exists()
    client.post("/apps/shop/queues/celery/purge/", {"name": "celery"})
    assert (Order.objects.get().order, Order.objects.get().values) == ("purge", {"queue": "celery"})
    client.force_login(person("bob"))
    assert client.post("/apps/shop/queues/celery/purge/", {"name": "celery"}).status_code == 403


def test_the_jobs_page_finds_watched_tasks():
    task, mine = watched("unknown"), lifecycle.submit("noop", {})[0]
    html = page("vera", "/jobs/")
    assert f'data-job="{task.uid}"' in html and f'data-job="{mine.uid}"' in html
    html = page("vera", "/jobs/?q=state:unknown")
    assert f'data-job="{task.uid}"' in html and f'data-job="{mine.uid}"' not in html
    running = watched("running")
    assert f'data-job="{running.uid}"' in page("vera", "/jobs/?q=state:running")


def test_a_search_names_applications_and_workers():
    mine, task, other = lifecycle.submit("noop", {})[0], watched("running"), watched("unknown", "crm", release="4.2")

    def found(path: str) -> set[str]:
        answer = call("vera").get(f"jobs/?{path}")
        assert answer.status_code == 200, answer.content
        return {job["id"] for job in answer.json()["results"]}

    assert found("") == {str(mine.uid)}
    assert found("app=shop") == found("q=app:shop") == {str(task.uid)}
    assert found("app=*") == {str(job.uid) for job in (mine, task, other)}
    assert found("app=own") == {str(mine.uid)}
    assert found("app=*&worker=shop:w1@host") == {str(task.uid)}
    assert found("app=*&release=4.2") == found("q=app:* state:unknown") == found("app=crm") == {str(other.uid)}
    assert found("state=unknown") == set()
    assert found("app=shop&state=running") == {str(task.uid)}
