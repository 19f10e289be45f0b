"""Length before anything else: 60 kB of the worst letters in every place that takes letters, and nobody else waits."""

import asyncio
import contextlib
import json
import re
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import psutil
import pytest
import requests
from django.urls import resolve
from websockets.exceptions import WebSocketException

from live.consumers import SUBPROTOCOL
from project import lengths
from tasks.access.models import Token
from tasks.alerts.models import Rule
from tasks.engine import lifecycle
from tasks.kinds.checks.models import Service
from tasks.kinds.feeds.models import Feed
from tasks.kinds.images.models import Collection
from tasks.search.language import FILTERS, MOST_VALUES, Query, SearchError
from tasks.webhooks.models import Endpoint
from tests.conftest import database_url_of_the_test
from tests.support.hostile import LETTERS, PATIENCE_S, SIZE, Forms, Neighbour, bodies, neighbour, read_names, stand_in
from tests.support.live_parts import Served, session
from tests.support.people import person
from tests.support.routes import PAGES, actions

FOREIGN = {  # a 500 of a library's form, for admins only: its time zones
    ("/admin/django_celery_beat/crontabschedule/add/", name) for name in ("timezone", "initial-timezone")
}
AGAIN = 8  # what is hostile makes one wait each time
ENDINGS = {"/logout/", "/logout/everywhere/", "/login/"}


@pytest.mark.long
@pytest.mark.parametrize("name", ["q", *FILTERS])
def test_a_filter_has_a_length_before_anything_looks_at_it(name):
    for letters in LETTERS:
        costs: list[float] = []
        while not costs or (costs[-1] > 0.1 and len(costs) < AGAIN):
            began = time.process_time()
            with pytest.raises(SearchError) as refused:
                Query.of({name: [letters]})
            assert list(refused.value.errors) == [name] and "at most 500" in str(refused.value)
            with contextlib.suppress(SearchError):  # as long as may be, as often as may be
                Query.of({name: [letters[:500]] * 90})
            costs.append(time.process_time() - began)
        assert min(costs) <= 0.1, letters[:20]


def test_so_many_filters_and_no_more():
    assert Query.of({"state": ["failed"] * MOST_VALUES})
    with pytest.raises(SearchError, match=f"at most {MOST_VALUES} filters"):
        Query.of({"state": ["failed"] * MOST_VALUES, "kind": ["noop"]})


