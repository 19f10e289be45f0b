"""Brokers as applications have them: a key prefix, priorities, a socket, several at once, a connection that is cut."""

import contextlib
import json
import os
import re

import pytest
import redis
from django.utils import timezone

from project.valkey import free_port
from tasks.access.permissions import Actor
from tasks.observe import asking, broker, knowledge
from tasks.observe.models import App, EndedBar, Gap, Order
from tests.support.people import person
from tests.support.processes import ROOT
from tests.support.tls import Tunnel, certificate
from tests.support.watched import OwnRedis, Watching, row, soon, state, wait_state

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process, pytest.mark.pure]  # on any database


def test_a_key_prefix_and_priorities_are_followed(new_shop, foreign, settings):
    settings.SIGNALBOX_OBSERVE_OPTIONS = {"shop": {"global_keyprefix": "shop:", "priority_steps": [0, 5]}}
    shop = new_shop(3, broker_transport_options={"global_keyprefix": "shop:", "priority_steps": [0, 5]},
                    worker_send_task_events=True)  # fmt: skip
    waiting = [shop.send("add", 1, 2, priority=priority) for priority in (0, 9)]
    with Watching({"shop": shop.broker}):
        for task in waiting:
            wait_state(task, "queued")
        shop.start()
        for task in waiting:
            wait_state(task, "succeeded")
    left = [key.decode() for key in foreign.client(3).keys("*reply.celery.pidbox*")]
    assert [key for key in left if foreign.client(3).type(key) == b"list"] == []


def test_several_applications_at_once_one_of_them_by_a_socket(new_shop, foreign):
    shop, crm = new_shop(1, worker_send_task_events=True), new_shop(2, worker_send_task_events=True)
    shop.start()
    crm.start("w2")
    with Watching({"shop": shop.broker, "crm": f"redis+socket://{foreign.socket}?virtual_host=2"}):
        mine, theirs = shop.send("add", 1, 2), crm.send("fail")
        wait_state(mine, "succeeded")
        soon(lambda: state(theirs, "crm") == "failed", what="crm")
        assert (state(mine, "crm"), state(theirs, "shop")) == (None, None)
    assert set(App.objects.values_list("name", flat=True)) == {"shop", "crm"}


def test_a_result_is_of_the_application_in_whose_database_it_stands(new_shop, settings):
    """Redis publishes what is stored in any of its databases to all that listen."""
    settings.SIGNALBOX_OBSERVE_ENABLE = False  # so that results are all that is heard of a task that ran at once
    shop, crm = new_shop(1, results=True, result_extended=True), new_shop(2, results=True, result_extended=True)
    shop.start()
    crm.start("w2")
    with Watching({"shop": shop.broker, "crm": crm.broker}) as watching:
        apps = watching.observer.watched.values()
        soon(lambda: all(len(each.threads) == 2 and each.threads[1].hears for each in apps),
             40, "both results")  # fmt: skip
        same = {shop.send("add", 1, 2, task_id="order-1"), crm.send("fail", task_id="order-1")}
        mine, theirs = shop.send("add", 1, 2), crm.send("fail")
        soon(lambda: (state(mine), state(theirs, "crm")) == ("succeeded", "failed"), 30, "both")
        soon(lambda: (state("order-1"), state("order-1", "crm")) == ("succeeded", "failed"), 30, "both of one id")
        assert same == {"order-1"}
        assert (state(theirs), state(mine, "crm")) == (None, None)
        said = knowledge.coverage(App.objects.get(name="shop"), [])
        assert not any("The result backend is not read" in sentence for sentence in said)


def test_a_connection_that_is_cut_is_a_gap_with_the_number_of_tasks_that_nobody_saw(new_shop, foreign):
    shop = new_shop(worker_send_task_events=True)
    shop.start(concurrency=1)
    with Watching({"shop": shop.broker}) as watching:
        known = shop.send("add", 1, 2)
        wait_state(known, "succeeded")
        client = foreign.client()
        for each in client.client_list(_type="pubsub"):
            if "celeryev" in str(each) or each.get("psub") == "1":
                client.client_kill_filter(_id=each["id"])
        soon(lambda: Gap.objects.filter(why="the broker cut the connection").exists(), what="the gap")
        after = shop.send("add", 1, 2)
        wait_state(after, "succeeded")
        assert watching.observer.watched["shop"].leads


def test_hostile_messages_do_no_harm(new_shop, foreign):
    shop = new_shop(worker_send_task_events=True)
    shop.start()
    with Watching({"shop": shop.broker}):
        client = foreign.client()
        for raw in (b"", b"x", b"[" * 100_000, b'{"body": 7}', json.dumps({"body": "!", "content-type": "x"}).encode()):
            client.publish("/0.celeryev/task.multi", raw)
        task = shop.send("add", 1, 2)
        wait_state(task, "succeeded")
        soon(lambda: sum(App.objects.get().dropped.values()) >= 5, what="five counted")


