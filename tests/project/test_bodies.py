"""Large bodies, sent to real servers: little memory, a clear refusal, and uploads that arrive whole."""

import asyncio
import contextlib
import hashlib
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from project import bodies
from tasks.access.models import Token
from tasks.kinds.images.models import Collection
from tests.conftest import database_url_of_the_test
from tests.support.live_parts import Served, session
from tests.support.people import person
from tests.support.pictures import jpeg, zipped
from tests.support.runs import MOST_MB

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process, pytest.mark.pure]
BORDER = b"----signalbox"


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def served(request, servers, django_db_setup, tmp_path_factory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("served")
    url = database_url_of_the_test(servers)
    server = Served(servers, request.param, url, home / "log", SIGNALBOX_HOME=str(home), SIGNALBOX_UPLOAD_MB="120")
    yield server.wait_ready()
    server.stop()


def peak_mb(served: Served) -> int:
    status = Path(f"/proc/{served.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def form(size: int) -> Iterator[bytes]:
    """A form with a file of that size in it, in pieces."""
    yield b'--%s\r\nContent-Disposition: form-data; name="archive"; filename="a.zip"\r\n\r\n' % BORDER
    for _ in range(size // 1_000_000):
        yield b"x" * 1_000_000
    yield b"\r\n--%s--\r\n" % BORDER


def post(served: Served, path: str, size: int, chunked: bool) -> requests.Response | None:
    """The answer; None when the line was cut while we were still sending."""
    headers = {"Content-Type": f"multipart/form-data; boundary={BORDER.decode()}"}
    with tempfile.TemporaryFile() as file:
        file.writelines(form(size))
        file.seek(0)
        body = iter(lambda: file.read(64_000), b"") if chunked else file
        try:
            return requests.post(served.origin + path, body, headers=headers, allow_redirects=False, timeout=60)
        except requests.ConnectionError:
            return None


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
@pytest.mark.parametrize(
    ("path", "megabytes"),
    [("/login/", 100), ("/collections/new/", 200), ("/collections/new/", 20), ("/api/v1/jobs/", 5)],
)
def test_a_body_beyond_its_bounds_is_refused_and_takes_no_memory(served, path, megabytes, chunked):
    answer = post(served, path, megabytes * 1_000_000, chunked)
    assert answer is None or answer.status_code == 413, answer.text
    if answer is not None and path.startswith("/api/"):
        assert answer.json()["type"] == "/problems/too-large"
    assert peak_mb(served) < MOST_MB
    assert requests.get(served.origin + "/healthz", timeout=30).status_code == 200


def test_a_body_in_chunks_is_read_like_any_other(served):
    owner = person("alice")
    token = Token.objects.make(owner, "submit")[1]
    headers = {"Authorization": f"Token {token}", "Content-Type": "application/json"}
    body = iter([b'{"kind": "noop", ', b'"priority": 7}'])
    answer = requests.post(served.origin + "/api/v1/jobs/", body, headers=headers, timeout=60)
    assert (answer.status_code, answer.json().get("priority")) == (201, 7), answer.text


def test_a_large_archive_arrives_whole_in_little_memory(served):
    """Form data after a zip's end are no harm to it: a hundred megabytes that are one archive."""
    images = {f"photos/{n}.jpg": jpeg(n) for n in range(4)}
    archive = zipped(images | {"photos/rest.jpg": b"x" * 100_000_000})
    cookies = {"signalbox_session": session(person("alice")), "signalbox_csrf": "a" * 32}
    page = requests.get(served.origin + "/collections/new/", cookies=cookies, timeout=30)
    cookies["signalbox_upload"] = page.cookies["signalbox_upload"]
    answer = requests.post(
        served.origin + "/collections/new/",
        data={"name": "Large", "folder": "", "csrfmiddlewaretoken": "a" * 32},
        files={"archive": ("large.zip", archive)},
        cookies=cookies, allow_redirects=False, timeout=120,
        headers={"Origin": served.origin},
    )  # fmt: skip
    assert answer.status_code == 302, answer.text
    uid = answer.headers["Location"].split("/")[-2]
    assert Collection.objects.get(uid=uid).archive_name == "large.zip"
    home = Path(served.log_file).parent
    kept = home / "images" / uid / "archive"
    assert hashlib.sha256(kept.read_bytes()).digest() == hashlib.sha256(archive).digest()
    assert peak_mb(served) < MOST_MB
    print(f"{served.server}: {len(archive) / 1e6:.0f} MB uploaded, the server took {peak_mb(served)} MB at most")


def test_a_large_body_is_only_taken_from_who_opened_its_page(served):
    """Before a byte of it: the answer comes although nothing but the head was sent."""
    key, other = session(person("alice")), session(person("vera"))
    page = requests.get(served.origin + "/collections/new/", cookies={"signalbox_session": key}, timeout=30)
    ticket = page.cookies["signalbox_upload"]
    for cookies, taken in (
        ("", False), (f"signalbox_session={key}", False), (f"signalbox_upload={ticket}", False),
        (f"signalbox_session={other}; signalbox_upload={ticket}", False),
        (f"signalbox_session={key}; signalbox_upload={ticket}x", False),
        (f"signalbox_session={key}; signalbox_upload={ticket}", True),
    ):  # fmt: skip
        with socket.create_connection(("127.0.0.1", served.port), 10) as line:
            head = "POST /collections/new/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 50000000\r\n"
            more = f"Cookie: {cookies}\r\nContent-Type: multipart/form-data; boundary=x\r\n\r\n"
            line.sendall((head + more).encode())
            line.settimeout(1.5)
            try:
                said = line.recv(100)
            except TimeoutError:
                said = b""
        assert (said == b"") is taken, (cookies, said)
        assert taken or b" 413 " in said


def test_a_connection_on_which_nothing_goes_on_is_closed(served):
    if served.server == "daphne":
        pytest.skip("Twisted closes them itself, after a minute")
    host = b" HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    starts = (
        b"", b"GET / HT", b"GET /healthz" + host + b"X-Slow: ", b"GET /healthz" + host + b"\r\nGET /he",
        b"POST /login/" + host + b"Content-Length: 100\r\n\r\nhalf",
    )  # fmt: skip
    lines = [socket.create_connection(("127.0.0.1", served.port), 10) for _ in starts]
    began = time.monotonic()
    for line, start in zip(lines, starts, strict=True):
        line.sendall(start)
        line.settimeout(60)
    for line in lines:
        with contextlib.suppress(ConnectionResetError):
            while line.recv(10_000):
                pass
        line.close()
    assert time.monotonic() - began < bodies.BODY_S + 10


def test_a_head_that_never_ends_takes_no_memory(served):
    before = peak_mb(served)
    with socket.create_connection(("127.0.0.1", served.port), 10) as line, contextlib.suppress(OSError):
        line.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: ")
        for _ in range(500):
            line.sendall(b"a" * 100_000)
    assert peak_mb(served) < before + 20
    assert requests.get(served.origin + "/healthz", timeout=30).status_code == 200


@pytest.mark.parametrize("path", ["/api/v1/jobs/", "/signalbox/api/v1/jobs/"])
async def test_a_stalled_body_is_refused_as_the_api_refuses_under_a_prefix_too(monkeypatch, path):
    monkeypatch.setattr(bodies, "BODY_S", 0.01)
    sent = []

    async def reads(scope, receive, send):
        assert (await receive())["type"] == "http.disconnect"

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": path, "root_path": path.partition("/api")[0], "headers": []}
    await bodies.bounded(reads)(scope, asyncio.Event().wait, send)
    headers = dict(sent[0]["headers"])
    assert (sent[0]["status"], headers[b"x-api-version"], headers[b"content-type"]) == (
        408, b"v1", b"application/problem+json",
    )  # fmt: skip
