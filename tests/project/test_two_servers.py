"""Two real server processes, one of each kind: what they let in and turn away together, whatever is away or large."""

import asyncio
import contextlib
import json
import sqlite3

import pytest
import requests
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.utils import timezone

from project import valkey
from tasks.access.models import Token
from tasks.engine.models import Job, Queue, Worker
from tests.conftest import database_url_of_the_test
from tests.support.live_parts import Served, next_frame, say
from tests.support.people import person
from tests.support.processes import csrf

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]
rows = sync_to_async
LIMITS = {"SIGNALBOX_SOCKETS_PER_USER": "3", "SIGNALBOX_SUBMITS_PER_TOKEN": "3", "SIGNALBOX_SUBMITS_PER_USER": "4"}


@pytest.fixture(scope="module")
def both(servers, django_db_setup, tmp_path_factory):
    folder, url = tmp_path_factory.mktemp("both"), database_url_of_the_test(servers)
    made = [Served(servers, name, url, folder / f"{name}.log", **LIMITS) for name in ("daphne", "uvicorn")]
    yield [each.wait_ready() for each in made]
    for each in made:
        each.stop()


def token(name, scope):
    return Token.objects.make(person(name), scope)[1]


def submit(served, text):
    headers = {"Authorization": f"Token {text}"}
    return requests.post(f"{served.origin}/api/v1/jobs/", json={"kind": "noop"}, headers=headers, timeout=20)


async def stays(socket):
    """Whether the server keeps it: a closed one gets no snapshot."""
    await say(socket, type="watch", board=True)
    return await next_frame(socket, "snapshot")


async def test_open_sockets_of_one_user_are_counted_over_both(both):
    first, second = both
    text, other = await rows(token)("vera", "read"), await rows(token)("alice", "read")
    opened = [await served.connect(token=text) for served in (first, second, first)]
    for socket in opened:
        await stays(socket)
    for served in both:
        async with served.connect(token=text) as one_too_many:
            await one_too_many.wait_closed()
            assert (one_too_many.close_code, one_too_many.close_reason) == (1013, "too many sockets of this user")
    async with second.connect(token=other) as of_another:
        await stays(of_another)
    await opened.pop().close()

    async def again():
        async with second.connect(token=text) as socket:
            try:
                return await stays(socket)
            except Exception:
                return None

    room = None
    while room is None:  # as soon as the first server has said that one has left
        room = await again()
    for socket in opened:
        assert socket.close_code is None
        await socket.close()


def test_submits_a_minute_are_counted_over_both(both):
    first, second = both
    text, other = token("alice", "submit"), token("alice", "manage")
    assert [submit(served, text).status_code for served in (first, second, first, second, first)] == [
        201, 201, 201, 429, 429,
    ]  # fmt: skip
    assert [submit(served, other).status_code for served in (second, first, second)] == [201, 429, 429]
    answer = submit(second, other)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/too-many-requests" and "4 submits" in answer.json()["detail"]
    assert 1 <= int(answer.headers["Retry-After"]) <= 60


# --- who has to go ---------------------------------------------------------------------------------------------------


async def code_of(socket):
    async with asyncio.timeout(15):
        await socket.wait_closed()
    return socket.close_code


async def open_at(served, **by):
    socket = await served.connect(**by)
    await stays(socket)
    return socket


def demote(name):
    person(name).groups.set([Group.objects.get_or_create(name="nobody")[0]])


@pytest.mark.parametrize(
    "lose",
    [
        pytest.param(lambda: Token.objects.filter(user__username="vera").update(scope="submit"), id="scope"),
        pytest.param(lambda: demote("vera"), id="role"),
    ],
)
async def test_whoever_may_no_longer_is_closed_with_4403_on_every_server(both, lose):
    text = await rows(token)("vera", "read")
    opened = [await open_at(served, token=text) for served in both]
    await rows(lose)()
    assert [await code_of(socket) for socket in opened] == [4403, 4403]