@pytest.mark.parametrize("pool", ["threads", "solo"])
def test_other_pools(new_shop, pool):
    shop = new_shop(worker_send_task_events=True)
    shop.start("w1", "-P", pool)
    with Watching({"shop": shop.broker}):
        tasks = {shop.send("add", 1, 2): "succeeded", shop.send("fail"): "failed", shop.send("again", 1): "succeeded"}
        for task, word in tasks.items():
            wait_state(task, word)
        if pool == "solo":
            long = shop.send("sleep", 9)  # it says nothing at all meanwhile
            seen = set()
            soon(lambda: seen.add(state(long)) or "succeeded" in seen, 25, "success")
            assert "unknown" not in seen
            assert row(long).doubt_at is None
        assert App.objects.get().unseen == 0


def test_celery_5_2(new_shop):
    """TESTS_OLD_CELERY: a Python that has Celery 5.2 and redis, as script/test makes one."""
    python = os.environ.get("TESTS_OLD_CELERY")
    if not python:
        pytest.skip("TESTS_OLD_CELERY names no Python with Celery 5.2, which needs 3.11: it is not tested")
    shop = new_shop()
    shop.python = python
    shop.start(concurrency=1)
    with Watching({"shop": shop.broker}) as watching:
        soon(lambda: watching.observer.watched["shop"].watcher.workers.events() == "on", what="events on")
        tasks = {shop.send("add", 1, 2): "succeeded", shop.send("fail"): "failed", shop.send("again", 1): "succeeded"}
        for task, word in tasks.items():
            wait_state(task, word)
        long, waiting = shop.send("sleep", 30), shop.send("add", 2, 3)
        wait_state(long, "running")
        job = wait_state(waiting, "queued")
        soon(lambda: row(waiting).headers["arguments"] in ("inspect", "message"), 40, "real arguments")
        assert job.worker == "shop:w1@here"
        shop.kill("w1")
        wait_state(long, "unknown", seconds=25)


def test_a_worker_in_another_time_zone_shows_right_times(new_shop):
    shop = new_shop(worker_send_task_events=True, timezone="Asia/Tokyo")
    shop.start("w1", TZ="Asia/Tokyo")
    with Watching({"shop": shop.broker}):
        task = shop.send("add", 1, 2)
        job = wait_state(task, "succeeded")
        assert abs((job.finished_at - job.created_at).total_seconds()) < 30
        assert abs((timezone.now() - job.started_at).total_seconds()) < 60


def test_messages_that_were_not_acknowledged_are_left_to_the_application(foreign):
    """A worker holds one for longer than Celery's usual hour: only its application knows whether that is too long."""
    client, url = foreign.client(5), f"redis://127.0.0.1:{foreign.port}/5"
    client.hset("unacked", "tag", json.dumps([{"body": "", "headers": {}, "properties": {}}, "", "celery"]))
    client.zadd("unacked_index", {"tag": 1.0})
    with broker.connection(url, {}) as link, link.SimpleQueue("reply.ours", no_ack=True) as replies:
        for _ in range(40):
            with contextlib.suppress(replies.Empty):
                replies.get(timeout=0.05)
    assert (client.zcard("unacked_index"), client.llen("celery")) == (1, 0)


@pytest.mark.parametrize("unread", ["x" * 2_000_000, "[1, 2]"], ids=["too long", "of another form"])
def test_a_queue_with_a_message_that_is_not_read_may_hold_any_task(foreign, unread):
    """Else a task that waits in it would be called unknown."""
    client = foreign.client(7)
    client.flushdb()
    queues = broker.queues(foreign.url(7), {})
    known = {"headers": {"id": "known", "task": "shop.add"}, "properties": {}, "body": "", "content-type": "text"}
    client.lpush("celery", json.dumps(known))
    messages, depths, complete = queues.read(["celery"])
    assert (set(messages), depths, complete) == ({"known"}, {"celery": 1}, True)
    client.lpush("celery", unread)
    messages, depths, complete = queues.read(["celery"])
    assert (set(messages), depths, complete) == ({"known"}, {"celery": 2}, False)
    queues.close()


def test_the_rights_that_the_manual_names_are_enough(new_shop, foreign):
    page = (ROOT / "docs/observe.md").read_text()
    words = re.search(r"^(ACL SETUSER .*?)^```", page, re.MULTILINE | re.DOTALL)[1].split()
    client = foreign.client()
    client.execute_command(*words)
    client.execute_command("ACL", "LOG", "RESET")
    shop = new_shop()
    waiting = shop.send("add", 40, 2)
    with Watching({"shop": shop.broker.replace("redis://", "redis://signalbox:password@")}) as watching:
        wait_state(waiting, "queued")
        shop.start()
        soon(lambda: watching.observer.watched["shop"].watcher.workers.events() == "on", what="events on")
        wait_state(shop.send("add", 1, 2), "succeeded")
        made = asking.place_order("shop", "rate_limit", kind="shop.add", rate="100/s")
        soon(lambda: Order.objects.get(uid=made["id"]).stage == "answered", what="an answer")
        made = asking.place_order("shop", "purge", queue="nothing")
        soon(lambda: Order.objects.get(uid=made["id"]).stage == "confirmed", what="a purge")
        again, _ = asking.run_again(Actor.of(person("bob")), row(waiting))
        wait_state(again["values"]["task"], "succeeded")
    refused = {(each["context"], each["object"]) for each in client.acl_log() if each["username"] == "signalbox"}
    refused -= {each for each in refused if "client" in each[1]}  # the driver's name, which it can do without
    assert refused == set()


