"""SIGNALBOX_ADOPT: plain Celery tasks become jobs without a changed line."""

import pytest
from celery import chord, current_app, signature
from celery.backends.base import BaseBackend
from celery.signals import task_failure

from project import checks
from tasks.engine import adoption, registry
from tasks.engine.celery_app import app
from tasks.engine.models import Job
from tasks.worker import adopt
from tests.names import plain
from tests.project.test_settings import manage
from tests.support.calls import call
from tests.support.runs import perform

pytestmark = pytest.mark.django_db(transaction=True)
HERE = "tests.names.plain"


@pytest.fixture(scope="module", autouse=True)
def adopted():
    """Once for the module: what is a job stays one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adopt.settings, "SIGNALBOX_ADOPT", [f"{HERE}.plain_[stu]*", "plain.*", "nobody.*"], raising=False)
        patch.setattr(adopt.settings, "SIGNALBOX_ADOPT_SUBMIT", [f"{HERE}.plain_sum", "nobody.*"], raising=False)
        adopt.adopt_all()
        found = list(adoption.adopted), list(adoption.wrong), list(adoption.left_alone)
        yield found
    for reported in (adoption.adopted, adoption.wrong, adoption.left_alone):
        reported.clear()


def rows() -> list[tuple]:
    return list(Job.objects.order_by("pk").values_list("kind", "queue", "max_attempts"))


def test_what_was_adopted_and_what_was_not_is_listed(adopted):
    names, wrong, left = adopted
    assert names == [
        "plain.chosen", f"{HERE}.plain_short", f"{HERE}.plain_sum", f"{HERE}.plain_theirs", f"{HERE}.plain_unlucky",
    ]  # fmt: skip
    assert wrong == [
        "SIGNALBOX_ADOPT names 'nobody.*', and no plain Celery task of this process is called so.",
        f"The task {HERE}.plain_unpickled stays a plain Celery task: serializer='pickle' cannot be honoured: the "
        "arguments of a job are JSON.",
        "SIGNALBOX_ADOPT_SUBMIT names 'nobody.*', and no task that became a job is called so.",
    ]
    assert f"{HERE}.plain_left" in left
    said = "\n".join(found.msg for found in checks.adopted_tasks(None))
    assert f"that are jobs: plain.chosen, {HERE}.plain_short, {HERE}.plain_sum" in said
    assert "SIGNALBOX_ADOPT names 'nobody.*'" in said
    assert f"{HERE}.plain_left" in said.split("are no jobs")[1]


def test_a_call_of_a_shared_task_is_a_row_with_what_its_decorator_says():
    assert perform(Job.objects.get(uid=plain.plain_sum.delay(3, y=4).id)).result == 7
    signature(f"{HERE}.plain_unlucky", (5,)).delay()
    current_app.send_task("plain_unlucky", (5,))
    current_app.send_task(f"{HERE}.plain_unlucky", (5,))
    assert rows() == [("plain_sum", "default", 4)] + [("plain_unlucky", "slow", 6)] * 3
    assert registry.get("plain_unlucky").time_limit == 99


def test_it_expires_as_its_decorator_says_and_readers_see_how_often_it_is_tried():
    job = Job.objects.get(uid=plain.plain_short.delay().id)
    assert 55 < (job.expires_at - job.created_at).total_seconds() < 65
    shown = next(kind for kind in call("alice").get("kinds/").json()["results"] if kind["name"] == "plain_short")
    assert "2" in str(shown["retry"])


def test_it_is_tried_again_as_celery_says():
    plain.plain_unlucky.delay(5)
    failed = perform(Job.objects.get())
    assert (failed.state, failed.error) == ("retrying", "KeyError: 5")
    assert 5 < (failed.due_at - failed.created_at).total_seconds() < 9
    Job.objects.update(state="queued", due_at=None)
    assert perform(failed).result == [f"{HERE}.plain_unlucky", 5]


def test_nothing_of_a_job_goes_to_the_result_backend_of_its_app(monkeypatch):
    asked = []
    monkeypatch.setattr(plain.theirs.backend, "store_result", lambda *found, **_: asked.append(found))
    monkeypatch.setattr(BaseBackend, "set_chord_size", lambda *found: asked.append(found))
    assert perform(Job.objects.get(uid=plain.plain_theirs.delay(1).id)).state == "succeeded"
    assert plain.plain_theirs.backend is app.backend is not plain.theirs.backend
    chord([plain.plain_theirs.s(1), plain.plain_theirs.s(2)], app=plain.theirs)(plain.plain_sum.s())
    assert (asked, [kind for kind, _, _ in rows()]) == (
        [],
        ["plain_theirs", "plain_sum", "plain_theirs", "plain_theirs"],
    )


def test_orders_about_a_job_by_its_own_app_are_refused():
    with pytest.raises(NotImplementedError, match="rate_limit"):
        plain.theirs.control.rate_limit(f"{HERE}.plain_theirs", "1/s")


def test_a_task_of_another_app_stays_the_object_that_code_holds():
    assert app.tasks[f"{HERE}.plain_theirs"] is plain.plain_theirs._get_current_object()
    job = Job.objects.get(uid=plain.plain_theirs.delay(1).id)
    inner = perform(job).result
    assert Job.objects.get(uid=inner).parent == job.uid


def test_what_another_app_sends_by_name_is_a_row_too():
    uid = plain.theirs.send_task(f"{HERE}.plain_theirs", (1,), countdown=60).id
    job = Job.objects.get(uid=uid)
    assert (job.kind, job.state) == ("plain_theirs", "scheduled")
    signature(f"{HERE}.plain_theirs", (2,), app=plain.theirs).delay()
    assert Job.objects.count() == 2


def test_its_class_and_its_signals_get_how_it_ended():
    plain.received.clear()
    received = []

    def receiver(exception, **_):
        received.append(str(exception))

    task_failure.connect(receiver, sender=plain.plain_theirs)
    try:
        perform(Job.objects.get(uid=plain.plain_theirs.delay(-1).id))
    finally:
        task_failure.disconnect(receiver, sender=plain.plain_theirs)
    assert received == ["below zero"]
    assert plain.received == [(f"{HERE}.plain_theirs", "below zero")]
    assert Job.objects.get().state == "failed"


def test_parameters_that_look_like_secrets_are_sealed():
    job = Job.objects.get(uid=plain.plain_named.delay({"id": 7}, "y").id)
    assert (job.kind, job.params["api_token"], job.params["text"]) == ("plain.chosen", "•••", "y")
    assert "id" not in job.params["api_token"] and job.secrets
    assert perform(job).result == len("{'id': 7}")


@pytest.mark.parametrize("kind", ["plain_unlucky", f"{HERE}.plain_unlucky"])
def test_people_and_tokens_submit_only_what_is_named_for_them(kind):
    for who in (call("alice"), call("ada"), call("bob", "manage")):
        refused = who.post("jobs/", {"kind": kind, "params": {"n": 1}})
        assert (refused.status_code, refused.problem) == (403, "forbidden")
    planned = {"name": "daily", "kind": kind, "params": {"n": 1}, "every_s": 60}
    assert call("ada").post("schedules/", planned).status_code == 403
    assert call("alice").post("jobs/", {"kind": "plain_sum", "params": {"report": 1}}).status_code == 201
    page = call("alice").client.get("/submit/").content.decode()
    assert "plain_sum" in page and "plain_unlucky" not in page


def test_people_watch_cancel_and_retry_what_is_adopted():
    uid = plain.plain_unlucky.delay(5).id
    alice = call("alice")
    assert alice.get(f"jobs/{uid}/").json()["kind"] == "plain_unlucky"
    assert alice.post(f"jobs/{uid}/cancel/").json()["state"] == "cancelled"
    assert alice.post(f"jobs/{uid}/retry/").json()["state"] == "queued"


def test_celerys_own_tasks_are_never_adopted(monkeypatch):
    monkeypatch.setattr(adopt.settings, "SIGNALBOX_ADOPT", ["celery.*", "*.chord*"], raising=False)
    before = list(adoption.adopted), list(adoption.wrong), list(adoption.left_alone)
    adopt.adopt_all()
    assert adoption.adopted == []
    adoption.adopted[:], adoption.wrong[:], adoption.left_alone[:] = before


TEAM = """
from celery import Celery, shared_task
app = Celery("adoptteam", set_as_current=False)

