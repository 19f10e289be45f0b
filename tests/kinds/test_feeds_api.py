"""feeds/ and collections/ over HTTP: made, read, changed, deleted, by those who may, with wrong input said by field."""

import pytest

from tasks.kinds.feeds.models import Entry, Feed
from tasks.kinds.images.models import Collection
from tests.support.calls import call
from tests.support.pictures import jpeg, laid_out

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def roots(settings, tmp_path):
    settings.SIGNALBOX_HOME, settings.SIGNALBOX_IMAGE_ROOTS = tmp_path / "home", [tmp_path / "root"]
    laid_out(tmp_path / "root/trip", {"a.jpg": jpeg(1)})
    return tmp_path / "root"


def test_a_feed_from_its_making_to_its_end():
    made = call("bob").post("feeds/", {"url": "HTTPS://Trains.example/feed"})
    assert made.status_code == 201 and made["Location"].endswith(f"/feeds/{made.json()['id']}/")
    place = f"feeds/{made.json()['id']}/"
    assert made.json()["url"] == "https://trains.example/feed"
    Feed.objects.update(etag='"v1"')
    changed = call("bob").send("PATCH", place, {"url": "https://trams.example/", "title": "Trams"})
    assert (changed.json()["title"], Feed.objects.get().etag) == ("Trams", "")
    off = call("bob").send("PATCH", place, {"status": "off"}).json()
    assert off["status"] == "off" and off["off_reason"].startswith("Switched off by hand")
    assert call("vera").get(place).json() == off
    assert call("bob").delete(place).status_code == 204
    assert call("bob").get(place).status_code == 404 and not Feed.objects.exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"url": "ftp://x.example/"}, "url"),
        ({"url": 5}, "url"),
        ({"url": "https://known.example/"}, "url"),
        ({"url": "https://x.example/", "title": "x" * 301}, "title"),
        ({"url": "https://x.example/", "etag": "x"}, "etag"),
    ],
)
def test_a_wrong_feed_is_said_by_field(body, field):
    Feed.objects.create(url="https://known.example/")
    answer = call("bob").post("feeds/", body)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
    assert Feed.objects.count() == 1


def test_lists_are_pages_by_keyset():
    for n in range(3):
        Entry.objects.create(
            feed=Feed.objects.create(url=f"https://x.example/{n}"), entry_id="1", digest="", at="2026-03-01T00:00Z"
        )
    first = call("vera").get("feeds/?limit=2").json()
    second = call("vera").get(first["next"]).json()
    assert [row["url"][-1] for row in first["results"] + second["results"]] == ["2", "1", "0"]
    assert {row["entries"] for row in first["results"]} == {1} and second["next"] is None


def test_a_collection_from_its_making_to_its_end(roots):
    made = call("bob").post("collections/", {"name": "Trip", "folder": str(roots / "trip")})
    assert made.status_code == 201, made.content
    place = f"collections/{made.json()['id']}/"
    assert made.json()["counts"] == {"total": 0, "done": 0, "matched": 0, "unfit": 0, "references": 0}
    assert (made.json()["owner"], made.json()["archive"]) == ("bob", None)
    assert call("bob").send("PATCH", place, {"name": "Travels"}).json()["name"] == "Travels"
    assert call("bob").send("PATCH", place, {"folder": "/etc"}).status_code == 400
    assert [row["name"] for row in call("vera").get("collections/").json()["results"]] == ["Travels"]
    assert call("bob").delete(place).status_code == 204 and not Collection.objects.exists()
    assert (roots / "trip/a.jpg").exists(), "a folder of the server's own is left alone"


def test_a_folder_elsewhere_is_no_collection():
    answer = call("bob").post("collections/", {"name": "Trip", "folder": "/etc"})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["folder"])
    assert not Collection.objects.exists()


@pytest.mark.parametrize(
    ("name", "see", "do"), [("charlie", 403, 403), ("vera", 200, 403), ("bob", 200, 400), ("ada", 200, 400)]
)
@pytest.mark.parametrize("rows", ["feeds/", "collections/"])
def test_who_may_do_what(rows, name, see, do):
    assert (call(name).get(rows).status_code, call(name).post(rows, {}).status_code) == (see, do)
