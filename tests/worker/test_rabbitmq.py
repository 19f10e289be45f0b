"""Our own jobs by way of a RabbitMQ that really runs: few messages, priorities, a restart, long jobs."""

import pytest
from kombu import Connection, pools

from tasks.engine import broker, lifecycle
from tasks.engine.celery_app import app
from tests.support.processes import wait_until
from tests.support.watched import OwnRabbit
from tests.worker.test_slices import wait_for_all

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]
UNACKNOWLEDGED_S = 2.0


@pytest.fixture(scope="module")
def rabbit(servers, tmp_path_factory) -> OwnRabbit:
    return OwnRabbit(servers, tmp_path_factory.mktemp("rabbit"), UNACKNOWLEDGED_S)


@pytest.fixture
def start(rabbit, start_worker, settings, monkeypatch):
    """Starts workers that serve RabbitMQ, to which this process sends its messages as well."""
    settings.SIGNALBOX_BROKER_URL = rabbit.url()
    monkeypatch.setattr(broker, "_producers", {})
    monkeypatch.setattr(broker, "_depths", {})
    monkeypatch.setattr(broker, "_quiet_until", 0.0)
    queues = app.amqp.Queues(broker.declared(["default", "io"]))  # as each process declares them that begins with it
    monkeypatch.setitem(vars(app.amqp), "queues", queues)
    pools.reset()
    app._after_fork()
    with Connection(rabbit.url()) as link:
        for queue in ("default", "io"):
            link.channel().queue_delete(broker.broker_name(queue))
    return lambda name="w1", **more: start_worker(name, CELERY_BROKER_URL=rabbit.url(), **more)


def test_many_jobs_need_few_messages_and_the_urgent_go_first(start):
    jobs = lifecycle.submit_many("noop", [{}] * 600)
    assert 0 < broker.ready("default") <= broker.ROOM
    urgent = [lifecycle.submit("noop", {}, priority=9)[0] for _ in range(5)]
    start(concurrency=1)
    done = wait_for_all(jobs + urgent)
    assert {(job.state, job.attempt) for job in done} == {("succeeded", 1)}
    assert {job.pk for job in done[:5]} == {job.pk for job in urgent}
    wait_until(lambda: broker.ready("default") == 0, what="an empty queue")


def test_a_job_longer_than_rabbitmq_waits_for_an_acknowledgement_runs_once_and_keeps_its_connection(start, rabbit):
    worker = start(concurrency=1)
    job, _ = lifecycle.submit("countdown", {"seconds": 4 * int(UNACKNOWLEDGED_S)})
    after, _ = lifecycle.submit("noop", {})
    done = wait_for_all([job, after])
    assert [(each.state, each.attempt) for each in done] == [("succeeded", 1)] * 2
    assert "PRECONDITION_FAILED" not in worker.log() and "onnection to broker lost" not in worker.log()
    said = [file.read_text(errors="replace") for file in rabbit.folder.rglob("*.log")]
    assert said and not any("consumer ack timed out" in text.lower() for text in said)


def test_jobs_go_on_after_a_restart_of_rabbitmq(start, rabbit):
    start(concurrency=1)
    wait_for_all(lifecycle.submit_many("noop", [{}] * 3))
    rabbit.stop()
    during = [lifecycle.submit("noop", {})[0] for _ in range(3)]
    assert rabbit.start()
    after = lifecycle.submit_many("noop", [{}] * 3)
    done = wait_for_all(during + after)
    assert {(job.state, job.attempt) for job in done} == {("succeeded", 1)}
