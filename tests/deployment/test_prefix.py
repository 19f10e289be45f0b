"""The whole product under a path, behind a proxy that strips the path or passes it on, on each server."""

import re
from html.parser import HTMLParser
from urllib.parse import urldefrag, urljoin, urlsplit

import pytest
import requests
from asgiref.sync import sync_to_async

from tasks.access.models import Token
from tasks.engine import lifecycle
from tests.conftest import database_url_of_the_test
from tests.support.live_parts import Served, next_frame, say
from tests.support.people import PASSWORD, person

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process, pytest.mark.pure]
SETTING = {"SIGNALBOX_PREFIX": "/box"}

PLACEHOLDER = re.compile(r"/-/|/0{8}-|/logout/|\?")  # what a script fills in, what ends the session, what repeats pages


class Links(HTMLParser):
    """Every address that a page leads to or loads from."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("href", "src", "action")]


class Proxied(requests.Session):
    """A browser at https://host/box/…, and the proxy between it and the server: what it asks for lies under /box/."""

    def __init__(self, served: Served, strips: bool, knows: bool) -> None:
        super().__init__()
        self.served, self.strips, self.knows = served, strips, knows

    def ask(self, method: str, path: str, **more) -> requests.Response:
        assert f"{path}/".startswith("/box/"), f"{path} is not ours"
        inside = path.removeprefix("/box") if self.strips else path
        more.setdefault("headers", {})["Referer"] = f"{self.served.origin}/box/"
        # Its cookies are for /box/, so they are sent by hand when the proxy strips the prefix.
        more["headers"]["Cookie"] = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.cookies)
        return self.request(method, self.served.origin + inside, timeout=30, allow_redirects=False, **more)

    def log_in(self) -> None:
        page = self.ask("GET", "/box/login/")
        assert page.status_code == 200
        form = {"username": "ada", "password": PASSWORD, "csrfmiddlewaretoken": self.cookies["signalbox_csrf"]}
        answer = self.ask("POST", "/box/login/", data=form)
        assert (answer.status_code, answer.headers["Location"]) == (302, "/box/")


@pytest.fixture(
    scope="module",
    params=[
        ("uvicorn", True, SETTING, ()),
        ("uvicorn", False, SETTING, ()),
        ("daphne", True, SETTING, ()),
        ("daphne", False, SETTING, ()),
        ("uvicorn", True, {}, ("--root-path", "/box")),
        ("uvicorn", False, {}, ("--root-path", "/box")),
        ("daphne", False, {}, ("--root-path", "/box")),
    ],
    ids=lambda param: f"{param[0]}-{'stripped' if param[1] else 'whole'}-{'option' if param[3] else 'setting'}",
)
def started(request, servers, django_db_setup, tmp_path_factory):
    server, strips, more, options = request.param
    url = database_url_of_the_test(servers)
    served = Served(servers, server, url, tmp_path_factory.mktemp("served") / "web.log", *options, **more)
    try:
        yield served.wait_ready(), strips, bool(more)
    finally:
        served.stop()


@pytest.fixture
def proxied(started: tuple[Served, bool, bool], transactional_db) -> Proxied:
    lifecycle.submit("noop", {}, owner=person("ada"))
    return Proxied(*started)