def test_a_space_in_a_zone_is_still_the_plus_that_it_was():
    for text in ("2026-11-23T10:00:00 01:00", "2026-11-23T10:00:00.123456 01:00", "2026-11-23T10:00 01:00"):
        assert Query.of({"since": [text]}).since.hour == 9
    assert Query.of({"since": ["2026-11-23 10:00"]}).since.hour == 10


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def served(request, servers, django_db_setup, tmp_path_factory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    home = {"SIGNALBOX_HOME": str(folder), "SIGNALBOX_SUBMITS_PER_USER": "1000000"}
    server = Served(servers, request.param, database_url_of_the_test(servers), folder / "log", **home)
    yield server.wait_ready()
    server.stop()


@pytest.fixture
def rows(transactional_db) -> dict[str, str]:
    """One row of each sort, by what an address calls it."""
    ada = person("ada")
    job = lifecycle.submit("noop", {}, owner=ada)[0]
    failed = lifecycle.submit("noop", {}, owner=ada)[0]
    lifecycle.cancel(failed.uid, ada)
    hook = Endpoint.objects.create(name="hook", url="https://hook.example/", secret="", enabled=False, owner=ada)

    return {
        "jobs": str(job.uid),
        "webhooks": str(hook.uid),
        "feeds": str(Feed.objects.create(url="https://feed.example/").uid),
        "checks": str(Service.objects.create(url="https://service.example/").uid),
        "collections": str(Collection.objects.create(name="images", owner=ada).uid),
        "rules": str(Rule.objects.create(watch="worker").uid),
    }


class Probe:
    """Sends letters to places as Ada, and sees how long a neighbour waited each time."""

    def __init__(self, served: Served, watched: Neighbour) -> None:
        self.served, self.watched, self.sent, self.slow = served, watched, 0, []
        self.client = requests.Session()
        self.client.cookies.set("signalbox_session", session(person("ada")))
        self.client.cookies.set("signalbox_csrf", "a" * 32)
        self.client.headers["Origin"] = served.origin
        self.token = Token.objects.make(person("ada"), "manage")[1]
        self.server = psutil.Process(served.process.pid)
        self.longest, self.turn = 0.0, count()

    def some(self, letters: tuple[str, ...] = LETTERS, step: int = 6) -> tuple[str, ...]:
        """Each time others of them, so that the places of one sort have met all."""
        return letters[next(self.turn) % step :: step]

    def each(self, place: str, send: Callable[[str], Any], letters: tuple[str, ...] = LETTERS) -> None:
        """A wait counts where the server has worked for as long: a busy machine makes one wait as well."""
        for text in letters:
            waits: list[float] = []
            while not waits or (waits[-1] > PATIENCE_S and len(waits) < AGAIN):
                self.watched.worst()
                worked = self.server.cpu_times()
                send(text)
                waits.append(min(self.watched.worst(), self.server.cpu_times().user - worked.user))
                self.sent += 1
            self.longest = max(self.longest, min(waits))
            if min(waits) > PATIENCE_S:
                self.slow.append(f"{place}: {text[:12]!r}… made another client wait {min(waits):.2f} s")
                return

    def is_refused(self, path: str, **more: Any) -> bool:
        """Whether a head that is too long is refused. Twisted cuts a connection whose line is beyond its own limit."""
        try:
            answer = self.client.get(self.served.origin + path, allow_redirects=False, timeout=30, **more)
        except requests.ConnectionError:
            return self.served.server == "daphne"
        return answer.status_code in (400, 413, 414, 431)

    def send(self, method: str, path: str, **more: Any) -> None:
        try:
            answer = self.client.request(method, self.served.origin + path, allow_redirects=False, timeout=60, **more)
        except (requests.ConnectionError, ValueError):  # the line was cut, or requests cannot read a Location
            return
        assert answer.status_code < 500, (method, path[:200], answer.text[:300])


@pytest.fixture
def probe(served) -> Iterator[Probe]:
    with neighbour(served.origin) as watched:
        one = Probe(served, watched)
        yield one
        print(f"{served.server}: {one.sent} requests, the longest wait of another was {one.longest * 1000:.0f} ms")
        assert one.slow == []


def address(route: str, rows: dict[str, str]) -> str:
    sort = "rules" if "rules" in route else route.partition("/")[0]
    filled = route.replace("<uuid:uid>", rows.get(sort, rows["jobs"])).replace("<uuid:link>", rows["jobs"])
    filled = re.sub(r"<str:kind>", "countdown", filled)
    return "/" + re.sub(r"<int:\w+>", "1", re.sub(r"<(str|path|slug):\w+>", "x", filled))


@pytest.mark.process
@pytest.mark.pure  # what is too long is refused before any database
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("served", ["uvicorn"], indirect=True)
def test_every_field_of_every_form(probe, rows):
    """Forms, queries and bodies are read by Django, so one server is enough; heads and frames are the servers' own."""
    pages = [
        address(route, rows) for route, said in PAGES.items() if "GET" in actions(said) and not route.startswith("^")
    ]
    admin = ["/admin/", "/admin/auth/user/add/", "/admin/auth/group/add/", "/admin/auth/user/", "/admin/door/entry/",
             "/admin/django_celery_beat/crontabschedule/add/"]  # fmt: skip
    forms: dict[tuple, tuple[str, Any]] = {}
    for page in [*pages, *admin]:
        answer = probe.client.get(probe.served.origin + page, timeout=30)
        for form in Forms(answer.text).found:
            action = urlsplit(urljoin(page, form.action or page)).path
            if action not in ENDINGS:
                where = resolve(action).route
                forms.setdefault((form.method, where, *sorted(form.fields)), (action, form))
    assert len(forms) > 40, sorted(forms)
    for action, form in forms.values():
        if form.method == "GET":
            continue  # its fields are parameters of the query, which have a test of their own
        data = form.fields | {"csrfmiddlewaretoken": "a" * 32}
        names = [name for name in form.fields if name != "csrfmiddlewaretoken" and (action, name) not in FOREIGN]

        def post(letters: str, *names: str, action: str = action, data: dict[str, str] = data) -> None:
            probe.send("POST", action, data=data | dict.fromkeys(names, letters))

        for name in names:
            probe.each(f"{action} {name}", lambda letters, post=post, name=name: post(letters, name), probe.some())
        some = probe.some(step=3)
        probe.each(action, lambda letters, post=post, names=names: post(letters[: SIZE // 4], *names), some)
    print(f"{len(forms)} forms, {next(probe.turn)} fields")


@pytest.mark.process
@pytest.mark.pure
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("served", ["daphne"], indirect=True)
def test_every_parameter_of_every_query(probe, rows):
    """What is longer than a query may be is refused as a whole; what fits is tried at the address that reads it."""
    names = sorted(read_names() | set(FILTERS) | {"q", "limit", "cursor", "version"})
    assert {"q", "before", "level", "copy", "period", "show", "at", "next"} <= set(names)
    for route, said in PAGES.items():
        if "GET" in actions(said) and not route.startswith("^"):
            whole = "&".join(f"{name}={'a:' * (SIZE // 2)}" for name in names[:1])
            assert probe.is_refused(f"{address(route, rows)}?{whole}"), route
    room = lengths.QUERY - 200
    fitting = tuple({quote(letters[:room])[:room].rpartition("%")[0] or letters[:room]: 0 for letters in LETTERS})
    for path in (
        "/jobs/",
        "/api/v1/jobs/",
        f"/jobs/{rows['jobs']}/log/",
        "/audit/",
        "/api/v1/audit/",
        "/schedules/new/",
    ):
        for name in names:
            probe.each(
                f"{path} {name}",
                lambda text, name=name, path=path: probe.send("GET", f"{path}?{name}={text}"),
                probe.some(fitting, 4),
            )


@pytest.mark.process
@pytest.mark.pure
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("served", ["uvicorn"], indirect=True)
def test_every_field_of_every_body_of_the_api(probe, rows):
    document = probe.client.get(probe.served.origin + "/api/schema/?format=json", timeout=60)
    document = json.loads(document.text)
    fields = 0
    probe.client.headers["Authorization"] = f"Token {probe.token}"
    for method, path, properties, schemas in bodies(document):
        sort = "rules" if "rules" in path else path.split("/")[3]
        filled = re.sub(r"\{\w+\}", rows.get(sort, rows["jobs"]), path)
        short = {name: stand_in(schema, schemas) for name, schema in properties.items()}
        for name, schema in properties.items():
            fields += 1
            probe.each(
                f"{method} {path} {name}",
                lambda letters, name=name, schema=schema, short=short, method=method, filled=filled, schemas=schemas: (
                    probe.send(method, filled, json=short | {name: stand_in(schema, schemas, letters)})
                ),
                probe.some(step=3),
            )
    assert fields > 50
    for name in ("q", *FILTERS):
        for dry in ("", "!"):
            body = {"action": "cancel", "dry_run": True}
            probe.each(
                f"bulk {name}",
                lambda text, name=name, body=body, dry=dry: probe.send(
                    "POST", "/api/v1/bulk/", json=body | {"filter": {name: text + dry}}
                ),
                probe.some(step=3),
            )
    probe.each(
        "a megabyte of filters",
        lambda text: probe.send(
            "POST",
            "/api/v1/bulk/",
            json={"action": "cancel", "dry_run": True, "filter": {"state": [text[:30]] * 25_000}},
        ),
    )


@pytest.mark.process
@pytest.mark.pure
@pytest.mark.django_db(transaction=True)
def test_every_header_and_cookie(probe, rows):
    names = (
        "Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Content-Type", "Cookie", "Host",
        "Idempotency-Key", "If-Match", "If-Modified-Since", "If-None-Match", "Origin", "Range", "Referer", "User-Agent",
        "X-API-Version",
        "X-CSRFToken", "X-Forwarded-For", "X-Forwarded-Proto", "X-Request-ID", "Connection-Of-Nobody",
    )  # fmt: skip
    prefixes = {"Authorization": "Token ", "Content-Type": "multipart/form-data; boundary=", "Range": "bytes="}
    cookies = ("signalbox_session", "signalbox_csrf", "signalbox_zone", "signalbox_known", "messages", "x")
    places = [(name, prefixes.get(name, "")) for name in names] + [("Cookie", f"{name}=") for name in cookies]
    letters = [
        text.replace("\n", " ").encode("latin-1", "replace").decode("latin-1").strip() or "\\ " for text in LETTERS
    ]
    long, fitting = tuple(letters[::4]), tuple(text[: lengths.HEADER - 200].strip() for text in letters)
    for name, prefix in places:
        for path in ("/jobs/", "/api/v1/jobs/", "/static/js/app.js"):
            headers = {"Cookie": f"signalbox_session={session(person('ada'))}"}
            probe.each(
                f"{path} {name}: {prefix}",
                lambda text, name=name, path=path, headers=headers, prefix=prefix: probe.send(
                    "POST" if name == "Content-Type" else "GET",
                    path,
                    headers=headers | {name: (prefix + text).encode("latin-1")},
                ),
                long if path == "/static/js/app.js" else fitting[:: 2 if path == "/jobs/" else 3],
            )
    assert probe.is_refused("/healthz", headers={"X-Anything": "a" * 9_000})
    assert probe.is_refused("/healthz", headers={f"X-{n}": "a" for n in range(400)})


@pytest.mark.process
@pytest.mark.pure
@pytest.mark.django_db(transaction=True)
def test_every_field_of_every_frame(probe, rows):
    watch = {"type": "watch"}
    frames = [
        {"type": 0}, watch | {"board": 0}, watch | {"job": 0}, watch | {"job": rows["jobs"], "after": 0},
        watch | {"gauge": 0}, watch | {"news": 0}, watch | {"news": [0]}, {"type": "unwatch", "job": 0},
        {"type": "unwatch", "news": [0]}, {"type": "ack", "n": 0}, watch | {"job": rows["jobs"], "other": 0}, {0: 0},
    ]  # fmt: skip

    async def send(text: str) -> None:
        with contextlib.suppress(WebSocketException, OSError, TimeoutError):
            async with (
                asyncio.timeout(20),
                probe.served.connect(token=probe.token, subprotocols=[SUBPROTOCOL]) as socket,
            ):
                await socket.send(text)
                await socket.recv()

    for frame in frames:

        def of(letters: str, frame: dict = frame) -> str:
            return (
                json.dumps(frame, ensure_ascii=False)
                .replace("[0]", json.dumps([letters]))
                .replace('"0"', json.dumps(letters))
                .replace(": 0", f": {json.dumps(letters)}")
            )

        probe.each(str(frame), lambda letters, of=of: asyncio.run(send(of(letters))), LETTERS[::3])
    for raw in (
        "[" * SIZE,
        "1" * SIZE,
        '{"type":"ack","n":' + "1" * SIZE + "}",
        '{"type":"ack","n":1e' + "9" * SIZE + "}",
    ):
        probe.each(raw[:20], lambda _, raw=raw: asyncio.run(send(raw)), ("",))
