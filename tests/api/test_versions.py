"""A client may name the version in four ways; what disagrees, or does not exist, is refused with the list."""

import pytest

from tests.support.calls import call

pytestmark = pytest.mark.django_db
VENDOR = "application/vnd.signalbox+json"


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/api/v1/kinds/", {}),
        ("/api/kinds/", {}),
        ("/api/kinds/?version=v1", {}),
        ("/api/kinds/", {"X_API_Version": "v1"}),
        ("/api/kinds/", {"Accept": f"{VENDOR}; version=v1"}),
        ("/api/kinds/", {"Accept": "application/json; version=v1"}),
        ("/api/kinds/", {"Accept": f"text/html, {VENDOR}; version=v9;q=0.9, {VENDOR}; version=v1;q=0.1"}),
        ("/api/kinds/", {"Accept": VENDOR}),
        ("/api/v1/kinds/?version=v1", {"X_API_Version": "v1", "Accept": f"{VENDOR}; version=v1"}),
    ],
)
def test_a_version_named_in_any_way(path, headers):
    answer = call("vera").get(path, **headers)
    assert (answer.status_code, answer["X-API-Version"]) == (200, "v1")
    assert answer["Content-Type"] == (VENDOR if VENDOR in headers.get("Accept", "") else "application/json")
    assert "noop" in [kind["name"] for kind in answer.json()["results"]]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/api/v2/kinds/", {}, 404),
        ("/api/v2/nowhere/at/all/", {}, 404),
        ("/api/2/kinds/", {}, 404),
        ("/api/latest/jobs/", {}, 404),
        ("/api/V1/jobs/", {}, 404),
        ("/api/kinds/?version=v2", {}, 400),
        ("/api/kinds/?version=", {}, 400),
        ("/api/kinds/?version=v1&version=v2", {}, 400),
        ("/api/kinds/", {"X_API_Version": "1"}, 400),
        ("/api/kinds/", {"Accept": f"{VENDOR}; version=v2"}, 406),
        ("/api/v1/kinds/?version=v2", {}, 400),
        ("/api/v1/kinds/", {"X_API_Version": "v2"}, 400),
        ("/api/v1/kinds/", {"Accept": f"{VENDOR}; version=v2"}, 406),
        ("/api/v2/kinds/?version=v1", {"X_API_Version": "v1"}, 404),
    ],
)
def test_an_unknown_version_is_refused_and_the_known_ones_are_named(path, headers, status):
    answer = call("vera").get(path, **headers)
    assert (answer.status_code, answer.problem) == (status, "unknown-version")
    assert answer.json()["versions"] == ["v1"]
    assert answer["X-API-Version"] == "v1"


@pytest.mark.parametrize("path", ["/api", "/api/v1/jobs", "/api/v1/", "/api/docs/", "/api/v1/jobs/export/", "/api/x"])
def test_every_answer_carries_the_version_whatever_it_is(path):
    for caller in (call("vera"), call()):
        for method in ("GET", "HEAD", "OPTIONS", "POST", "TRACE"):
            assert caller.client.generic(method, path)["X-API-Version"] == "v1", method


@pytest.mark.parametrize("path", ["/api/", "/api/v1/"])
def test_the_first_address_says_where_to_begin(path):
    answer = call("vera").get(path)
    assert answer.status_code == 200 and answer.json()["jobs"].endswith("/api/v1/jobs/")
    assert call().get(path).status_code == 401


def test_two_that_disagree(monkeypatch):
    monkeypatch.setattr("tasks.api.versions.VERSIONS", ("v1", "v2"))  # there is only one as yet
    for path, headers in (
        ("/api/v1/kinds/?version=v2", {}),
        ("/api/v1/kinds/", {"X_API_Version": "v2"}),
        ("/api/v1/kinds/", {"Accept": f"{VENDOR}; version=v2"}),
        ("/api/kinds/?version=v1", {"X_API_Version": "v2"}),
        ("/api/kinds/?version=v1&version=v2", {}),
        ("/api/kinds/", {"Accept": f"{VENDOR}; version=v1, {VENDOR}; version=v2"}),
    ):
        answer = call("vera").get(path, **headers)
        assert (answer.status_code, answer.problem) == (400, "version-conflict"), (path, headers)
        assert answer.json()["versions"] == ["v1", "v2"]


@pytest.mark.parametrize(
    ("name", "path", "method", "status"),
    [
        (None, "jobs/", "GET", 401),
        ("charlie", "jobs/", "GET", 403),
        ("vera", "nothing/", "GET", 404),
        ("vera", "kinds/", "PUT", 405),
    ],
)
def test_every_answer_carries_the_version(name, path, method, status):
    answer = call(name).send(method, path)
    assert (answer.status_code, answer["X-API-Version"]) == (status, "v1")
