"""The pages of collections: what is typed wrong is said there, pictures are safe to show, and who may do what."""

import io
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from PIL import Image as Picture

from tasks.engine.models import Job
from tasks.kinds.images.models import Collection, Image
from tests.support.people import person
from tests.support.pictures import collection_of, jpeg, laid_out, tarred, zipped
from tests.support.runs import perform

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def home(settings, tmp_path) -> Path:
    settings.SIGNALBOX_HOME = tmp_path / "home"
    settings.SIGNALBOX_IMAGE_ROOTS = [tmp_path / "root"]
    laid_out(tmp_path / "root/trip", {"a.jpg": jpeg(1)})
    return tmp_path


def browser(name: str, **options) -> Client:
    client = Client(**options)
    client.force_login(person(name), backend="django.contrib.auth.backends.ModelBackend")
    return client


def upload(data: bytes, name: str = "photos.zip") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data)


@pytest.fixture
def collection() -> Collection:
    browser("alice").post("/collections/new/", {"name": "Trip", "archive": upload(zipped(collection_of(6)))})
    made = Collection.objects.get()
    while job := Job.objects.filter(state="queued").order_by("id").first():
        perform(job)
    return made


def test_an_archive_is_added_and_its_images_compared(collection):
    job = Job.objects.get(parent=None)
    assert (job.kind, job.params["collection"], job.owner.username) == ("match_images", str(collection.uid), "alice")
    collection.refresh_from_db()
    assert (collection.owner.username, collection.archive_name, collection.run) == ("alice", "photos.zip", job.uid)
    assert collection.counts() == {"total": 6, "done": 6, "matched": 3, "unfit": 0, "references": 3}
    assert collection.archive.stat().st_size and collection.home.stat().st_mode & 0o077 == 0


def test_a_folder_is_added(home):
    browser("alice").post("/collections/new/", {"name": "Trip", "folder": f" {home}/root/trip/ "})
    assert Collection.objects.get().folder == f"{home}/root/trip"


@pytest.mark.parametrize(
    ("form", "field", "said"),
    [
        ({}, "archive", "Give an archive or a folder."),
        ({"archive": lambda: upload(b"hello" * 500)}, "archive", "Give a zip, or a tar that is plain"),
        ({"archive": lambda: upload(zipped({"../a.jpg": b""}))}, "archive", "The archive has a file whose path leads"),
        ({"archive": lambda: upload(tarred({}, "xz"))}, "archive", "Give a zip, or a tar that is plain"),
        ({"archive": lambda: upload(b"")}, "archive", "The submitted file is empty."),
        ({"archive": lambda: upload(b"x" * 1_000_001)}, "archive", "The archive has more than 1 MB."),
        ({"folder": "/etc"}, "folder", "Give the whole path of a folder below one of these:"),
        ({"archive": lambda: upload(zipped({})), "folder": "{root}"}, "archive", "not both."),
        ({"name": "", "folder": "{root}"}, "name", "This field is required."),
    ],
)
def test_what_is_wrong_is_said_beside_the_field_and_nothing_is_queued(home, settings, form, field, said):
    settings.SIGNALBOX_UPLOAD_MB = 1
    sent = {"name": "Trip"} | {
        name: value() if callable(value) else value.format(root=f"{home}/root/trip") for name, value in form.items()
    }
    answer = browser("alice").post("/collections/new/", sent)
    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == [field] and said in str(answer.context["form"].errors[field])
    assert not Collection.objects.exists() and not Job.objects.exists()
    assert not (home / "home/images").exists()


def test_without_roots_there_is_no_field_for_a_folder(settings):
    settings.SIGNALBOX_IMAGE_ROOTS = []
    text = browser("alice").get("/collections/new/").content.decode()
    assert 'name="archive"' in text and 'name="folder"' not in text


def test_the_page_shows_images_beside_their_references(collection):
    client = browser("vera")
    page = f"/collections/{collection.uid}/"
    text = client.get(page).content.decode()
    matched = collection.images.filter(match__isnull=False).select_related("match").first()
    assert f"{page}{matched.sha256}.jpg" in text and f"{page}{matched.match.sha256}.jpg" in text
    assert f"{matched.match.path}, distance {matched.distance}" in text
    assert "No match: the nearest reference is at distance" in text
    counts = {
        show: len(client.get(f"{page}?show={show}").context["images"])
        for show in ("all", "matched", "unmatched", "unfit")
    }
    assert counts == {"all": 6, "matched": 3, "unmatched": 3, "unfit": 0}
    assert [n for _, n in client.get(page).context["days"]] == [6]
    listed = client.get("/collections/").content.decode()
    assert "Trip" in listed and "6 / 6" in listed