@shared_task
def ship(order): ...

@app.task
def tell(order): ...

@app.task
def other(order): ...
"""


@pytest.mark.long
@pytest.mark.pure
def test_a_start_lists_what_it_adopted(tmp_path):
    (tmp_path / "adoptteam").mkdir()
    (tmp_path / "adoptteam" / "__init__.py").touch()
    (tmp_path / "adoptteam" / "tasks.py").write_text(TEAM)
    more = {"SIGNALBOX_APPS": "adoptteam", "PYTHONPATH": str(tmp_path), "SIGNALBOX_ADOPT": "adoptteam.tasks.[st]*,no.*"}
    said = (checked := manage("check", home=tmp_path, **more)).stderr + checked.stdout
    assert "Plain Celery tasks that are jobs: adoptteam.tasks.ship, adoptteam.tasks.tell." in said
    assert "SIGNALBOX_ADOPT names 'no.*', and no plain Celery task of this process is called so." in said
    assert "go to the broker of that app: adoptteam.tasks.other." in said
    wrong = manage("check", home=tmp_path, SIGNALBOX_ADOPT="orders;*")
    assert (wrong.returncode, "SIGNALBOX_ADOPT is 'orders;*', but it must be" in wrong.stderr) == (2, True)


@pytest.mark.process
def test_a_worker_runs_it(start_worker, tmp_path):
    sent = [plain.plain_sum.delay(1, 2), plain.plain_theirs.delay(4)]
    worker = start_worker(SIGNALBOX_ADOPT=f"{HERE}.plain_[stu]*", SIGNALBOX_IMPORTS=HERE)
    assert sent[0].get(timeout=20) == 3
    assert Job.objects.get(uid=sent[1].get(timeout=20)).kind == "plain_sum"
    assert "Plain Celery tasks that are jobs" in worker.log()
