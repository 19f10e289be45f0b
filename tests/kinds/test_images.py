"""match_images: planned into parts, counted from rows, stopped and gone on with, never counted twice."""

import os
import threading
import uuid
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from tasks.engine import lifecycle, registry
from tasks.engine.models import Job
from tasks.engine.report import Report
from tasks.kinds.images import looking, planning, storing
from tasks.kinds.images.models import Collection, Image
from tasks.kinds.images.tasks import do_part, stop_run
from tasks.params.signature import ParamError
from tasks.worker import pulse
from tests.support.people import person
from tests.support.pictures import collection_of, jpeg, laid_out, tarred, zipped
from tests.support.processes import wait_until
from tests.support.runs import again, perform, run

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def home(settings, tmp_path, monkeypatch) -> Path:
    settings.SIGNALBOX_HOME = tmp_path / "home"
    settings.SIGNALBOX_IMAGE_ROOTS = [tmp_path / "root"]
    (tmp_path / "root").mkdir()
    monkeypatch.setattr(planning, "PART", 4)
    return tmp_path


def uploaded(data: bytes, name: str = "photos") -> Collection:
    collection = Collection(name=name, archive_name="photos.zip")
    storing.keep_archive(collection, [data])
    collection.save()
    return collection


def plan(collection: Collection) -> Job:
    return run("match_images", collection=str(collection.uid))


def parts(job: Job) -> list[Job]:
    return list(Job.objects.filter(parent=job.uid).order_by("id"))


def work(job: Job) -> list[Job]:
    return [perform(part) for part in parts(job) if part.state == "queued"]


def state(collection: Collection) -> list:
    columns = ("sha256", "reference", "path", "hash", "match__sha256", "distance", "problem", "completed_at", "width")
    return list(Image.objects.filter(collection=collection).order_by("pk").values_list(*columns))


@pytest.mark.long
@pytest.mark.parametrize("pack", [zipped, tarred, lambda files: tarred(files, "gz")], ids=["zip", "tar", "tar.gz"])
def test_every_image_has_a_row_with_its_reference_and_distance(pack):
    collection = uploaded(pack(collection_of(10)))
    job = plan(collection)
    assert (job.state, job.result) == ("succeeded", {"files": 13, "new": 10, "parts": 3}), job.error
    done = work(job)
    assert [part.state for part in done] == ["succeeded"] * 3
    assert sum(part.result["counted"] for part in done) == 10
    collection.refresh_from_db()
    assert collection.counts() == {"total": 10, "done": 10, "matched": 5, "unfit": 0, "references": 3}
    assert collection.finished_at is not None
    for image in collection.images.filter(reference=False).select_related("match"):
        number = int(image.path[-8:-4])
        if number % 2 == 0:
            assert image.match.path == f"references/{number // 2 % 3}.jpg" and image.distance <= 12
        else:
            assert image.match is None and image.distance > 12
        assert storing.thumbnail(collection, image.sha256).stat().st_size < 40_000
    assert not (collection.home / "waiting").exists(), "no originals stay behind"


def test_the_total_is_a_count_of_rows_by_day_and_hour():
    collection = uploaded(zipped(collection_of(9)))
    work(plan(collection))
    first = timezone.now().replace(hour=10, minute=0) - timezone.timedelta(days=1)
    for n, image in enumerate(collection.images.filter(reference=False).order_by("pk")):
        Image.objects.filter(pk=image.pk).update(completed_at=first + timezone.timedelta(hours=n % 3))
    hours = collection.by("hour")
    assert [(at.hour, n) for at, n in hours] == [(12, 3), (11, 3), (10, 3)]
    assert [n for _, n in collection.by("day")] == [9] == [collection.counts()["total"]]


def test_the_same_file_twice_is_one_image():
    files = {f"a/{n}.jpg": jpeg(n % 3) for n in range(12)}
    collection = uploaded(zipped(files))
    work(plan(collection))
    assert collection.counts()["total"] == 3
    assert collection.images.get(path="a/0.jpg")


