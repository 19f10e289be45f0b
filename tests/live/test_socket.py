"""The protocol over real sockets, under daphne and uvicorn: who is let in, what comes, and what is not tolerated."""

import asyncio
import contextlib
import json

import pytest
import websockets
from asgiref.sync import sync_to_async

from tasks.access.models import Entry, Session, Token
from tasks.access.sessions import SessionStore
from tasks.engine import lifecycle, registry
from tasks.queries import board, details
from tests.conftest import database_url_of_the_test
from tests.support.live_hub import claim, submit
from tests.support.live_parts import SUBPROTOCOL, Page, Served, follow, next_frame, say, session, uid
from tests.support.people import person

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]
rows = sync_to_async


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def served(request, servers, django_db_setup, tmp_path_factory):
    log = tmp_path_factory.mktemp("served") / f"{request.param}.log"
    server = Served(servers, request.param, database_url_of_the_test(servers), log)
    yield server.wait_ready()
    server.stop()


def token(name="vera", scope="read", **more):
    return Token.objects.make(person(name), scope, **more)[1]


async def closed(socket):
    """How the server closed a connection, and the error that it sent before."""
    said = None
    async with asyncio.timeout(10):
        try:
            while True:
                frame = json.loads(await socket.recv())
                said = frame if frame["type"] == "error" else said
        except websockets.ConnectionClosed as over:
            return over.rcvd.code, over.rcvd.reason, said


# --- what comes ------------------------------------------------------------------------------------------------------


async def test_a_browser_gets_a_snapshot_and_then_patches(served):
    vera = await rows(person)("vera")
    [first] = await rows(submit)(1)
    page = Page()
    async with await rows(served.connect)(vera) as socket:
        assert socket.subprotocol == SUBPROTOCOL
        await say(socket, type="watch", board=True)
        await follow(socket, page, lambda: page.states() == {first: ("queued", 1)})
        job = await rows(claim)(first)
        await rows(submit)(20)
        await rows(lifecycle.succeed)(job, {"n": 1})
        await follow(socket, page, lambda: page.states().get(first) == ("succeeded", 3) and len(page.jobs) == 21)
        fresh = await rows(board.board)()
        assert page.jobs == {row["id"]: row for row in fresh["jobs"]}
        await follow(socket, page, lambda: page.extras["stats"] == fresh["stats"])
        own = {
            kind.queue for kind in registry.kinds() if not kind.dotted.startswith("tests.")
        }  # as the server knows them
        assert {row["name"] for row in page.extras["queues"]} == own | {"default"}
        await say(socket, type="unwatch", board=True)
        await next_frame(socket, "beat")


async def test_a_program_with_a_token_watches_a_job(served):
    [job] = await rows(submit)(1)
    text = await rows(token)()
    async with served.connect(token=text) as socket:
        await say(socket, type="watch", job=job, after=0)
        assert (await next_frame(socket, "job"))["job"] == await rows(details.detail)(job, people=True)
        await rows(claim)(job)
        frame = await next_frame(socket, "job")
        assert frame["job"]["state"] == "running"
        assert [attempt["number"] for attempt in frame["job"]["attempts"]] == [1]
        await say(socket, type="unwatch", job=job)
        assert (await next_frame(socket, "beat"))["every"] == 1


async def test_a_new_connection_starts_with_a_snapshot(served):
    vera = await rows(person)("vera")
    for _ in range(3):
        async with await rows(served.connect)(vera) as socket:
            await say(socket, type="watch", board=True)
            frame = await next_frame(socket, "snapshot", "patch")
            assert frame["type"] == "snapshot"
            assert frame["age"] < 5


# --- who is let in ---------------------------------------------------------------------------------------------------


async def refused(served, *args, **more):
    with pytest.raises(websockets.InvalidStatus) as error:
        async with await rows(served.connect)(*args, **more):
            pass
    return error.value.response.status_code in (400, 403)  # 400: the server refused it before it came to us


@pytest.mark.parametrize("origin", [None, "http://127.0.0.1:1", "http://127.0.0.1", "http://evil.example", "null", "x"])
async def test_a_cookie_needs_an_origin_of_ours(served, origin):
    assert await refused(served, await rows(person)("vera"), origin=origin)


async def test_another_scheme_is_another_origin(served):
    assert await refused(served, await rows(person)("vera"), origin=served.origin.replace("http:", "https:"))


async def test_a_host_that_is_not_ours_is_no_origin(served):
    headers = {"Host": "evil.example"}
    vera = await rows(person)("vera")
    assert await refused(served, vera, origin="http://evil.example", additional_headers=headers)


