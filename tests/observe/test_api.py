"""Watched applications over HTTP: what is known of them, orders, and actions on their tasks that tell the truth."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tasks.access.models import Entry
from tasks.engine.models import Job
from tasks.observe import asking
from tasks.observe.models import App, Gap, Order, WatchedWorker
from tests.support.calls import call
from tests.support.watched_rows import watched

pytestmark = pytest.mark.django_db
REAL = {"params": {"args": [7], "kwargs": {}}, "headers": {"arguments": "message"}}


def shop(**more) -> App:
    now = timezone.now()
    app = App.objects.create(name="shop", transport="redis", as_of=now, lag_ms=200, unseen=3, **more)
    Gap.objects.create(app=app, begin=now - timedelta(minutes=2), until=now, unseen=3, why="nobody watched")
    for name, events, stopped in (("w1@host", "on", None), ("w2@host", "off", None), ("old@host", "on", now)):
        WatchedWorker.objects.create(
            app=app, name=name, pid=1, since=now, seen_at=now, events=events, stopped_at=stopped, base=0,
            pool="prefork:TaskPool",
        )  # fmt: skip
    return app


def test_an_application_is_shown_with_what_nobody_saw():
    shop()
    [app] = call("vera").get("apps/").json()["results"]
    assert app["lag_s"] >= 0.2
    assert app | {"as_of": None, "lag_s": None, "gaps": None} == {
        "name": "shop", "transport": "redis", "as_of": None, "lag_s": None, "events": "partly", "workers": 2,
        "unseen": 3, "gaps": None,
    }  # fmt: skip
    assert [(gap["unseen"], gap["why"], {"from", "until"} < gap.keys()) for gap in app["gaps"]] == [
        (3, "nobody watched", True)
    ]
    one = call("vera").get("apps/shop/").json()
    assert one | {"lag_s": None} == app | {"lag_s": None}
    assert call("vera").get("apps/none/").status_code == 404


def test_an_order_is_written_for_the_observer_and_audited():
    shop()
    ada = call("ada")
    answer = ada.post("apps/shop/orders/", {"order": "rate_limit", "kind": "shop.tasks.pay", "rate": "10/m"})
    assert answer.status_code == 201
    assert (answer.json()["state"], answer.json()["answers"]) == ("asked", [])
    order = Order.objects.get()
    assert (order.order, order.values, order.who) == ("rate_limit", {"kind": "shop.tasks.pay", "rate": "10/m"}, "ada")
    assert ada.get(f"apps/shop/orders/{order.uid}/").json() == answer.json()
    assert Entry.objects.get(action="watched.rate_limit", outcome="done").target == "shop rate_limit"
    Order.objects.update(stage="answered", answers=[{"worker": "w1@host", "said": "ok"}])
    [found] = ada.get("apps/shop/orders/").json()["results"]
    assert (found["state"], found["answers"]) == ("answered", [{"worker": "w1@host", "said": "ok"}])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"order": "reboot"}, "order"),
        ({"order": "rate_limit", "kind": "k"}, "rate"),
        ({"order": "rate_limit", "kind": "k", "rate": "fast"}, "rate"),
        ({"order": "time_limit", "kind": "k"}, "hard"),
        ({"order": "time_limit", "kind": "k", "hard": True}, "hard"),
        ({"order": "time_limit", "kind": "k", "soft": "10"}, "soft"),
        ({"order": "pool_grow", "n": 0}, "n"),
        ({"order": "pool_grow", "queue": "q"}, "queue"),
        ({"order": "shutdown"}, "worker"),
        ({"order": "purge"}, "queue"),
        ({"order": "purge", "queue": "q", "worker": "w1@host"}, "worker"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused_field_by_field(body, field):
    shop()
    answer = call("ada").post("apps/shop/orders/", body)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
    assert not Order.objects.exists()


def test_only_admins_steer_and_purge():
    shop()
    for name in ("bob", "vera"):
        for body in ({"order": "pool_grow"}, {"order": "purge", "queue": "celery"}):
            assert call(name).post("apps/shop/orders/", body).status_code == 403
    assert not Order.objects.exists()
    assert call("ada", "manage").post("apps/shop/orders/", {"order": "purge", "queue": "celery"}).status_code == 201
    assert Entry.objects.filter(action="watched.purge", outcome="done").count() == 1


def test_what_could_not_be_true_is_refused_with_a_sentence(settings):
    app = shop()
    ada = call("ada")
    settings.SIGNALBOX_OBSERVE_READONLY = True
    assert "READONLY" in ada.post("apps/shop/orders/", {"order": "pool_grow"}).json()["detail"]
    settings.SIGNALBOX_OBSERVE_READONLY = False
    App.objects.filter(pk=app.pk).update(watched=False)
    assert "no longer watched" in ada.post("apps/shop/orders/", {"order": "pool_grow"}).json()["detail"]


@pytest.mark.parametrize(("state", "order"), [("queued", "cancel"), ("scheduled", "cancel"), ("running", "terminate")])
def test_a_cancel_is_an_order_and_the_row_keeps_its_state(state, order):
    shop()
    task = watched(state)
    answer = call("bob").post(f"jobs/{task.uid}/cancel/", {"reason": "wrong card"})
    assert answer.status_code == 200
    shown = answer.json()
    assert (shown["state"], shown["cancel_requested"], shown["version"] > task.version) == (state, True, True)
    made = Order.objects.get()
    assert (made.order, made.values, made.job) == (order, {"task": task.task_id}, task.uid)
    assert call("bob").post(f"jobs/{task.uid}/cancel/").status_code == 200
    assert Order.objects.count() == 1, "the same again asks for nothing new"


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled", "unknown"])
def test_what_has_ended_is_not_cancelled(state):
    shop()
    answer = call("bob").post(f"jobs/{watched(state).uid}/cancel/")
    assert (answer.status_code, answer.problem) == (409, "not-in-this-state")
    assert answer.json()["job"]["state"] == state


def test_a_task_in_a_thread_cannot_be_stopped_and_that_is_said():
    shop()
    WatchedWorker.objects.update(pool="thread:TaskPool")
    answer = call("bob").post(f"jobs/{watched('running').uid}/cancel/")
    assert answer.status_code == 409
    assert "cannot stop" in answer.json()["detail"]
    assert not Order.objects.exists()


def test_our_own_verbs_say_that_they_are_not_for_watched_tasks():
    shop()
    task = watched("failed")
    before = Job.every.filter(pk=task.pk).values().get()
    bob = call("bob")
    for path, body in (
        (f"jobs/{task.uid}/retry/", None),
        (f"jobs/{task.uid}/take-back/", None),
        (f"jobs/{task.uid}/share/", {}),
        ("jobs/", {"copy_of": str(task.uid)}),
    ):
        answer = bob.post(path, body)
        assert (answer.status_code, answer.problem) == (409, "conflict"), path
    assert Job.every.filter(pk=task.pk).values().get() == before


def test_run_again_sends_the_real_arguments_once_for_each_key():
    shop()
    task = watched("succeeded", params={"args": [7], "kwargs": {}}, headers={"arguments": "message"})
    bob = call("bob")
    answer = bob.post("jobs/", {"copy_of": str(task.uid)}, Idempotency_Key="one")
    assert answer.status_code == 201
    copy = answer.json()
    assert (copy["app"], copy["kind"], copy["state"]) == ("shop", "shop.tasks.pay", "queued")
    order = Order.objects.get()
    assert (order.order, order.values["task"], order.values["queue"]) == ("run_again", copy["id"], "celery")
    assert bob.post("jobs/", {"copy_of": str(task.uid)}, Idempotency_Key="one").json()["id"] == copy["id"]
    assert bob.post("jobs/", {"copy_of": str(task.uid), "priority": 1}).status_code == 400
    assert call("vera").post("jobs/", {"copy_of": str(task.uid)}).status_code == 403
    assert Order.objects.count() == 1
    torn = watched("succeeded", secrets="torn", **REAL)
    assert "cannot be read any more" in bob.post("jobs/", {"copy_of": str(torn.uid)}).json()["detail"]
    text = watched("succeeded", params={"args": "(7,)"}, headers={"arguments": "text"})
    refused = bob.post("jobs/", {"copy_of": str(text.uid)})
    assert (refused.status_code, refused.problem) == (409, "conflict")
    assert "only known as text" in refused.json()["detail"]


def test_a_key_of_a_copy_means_the_same_as_any_other_key():
    shop()
    task, other = (watched("succeeded", **REAL) for _ in range(2))
    bob = call("bob")
    copied = [bob.post("jobs/", {"copy_of": str(task.uid)}, Idempotency_Key="key-1") for _ in range(2)]
    assert [answer.status_code for answer in copied] == [201, 200]
    assert copied[0].json() == copied[1].json()
    for body in ({"copy_of": str(other.uid)}, {"kind": "noop"}):
        answer = bob.post("jobs/", body, Idempotency_Key="key-1")
        assert (answer.status_code, answer.problem) == (422, "key-reused")
    codes = Entry.objects.filter(outcome="refused", who="bob").order_by("id").values_list("action", "code")
    assert list(codes) == [("watched.run_again", "key-reused"), ("submit", "key-reused")]
    assert bob.post("jobs/", {"kind": "noop"}, Idempotency_Key="two").status_code == 201
    assert bob.post("jobs/", {"copy_of": str(task.uid)}, Idempotency_Key="two").status_code == 422
    hers = call("alice").post("jobs/", {"copy_of": str(task.uid)}, Idempotency_Key="key-1")
    assert hers.status_code == 201 and hers.json()["id"] != copied[0].json()["id"], "keys are of each user"
    assert Order.objects.count() == 2
    assert "key-1" not in str(bob.get("apps/shop/orders/").json()), "a key is nobody else's to read"


def test_two_copies_with_one_key_in_the_same_moment_are_one(monkeypatch):
    shop()
    task, bob = watched("succeeded", **REAL), call("bob")
    first = bob.post("jobs/", {"copy_of": str(task.uid)}, Idempotency_Key="one")
    looked = iter([None])  # as if the other one had not been written yet
    monkeypatch.setattr(asking, "with_key", lambda *key, real=asking.with_key: next(looked, None) or real(*key))
    again = bob.post("jobs/", {"copy_of": str(task.uid)}, Idempotency_Key="one")
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    assert Order.objects.count() == 1


def test_every_refused_attempt_at_a_watched_application_is_in_the_audit_trail(settings):
    shop()
    ended, running = watched("failed", params={"args": "(7,)"}, headers={"arguments": "text"}), watched("running")
    WatchedWorker.objects.update(pool="thread:TaskPool")
    ada = call("ada")
    cases = {
        f"jobs/{ended.uid}/cancel/": ("watched.cancel", "not-in-this-state", None),
        f"jobs/{running.uid}/cancel/": ("watched.terminate", "conflict", None),
        f"jobs/{ended.uid}/retry/": ("retry", "conflict", None),
        f"jobs/{ended.uid}/take-back/": ("take_back", "conflict", None),
        f"jobs/{ended.uid}/share/": ("share", "conflict", {}),
        "jobs/": ("watched.run_again", "conflict", {"copy_of": str(ended.uid)}),
        "apps/shop/orders/": ("watched.pool_grow", "conflict", {"order": "pool_grow"}),
    }
    for path, (action, code, body) in cases.items():
        settings.SIGNALBOX_OBSERVE_READONLY = path.startswith("apps/")
        assert ada.post(path, body).status_code == 409, path
        entry = Entry.objects.latest("id")
        assert (entry.action, entry.outcome, entry.code, entry.who) == (action, "refused", code, "ada"), path
        assert entry.target == ("shop pool_grow" if path.startswith("apps/") else path.split("/")[1] or str(ended.uid))
    assert Entry.objects.filter(outcome="refused").count() == len(cases)
