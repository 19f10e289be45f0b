"""Quotas over two real server processes, one of each kind: what counts is what both together have let in."""

import pytest
import requests
from asgiref.sync import sync_to_async

from tasks.door.models import Token
from tests.conftest import database_url_of_the_test
from tests.live_parts import Served, hear, say
from tests.people import person

pytestmark = pytest.mark.django_db(transaction=True)
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
    """Whether the server keeps it: a closed one hears no snapshot."""
    await say(socket, type="watch", board=True)
    return await hear(socket, "snapshot")


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