async def test_another_host_is_refused_a_token_too_as_every_page_refuses_it(served):
    """A name of somebody else's that leads to our address."""
    url, headers = f"ws://evil.example:{served.port}/ws/live/", {"Authorization": f"Token {await rows(token)()}"}
    with pytest.raises(websockets.InvalidStatus) as error:
        async with websockets.connect(url, host="127.0.0.1", subprotocols=[SUBPROTOCOL], additional_headers=headers):
            pass
    assert error.value.response.status_code == 403
    entry = await rows(Entry.objects.get)(action="live")
    assert (entry.who, entry.via, entry.code) == ("vera", "token", "forbidden")
    assert entry.detail == {"host": f"evil.example:{served.port}", "protocols": SUBPROTOCOL}


async def test_nobody_comes_in_without_a_login(served):
    assert await refused(served, origin=served.origin)
    key = await rows(session)(await rows(person)("vera"))
    await rows(SessionStore(key).delete)()
    cookie = {"Cookie": f"signalbox_session={key}"}
    assert await refused(served, origin=served.origin, additional_headers=cookie)


async def test_a_client_without_credentials_is_refused(served):
    assert await refused(served, await rows(person)("charlie"))
    assert await refused(served, token=await rows(token)("charlie"))


async def test_a_token_is_taken_from_the_header_only(served):
    text = await rows(token)()
    for url in (f"{served.url}?token={text}", f"{served.url}?Authorization=Token+{text}"):
        with pytest.raises(websockets.InvalidStatus):
            async with websockets.connect(url, subprotocols=[SUBPROTOCOL]):
                pass
    assert await refused(served, token=text + "0")
    assert await refused(served, token="")
    assert await refused(served, token=await rows(token)(days=-1))
    assert await refused(served, additional_headers={"Authorization": f"Bearer {text}"})


async def test_a_wrong_token_is_not_made_good_by_a_cookie(served):
    assert await refused(served, await rows(person)("vera"), token="f" * 64)


async def test_an_address_without_a_socket_is_refused_like_any_other(served):
    for path in ("/ws/nowhere/", "/ws/live"):
        with pytest.raises(websockets.InvalidStatus) as error:
            async with websockets.connect(served.url.replace("/ws/live/", path), subprotocols=[SUBPROTOCOL]):
                pass
        assert error.value.response.status_code == 403


async def test_who_was_refused_is_in_the_trail(served):
    charlie = await rows(person)("charlie")
    await refused(served, origin="http://evil.example", token="f" * 64)
    await refused(served, token=await rows(token)("charlie"))
    await refused(served, await rows(person)("vera"), origin="http://evil.example")
    entries = await rows(lambda: list(Entry.objects.filter(action="live").order_by("id")))()
    assert [(e.who, e.via, e.outcome, e.code, e.detail.get("origin", "")) for e in entries] == [
        ("", "session", "refused", "not-authenticated", "http://evil.example"),
        (charlie.username, "token", "refused", "forbidden", ""),
        ("vera", "session", "refused", "forbidden", "http://evil.example"),
    ]
    assert {e.address for e in entries} == {"127.0.0.1"}


async def test_another_protocol_is_refused_and_none_is_ours(served):
    vera = await rows(person)("vera")
    assert await refused(served, vera, subprotocols=["signalbox.v2", "chat"])
    entry = await rows(Entry.objects.get)(action="live")
    assert (entry.who, entry.code, entry.detail["protocols"]) == ("vera", "forbidden", "signalbox.v2, chat")
    async with await rows(served.connect)(vera, subprotocols=["signalbox.v2", SUBPROTOCOL]) as socket:
        assert socket.subprotocol == SUBPROTOCOL
    async with await rows(served.connect)(vera, subprotocols=None) as socket:
        assert socket.subprotocol is None
        await say(socket, type="watch", board=True)
        await next_frame(socket, "snapshot")


async def test_a_token_to_submit_shows_own_jobs_and_no_board(served):
    [own] = await rows(submit)(1, owner=await rows(person)("alice"))
    [foreign] = await rows(submit)(1, owner=await rows(person)("bob"))
    text = await rows(token)("alice", "submit")
    async with served.connect(token=text) as socket:
        await say(socket, type="watch", board=True)
        assert (await next_frame(socket, "error", "snapshot"))["code"] == "forbidden"
        await say(socket, type="watch", gauge="queues")
        assert (await next_frame(socket, "error", "gauge"))["code"] == "forbidden"
        await say(socket, type="watch", job=own)
        assert (await next_frame(socket, "error", "job"))["job"]["owner"] == "alice"
        answers = []
        for job in (foreign, uid(404), "nonsense"):
            await say(socket, type="watch", job=job)
            answers.append(await next_frame(socket, "error", "job"))
        assert [answer["code"] for answer in answers] == ["unknown-job"] * 3
        assert len({answer["detail"] for answer in answers}) == 1


