"""Backups of the live database: consistent, verified, private, kept for N, and restored by the documented command."""

import io
import os
import sqlite3
import stat
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.utils import timezone

from tasks.engine import lifecycle
from tasks.engine.models import Job, Worker
from tasks.engine.report import Cancelled, Report
from tasks.engine.uid import uuid7
from tasks.kinds.asking import Refused
from tasks.kinds.checks import backups, postgres
from tasks.kinds.feeds.models import Feed
from tests.support.runs import again, alone, perform, run

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def home(settings, tmp_path, servers, monkeypatch) -> Path:
    """A home of its own, and on the PATH the programs that belong to the server of this run."""
    settings.SIGNALBOX_HOME = tmp_path
    if servers.database_url:
        monkeypatch.setenv("PATH", f"{Path(servers.createdb[0]).parent}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def files(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "backups").iterdir())


def restore(*words: str, **options) -> str:
    out = io.StringIO()
    call_command("restore_backup", *words, stdout=out, **options)
    return out.getvalue()


def test_a_backup_is_a_whole_database_that_only_its_owner_reads(home):
    Feed.objects.create(url="https://trains.example/")
    job = run("back_up_database")
    assert job.state == "succeeded", job.error
    made = home / "backups" / job.result["file"]
    assert files(home) == [made.name] and backups.NAME.fullmatch(made.name)
    assert stat.S_IMODE(made.stat().st_mode) == 0o600 and stat.S_IMODE(made.parent.stat().st_mode) == 0o700
    assert job.result["bytes"] == made.stat().st_size > 10_000
    if connection.vendor == "sqlite":
        with sqlite3.connect(made) as found:
            assert found.execute("SELECT url FROM feeds_feed").fetchall() == [("https://trains.example/",)]
    else:
        assert "TABLE DATA public feeds_feed" in postgres.run([postgres.program("pg_restore"), "--list", str(made)])


def test_the_same_job_makes_the_same_backup_again(home):
    job = run("back_up_database")
    once = files(home)
    second = again(job)
    assert (second.state, files(home), second.result["file"]) == ("succeeded", once, job.result["file"])


def test_so_many_are_kept_and_other_files_are_left_alone(home):
    folder = backups.folder()
    suffix = backups.database().SUFFIX
    old = [f"signalbox-2025010{n}T000000.000Z-00000000000{n}.{suffix}" for n in range(1, 6)]
    for name in [*old, "mine.sqlite3", "signalbox-notes.txt"]:
        (folder / name).write_bytes(b"x")
    job = run("back_up_database", keep=3)
    assert job.state == "succeeded", job.traceback
    assert job.result["deleted"] == old[:3]
    assert files(home) == sorted([*old[3:], job.result["file"], "mine.sqlite3", "signalbox-notes.txt"])
    assert run("back_up_database", keep=1).result["deleted"] == [*old[3:], job.result["file"]]


@pytest.mark.parametrize("keep", [0, 1001, "all"])
def test_a_wrong_number_is_refused_where_it_is_typed(keep):
    with pytest.raises(ValueError, match="keep"):
        lifecycle.submit("back_up_database", {"keep": keep})


def test_what_an_earlier_attempt_left_is_swept_away(home):
    (backups.folder() / "signalbox-20250101T000000.000Z-000000000001.sqlite3.part").write_bytes(b"x")
    job = run("back_up_database")
    assert files(home) == [job.result["file"]]


def test_only_one_backup_is_made_at_a_time():
    first, second = (lifecycle.submit("back_up_database", {})[0] for _ in range(2))
    assert lifecycle.claim(first.uid, "w1@here", 1) is not None
    assert lifecycle.claim(second.uid, "w2@here", 2) is None


@pytest.mark.long
def test_a_backup_is_consistent_while_others_write(home):
    """A writer adds pairs of rows all the while: no backup may hold one without the other, nor wait for a pause."""
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            rows = [Feed(url=f"https://trains.example/{number}/{half}") for half in "ab"]
            with suppress(Exception):  # the database was busy for a moment
                Feed.objects.bulk_create(rows)
            time.sleep(0.005)  # SQLite's writers do not queue: one that never rests keeps all others out
        connection.close()

    Feed.objects.bulk_create(
        [Feed(url=f"https://x.example/{n}/{'y' * 1000}/{half}") for n in range(2000) for half in "ab"]
    )
    thread = threading.Thread(target=write)
    thread.start()
    try:
        before = Feed.objects.count()
        while Feed.objects.count() == before:
            time.sleep(0.01)
        job = run("back_up_database")
    finally:
        stop.set()
        thread.join()
    assert job.state == "succeeded", job.error
    now = Feed.objects.count()
    restore(job.result["file"], "--yes", "--force")
    assert before < Feed.objects.count() <= now and Feed.objects.count() % 2 == 0


@pytest.mark.long
def test_a_cancelled_backup_leaves_nothing(home):
    Feed.objects.bulk_create([Feed(url=f"https://x.example/{n}/{'y' * 1500}") for n in range(5000)])
    report = Report("0199c1f2-7d3a-7e61-8b5c-1f2e3d4c5b6a")
    report.progress(0)
    report.stop(Cancelled)
    with pytest.raises(Cancelled):
        with backups.written(backups.folder() / "signalbox-x") as part:
            backups.database().copy(part, report)
    assert files(home) == []


@pytest.mark.long
@pytest.mark.parametrize("damage", ["cut", "empty", "foreign", "flipped"])
def test_a_backup_that_is_not_whole_is_found_out(home, damage):
    Feed.objects.bulk_create([Feed(url=f"https://x.example/{n}/{os.urandom(500).hex()}") for n in range(500)])
    made = home / "backups" / run("back_up_database").result["file"]
    content = made.read_bytes()
    middle = len(content) // 2
    made.write_bytes(
        {
            "cut": content[:middle],
            "empty": b"",
            "foreign": b"GIF89a" * 1000,
            "flipped": content[:5000] + bytes(20_000) + content[25_000:],
        }[damage]
    )
    with pytest.raises(Refused) as caught:
        backups.database().verify(made)
    assert caught.value.reason == "broken-backup"
    Feed.objects.all().delete()
    with pytest.raises(CommandError, match=r"Nothing was changed\."):
        restore(made.name, yes=True)
    assert not Feed.objects.exists() and Job.objects.exists()


def test_a_backup_that_cannot_be_written_is_a_failure_with_nothing_left(home, monkeypatch):
    def full(*_) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backups.database(), "verify", full)
    job = run("back_up_database")
    assert (job.state, job.error, files(home)) == ("failed", "OSError: [Errno 28] No space left on device", [])


