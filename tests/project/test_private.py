"""Other users of the machine: nothing that Signalbox keeps can be read by them, however its home was made."""

import os
import pwd
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from project import private
from tests.support.processes import ROOT, Product


def rights(path: Path) -> int:
    return path.stat().st_mode & private.OTHERS


def everything(home: Path) -> list[Path]:
    return [home, *(path for path in home.rglob("*") if not path.is_symlink())]


@pytest.mark.process
@pytest.mark.pure
def test_a_home_that_others_may_enter_is_tightened_and_nothing_in_it_is_theirs(servers):
    """As systemd makes a StateDirectory, under the umask that it has without UMask=."""
    folder = Path(tempfile.mkdtemp(prefix="signalbox-tests-"))  # pytest's own folders are closed to others anyway
    folder.chmod(0o755)
    product = Product(servers, folder)
    product.home.mkdir(exist_ok=True)
    product.home.chmod(0o755)
    if not servers.database_url:
        sqlite3.connect(product.home / "signalbox.sqlite3").execute("PRAGMA journal_mode=WAL").close()
        (product.home / "signalbox.sqlite3").chmod(0o644)
    before = os.umask(0o022)
    try:
        product.start()
        closed_to_others(product)
    finally:
        os.umask(before)
        product.stop()
        shutil.rmtree(folder)


def closed_to_others(product: Product) -> None:
    browser = product.browser()
    found = everything(product.home)
    assert {"secret_key", "valkey"} <= {path.name for path in found}
    assert [path for path in found if rights(path)] == []
    if product.environment.get("DATABASE_URL") is None:
        key = browser.cookies["signalbox_session"].encode()
        kept = b"".join(path.read_bytes() for path in product.home.glob("signalbox.sqlite3*"))
        assert kept and key not in kept
    if os.geteuid() == 0:
        other = pwd.getpwnam("nobody")
        for name, may in (("", True), ("home/secret_key", False)):
            words = ["/bin/ls" if may else "/bin/cat", str(product.home.parent / name)]
            asked = subprocess.run(
                words, user=other.pw_uid, group=other.pw_gid, extra_groups=[], capture_output=True, check=False, cwd="/"
            )
            assert (asked.returncode == 0) == may, words


def test_what_cannot_be_made_private_stops_the_start(tmp_path, monkeypatch):
    tmp_path.chmod(0o755)

    def refuse(*_, **__):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", refuse)
    with pytest.raises(ImproperlyConfigured, match=r"HOME is /.*cannot be changed \(Operation not permitted\)"):
        private.tightened(tmp_path, "SIGNALBOX_HOME")


def test_a_private_home_is_left_as_it_is(tmp_path):
    tmp_path.chmod(0o500)
    assert private.tightened(tmp_path, "SIGNALBOX_HOME").stat().st_mode & 0o777 == 0o500
    tmp_path.chmod(0o700)


@pytest.mark.process
@pytest.mark.pure
@pytest.mark.parametrize("start", ["manage.py check", "-m celery -A project.celery report", "-c import project.asgi"])
def test_every_process_makes_files_for_its_own_user(start, tmp_path):
    words = start.split(" ", 1) if start.startswith("-c") else start.split()
    home = tmp_path / "home"
    before = os.umask(0)
    try:
        subprocess.run(
            [sys.executable, *words], cwd=ROOT, check=True, capture_output=True,
            env=os.environ | {"SIGNALBOX_HOME": str(home)} | {"DATABASE_URL": ""} | {"SECRET_KEY": ""},
        )  # fmt: skip
    finally:
        os.umask(before)
    assert [path for path in everything(home) if rights(path)] == []
    assert (home / "secret_key").exists()
