"""Webhooks over HTTP: who may, what is refused, and that a secret is shown once."""

import pytest

from tasks.engine import lifecycle
from tasks.webhooks import deliveries
from tasks.webhooks.models import Delivery, Endpoint
from tests.support.calls import call
from tests.support.people import person
from tests.support.receivers import endpoint

pytestmark = pytest.mark.django_db
URL = "https://example.org/hook"


def made(**more) -> dict:
    answer = call("ada").post("webhooks/", {"url": URL, **more})
    assert answer.status_code == 201, answer.json()
    return answer.json()


def test_a_webhook_and_its_secret_once():
    first = made(name="ci", states=["failed"], kinds=["noop"], queues=["default"])
    assert first["secret"].startswith("whsec_")
    assert (first["states"], first["alerts"], first["enabled"], first["owner"]) == (["failed"], False, True, "ada")
    shown = call("ada").get(f"webhooks/{first['id']}/").json()
    assert shown == {name: value for name, value in first.items() if name != "secret"}
    assert call("ada").get("webhooks/").json()["results"] == [shown]
    rotated = call("ada").post(f"webhooks/{first['id']}/rotate/").json()
    assert rotated["secret"] not in (first["secret"], None)
    assert "secret" not in call("ada").get(f"webhooks/{first['id']}/").json()


def test_without_filters_everything_is_sent_alerts_too():
    assert made()["alerts"] is True
    assert made(alerts=False)["alerts"] is False


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"url": "ftp://example.org/"}, "url"),
        ({"url": "https://user:word@example.org/"}, "url"),
        ({"url": "http://169.254.169.254/latest"}, "url"),
        ({"url": "http://10.0.0.7/"}, "url"),
        ({"url": URL, "states": ["done"]}, "states.0"),
        ({"url": URL, "kinds": ["unheard_of"]}, "kinds.0"),
        ({"url": URL, "queues": [5]}, "queues.0"),
        ({"url": URL, "enabled": "yes"}, "enabled"),
        ({"url": URL, "secret": "whsec_mine"}, "secret"),
    ],
)
def test_what_is_wrong_is_named(body, field):
    answer = call("ada").post("webhooks/", body)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
    assert not Endpoint.objects.exists()


@pytest.mark.parametrize(
    ("who", "sees", "changes"),
    [
        (("ada",), 200, 201), (("bob",), 200, 403), (("vera",), 403, 403), (("charlie",), 403, 403), ((), 401, 401),
        (("ada", "manage"), 200, 201), (("bob", "manage"), 200, 403), (("ada", "submit"), 403, 403),
        (("ada", "read"), 403, 403),
    ],
)  # fmt: skip
def test_who_sees_and_changes(who, sees, changes):
    caller = call(*who)
    assert caller.get("webhooks/").status_code == sees
    assert caller.post("webhooks/", {"url": URL}).status_code == changes
    point = endpoint(URL)
    lifecycle.submit("noop", {})
    row = Delivery.objects.filter(endpoint=point).get()
    assert caller.get(f"webhooks/{point.uid}/deliveries/").status_code == sees
    assert caller.get(f"deliveries/{row.uid}/").status_code == sees
    for path in (f"webhooks/{point.uid}/rotate/", f"webhooks/{point.uid}/test/"):
        assert caller.post(path).status_code == {201: (201 if "test" in path else 200)}.get(changes, changes)
    assert caller.post(f"deliveries/{row.uid}/replay/").status_code == sees
    assert caller.delete(f"webhooks/{point.uid}/").status_code == {201: 204}.get(changes, changes)


def test_changes_and_the_switch():
    hook = made()
    path = f"webhooks/{hook['id']}/"
    lifecycle.submit("noop", {})
    assert call("ada").send("PATCH", path, {"enabled": False}).json()["off_because"] == "Switched off by hand."
    assert Delivery.objects.get().status == "dropped"
    assert call("ada").post(f"{path}test/").problem == "conflict"
    assert call("ada").post(f"deliveries/{Delivery.objects.get().uid}/replay/").problem == "conflict"
    shown = call("ada").send("PATCH", path, {"enabled": True, "states": ["running"], "name": "x"}).json()
    assert (shown["enabled"], shown["off_because"], shown["states"], shown["name"]) == (True, None, ["running"], "x")
    point = Endpoint.objects.get()
    assert (point.hears_running, point.hears_succeeded) == (True, False)
    assert call("ada").send("PATCH", path, {"url": "gopher://x/"}).status_code == 400


def test_the_log_of_deliveries_and_its_pages():
    point = endpoint(URL)
    jobs = [lifecycle.submit("noop", {})[0] for _ in range(3)]
    (row, *_) = deliveries.take({}, lambda busy, lane: 1)
    page = call("bob").get(f"webhooks/{point.uid}/deliveries/?limit=2").json()
    assert [each["job"] for each in page["results"]] == [str(job.uid) for job in jobs[:0:-1]]
    rest = call("bob").get(page["next"]).json()["results"]
    assert [(each["id"], each["status"], each["tries"]) for each in rest] == [(str(row.uid), "sending", 1)]
    answer = call("bob").get(f"webhooks/{point.uid}/deliveries/?status=sending").json()
    assert len(answer["results"]) == 1
    assert call("bob").get(f"webhooks/{point.uid}/deliveries/?status=lost").status_code == 400


def test_a_callback_secret_is_ones_own():
    for scope in ("read", "submit"):  # such a program could forge the messages of all others
        assert call("alice", scope).post("callback-secret/").problem == "forbidden"
    mine = call("alice", "manage").post("callback-secret/").json()["secret"]
    assert mine.startswith("whsec_")
    assert Endpoint.objects.get().callbacks_of == f"user:{person('alice').pk}"
    assert call("bob").get("webhooks/").json()["results"] == []
    assert call("vera").post("callback-secret/").status_code == 403