@pytest.mark.long
def test_restoring_brings_back_what_was_there_and_keeps_what_is_there_now(home):
    kept = Feed.objects.create(url="https://trains.example/kept")
    finished = run("noop")
    waiting, _ = lifecycle.submit("noop", {})
    made = run("back_up_database")
    Feed.objects.create(url="https://trains.example/later")
    Feed.objects.filter(pk=kept.pk).update(title="changed later")
    said = restore(made.result["file"], "--yes")
    assert said.endswith(f"The database is now what {made.result['file']} holds. Start Signalbox again.\n")
    assert list(Feed.objects.values_list("url", "title")) == [("https://trains.example/kept", "")]
    assert Job.objects.get(uid=finished.uid).state == "succeeded"
    assert perform(Job.objects.get(uid=waiting.uid)).state == "succeeded"
    assert lifecycle.submit("noop", {})[1], "new rows get ids of their own"
    safe = next(name for name in files(home) if name != made.result["file"])
    assert safe in said
    restore(safe, "--yes", "--force")
    assert set(Feed.objects.values_list("url", "title")) == {
        ("https://trains.example/kept", "changed later"), ("https://trains.example/later", ""),
    }  # fmt: skip


def test_restoring_is_refused_while_a_worker_is_alive(home):
    made = run("back_up_database").result["file"]
    Worker.objects.create(name="w1@here", host="here", pid=1, seen_at=timezone.now(), started_at=timezone.now())
    with pytest.raises(CommandError, match="The worker w1@here is alive: stop Signalbox first"):
        restore(made, "--yes")
    Worker.objects.update(stopped_at=timezone.now())
    restore(made, "--yes")


def test_restoring_asks_and_says_what_there_is(home):
    assert "There is no backup in" in restore()
    made = run("back_up_database").result["file"]
    assert restore() == made + "\n"
    with pytest.raises(CommandError, match="Say --yes: nobody can be asked here"):
        restore(made)
    with pytest.raises(CommandError, match="There is no file nothing"):
        restore("nothing")


def test_a_name_says_when_the_job_was_made():
    uid = uuid7()
    made = datetime.strptime(backups.name_for(uid)[10:29], "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC)
    assert abs((made - datetime.now(UTC)).total_seconds()) < 3
    assert uid.hex[-12:] in backups.name_for(uid)


@pytest.mark.long
def test_sqlites_memory_stays_small(home):
    """The file is copied and read in pieces."""
    if connection.vendor != "sqlite":
        pytest.skip("SQLite's own")
    big = home / "big.sqlite3"
    with sqlite3.connect(big) as made:
        made.execute("CREATE TABLE tasks_job (x)")
        made.executemany("INSERT INTO tasks_job VALUES (?)", [(os.urandom(100_000),)] * 3000)
    code = "import pathlib\nfrom tasks.kinds.checks import sqlite\nsqlite.verify(pathlib.Path(sys.argv[1]))"
    assert big.stat().st_size > 290e6
    assert alone(code, str(big), django=True)[1] < 150


def test_pg_dump_must_fit_the_server(home, tmp_path, monkeypatch):
    if connection.vendor != "postgresql":
        pytest.skip("PostgreSQL's own")
    fitting = postgres.program("pg_dump")

    def installed(version: str, place: str) -> Path:
        folder = tmp_path / place
        folder.mkdir()
        (folder / "pg_dump").write_text(f"#!/bin/sh\necho 'pg_dump (PostgreSQL) {version}'\n")
        (folder / "pg_dump").chmod(0o755)
        return folder

    monkeypatch.setattr(postgres, "PLACES", "nowhere/*/bin")
    old, new = installed("9.6.24", "old"), installed("99.1 (Debian 99.1-1)", "new")
    server = connection.pg_version // 10_000
    monkeypatch.setenv("PATH", f"{new}{os.pathsep}{old}{os.pathsep}{Path(fitting).parent}")
    assert postgres.program("pg_dump") == fitting, "the one nearest to the server"
    monkeypatch.setenv("PATH", f"{old}{os.pathsep}{new}")
    assert postgres.program("pg_dump") == str(new / "pg_dump")
    monkeypatch.setenv("PATH", str(old))
    assert run("back_up_database").error == (
        f"Refused: old-program: pg_dump 9 is older than the server, which is {server}: "
        f"install PostgreSQL's client programs of version {server} or newer."
    )
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run("back_up_database").error.startswith("Refused: no-program: No pg_dump was found on the PATH")
