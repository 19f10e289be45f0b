"""Many logins at once, on two real servers: no guess too many is looked at, and everybody else is served."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from django.test import Client
from django.utils import timezone

from tasks.access import hashers
from tasks.access.models import Entry, Guess, Token
from tests.conftest import database_url_of_the_test
from tests.support.live_parts import Served, session
from tests.support.people import PASSWORD, person

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process, pytest.mark.pure]
TRIES, PATIENCE_S = 60, 0.8


@pytest.fixture
def two_servers(servers, transactional_db, tmp_path) -> Iterator[list[Served]]:
    url, home = database_url_of_the_test(servers), {"SIGNALBOX_HOME": str(tmp_path)}
    both = [Served(servers, name, url, tmp_path / f"{name}.log", **home) for name in ("daphne", "uvicorn")]
    for each in both:
        each.wait_ready()
    yield both
    for each in both:
        each.stop()


def at_once(times: int, act: Callable[[int], int]) -> Counter[int]:
    gate = threading.Barrier(times)

    def one(number: int) -> int:
        gate.wait()
        return act(number)

    with ThreadPoolExecutor(times) as pool:
        return Counter(pool.map(one, range(times)))


def post(served: Served, path: str, session_key: str = "", **fields: str) -> int:
    cookies = {"signalbox_csrf": "a" * 32, "signalbox_session": session_key}
    return requests.post(
        served.origin + path, fields | {"csrfmiddlewaretoken": "a" * 32}, cookies=cookies, allow_redirects=False,
        headers={"Origin": served.origin}, timeout=120,
    ).status_code  # fmt: skip


def login(served: Served, name: str, password: str) -> int:
    return post(served, "/login/", username=name, password=password)


def judged() -> int:
    return Entry.objects.filter(action="login", outcome="refused", code="not-authenticated").count()


def test_of_sixty_guesses_at_once_five_are_looked_at(two_servers):
    person("alice")
    seen = at_once(TRIES, lambda n: login(two_servers[n % 2], "alice" + " " * (n % 7), "wrong"))
    assert set(seen) <= {200, 429, 503}, seen
    assert judged() == seen[200] <= 5, seen
    assert Guess.objects.count() <= seen[503], "only who could not write its end leaves a guess, which counts a minute"


def test_and_so_it_is_for_the_page_that_changes_the_password(two_servers):
    key = session(person("alice"))

    new = dict.fromkeys(("new_password1", "new_password2"), "x1y2z3" * 3)

    def change(number: int) -> int:
        return post(two_servers[number % 2], "/account/password/", key, old_password="wrong", **new)

    seen = at_once(TRIES, change)
    assert set(seen) <= {422, 429, 503}, seen
    assert judged() == seen[422] <= 5, seen


def test_while_many_log_in_others_are_served(two_servers):
    served, names = two_servers[1], [f"user{n}" for n in range(25)]
    token = Token.objects.make(person("ada"), "read")[1]
    headers = {"Authorization": f"Token {token}"}
    ask = lambda: requests.get(served.origin + "/api/v1/jobs/", headers=headers, timeout=60)  # noqa: E731
    assert ask().status_code == 200
    longest: list[float] = []
    while len(longest) < 3 and (not longest or longest[-1] > PATIENCE_S):  # a busy machine makes one wait as well
        Entry.objects.forget(timezone.now(), 1_000)
        flood = threading.Thread(target=at_once, args=(25, lambda n: login(served, names[n], "wrong")))
        flood.start()
        waits = []
        while flood.is_alive():
            answer = ask()
            assert answer.status_code == 200, answer.text
            waits.append(answer.elapsed.total_seconds())
        longest.append(max(waits))
        print(f"25 logins: the API answered {len(waits)} times meanwhile, after {max(waits):.2f} s at most")
    assert min(longest) < PATIENCE_S
    assert login(served, "ada", PASSWORD) == 302


def test_more_than_may_wait_get_that_answer_at_once(monkeypatch, settings):
    settings.PASSWORD_HASHERS = ["tasks.access.hashers.Hasher"]
    monkeypatch.setattr(hashers, "turns", hashers.Turns(at_once=0, waiting=0))
    answer = Client(raise_request_exception=False).post("/login/", {"username": "alice", "password": "wrong"})
    assert answer.status_code == 503 and int(answer["Retry-After"]) > 0