def test_a_redis_with_many_keys_is_searched_some_at_a_time(foreign):
    """A result backend on the same server has a key for each task that ended."""
    client = foreign.client(6)
    with client.pipeline(transaction=False) as pipe:
        for number in range(60_000):
            pipe.set(f"celery-task-meta-{number}", "")
        pipe.execute()
    client.sadd("_kombu.binding.celery", "celery\x06\x16\x06\x16celery")
    client.sadd("_kombu.binding.orders", "orders\x06\x16\x06\x16orders")
    client.config_resetstat()
    queues = broker.queues(foreign.url(6), {})
    assert "celery" in queues.names(), "what is usual is known at once"
    assert client.info("commandstats")["cmdstat_scan"]["calls"] <= broker.SCANS
    found = set()
    for _ in range(6):
        found |= queues.names()
    assert found == {"celery", "orders"}
    assert client.info("commandstats")["cmdstat_scan"]["calls"] <= 7 * broker.SCANS
    queues.close()


def test_a_broker_behind_tls(servers, tmp_path, new_shop):
    """A server that speaks TLS alone, with a certificate of an authority of its own."""
    pem, key = certificate(tmp_path)
    plain = free_port()
    secret = OwnRedis(
        servers, tmp_path / "redis", "--tls-port", str(plain), "--tls-cert-file", str(pem), "--tls-key-file", str(key),
        "--tls-ca-cert-file", str(pem), "--tls-auth-clients", "no",
    )  # fmt: skip
    url = f"rediss://127.0.0.1:{plain}/1?ssl_cert_reqs=required&ssl_ca_certs={pem}"
    secret.client().flushall()
    shop = new_shop(broker=url)
    shop.start()
    with Watching({"shop": url}) as watching:
        soon(lambda: watching.observer.watched["shop"].watcher.workers.events() == "on", what="events on")
        task = shop.send("add", 1, 2)
        wait_state(task, "succeeded")
        made = asking.place_order("shop", "rate_limit", kind="shop.add", rate="100/s")
        soon(lambda: Order.objects.get(uid=made["id"]).stage == "answered", what="an answer")
        again, _ = asking.run_again(Actor.of(person("bob")), row(task), [3, 4], {})
        wait_state(again["values"]["task"], "succeeded")
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    other, _ = certificate(stranger)
    refused = url.replace(str(pem), str(other))
    with pytest.raises(redis.ConnectionError, match="certificate"):
        broker.redis_client(refused).ping()


def test_a_rabbitmq_behind_tls(new_shop, rabbit, tmp_path, monkeypatch):
    pem, key = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    tunnel = Tunnel("127.0.0.1", rabbit.port, pem, key)
    url = f"amqps://guest:guest@127.0.0.1:{tunnel.port}//"
    shop = new_shop(broker=rabbit.url())
    shop.start()
    with Watching({"shop": url}) as watching:
        soon(lambda: watching.observer.watched["shop"].watcher.workers.events() == "on", 30, "events on")
        task = shop.send("add", 1, 2)
        wait_state(task, "succeeded")
        made = asking.place_order("shop", "rate_limit", kind="shop.add", rate="100/s")
        soon(lambda: Order.objects.get(uid=made["id"]).stage == "answered", what="an answer")


def test_a_pool_of_greenlets(new_shop):
    shop = new_shop(worker_send_task_events=True)
    shop.start("w1", "-P", "gevent", concurrency=20)
    with Watching({"shop": shop.broker}) as watching:
        soon(lambda: watching.observer.watched["shop"].watcher.workers.events() == "on", what="events on")
        tasks = {shop.send("add", 1, 2): "succeeded", shop.send("fail"): "failed", shop.send("again", 1): "succeeded"}
        tasks |= {shop.send("sleep", 1): "succeeded" for _ in range(15)}
        for task, word in tasks.items():
            wait_state(task, word)
        long = shop.send("sleep", 20)
        wait_state(long, "running")
        soon(lambda: "gevent" in App.objects.get().workers.get().pool, 40, "the pool")
        asking.cancel(Actor.of(person("bob")), row(long), terminate=True)
        wait_state(long, "cancelled")
        assert row(long).error == "It was terminated."
        bars = EndedBar.objects.filter(minutes=1, outcome="cancelled")
        assert sum(bars.values_list("n", flat=True)) == 1
        assert App.objects.get().unseen == 0