def test_run_twice_it_is_the_same(home):
    collection = uploaded(zipped(collection_of(10)))
    job = plan(collection)
    done = work(job)
    before = state(collection)
    assert again(job).result == {"files": 0, "new": 0, "parts": 0}
    assert again(done[0]).result == {"images": 0, "counted": 0}
    second = plan(collection)
    assert (second.state, parts(second)) == ("succeeded", [])
    assert state(collection) == before
    collection.refresh_from_db()
    assert collection.finished_at


def test_stopped_and_run_again_it_goes_on_where_it_was():
    collection = uploaded(zipped(collection_of(12)))
    job = plan(collection)
    first, *rest = parts(job)
    perform(first)
    before = {row[0]: row for row in state(collection) if row[7]}
    collection.refresh_from_db()
    assert stop_run(collection, person("bob")) == len(rest) == 2
    assert {part.state for part in parts(job)[1:]} == {"cancelled"} and collection.finished_at is None
    second = plan(collection)
    assert second.result == {"files": 0, "new": 0, "parts": 2}
    assert sum(part.result["counted"] for part in work(second)) == 8
    after = {row[0]: row for row in state(collection)}
    assert all(after[sha256] == row for sha256, row in before.items()), "what was done is not done again"
    assert collection.counts()["done"] == 12


def test_a_plan_that_died_in_the_middle_is_begun_again_without_a_trace(monkeypatch):
    """Its parts run meanwhile; the second attempt makes no second row and no second job."""
    collection = uploaded(zipped(collection_of(10)))
    begin, begun = planning.begin, []

    def dies(run: uuid.UUID, of: Collection, part: int) -> None:
        if part == 2 and not begun:
            begun.append(part)
            raise SystemExit  # after the rows were written, before their job was
        begin(run, of, part)

    monkeypatch.setattr(planning, "begin", dies)
    job, _ = lifecycle.submit("match_images", {"collection": str(collection.uid)})
    with monkeypatch.context() as ending:
        ending.setattr(pulse, "stopping", lambda: True)
        perform(job)
    assert begun == [2]
    assert [len(parts(job)), collection.images.filter(reference=False).count()] == [1, 8]
    work(job)
    job = perform(Job.objects.get(pk=job.pk))
    assert job.state == "succeeded" and len(parts(job)) == 3
    work(job)
    collection.refresh_from_db()
    assert (collection.counts()["done"], collection.finished_at is not None) == (10, True)


