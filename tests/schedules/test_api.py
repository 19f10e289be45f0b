"""Schedules over HTTP."""

import pytest

from tasks.engine.models import Job
from tasks.schedules.models import Run, Schedule
from tests.support.calls import call

pytestmark = pytest.mark.django_db
NIGHTLY = {
    "name": "nightly",
    "kind": "countdown",
    "params": {"seconds": 3},
    "crontab": "0 4 * * *",
    "timezone": "Europe/Berlin",
}


def made(**more) -> dict:
    answer = call("ada").post("schedules/", NIGHTLY | more)
    assert answer.status_code == 201, answer.json()
    return answer.json()


def test_a_schedule_with_its_defaults_and_next_times():
    shown = made()
    assert shown["params"] == {"seconds": 3, "steps": 10, "fail": False}
    assert (shown["in_words"], shown["overlap"], shown["missed"]) == ("at 04:00 (Europe/Berlin)", "skip", "skip")
    assert (shown["paused"], shown["owner"], shown["last_run"], shown["late_since"]) == (False, "ada", None, None)
    assert len(shown["next"]) == 5
    assert shown["next"] == sorted(shown["next"])
    assert call("vera").get(f"schedules/{shown['id']}/").json() == shown
    assert call("vera").get("schedules/").json()["results"] == [shown]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"crontab": "61 4 * * *"}, ["crontab"]),
        ({"crontab": "0 0 30 2 *"}, ["crontab"]),
        ({"timezone": "Mars/Base"}, ["timezone"]),
        ({"every_s": 5}, ["every_s", "crontab"]),
        ({"kind": "unheard_of"}, ["kind"]),
        ({"params": {"seconds": "x"}}, ["params.seconds"]),
        ({"overlap": "never"}, ["overlap"]),
        ({"priority": 10}, ["priority"]),
        ({"owner": "bob"}, ["owner"]),
    ],
)
def test_what_is_wrong_is_named(body, fields):
    answer = call("ada").post("schedules/", NIGHTLY | body)
    assert (answer.status_code, sorted(answer.json()["errors"])) == (400, sorted(fields))
    assert not Schedule.objects.exists()


def test_a_time_is_needed_and_a_past_one_refused():
    bare = {"name": "x", "kind": "noop"}
    assert sorted(call("ada").post("schedules/", bare).json()["errors"]) == ["at", "crontab", "every_s"]
    assert list(call("ada").post("schedules/", bare | {"at": "2020-01-01T00:00:00Z"}).json()["errors"]) == ["at"]
    assert call("ada").post("schedules/", bare | {"at": "2099-01-01T00:00:00Z"}).json()["in_words"] == "once"
    assert call("ada").post("schedules/", bare | {"every_s": 60}).problem == "conflict"  # the name is taken


def test_changes_pause_and_delete():
    path = f"schedules/{made()['id']}/"
    changed = call("ada").send("PATCH", path, {"every_s": 90, "overlap": "queue", "name": "often", "params": {}}).json()
    assert (changed["in_words"], changed["every_s"], changed["crontab"]) == ("every 90 seconds", 90, None)
    assert (changed["name"], changed["params"]["seconds"]) == ("often", 10)
    paused = call("ada").send("PATCH", path, {"paused": True}).json()
    assert (paused["paused"], paused["next"]) == (True, [])
    assert call("ada").send("PATCH", path, {"paused": False}).json()["paused"] is False
    assert call("ada").delete(path).status_code == 204
    assert call("ada").get(path).status_code == 404


def test_run_now_and_the_list_of_runs():
    path = f"schedules/{made()['id']}/"
    assert call("vera").post(f"{path}run/").status_code == 403
    job = call("bob").post(f"{path}run/")
    assert (job.status_code, job.json()["owner"], job.json()["schedule"]) == (
        201,
        "bob",
        Schedule.objects.get().uid.__str__(),
    )
    (run,) = call("vera").get(f"{path}runs/").json()["results"]
    assert (run["slot"], run["outcome"], run["job"]) == (None, "started", job.json()["id"])
    Run.objects.create(
        schedule=Schedule.objects.get(),
        slot="2026-01-01T00:00:00Z",
        outcome="missed",
        at=Job.objects.get().created_at,
        count=3,
    )
    assert [run["count"] for run in call("vera").get(f"{path}runs/").json()["results"]] == [3, 1]
    assert call("vera").get(path).json()["last_run"]["outcome"] == "missed"


def test_secrets_are_masked():
    shown = made(kind="unlocks", params={"key": "open sesame", "number": 1})
    assert shown["params"] == {"key": "•••", "number": 1}


def test_a_run_whose_secrets_nobody_can_read_any_more_is_refused_in_a_sentence():
    params = {"name": "till", "password": "opensesame"}
    one = made(kind="keeps_a_secret", params=params)
    Schedule.objects.update(secrets="torn")
    answer = call("ada").post(f"schedules/{one['id']}/run/")
    assert (answer.status_code, answer.problem) == (409, "conflict")
    assert "SECRET_KEY" in answer.json()["detail"]