async def test_a_gauge_is_kept_up_to_date(served):
    async with await rows(served.connect)(await rows(person)("vera")) as socket:
        await say(socket, type="watch", gauge="chart-24h")
        chart = (await next_frame(socket, "gauge"))["value"]
        assert len(chart["buckets"]) == 96 and chart.keys() == {"buckets", "kinds", "missing", "drawn"}


async def test_news_are_sent_to_those_who_may_watch_them(served):
    async with await rows(served.connect)(await rows(person)("vera")) as socket:
        await say(socket, type="watch", news=["webhooks"])
        assert (await next_frame(socket, "error", "news"))["code"] == "forbidden"
        await say(socket, type="watch", news=["alerts", "kind:noop"])
        assert (await next_frame(socket, "news"))["topics"] == ["alerts", "kind:noop"]
    async with served.connect(token=await rows(token)("alice", "submit")) as socket:
        await say(socket, type="watch", news=["alerts"])
        assert (await next_frame(socket, "error", "news"))["code"] == "forbidden"


# --- what is not tolerated -------------------------------------------------------------------------------------------

BAD = [
    '{"type": "watch", "news": true}', '{"type": "watch", "news": [1]}',
    "nonsense", "[]", "7", "null", "{}", '{"type": "dance"}', '{"type": 1}', '{"type": "watch"}', "[" * 60_000,
    '{"type": "watch", "board": 1}', '{"type": "watch", "job": 7}', '{"type": "ack"}', '{"type": "ack", "n": "1"}',
    '{"type": "ack", "n": true}', '{"type": "watch", "job": "x", "after": -1}', b"\x00\x01",
    '{"type": "watch", "job": "x", "after": 1e3}', '{"type": "unwatch", "board": false}',
    '{"type": "ack", "n": ' + "9" * 5_000 + "}",
    '{"type": "watch", "gauge": "pressure"}', '{"type": "watch", "gauge": []}',
    '{"type": "%s"}' % ("😀" * 40), '{"type": "watch", "gauge": "%s"}' % ("ä" * 200), '{"type": "\\ud800"}',
]  # fmt: skip


@pytest.mark.parametrize("frame", BAD, ids=[str(number) for number in range(len(BAD))])
async def test_a_bad_frame_ends_the_connection_and_says_why(served, frame):
    async with await rows(served.connect)(await rows(person)("vera")) as socket:
        await socket.send(frame)
        code, reason, error = await closed(socket)
    assert code == 4400
    assert reason
    assert error == {"type": "error", "code": "bad-frame", "detail": reason}


@pytest.mark.parametrize("size", [66_000, 5_000_000])
async def test_a_frame_has_at_most_64_kib(served, size):
    async with await rows(served.connect)(await rows(person)("vera")) as socket:
        await socket.send(json.dumps({"type": "watch", "board": True, "pad": "x" * 65_000}))
        await next_frame(socket, "snapshot")
        with contextlib.suppress(websockets.ConnectionClosed):  # the close may come while it still sends
            await socket.send(json.dumps({"type": "watch", "board": True, "pad": "x" * size}))
        assert (await closed(socket))[0] == 1009


async def test_a_thousand_frames_a_second_are_too_many(served):
    async with await rows(served.connect)(await rows(person)("vera")) as socket:
        with pytest.raises(websockets.ConnectionClosed):
            for _ in range(100):
                for _ in range(100):
                    await socket.send('{"type": "ack", "n": 1}')
                await asyncio.sleep(0.05)
        code, reason, _ = await closed(socket)
        assert (code, "frames a second" in reason) == (4400, True)


async def test_too_many_jobs_at_once_are_an_error(served):
    jobs = await rows(submit)(51)
    async with await rows(served.connect)(await rows(person)("vera")) as socket:
        for job in jobs:
            await say(socket, type="watch", job=job)
        assert (await next_frame(socket, "error"))["code"] == "too-many-jobs"


async def test_logging_out_closes_the_socket(served):
    vera = await rows(person)("vera")
    async with await rows(served.connect)(vera) as socket:
        await say(socket, type="watch", board=True)
        await next_frame(socket, "snapshot")
        await rows(Session.objects.all().delete)()
        code, reason, _ = await closed(socket)
        assert (code, reason) == (4401, "no longer logged in")


async def test_a_token_that_is_taken_back_closes_the_socket(served):
    async with served.connect(token=await rows(token)()) as socket:
        await say(socket, type="watch", board=True)
        await next_frame(socket, "snapshot")
        await rows(Token.objects.all().delete)()
        assert (await closed(socket))[0] == 4401