def test_two_workers_never_count_one_image_twice():
    """As when a part that was taken for dead wakes up beside its successor: both look, one counts."""
    collection = uploaded(zipped(collection_of(4, references=1)))
    plan(collection)
    results: list[dict] = []
    start = threading.Barrier(3)

    def count() -> None:
        start.wait()
        results.append(do_part(Report(), collection, 1))
        connection.close()

    threads = [threading.Thread(target=count) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(result["counted"] for result in results) == 4 == collection.counts()["done"]


def test_the_last_part_finishes_the_collection_whichever_it_is():
    collection = uploaded(zipped(collection_of(8)))
    for part in reversed(parts(plan(collection))):
        collection.refresh_from_db()
        assert collection.finished_at is None
        perform(part)
    collection.refresh_from_db()
    assert collection.finished_at is not None
    assert collection.finish() is False, "and only once"


def test_one_plan_and_each_part_at_a_time():
    collection = uploaded(zipped(collection_of(8)))
    job = plan(collection)
    one, other = parts(job)
    assert lifecycle.claim(one.uid, "w1@here", 1) and lifecycle.claim(other.uid, "w2@here", 2), "parts run side by side"
    plans = [lifecycle.submit("match_images", {"collection": str(collection.uid)})[0] for _ in range(2)]
    assert lifecycle.claim(plans[0].uid, "w1@here", 1)
    assert lifecycle.claim(plans[1].uid, "w2@here", 2) is None


def test_people_and_programs_ask_for_a_collection_and_never_for_a_part():
    assert [field.name for field in registry.get("match_images").signature.fields] == ["collection"]
    collection = uploaded(zipped(collection_of(5)))
    assert {part.kind for part in parts(plan(collection))} == {"match_part"}
    assert registry.is_chore("match_part"), "a hundred of them must not push everything else off the board"


def test_parts_belong_to_whoever_asked_and_are_as_urgent():
    collection = uploaded(zipped(collection_of(4)))
    job, _ = lifecycle.submit("match_images", {"collection": str(collection.uid)}, owner=person("alice"), priority=8)
    perform(job)
    part = parts(job)[0]
    assert (part.owner, part.priority, part.params["part"]) == (person("alice"), 8, 1)


def test_what_cannot_be_compared_is_counted_with_its_reason():
    files = collection_of(2, references=1) | {"bad.jpg": b"not an image", "cut.jpg": jpeg(5)[:1500], "notes.txt": b"x"}
    collection = uploaded(zipped(files))
    job = plan(collection)
    work(job)
    problems = dict(collection.images.exclude(problem="").values_list("path", "problem"))
    assert problems == {
        "bad.jpg": "not-an-image: The file is no image of a known format.",
        "cut.jpg": "damaged: The file is damaged: its end is missing.",
    }
    assert collection.counts() == {"total": 4, "done": 4, "matched": 1, "unfit": 2, "references": 1}
    assert any("no images" in line.text for line in job.log.all())


def test_an_error_of_ours_fails_the_part_and_costs_no_other_image(monkeypatch):
    collection = uploaded(zipped(collection_of(4, references=1)))
    job = plan(collection)
    look, looked_at = looking.look, []

    def fails_once(data):
        looked_at.append(data)
        return look(data) if len(looked_at) != 2 else {}["no such key"]

    monkeypatch.setattr("tasks.kinds.images.looking.look", fails_once)
    (part,) = parts(job)
    part = perform(part)
    assert part.state == "failed" and "KeyError" in part.error
    assert collection.counts() | {"matched": 0} == {"total": 4, "done": 3, "matched": 0, "unfit": 0, "references": 1}
    collection.refresh_from_db()
    assert collection.finished_at is None
    work(plan(collection))
    collection.refresh_from_db()
    assert collection.counts()["done"] == 4 and collection.finished_at


def test_names_that_are_no_utf_8_stop_no_other_image(home):
    laid_out(home / "root/trip", collection_of(2, references=1) | {"b/1.jpg": jpeg(7), "a/1.jpg": jpeg(8)})
    odd = {b"caf\xe9.jpg": jpeg(50), "\uf7e9.jpg".encode(): jpeg(51), b"line\nbreak.jpg": jpeg(52)}
    for name, data in odd.items():
        with open(os.fsencode(home / "root/trip/photos") + b"/" + name, "wb") as file:
            file.write(data)
    collection = Collection.objects.create(name="trip", folder=str(home / "root/trip"))
    work(plan(collection))
    assert list(collection.images.exclude(problem="")) == []
    assert collection.counts() | {"matched": 1} == {"total": 7, "done": 7, "matched": 1, "unfit": 0, "references": 1}
    paths = [image.path for image in collection.images.order_by("pk")]
    assert "photos/caf\uf7e9.jpg" in paths and paths.index("a/1.jpg") < paths.index("b/1.jpg")

    archive = uploaded(tarred({"photos/caf\udce9.jpg": jpeg(50), "photos/ok.jpg": jpeg(51)}))
    work(plan(archive))
    assert sorted(image.path for image in archive.images.all()) == ["photos/caf?.jpg", "photos/ok.jpg"]


def test_an_image_that_kills_its_process_is_left_out_in_the_end():
    collection = uploaded(zipped(collection_of(3, references=1)))
    plan(collection)
    poison = collection.images.filter(reference=False).order_by("pk")[1]
    Image.objects.filter(pk=poison.pk).update(tries=2)  # begun twice by attempts that died
    report = Report(attempt=4)
    assert do_part(report, collection, 1) == {"images": 3, "counted": 3}
    problems = list(collection.images.exclude(problem="").values_list("pk", flat=True))
    assert problems == [poison.pk]


def test_a_folder_is_read_again_and_only_what_is_new_is_looked_at(home):
    laid_out(home / "root/trip", collection_of(6))
    collection = Collection.objects.create(name="trip", folder=str(home / "root/trip"))
    work(plan(collection))
    before = {row[0]: row for row in state(collection)}
    laid_out(home / "root/trip", {"photos/new.jpg": jpeg(2, (400, 300)), "photos/other.jpg": jpeg(77)})
    second = plan(collection)
    assert second.result == {"files": 11, "new": 2, "parts": 1}
    work(second)
    after = {row[0]: row for row in state(collection)}
    assert all(after[sha256] == row for sha256, row in before.items()) and len(after) == len(before) + 2
    assert collection.images.get(path="photos/new.jpg").match.path == "references/2.jpg"


def test_a_new_reference_is_compared_with_what_is_there_already(home):
    laid_out(home / "root/trip", {"a.jpg": jpeg(50), "references/x.jpg": jpeg(51)})
    collection = Collection.objects.create(name="trip", folder=str(home / "root/trip"))
    work(plan(collection))
    assert collection.images.get(path="a.jpg").match is None
    laid_out(home / "root/trip", {"references/y.jpg": jpeg(50, (640, 480))})
    plan(collection)
    assert collection.images.get(path="a.jpg").match.path == "references/y.jpg"


def test_a_file_that_changes_or_goes_after_the_plan_is_not_counted_as_what_it_was(home):
    laid_out(home / "root/trip", {"a.jpg": jpeg(1), "b.jpg": jpeg(2)})
    collection = Collection.objects.create(name="trip", folder=str(home / "root/trip"))
    job = plan(collection)
    (home / "root/trip/a.jpg").write_bytes(jpeg(9))
    (home / "root/trip/b.jpg").unlink()
    work(job)
    problems = dict(collection.images.values_list("path", "problem"))
    assert problems["a.jpg"].startswith("changed: ") and problems["b.jpg"].startswith("gone: ")


@pytest.mark.parametrize(
    ("data", "reason"),
    [(zipped({"../a.jpg": b"x"}), "path-escape"), (b"hello", "broken-archive"), (tarred({}, "xz"), "archive-format")],
)
def test_a_hostile_archive_is_a_failure_with_a_name_and_no_row(data, reason):
    collection = uploaded(data)
    job = plan(collection)
    assert (job.state, job.error.startswith(f"Refused: {reason}: ")) == ("failed", True)
    assert not collection.images.exists() and not parts(job)


def test_a_folder_that_is_not_allowed_any_more_is_not_read(home, settings):
    laid_out(home / "root/trip", {"a.jpg": jpeg(1)})
    collection = Collection.objects.create(name="trip", folder=str(home / "root/trip"))
    settings.SIGNALBOX_IMAGE_ROOTS = [home / "home"]
    assert plan(collection).error.startswith("Refused: not-allowed: ")


def test_an_unknown_collection_is_refused_where_it_is_typed():
    with pytest.raises(ParamError) as caught:
        lifecycle.submit("match_images", {"collection": str(uuid.uuid4())})
    assert caught.value.errors == {"collection": ["There is no collection with this id."]}


@pytest.mark.process
def test_two_processes_share_the_parts_and_a_cancel_of_the_plan_stops_them(start_worker, home):
    collection = uploaded(zipped(collection_of(40)))
    start_worker("w1", concurrency=2, SIGNALBOX_HOME=str(home / "home"))
    job, _ = lifecycle.submit("match_images", {"collection": str(collection.uid)})
    wait_until(lambda: Collection.objects.get(pk=collection.pk).finished_at, 60, "the end of the collection")
    assert collection.counts()["done"] == 40
    done = parts(job)
    wait_until(lambda: all(part.state == "succeeded" for part in parts(job)), what="the end of all parts")
    assert sum(part.result["counted"] for part in parts(job)) == 40 and len(done) == 1
    assert len({part.pid for part in parts(job)} | {Job.objects.get(pk=job.pk).pid}) >= 1
