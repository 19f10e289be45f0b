"""Writers of one SQLite database take turns, and nobody's turn outlives its transaction or its process."""

import fcntl
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from django.db import DatabaseError, OperationalError, connection, connections, transaction

from project.sqlite3 import turns
from tasks.engine import lifecycle
from tasks.worker import connections as left
from tests.support.processes import wait_until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("connection.vendor != 'sqlite'", reason="PostgreSQL has many writers"),
]
HOLDS = (
    "import fcntl, os, sys, time; fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX);"
    " print(flush=True); time.sleep(60)"
)


@pytest.fixture
def folder(monkeypatch):
    monkeypatch.setattr(turns, "_rests", {})
    monkeypatch.setattr(turns, "PATIENCE_S", 2.0)  # so that a slow machine is not taken for one that waits
    return os.path.dirname(connection.settings_dict["NAME"])


def is_free(folder) -> bool:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)


@contextmanager
def another_writer(folder):
    """A process that has the turn, and keeps it."""
    with subprocess.Popen([sys.executable, "-c", HOLDS, folder], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                process.kill()


def seconds(action) -> float:
    began = time.monotonic()
    action()
    return time.monotonic() - began


def test_a_transaction_has_the_turn_until_it_ends_however_it_ends(folder):
    assert is_free(folder)
    with transaction.atomic():
        assert not is_free(folder)
        with transaction.atomic():
            pass
        assert not is_free(folder)
    assert is_free(folder)
    with suppress(ZeroDivisionError), transaction.atomic():
        _ = 1 / 0
    assert is_free(folder)
    with suppress(Exception), transaction.atomic():
        connection.close()
    assert is_free(folder)
    transaction.atomic().__enter__()
    assert not is_free(folder)
    left.throw_away(connection)
    assert is_free(folder)


def test_a_transaction_that_cannot_begin_has_no_turn(folder):
    path = connection.settings_dict["NAME"]
    connection.cursor().execute("PRAGMA busy_timeout = 50")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OperationalError), transaction.atomic():
            pass
        other.rollback()
    assert is_free(folder)
    connection.close()


def test_a_move_is_made_in_its_turn_and_gives_it_back(folder):
    with another_writer(folder) as process:
        threading.Timer(0.2, process.kill).start()
        assert 0.15 < seconds(lambda: lifecycle.submit("noop", {})) < turns.PATIENCE_S
    assert is_free(folder)


def test_who_is_killed_holds_up_nobody(folder):
    with another_writer(folder) as process:
        assert not is_free(folder)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert is_free(folder)


@pytest.mark.long
def test_who_does_not_move_holds_others_up_once(folder):
    with another_writer(folder) as process:
        os.kill(process.pid, signal.SIGSTOP)
        assert seconds(lambda: lifecycle.submit("noop", {})) >= turns.PATIENCE_S
        assert seconds(lambda: lifecycle.submit("noop", {})) < turns.PATIENCE_S
        os.kill(process.pid, signal.SIGCONT)


@pytest.mark.long
def test_a_thread_that_outlives_its_job_keeps_no_turn(folder):
    begun, over = threading.Event(), threading.Event()

    def hold():
        with suppress(DatabaseError), transaction.atomic():
            begun.set()
            over.wait(20)

    left.watch()
    connections.close_all()
    thread = threading.Thread(target=hold)
    thread.start()
    try:
        begun.wait(10)
        assert not is_free(folder)
        assert left.free_from_threads()
        assert is_free(folder)
    finally:
        over.set()
        thread.join()


@pytest.mark.long
def test_a_process_that_was_forked_has_a_turn_of_its_own(folder):
    with transaction.atomic():
        if (child := os.fork()) == 0:
            got = turns.take(folder)
            os._exit(0 if got is None else 1)
        assert os.waitpid(child, 0)[1] == 0


def test_a_file_that_took_the_place_of_the_folder_keeps_its_own_lock(folder, tmp_path: Path):
    """A job may close all descriptors: a later file of it has the number then."""
    turn = turns.take(folder)
    os.close(turn.descriptor)
    file = os.open(tmp_path / "own", os.O_CREAT | os.O_RDWR)
    if file != turn.descriptor:
        os.dup2(file, turn.descriptor)
        os.close(file)
    fcntl.flock(turn.descriptor, fcntl.LOCK_EX)
    turns.give_back(turn)
    with pytest.raises(BlockingIOError), open(tmp_path / "own") as again:
        fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
    again = turns.take(folder)
    assert again is not None and again.descriptor != turn.descriptor
    turns.give_back(again)
    os.close(turn.descriptor)


def test_many_writers_all_come_to_write(folder):
    """Twelve threads, each with transactions of its own: nobody is told that the database is locked."""
    told: list[Exception] = []

    def write():
        try:
            for _ in range(10):
                lifecycle.submit("noop", {})
        except Exception as error:
            told.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=write) for _ in range(12)]
    for each in threads:
        each.start()
    wait_until(lambda: not any(each.is_alive() for each in threads), 60, "all writers")
    assert told == []