class Browser:
    """Logged in by the form of a real server, as people are."""

    def __init__(self, served, name):
        self.served, self.session = served, requests.Session()
        user = person(name)
        if not user.check_password("a pass phrase of the tests"):  # another one would end her other sessions
            user.set_password("a pass phrase of the tests")
            user.save()
        self.post("login/", username=name, password="a pass phrase of the tests")

    def post(self, path, **form):
        self.session.get(f"{self.served.origin}/login/", timeout=20)
        form["csrfmiddlewaretoken"] = csrf(self.session)
        headers = {"Referer": self.served.origin}
        answer = self.session.post(
            f"{self.served.origin}/{path}", form, headers=headers, timeout=20, allow_redirects=False
        )
        assert answer.status_code == 302, answer.text
        return answer

    def connect(self):
        cookie = "; ".join(f"{name}={value}" for name, value in self.session.cookies.items())
        return open_at(self.served, additional_headers={"Cookie": cookie}, origin=self.served.origin)


async def test_logging_out_closes_the_sockets_of_that_session_and_everywhere_those_of_all(both):
    first, second = [await rows(Browser)(served, "vera") for served in both]
    bob = await rows(Browser)(both[0], "bob")
    here, there, of_bob = await first.connect(), await second.connect(), await bob.connect()
    await rows(first.post)("logout/")
    assert await code_of(here) == 4401
    await stays(there)
    again = await rows(Browser)(both[0], "vera")
    here = await again.connect()
    await rows(second.post)("logout/everywhere/")
    assert [await code_of(here), await code_of(there)] == [4401, 4401]
    await stays(of_bob)
    await of_bob.close()


# --- what is away ----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def locked():
    """Somebody else holds the jobs, as a long transaction does."""
    if connection.vendor == "sqlite":
        other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.rollback()
        other.close()
    else:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE tasks_job IN ACCESS EXCLUSIVE MODE")
            yield


def test_a_locked_database_is_a_503_that_says_when_to_come_again(both):
    text = token("alice", "manage")
    for served in both:
        with locked():
            answer = submit(served, text)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert answer.json()["type"] == "/problems/unavailable"
    assert not Job.objects.exists()
    assert submit(both[0], text).status_code == 201


def test_without_redis_a_submit_is_accepted_and_readiness_says_what_is_missing(servers, django_db_setup, tmp_path):
    """The row is the promise; the message is sent when Redis is back."""
    away = {"REDIS_URL": f"redis://127.0.0.1:{valkey.free_port()}/0"}
    served = Served(servers, "uvicorn", database_url_of_the_test(servers), tmp_path / "away.log", **away)
    try:
        served.wait_ready()
        answer = submit(served, token("alice", "manage"))
        assert answer.status_code == 201 and answer.json()["state"] == "queued"
        ready = requests.get(f"{served.origin}/readyz", timeout=20)
        assert ready.status_code == 503
    finally:
        served.stop()


# --- how large a frame may be ----------------------------------------------------------------------------------------


async def test_no_frame_is_larger_than_512_kib(both):
    """500 jobs with texts as long as they get, thousands of queues, workers with long names."""
    text = await rows(token)("alice", "read")

    @rows
    def make():
        long = "\u00e9\U0001f4a5" * 2_000
        Job.objects.bulk_create(
            Job(kind="noop", queue="default", state=state, error=long[:2_000], progress_note=long[:200],
                worker="w" * 200, created_at=timezone.now(), started_at=timezone.now(),
                finished_at=timezone.now() if state == "failed" else None)
            for state in ("failed", "retrying") for _ in range(250)
        )  # fmt: skip
        Queue.objects.bulk_create(Queue(name=f"queue {n:05} {'q' * 80}", paused=True) for n in range(4_000))
        now = timezone.now()
        Worker.objects.bulk_create(
            Worker(name=f"{n} {'n' * 190}", host="h" * 200, pid=n, seen_at=now, started_at=now,
                   queues=[f"{q} {'q' * 90}" for q in range(40)])
            for n in range(2_000)
        )  # fmt: skip

    await make()
    for served in both:
        async with served.connect(token=text) as socket:
            await say(socket, type="watch", board=True)
            seen, size, known = set(), 0, {}
            async with asyncio.timeout(30):
                while len(seen) < 100 or any(len(known.get(name, ())) < 10 for name in ("workers", "queues")):
                    got = await socket.recv()
                    size, frame = max(size, len(got)), json.loads(got)
                    seen |= {job["id"] for job in frame.get("jobs", ())}
                    known |= {name: frame[name] for name in ("workers", "queues") if name in frame}
                    if "n" in frame:
                        await say(socket, type="ack", n=frame["n"])
            assert 300 * 1024 < size <= 512 * 1024
