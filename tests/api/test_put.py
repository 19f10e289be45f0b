"""PUT replaces: what the body leaves out is as in a new one. What cannot be replaced is refused, by name."""

import pytest
from django_celery_beat.models import PeriodicTask

from tasks.access import audit
from tasks.kinds.images.models import Collection
from tests.support.calls import call

pytestmark = pytest.mark.django_db

FEED = {"url": "https://trains.example/feed.xml", "title": "Trains"}
RULE = {"watch": "failures", "kind": "noop", "times": 3, "minutes": 7, "seconds": 9, "enabled": False}
HOOK = {"url": "https://hooks.example.org/a", "name": "shop", "states": ["failed"], "enabled": False, "alerts": True}
PLAN = {"name": "often", "kind": "countdown", "params": {"seconds": 1}, "every_s": 60, "priority": 9, "paused": True}
WHOLE = {
    "feeds/": (FEED, {"url": "https://trams.example/feed.xml"}, {"title": "", "status": "on"}),
    "alerts/rules/": (
        RULE,
        {"watch": "waiting", "queue": "io"},
        {"kind": "", "times": 5, "minutes": 10, "seconds": 60, "enabled": True},
    ),
    "webhooks/": (
        HOOK,
        {"url": "https://hooks.example.org/b", "kinds": ["noop"]},
        {"name": "", "states": [], "enabled": True, "alerts": False},
    ),
    "schedules/": (
        PLAN,
        {"name": "daily", "kind": "countdown", "crontab": "0 7 * * *"},
        {"every_s": None, "timezone": "UTC", "priority": None, "paused": False, "overlap": "skip"},
    ),
}


@pytest.mark.parametrize("at", WHOLE)
def test_put_replaces_the_whole(at):
    first, second, rest = WHOLE[at]
    made = call("ada").post(at, first).json()
    place = f"{at}{made['id']}/"
    answer = call("ada").send("PUT", place, second)
    assert answer.status_code == 200, answer.content
    assert answer.json().items() >= (second | rest).items()
    assert answer.json()["id"] == made["id"] and answer.json()["created_at"] == made["created_at"]
    assert call("ada").get(place).json() == answer.json()
    again = call("ada").send("PUT", place, second).json()
    assert {name: again[name] for name in second} == second
    lacking = call("ada").send("PUT", place, {})
    assert lacking.status_code == 400 and lacking.json()["errors"]
    assert call("ada").send("PUT", place, second | {"id": made["id"]}).json()["errors"] == {
        "id": ["There is no such field."]
    }


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("at", WHOLE)
def test_what_is_deleted_at_the_same_time_is_a_404_and_stays_deleted(monkeypatch, at, method):
    first, second, _ = WHOLE[at]
    place = f"{at}{call('ada').post(at, first).json()['id']}/"
    real, ada = audit.do, call("ada")

    def late(*args, **detail):
        monkeypatch.setattr(audit, "do", real)
        assert ada.delete(place).status_code == 204
        return real(*args, **detail)

    monkeypatch.setattr(audit, "do", late)
    body = {name: value for name, value in second.items() if method == "PUT" or (at, name) != ("schedules/", "kind")}
    answer = call("ada").send(method, place, body)
    assert (answer.status_code, answer.problem) == (404, "not-found")
    assert ada.get(place).status_code == 404 and not PeriodicTask.objects.filter(name="daily").exists()


def test_the_parameters_of_a_schedule_are_replaced_and_its_kind_stays():
    made = call("ada").post("schedules/", PLAN).json()
    place = f"schedules/{made['id']}/"
    answer = call("ada").send("PUT", place, {"name": "often", "kind": "countdown", "every_s": 60})
    assert answer.json()["params"] == {"seconds": 10, "steps": 10, "fail": False}
    refused = call("ada").send("PUT", place, PLAN | {"kind": "noop", "params": {}})
    assert refused.status_code == 400 and "countdown" in refused.json()["errors"]["kind"][0]
    assert call("ada").send("PUT", place, {"name": "x", "kind": "countdown"}).json()["errors"].keys() == {
        "every_s",
        "crontab",
        "at",
    }


def test_a_collection_keeps_its_folder():
    place = f"collections/{Collection.objects.create(name='Spring', folder='/srv/spring').uid}/"
    answer = call("bob").send("PUT", place, {"name": "Summer", "folder": "/srv/spring"})
    assert answer.status_code == 200 and answer.json()["name"] == "Summer"
    assert call("bob").send("PUT", place, {"name": "Winter", "folder": "/etc"}).json()["errors"].keys() == {"folder"}
    assert call("bob").get(place).json()["name"] == "Summer"


@pytest.mark.parametrize("value", [False, 0, 7, [], {}])
def test_an_id_is_a_text(value):
    """Python makes a UUID of any number."""
    assert call("ada").post("alerts/rules/", RULE | {"schedule": value}).json()["errors"].keys() == {"schedule"}
    assert call("ada").post("jobs/", {"kind": "noop", "copy_of": value}).json()["errors"].keys() == {"copy_of"}