def test_every_page_and_all_that_it_loads(proxied: Proxied) -> None:
    proxied.log_in()
    ahead, seen, kinds = ["/box/"], set(), set()
    while ahead:
        path = ahead.pop(0)
        if path in seen or len(seen) > 250:
            continue
        seen.add(path)
        answer = proxied.ask("GET", path)
        assert answer.status_code in (200, 301, 302, 405), f"{path}: {answer.status_code}"
        if answer.is_redirect:
            ahead.append(urldefrag(urljoin(path, answer.headers["Location"]))[0])
            continue
        kind = answer.headers.get("Content-Type", "").partition(";")[0]
        kinds.add(kind)
        found: list[str] = []
        if kind == "text/html":
            found = Links(answer.text).found
        elif kind == "text/javascript":
            found = re.findall(r"""^import .*?from ["']([^"']+)["']""", answer.text, re.MULTILINE)
        for link in found:
            link = urldefrag(urljoin(path, link))[0]
            if not urlsplit(link).scheme and not PLACEHOLDER.search(link):
                if not proxied.knows and "/django_celery_beat/" in path:
                    continue  # its forms have addresses of the start, when no request had named a prefix yet
                assert f"{link}/".startswith("/box/"), f"{path} leads to {link}"
                ahead.append(link)
    assert {"text/html", "text/javascript", "text/css", "image/svg+xml"} <= kinds
    assert {"/box/", "/box/jobs/", "/box/schedules/", "/box/api/docs/", "/box/admin/", "/box/account/"} <= seen
    assert len(seen) > 80


async def test_the_api_and_the_socket(proxied: Proxied) -> None:
    text = await sync_to_async(lambda: Token.objects.make(person("ada"), "manage")[1])()
    headers = {"Authorization": f"Token {text}"}
    ask = sync_to_async(proxied.ask)
    made = [await ask("POST", "/box/api/v1/jobs/", json={"kind": "noop"}, headers=dict(headers)) for _ in range(2)]
    assert [answer.status_code for answer in made] == [201, 201]
    page = (await ask("GET", "/box/api/v1/jobs/", headers=dict(headers), params={"limit": 1})).json()
    assert urlsplit(page["next"]).path == "/box/api/v1/jobs/"
    for link in (await ask("GET", "/box/api/", headers=dict(headers))).json().values():
        if isinstance(link, str):
            assert urlsplit(link).path.startswith("/box/api/")
    moved = await ask("GET", "/box/api/v1/jobs", headers=dict(headers))
    assert (moved.status_code, moved.headers["Location"]) == (301, "/box/api/v1/jobs/")
    wrong = await ask("GET", "/box/api/v1/nothing/", headers=dict(headers))
    assert (wrong.status_code, wrong.headers["Content-Type"]) == (404, "application/problem+json")
    assert (await ask("POST", "/box/api/v1/jobs/", data=b"x" * 4_100_000, headers=dict(headers))).status_code == 413
    at = f"ws://127.0.0.1:{proxied.served.port}{'' if proxied.strips else '/box'}/ws/live/"
    proxied.served.__class__ = type("At", (Served,), {"url": at})
    async with proxied.served.connect(token=text) as socket:
        await say(socket, type="watch", board=True)
        assert (await next_frame(socket, "snapshot"))["type"] == "snapshot"


def test_a_client_cannot_choose_the_prefix(servers, transactional_db, tmp_path) -> None:
    served = Served(servers, "daphne", database_url_of_the_test(servers), tmp_path / "web.log", **SETTING)
    try:
        served.wait_ready()
        answer = requests.get(f"{served.origin}/box/login/", headers={"Daphne-Root-Path": "/evil"}, timeout=30)
        assert answer.status_code == 200 and "/evil" not in answer.text
    finally:
        served.stop()


def test_cookies_are_for_the_prefix_only_and_probes_need_none(servers, transactional_db, tmp_path) -> None:
    served = Served(servers, "uvicorn", database_url_of_the_test(servers), tmp_path / "web.log", **SETTING)
    try:
        served.wait_ready()
        answer = requests.get(f"{served.origin}/box/login/", timeout=30)
        assert {cookie.path for cookie in answer.cookies} == {"/box/"}
        token = {"Authorization": f"Token {Token.objects.make(person('ada'), 'read')[1]}"}
        schema = requests.get(f"{served.origin}/box/api/schema/?format=json", headers=token, timeout=60)
        assert schema.json()["servers"] == [{"url": "/box"}]
        for path in ("/healthz", "/box/healthz"):
            assert requests.get(served.origin + path, headers={"Host": "10.0.0.7"}, timeout=30).status_code == 200
    finally:
        served.stop()
