"""A kind answers to its own name and to Celery's ``module.function``, wherever a name is given."""

import pytest
from celery import chain, current_app, signature
from celery.app.trace import build_tracer
from celery.signals import task_success
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from tasks.base import job
from tasks.engine import lifecycle, registry
from tasks.engine.models import Job
from tasks.schedules import actions as schedules
from tests.names import one, two
from tests.support.calls import call
from tests.support.runs import perform
from tests.tasks import add

pytestmark = pytest.mark.django_db(transaction=True)
DOTTED = "tests.tasks.add"


@pytest.mark.parametrize("name", ["add", DOTTED])
@pytest.mark.parametrize(
    "send",
    [
        lambda name: current_app.send_task(name, (1, 2)),
        lambda name: current_app.send_task(name, kwargs={"x": 1, "y": 2}),
        lambda name: signature(name, (1, 2)).delay(),
        lambda name: signature(name, (1, 2)).apply_async(priority=9),
        lambda name: current_app.tasks[name].delay(1, 2),
        lambda name: chain(signature(name, (1, 0)), signature(name, (2,))).delay(),
    ],
)
def test_what_is_sent_by_name_is_a_row(name, send):
    send(name)
    first = Job.objects.order_by("pk").first()
    assert (first.kind, first.params["x"]) in (("add", 1), ("add", 2))
    assert perform(first).state == "succeeded"
    assert {job.kind for job in Job.objects.all()} == {"add"}


def test_a_name_that_nobody_knows_is_refused_in_a_sentence():
    for send in (lambda: current_app.send_task("tests.tasks.ad", (1,)), lambda: signature("tests.tasks.ad").delay()):
        with pytest.raises(registry.UnknownKind, match=r"named 'tests.tasks.ad' \(perhaps tests.tasks.add is meant\)"):
            send()
    assert not Job.objects.exists()


def test_a_task_has_celerys_name_and_is_the_sender_of_its_signals():
    received = []
    receiver = task_success.connect(lambda sender, **_: received.append(sender.name), weak=False)
    try:
        result = add.delay(1, 2)
        add.__trace__ = build_tracer(add.name, add, app=add.app)  # as a worker does
        add.__trace__(result.id, [], {}, {"id": result.id, "hostname": "w1@here"})
    finally:
        task_success.disconnect(receiver)
    assert (add.name, received) == (DOTTED, [DOTTED])
    assert current_app.tasks["add"] is current_app.tasks[DOTTED] is current_app.tasks.get("add")
    with pytest.raises(current_app.tasks.NotRegistered):
        current_app.tasks["nobody"]


def test_two_functions_of_one_name_answer_to_dotted_names_only():
    names = {"tests.names.one.names_send", "tests.names.two.names_send"}
    assert names <= {kind.name for kind in registry.kinds()}
    for each, said in ((one.names_send, "one 7"), (two.names_send, "two 7")):
        assert perform(Job.objects.get(uid=each.delay(7).id)).result == said
    with pytest.raises(registry.UnknownKind, match="Several kinds have a function named"):
        lifecycle.submit("names_send", {})
    assert set(Job.objects.values_list("kind", flat=True)) == names


def test_a_name_that_was_chosen_stays_and_the_function_of_that_name_goes_by_its_dotted_one():
    @job(name="names_chosen")
    def chosen() -> str:
        return "chosen"

    @job
    def names_chosen() -> str:
        return "by its function"

    assert registry.get("names_chosen").where.endswith("<locals>.chosen")
    assert registry.get("tests.names.test_names.names_chosen").name == "tests.names.test_names.names_chosen"
    assert perform(Job.objects.get(uid=chosen.delay().id)).result == "chosen"
    assert perform(Job.objects.get(uid=names_chosen.delay().id)).result == "by its function"


def test_the_products_own_kinds_keep_their_names():
    @job
    def noop() -> str:
        return "a team's own"

    assert registry.get("noop").where == "tasks.kinds.basic.noop"
    assert registry.get("tasks.kinds.basic.noop").name == "noop"
    assert perform(Job.objects.get(uid=noop.delay().id)).kind == "tests.names.test_names.noop"


def test_one_function_may_be_two_kinds():
    other = job(name="names_other")(add.run)
    assert [perform(Job.objects.get(uid=each.delay(1).id)).kind for each in (add, other)] == ["add", "names_other"]
    assert registry.get(DOTTED).name == "add"


def test_the_api_takes_both_names_and_shows_one():
    alice = call("alice")
    made = alice.post("jobs/", {"kind": DOTTED, "params": {"x": 1}})
    assert (made.status_code, made.json()["kind"]) == (201, "add")
    copied = alice.post("jobs/", {"kind": DOTTED, "copy_of": made.json()["id"]})
    assert copied.status_code == 201
    for asked in (f"kind={DOTTED}", f"q=kind:{DOTTED}", "kind=add", f"state=queued&kind={DOTTED}"):
        assert len(alice.get(f"jobs/?{asked}").json()["results"]) == 2, asked


def test_a_periodic_task_made_in_the_admin_may_say_celerys_name():
    every = IntervalSchedule.objects.create(every=1, period="hours")
    PeriodicTask.objects.create(name="hourly", task=DOTTED, interval=every, kwargs='{"x": 4}')
    schedules.adopt()
    (row,) = schedules.rows()
    assert row.trouble == ""
    assert row.to_dict()["kind"] == "add"
    assert schedules.run_now(row, None).kind == "add"


@pytest.mark.process
def test_a_worker_runs_what_is_sent_by_name_and_kinds_that_share_a_function_name(start_worker):
    sent = [
        current_app.send_task("names_count", (3,)),
        current_app.send_task("tests.names.one.names_count", (4,)),
        one.names_send.delay(5),
        signature("tests.names.two.names_send", (6,)).delay(),
    ]
    start_worker()
    assert [each.get(timeout=20) for each in sent] == [3, 4, "one 5", "two 6"]
