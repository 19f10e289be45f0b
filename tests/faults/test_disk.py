"""The database's disk is full: no false yes, and what could not be written is written as soon as there is room."""

import contextlib
import os
import resource
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.faults.checker import Checker
from tests.faults.rig import Rig
from tests.faults.test_database import no_while_it_lasts
from tests.support.processes import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.process]
ROOM = {"sqlite": "32m", "postgres": "700m"}


@pytest.fixture
def disk(database: str, tmp_path: Path) -> Iterator[tuple[Rig, Path | None]]:
    """A rig of its own whose database lies on a small disk of its own (None: nobody but root can make one)."""
    place, mounted = tmp_path / "disk", False
    place.mkdir()
    rig = Rig(tmp_path / "rig", database, seed=7, disk=place)
    place = rig.servers.folder if rig.servers else place
    if os.geteuid() == 0:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM[database]},mode=711", "tmpfs", str(place)]
        mounted = subprocess.run(mount, check=False, capture_output=True).returncode == 0
    if database == "postgres" and not mounted:
        rig.stop()
        pytest.skip("only root can make a small disk for PostgreSQL")
    try:
        rig.start(workers=1)
        yield rig, place if mounted else None
    finally:
        rig.stop()
        if mounted:
            subprocess.run(["umount", "-l", str(place)], check=True)


@contextlib.contextmanager
def full(rig: Rig, place: Path | None) -> Iterator[None]:
    if place is not None:
        ballast = place / "ballast"
        with open(ballast, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(1 << 16))
        try:
            yield
        finally:
            ballast.unlink()
        return
    # Not root: no file of these processes may be written to beyond its first page.
    roots = [psutil.Process(process.pid) for process in (*rig.web, *rig.workers)]
    pids = [process.pid for root in roots for process in (root, *root.children())]
    limits = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in pids}
    for pid, (_, hard) in limits.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:
        for pid, limit in limits.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limit)


def test_disk_full(disk: tuple[Rig, Path | None], measured: Callable) -> None:
    rig, place = disk
    checker = Checker(rig)
    rig.submit_some(10)
    ending = rig.submit("traced", seconds=2).value
    wait_until(lambda: rig.truth.jobs()[ending].state == "running", 20)
    with full(rig, place):
        said_no, longest = no_while_it_lasts(rig, 5, pad="x" * 30_000)
        assert said_no
    began = time.monotonic()
    after = rig.submit("traced").value
    wait_until(checker.settled, 40, "every job ended")
    healed = time.monotonic() - began
    checker.check()
    rows = rig.truth.jobs()
    assert rows[ending].state == rows[after].state == "succeeded"
    measured(f"disk full for 5 s: {said_no} noes, the slowest after {longest:.1f} s; all well {healed:.1f} s after")