def test_many_images_are_shown_page_by_page(collection, monkeypatch):
    monkeypatch.setattr("tasks.kinds.images.views.IMAGES", 4)
    client, page = browser("vera"), f"/collections/{collection.uid}/"
    first = client.get(page)
    second = client.get(f"{page}?{first.context['more']}")
    shown = [image.sha256 for answer in (first, second) for image in answer.context["images"]]
    assert len(shown) == len(set(shown)) == 6 and second.context["more"] == ""


def test_a_thumbnail_is_a_jpeg_of_our_own_that_no_browser_takes_for_anything_else(collection):
    image = collection.images.first()
    answer = browser("vera").get(f"/collections/{collection.uid}/{image.sha256}.jpg")
    data = b"".join(answer.streaming_content)
    assert (answer["Content-Type"], answer["X-Content-Type-Options"]) == ("image/jpeg", "nosniff")
    assert "private" in answer["Cache-Control"]
    with Picture.open(io.BytesIO(data)) as picture:
        assert picture.format == "JPEG" and not picture.getexif()


def test_only_thumbnails_of_rows_are_served(collection):
    client, page = browser("vera"), f"/collections/{collection.uid}/"
    other = Collection.objects.create(name="other")
    sha256 = collection.images.first().sha256
    assert client.get(f"{page}{'0' * 64}.jpg").status_code == 404
    assert client.get(f"/collections/{other.uid}/{sha256}.jpg").status_code == 404
    assert client.get(f"{page}..%2f..%2fsecret_key.jpg").status_code == 404
    assert client.get(f"{page}archive").status_code == 404
    Image.objects.filter(sha256=sha256).delete()
    assert client.get(f"{page}{sha256}.jpg").status_code == 404


def test_a_run_is_begun_and_stopped_by_buttons_of_their_own(collection):
    client, page = browser("bob"), f"/collections/{collection.uid}/"
    assert f'action="{page}match/"' in client.get(page).content.decode()
    assert client.post(page + "match/").url == page
    job = Job.objects.get(state="queued")
    Collection.objects.update(run=job.uid)
    assert f'action="{page}stop/"' in client.get(page).content.decode()
    client.post(page + "stop/")
    job.refresh_from_db()
    assert (job.state, job.cancel_requested_by.username) == ("cancelled", "bob")


def test_deleting_takes_rows_and_files_along_and_stops_what_runs(collection):
    client = browser("bob")
    client.post(f"/collections/{collection.uid}/match/")
    job = Job.objects.get(state="queued")
    Collection.objects.update(run=job.uid)
    assert "6 images" in client.get(f"/collections/{collection.uid}/delete/").content.decode()
    home = collection.home
    assert home.exists()
    assert client.post(f"/collections/{collection.uid}/delete/").url == "/collections/"
    assert not Collection.objects.exists() and not Image.objects.exists() and not home.exists()
    job.refresh_from_db()
    assert job.state == "cancelled"


def test_renaming(collection):
    browser("bob").post(f"/collections/{collection.uid}/rename/", {"name": "<b>New"})
    assert Collection.objects.get().name == "<b>New"
    assert "&lt;b&gt;New" in browser("vera").get("/collections/").content.decode()


VIEWER, OPERATOR = {"vera", "bob", "ada"}, {"bob", "ada"}
ALLOWED = {
    "collections": VIEWER, "collection": VIEWER, "collection-new": OPERATOR, "collection-rename": OPERATOR,
    "collection-delete": OPERATOR, "collection-match": OPERATOR, "collection-stop": OPERATOR,
}  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("name", ["charlie", "vera", "bob", "ada"])
def test_who_may_do_what(name):
    collection, client = Collection.objects.create(name="empty"), browser(name)
    for page, allowed in ALLOWED.items():
        url = reverse(page, args=[] if page in ("collections", "collection-new") else [collection.uid])
        verb = page in ("collection-match", "collection-stop")
        answer = client.post(url) if verb else client.get(url)
        assert answer.status_code == ((302 if verb else 200) if name in allowed else 403), page
        assert (Client().post(url) if verb else Client().get(url)).status_code == 302
    assert client.get(f"/collections/{collection.uid}/{'0' * 64}.jpg").status_code == (404 if name in VIEWER else 403)


def test_a_post_without_a_csrf_token_is_refused(collection):
    client = browser("bob", enforce_csrf_checks=True)
    assert [
        client.post(f"/collections/{collection.uid}/{verb}/").status_code for verb in ("match", "stop", "delete")
    ] == [403] * 3
