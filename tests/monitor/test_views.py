"""The page of queues and workers: what an operator reads there, what one may do, and that it is written down."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tasks.access.models import Entry
from tasks.engine import attempts, lifecycle
from tasks.engine.models import Job, Queue, Worker
from tasks.queries import plots, stats
from tasks.queries.diagnosis import troubles, troubles_of
from tests.support.people import person

pytestmark = pytest.mark.django_db


def browser(name: str) -> Client:
    client = Client()
    client.force_login(person(name))
    return client


def queue(name: str = "io", **more: Any) -> dict[str, Any]:
    usual = {"paused": False, "queued": 0, "oldest_s": None, "running": 0, "started_per_min": 0, "workers": 1}
    return {"name": name} | usual | more


def worker(*queues: str, alive: bool = True, running: int = 0, concurrency: int = 2) -> dict[str, Any]:
    reported = {"name": "w1@here", "host": "here", "pid": 1, "beat_age_s": 0.1, "alive": alive}
    return reported | {"queues": queues, "concurrency": concurrency, "running": ["a job"] * running}


# What queues and workers are like → what a page says of it.
CASES = [
    ([queue(queued=5, oldest_s=90, started_per_min=3)], [worker("io")], []),
    ([queue(queued=5, oldest_s=59)], [worker("io")], []),
    ([queue(), queue("default", workers=0)], [worker("io")], []),
    ([queue()], [], []),
    ([queue(queued=1, workers=0)], [worker("io", alive=False)], ["No worker is running: 1 job waits."]),
    (
        [queue(queued=2000, workers=0), queue("x", queued=1, workers=0)],
        [],
        ["No worker is running: 2,001 jobs wait."],
    ),
    ([queue(queued=3, workers=0)], [worker("x")], ["No worker serves queue io, and 3 jobs wait in it."]),
    ([queue(queued=3, paused=True, oldest_s=900)], [], ["Queue io is paused: 3 jobs wait. Resume"]),
    ([queue(queued=1, paused=True)], [worker("io")], ["Queue io is paused: 1 job waits. Resume"]),
    (
        [queue(queued=9, oldest_s=61)],
        [worker("io", running=1)],
        ["1 slot of its workers is free, but nothing started. Run the self test"],
    ),
    (
        [queue(queued=9, oldest_s=61), queue("x", started_per_min=1200)],
        [worker("io", "x")],
        ["Its workers started 1,200 jobs from other queues, which have a higher priority."],
    ),
    (
        [queue(queued=9, oldest_s=61), queue("x", started_per_min=7)],
        [worker("io"), worker("x")],
        ["2 slots of its workers are free, but nothing started"],
    ),
    ([queue(queued=9, oldest_s=61)], [worker("io"), worker("x")], ["2 slots of its workers are free"]),
    ([queue(queued=9, oldest_s=61)], [worker("io", running=2)], ["Its workers are all busy"]),
    ([queue("a", queued=1, workers=0), queue("b", queued=1, workers=0)], [worker("x")], ["queue a,", "queue b,"]),
]


def test_queues_with_the_same_trouble_are_told_of_in_one_sentence():
    stuck = [queue(f"q{n}", queued=n, oldest_s=90) for n in range(1, 9)]
    alone = [queue("lone", queued=4, paused=True), queue("a", queued=1, workers=0), queue("b", queued=2, workers=0)]
    found = troubles_of({
        "queues": [*stuck, *alone],
        "workers": [worker(*(each["name"] for each in stuck), running=2)],
    })  # fmt: skip
    assert [each["look"] for each in found] == ["danger", "caution", "caution"]
    served, busy, paused = (each["words"] for each in found)
    assert served.startswith("No worker serves 2 queues: b (2 waiting), a (1 waiting). Start one: ")
    assert served.endswith(".b,signalbox.a.")
    assert busy == (
        "Nothing started in the last minute in 8 queues: q8 (8 waiting), q7 (7 waiting), q6 (6 waiting), "
        "q5 (5 waiting), q4 (4 waiting), q3 (3 waiting) and 2 more. "
        "Their workers are all busy. Wait, cancel a long job, or start another worker."
    )
    assert paused.startswith("Queue lone is paused: 4 jobs wait.")
    assert len({each["about"] for each in found}) == 3


def test_the_page_of_a_queue_says_so_when_no_worker_runs_at_all():
    lifecycle.submit("noop", {})
    assert "No worker is running: 1 job waits." in browser("vera").get("/queues/default/").content.decode()


@pytest.mark.parametrize(("queues", "workers", "wanted"), CASES)
def test_what_keeps_jobs_from_starting_is_said_in_words(queues, workers, wanted):
    found = troubles(queues, workers, "signalbox.")
    assert len(found) == len(wanted)
    for said, words in zip(found, wanted, strict=True):
        assert words in said["words"]


def test_a_queue_without_a_worker_is_named_on_board_and_page():
    now = timezone.now()
    seen = now + timedelta(hours=1)  # it is alive, however slow this machine is
    Worker.objects.create(name="w1", host="h", pid=1, queues=["chores"], concurrency=2, seen_at=seen, started_at=now)
    for _ in range(2):
        lifecycle.submit("noop", {})
    for address in ("/", "/workers/"):
        text = browser("vera").get(address).content.decode()
        assert "No worker serves queue default, and 2 jobs wait in it." in text
        assert "worker -Q signalbox" in text or "-Q " in text


def test_a_lost_worker_is_shown_as_lost_and_a_stopped_one_not_at_all():
    now = timezone.now()
    for name, more in (
        ("alive", {"seen_at": now}),
        ("lost", {"seen_at": now - timedelta(minutes=5)}),
        ("stopped", {"seen_at": now, "stopped_at": now}),
    ):
        Worker.objects.create(name=name, host="h", pid=1, queues=["default"], concurrency=2, started_at=now, **more)
    job = Job.objects.create(
        kind="countdown", queue="default", state="running", worker="alive", created_at=now, started_at=now
    )
    text = browser("vera").get("/workers/").content.decode()
    cards = {part.split('"')[0]: part for part in text.split('data-worker="')[1:]}
    assert cards["alive"].startswith('alive" data-alive="true"') and cards["lost"].startswith(
        'lost" data-alive="false"'
    )
    assert "stopped" not in cards
    assert f"countdown {str(job.uid)[-6:]}" in cards["alive"] and f"/jobs/{job.uid}/" in cards["alive"]


def test_times_of_the_last_hour_stand_beside_a_queue():
    now = timezone.now()
    times = {"created_at": now - timedelta(seconds=8), "started_at": now - timedelta(seconds=0.04), "finished_at": now}
    Job.objects.create(kind="noop", queue="default", state="succeeded", **times)
    text = browser("vera").get("/workers/").content.decode()
    row = text.split('data-queue="default"')[1].split("</tr>")[0]
    assert 'data-part="waited">7.5 s · 9.8 s' in row and 'data-part="ran">25 ms · 48 ms' in row


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_pausing_is_a_post_of_those_who_may(verb):
    address = f"/queues/default/{verb}/"
    assert browser("bob").get(address).status_code == 405
    assert browser("vera").post(address).status_code == 403
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(person("bob"))
    assert strict.post(address).status_code == 403
    assert not Queue.objects.exists()
    assert browser("bob").post(f"/queues/nowhere/{verb}/").status_code == 404


def test_a_paused_queue_stays_so_and_who_did_it_is_written_down():
    client = browser("bob")
    answer = client.post("/queues/default/pause/", follow=True)
    assert "Queue default is paused." in answer.content.decode()
    kept = Queue.objects.get(name="default")
    assert (kept.paused, kept.paused_by) == (True, person("bob"))
    job = lifecycle.submit("noop", {})[0]
    assert lifecycle.claim(job.uid, "w1", 1) is None
    row = answer.content.decode().split('data-queue="default"')[1].split("</tr>")[0]
    assert 'data-part="state">Paused' in row
    reported = client.post("/queues/default/resume/", headers={"accept": "application/json"}).json()
    assert (reported["name"], reported["paused"]) == ("default", False)
    assert lifecycle.claim(job.uid, "w1", 1) is not None
    entries = Entry.objects.filter(action="pause").order_by("id")
    assert [(e.who, e.target, e.detail) for e in entries] == [
        ("bob", "queue default", {"paused": True}), ("bob", "queue default", {"paused": False}),
    ]  # fmt: skip


def test_only_those_who_may_see_the_buttons():
    assert "Pause queue" not in browser("vera").get("/workers/").content.decode()
    assert "Pause queue" in browser("bob").get("/workers/").content.decode()


# --- charts ----------------------------------------------------------------------------------------------------


def test_a_scale_ends_at_a_round_number_and_the_least_bar_can_be_seen():
    assert [plots.top(n) for n in (0, 1, 3, 5, 6, 11, 50, 51, 999, 1000, 1001)] == [
        1, 1, 5, 5, 10, 20, 50, 100, 1000, 1000, 2000,
    ]  # fmt: skip
    assert plots.heights([0, 10], 10) == [0, 100] and plots.heights([1], 10_000) == [plots.LEAST]
    assert plots.path([plots.LEAST], [99.0]) == "M0.1 1.0v-1.0h.8V1.0z", "a bar ends at the top of its plot"


@pytest.mark.parametrize("period", stats.PERIODS)
def test_a_chart_and_its_table_say_the_same_without_javascript(period):
    now = timezone.now()
    for state in ("succeeded", "failed", "failed", "cancelled"):
        times = {"created_at": now, "started_at": now, "finished_at": now}
        attempts.write_endings([Job.objects.create(kind="noop", queue="default", state=state, **times)])
    text = browser("vera").get(f"/charts/?period={period}").content.decode()
    bars = stats.PERIODS[period][0] // stats.PERIODS[period][1]
    assert text.count('data-part="failed"') == bars
    last = text.split("<tbody data-bars>")[1].split("</tbody>")[0].rsplit("<tr>", 1)[1]
    assert [last.split(f'data-part="{name}">')[1].split("<")[0] for name in stats.OUTCOMES] == ["1", "2", "1"]
    assert f'data-of="failed" d="M{bars - 1}.1 100.0v-100.0h.8V100.0z"' in text, "the only failures reach the top"
    assert 'data-total="failed">2<' in text


def test_a_chart_that_is_not_whole_says_so():
    now = timezone.now()
    times = {"created_at": now, "finished_at": now - timedelta(hours=4)}
    attempts.write_endings([Job.objects.create(kind="noop", queue="default", state="failed", **times)])
    client = browser("vera")
    assert "data-missing hidden" in client.get("/charts/?period=1h").content.decode()
    assert "data-missing>" in client.get("/charts/?period=24h").content.decode()
    assert client.get("/charts/?period=7y").status_code == 404
