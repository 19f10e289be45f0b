"""Jobs over HTTP: submitted once for each key, listed page by page, cancelled, tried again."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Group

from live import client
from tasks.api import shapes
from tasks.engine import lifecycle
from tasks.engine.errors import Failure
from tasks.engine.models import Job
from tests.support.calls import call
from tests.support.people import person
from tests.support.processes import ROOT

pytestmark = pytest.mark.django_db
NOBODYS = "0199c1f2-7d3a-7e61-8b5c-1f2e3d4c5b6a"
SUMMARY = shapes.JobSummary().fields.keys()


def submitted(name: str = "alice", **params) -> Job:
    return lifecycle.submit("countdown", params, owner=person(name))[0]


def failed(name: str = "alice", error: str = "it broke") -> Job:
    job = lifecycle.claim(submitted(name).uid, "w1@here", 1)
    return lifecycle.fail(job, Failure(error, "", "k"))


def test_a_job_is_submitted_with_its_defaults_filled_in():
    answer = call("alice").post("jobs/", {"kind": "countdown", "params": {"seconds": 3}})
    assert answer.status_code == 201
    shown = answer.json()
    assert set(shown) == SUMMARY
    assert (shown["state"], shown["owner"], shown["priority"], shown["version"]) == ("queued", "alice", 5, 1)
    assert answer["Location"] == f"http://testserver/api/v1/jobs/{shown['id']}/"
    detail = call("alice").get(answer["Location"]).json()
    assert detail["params"] == {"seconds": 3, "steps": 10, "fail": False}
    assert set(detail) == SUMMARY | {"params", "result", "attempts", "log"}


@pytest.mark.parametrize("who", [("alice", None), ("ada", None), ("alice", "submit"), ("ada", "manage")])
def test_who_may_submit(who):
    assert call(*who).post("jobs/", {"kind": "noop"}).status_code == 201


@pytest.mark.parametrize(
    "who", [("vera", None), ("charlie", None), ("ada", "read"), ("vera", "manage"), ("vera", "submit")]
)
def test_who_may_not_submit(who):
    answer = call(*who).post("jobs/", {"kind": "noop"})
    assert (answer.status_code, answer.problem) == (403, "forbidden")
    assert not Job.objects.exists()


def test_every_wrong_parameter_is_named():
    answer = call("alice").post("jobs/", {"kind": "countdown", "params": {"seconds": "x", "colour": 1}})
    assert (answer.status_code, answer.problem) == (400, "bad-input")
    assert set(answer.json()["errors"]) == {"params.seconds", "params.colour"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "kind"),
        ({"kind": "unheard_of"}, "kind"),
        ({"kind": 5}, "kind"),
        ({"kind": "noop", "priority": 10}, "priority"),
        ({"kind": "noop", "priority": "5"}, "priority"),
        ({"kind": "noop", "priority": True}, "priority"),
        ({"kind": "noop", "due_at": "soon"}, "due_at"),
        ({"kind": "noop", "params": []}, "params"),
        ({"kind": "noop", "callback_url": "ftp://example.org/"}, "callback_url"),
        ({"kind": "noop", "callback_url": "https://user:pass@example.org/"}, "callback_url"),
        ({"kind": "noop", "copy_of": NOBODYS}, "copy_of"),
        ({"kind": "noop", "copy_of": "7"}, "copy_of"),
    ],
)
def test_what_is_wrong_is_named(body, field):
    answer = call("alice").post("jobs/", body)
    assert (answer.status_code, answer.problem, list(answer.json()["errors"])) == (400, "bad-input", [field])


@pytest.mark.parametrize(
    "field", ["id", "uid", "owner", "owner_id", "state", "attempt", "version", "result", "queue", "idempotency_key"]
)
def test_nothing_else_can_be_assigned(field):
    answer = call("alice").post("jobs/", {"kind": "noop", field: "ada"})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
    assert not Job.objects.exists()


def test_priority_and_due_time():
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    shown = call("alice").post("jobs/", {"kind": "noop", "priority": 9, "due_at": due.isoformat()}).json()
    assert (shown["state"], shown["priority"]) == ("scheduled", 9)
    assert shown["due_at"] == due.strftime("%Y-%m-%dT%H:%M:%S.000000Z")


def test_the_same_key_and_body_is_the_same_job_and_another_body_is_refused():
    alice, bob = call("alice"), call("bob")
    body = {"kind": "countdown", "params": {"seconds": 3}}
    first = alice.post("jobs/", body, Idempotency_Key="order-17")
    again = call("alice", "submit").post("jobs/", json.dumps(body, indent=1), Idempotency_Key="order-17")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    other = alice.post("jobs/", {"kind": "noop"}, Idempotency_Key="order-17")
    assert (other.status_code, other.problem) == (422, "key-reused")
    assert bob.post("jobs/", body, Idempotency_Key="order-17").status_code == 201  # for each user
    assert alice.post("jobs/", body).status_code == 201
    assert Job.objects.count() == 3


def test_a_key_outlives_a_change_of_the_secret_key(settings):
    alice = call("alice", "submit")
    first = alice.post("jobs/", {"kind": "noop"}, Idempotency_Key="k")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another " * 8, [settings.SECRET_KEY]
    again = alice.post("jobs/", {"kind": "noop"}, Idempotency_Key="k")
    assert (again.status_code, again.json()) == (200, first.json())
    assert alice.post("jobs/", {"kind": "countdown"}, Idempotency_Key="k").status_code == 422


def test_a_repeated_key_is_no_further_job_for_the_quota(settings):
    settings.SIGNALBOX_SUBMITS_PER_USER = settings.SIGNALBOX_SUBMITS_PER_TOKEN = 1
    alice = call("alice", "submit")
    first = alice.post("jobs/", {"kind": "noop"}, Idempotency_Key="k")
    again = alice.post("jobs/", {"kind": "noop"}, Idempotency_Key="k")
    assert (again.status_code, again.json()) == (200, first.json())
    for key in ({"Idempotency_Key": "other"}, {}):
        refused = alice.post("jobs/", {"kind": "noop"}, **key)
        assert refused.status_code == 429 and int(refused["Retry-After"]) > 0


def test_a_long_key_counts_to_its_last_character():
    alice, body = call("alice"), {"kind": "noop"}
    asked = [alice.post("jobs/", body, Idempotency_Key="x" * 254 + end) for end in "aab"]
    assert [answer.status_code for answer in asked] == [201, 200, 201]


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "ключ"])
def test_a_key_that_is_none(key):
    answer = call("alice").post("jobs/", {"kind": "noop"}, Idempotency_Key=key)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["Idempotency-Key"])


def test_a_copy_has_the_parameters_of_its_original_but_never_its_secrets():
    alice = call("alice")
    job = submitted("bob", seconds=2)
    detail = alice.get(
        f"jobs/{alice.post('jobs/', {'copy_of': str(job.uid), 'params': {'steps': 7}}).json()['id']}/"
    ).json()
    assert (detail["kind"], detail["params"]["seconds"], detail["params"]["steps"]) == ("countdown", 2, 7)
    secret = lifecycle.submit("keeps_a_secret", {"name": "n", "password": "hunter22"}, owner=person("bob"))[0]
    answer = alice.post("jobs/", {"copy_of": str(secret.uid)})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["params.password"])
    assert alice.post("jobs/", {"copy_of": str(job.uid), "kind": "noop"}).json()["errors"].keys() == {"kind"}


def test_pages_of_jobs_forth_and_back():
    jobs = [str(submitted(seconds=n).uid) for n in range(7)][::-1]
    vera, seen, url = call("vera"), [], "jobs/?limit=3"
    while url:
        page = vera.get(url).json()
        assert set(page) == {"results", "next", "previous"}
        seen.append([job["id"] for job in page["results"]])
        last, url = page, page["next"]
    assert seen == [jobs[:3], jobs[3:6], jobs[6:]]
    back = vera.get(last["previous"]).json()
    assert [job["id"] for job in back["results"]] == jobs[3:6]
    first = vera.get(back["previous"]).json()
    assert [job["id"] for job in first["results"]] == jobs[:3] and first["previous"] is None
    assert [job["id"] for job in vera.get(first["next"]).json()["results"]] == jobs[3:6]


def test_a_new_job_moves_no_page():
    jobs = [str(submitted(seconds=n).uid) for n in range(4)][::-1]
    vera = call("vera")
    url = vera.get("jobs/?limit=2").json()["next"]
    newer = submitted()
    page = vera.get(url).json()
    assert [job["id"] for job in page["results"]] == jobs[2:]
    front = vera.get(vera.get(page["previous"]).json()["previous"]).json()
    assert str(newer.uid) in [job["id"] for job in front["results"]]


def test_a_list_shows_no_payload_and_no_database_key():
    Job.objects.filter(pk=submitted(seconds=4).pk).update(id=987_654_321)
    listed = call("vera").get("jobs/?limit=1")
    assert set(listed.json()["results"][0]) == SUMMARY
    detail = call("vera").get(f"jobs/{Job.objects.get().uid}/")
    assert b"987654321" not in listed.content + detail.content


def test_cancel_twice_and_too_late():
    job = submitted()
    bob = call("bob")
    for _ in range(2):
        answer = bob.post(f"jobs/{job.uid}/cancel/", {"reason": "wrong one"})
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    assert Job.objects.get().cancel_requested_by == person("bob")
    done = failed()
    answer = bob.post(f"jobs/{done.uid}/cancel/")
    assert (answer.status_code, answer.problem) == (409, "not-in-this-state")
    assert answer.json()["job"]["state"] == "failed"


def test_retry_of_a_failed_job_and_of_one_that_succeeded():
    alice, job = call("alice"), failed()
    answer = alice.post(f"jobs/{job.uid}/retry/")
    assert (answer.status_code, answer.json()["state"]) == (200, "queued")
    lifecycle.succeed(lifecycle.claim(job.uid, "w1@here", 1), None)
    answer = alice.post(f"jobs/{job.uid}/retry/")
    assert (answer.status_code, answer.json()["job"]["state"]) == (409, "succeeded")


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_who_may_act_on_a_job(verb):
    job = failed("alice") if verb == "retry" else submitted("alice")
    assert call("vera").post(f"jobs/{job.uid}/{verb}/").status_code == 403
    assert call("charlie").post(f"jobs/{job.uid}/{verb}/").status_code == 403
    assert call("alice", "read").post(f"jobs/{job.uid}/{verb}/").status_code == 403
    assert call().post(f"jobs/{job.uid}/{verb}/").status_code == 401
    assert call("bob", "submit").post(f"jobs/{job.uid}/{verb}/").status_code == 404  # not his
    assert call("alice", "submit").post(f"jobs/{job.uid}/{verb}/").status_code == 200


def test_a_submit_token_sees_the_jobs_of_its_owner_only_and_others_are_unknown():
    mine, theirs = submitted("alice"), submitted("bob")
    program = call("alice", "submit")
    assert [job["id"] for job in program.get("jobs/").json()["results"]] == [str(mine.uid)]
    assert program.get("jobs/?owner=bob").json()["results"] == []
    for path in ("", "log/"):
        foreign, unknown = (program.get(f"jobs/{uid}/{path}", X_Request_ID="r") for uid in (theirs.uid, NOBODYS))
        assert (foreign.status_code, foreign.problem) == (404, "unknown-job")
        assert foreign.content == unknown.content and dict(foreign.headers) == dict(unknown.headers)
        assert program.get(f"jobs/{mine.uid}/{path}").status_code == 200
    for path in ("queues/", "workers/", "stats/", "failures/", "tokens/", "audit/"):
        assert program.get(path).status_code == 403


def test_the_log_page_by_page():
    job = lifecycle.claim(submitted().uid, "w1@here", 1)
    job.log.bulk_create(
        job.log.model(job=job, seq=n, at=lifecycle.now(), level="info", text=f"line {n}") for n in range(1, 6)
    )
    Job.objects.filter(pk=job.pk).update(log_seq=5)
    vera = call("vera")
    page = vera.get(f"jobs/{job.uid}/log/?limit=3").json()
    assert [line["seq"] for line in page["results"]] == [1, 2, 3]
    rest = vera.get(page["next"]).json()
    assert [line["text"] for line in rest["results"]] == ["line 4", "line 5"] and rest["next"] is None
    assert page["previous"] is None
    onward = vera.get(page["next"]).json()
    assert vera.get(onward["previous"]).json() == page
    middle = vera.get(f"jobs/{job.uid}/log/?after=2&limit=2").json()
    assert [line["seq"] for line in vera.get(middle["previous"]).json()["results"]] == [1, 2]
    beyond = vera.get(f"jobs/{job.uid}/log/?after=5&limit=2").json()
    assert beyond["results"] == []
    assert [line["seq"] for line in vera.get(beyond["previous"]).json()["results"]] == [4, 5]
    uneven = vera.get(f"jobs/{job.uid}/log/?after=1&limit=3").json()
    assert [line["seq"] for line in vera.get(uneven["previous"]).json()["results"]] == [1], "none twice"
    assert vera.get(f"jobs/{job.uid}/log/?after=-1").status_code == 400


def test_a_secret_is_masked_everywhere():
    alice = call("alice")
    answer = alice.post("jobs/", {"kind": "keeps_a_secret", "params": {"name": "n", "password": "hunter22"}})
    detail = alice.get(f"jobs/{answer.json()['id']}/")
    assert detail.json()["params"] == {"name": "n", "password": "•••"}
    assert b"hunter22" not in answer.content + detail.content + alice.get("jobs/?q=hunter22").content.replace(
        b"q=hunter22", b""
    )
    assert alice.get("jobs/?q=hunter22").json()["results"] == []


def test_kinds_say_their_parameters_as_json_schema():
    kinds = {kind["name"]: kind for kind in call("vera").get("kinds/").json()["results"]}
    assert kinds["countdown"]["params"]["properties"]["seconds"]["type"] == "integer"
    assert (kinds["countdown"]["max_attempts"], kinds["countdown"]["queue"]) == (4, "default")


def test_the_client_and_the_pages_know_every_field_of_a_job():
    assert client.Job.__annotations__.keys() == SUMMARY
    (reported,) = re.findall(
        r"@typedef \{\{(id: string, version.*?)\}\} Summary", (ROOT / "static/js/live/store.js").read_text(), re.DOTALL
    )
    assert set(re.findall(r"(\w+):", reported)) == SUMMARY


def test_a_quota_by_user_and_by_token(settings):
    settings.SIGNALBOX_SUBMITS_PER_USER, settings.SIGNALBOX_SUBMITS_PER_TOKEN = 3, 2
    first, second = call("alice", "submit"), call("alice", "submit")
    assert [first.post("jobs/", {"kind": "noop"}).status_code for _ in range(3)] == [201, 201, 429]
    assert [second.post("jobs/", {"kind": "noop"}).status_code for _ in range(2)] == [201, 429]
    answer = call("alice").post("jobs/", {"kind": "noop"})
    assert (answer.status_code, answer.problem) == (429, "too-many-requests")
    assert 1 <= int(answer["Retry-After"]) <= 60
    assert call("bob").post("jobs/", {"kind": "noop"}).status_code == 201


def test_a_withdrawn_role_withdraws_the_token_at_once():
    program = call("alice", "manage")
    assert program.post("jobs/", {"kind": "noop"}).status_code == 201
    person("alice").groups.set([Group.objects.get_or_create(name="viewer")[0]])
    assert program.post("jobs/", {"kind": "noop"}).status_code == 403
    assert program.get("jobs/").status_code == 200
    person("alice").groups.clear()
    assert program.get("jobs/").status_code == 403
