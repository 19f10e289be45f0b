"""Every process that starts is safe or says in one sentence why it does not start, whoever starts it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from project import keys, parts, valkey
from tests.support.processes import ROOT

pytestmark = [pytest.mark.process, pytest.mark.pure]
PUBLIC = {"ALLOWED_HOSTS": "jobs.example.org"}
KEY = "0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def web(server: str) -> list[str]:
    where = ["--port"] if server == "uvicorn" else ["-p"]
    options = parts.UVICORN if server == "uvicorn" else parts.DAPHNE
    return [sys.executable, "-m", server, *options, *where, str(valkey.free_port()), "project.asgi:application"]


STARTS = {
    "uvicorn": lambda: web("uvicorn"),
    "daphne": lambda: web("daphne"),
    "worker": lambda: [sys.executable, "-m", "celery", "-A", "project.celery", "worker", "--pool", "solo"],
    "custom pool": lambda: [sys.executable, "-m", "celery", "-A", "project.celery", "worker", "--pool", "custom"],
    "beat": lambda: [sys.executable, "-m", "celery", "-A", "project.celery", "beat", "--pidfile="],
    "up": lambda: [sys.executable, "manage.py", "up", "--port", str(valkey.free_port())],
    "submit": lambda: [sys.executable, "manage.py", "submit", "noop"],
    "token": lambda: [sys.executable, "manage.py", "token", "ada", "--scope", "read"],
    "demo": lambda: [sys.executable, "manage.py", "demo"],
}


def start(name: str, home: Path, **variables: str) -> subprocess.CompletedProcess:
    """Starts a process and waits for its end; one that goes on is ended, which is no exit 2."""
    unset = dict.fromkeys(("SECRET_KEY", "REDIS_URL", "CELERY_BROKER_URL", "DATABASE_URL"), "")
    environment = os.environ | unset | {"SIGNALBOX_HOME": str(home), "SECRET_KEY": KEY} | variables
    process = subprocess.Popen(
        STARTS[name](), env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        out, err = process.communicate(timeout=40)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def refused(name: str, home: Path, **variables: str) -> str:
    """The one sentence (or two: what, and what to do) with which a process does not start."""
    ended = start(name, home, **variables)
    assert ended.returncode == 2, ended
    assert len(ended.stderr.strip().splitlines()) == 1 and "Traceback" not in ended.stderr + ended.stdout, ended
    return ended.stderr.strip()


@pytest.mark.parametrize("name", [name for name in STARTS if name != "custom pool"])
def test_nothing_starts_in_public_with_a_weak_key(name: str, tmp_path: Path) -> None:
    said = refused(name, tmp_path, SECRET_KEY="changeme", **PUBLIC)
    assert "SECRET_KEY is too weak for other hosts than this one." in said


@pytest.mark.parametrize("name", ["uvicorn", "daphne", "worker", "beat"])
def test_nothing_starts_in_public_with_debug_or_a_weak_key_that_is_still_honoured(name: str, tmp_path: Path) -> None:
    assert "DEBUG is on" in refused(name, tmp_path, DEBUG="true", **PUBLIC)
    said = refused(name, tmp_path, SECRET_KEY_FALLBACKS=f"{KEY[::-1]},changeme", **PUBLIC)
    assert "SECRET_KEY_FALLBACKS is too weak" in said


@pytest.mark.parametrize("name", ["uvicorn", "daphne", "worker", "beat", "up", "submit"])
def test_a_wrong_setting_is_a_sentence_for_every_process(name: str, tmp_path: Path) -> None:
    said = refused(name, tmp_path, REDIS_URL="redis://127.0.0.1/0?socket_timeout=5")
    assert said == "REDIS_URL has the option socket_timeout, but Signalbox sets its timeouts itself; leave it out."


def test_a_worker_of_green_threads_is_refused(tmp_path: Path) -> None:
    """gevent's and eventlet's pools are known by what they are not; any other pool stands for them here."""
    said = refused("custom pool", tmp_path, CELERY_CUSTOM_WORKER_POOL="celery.concurrency.base:BasePool")
    assert said == "Signalbox runs jobs with --pool prefork, threads or solo, and not with celery.concurrency.base."


def manage(home: Path, *words: str, cwd: Path = ROOT, **variables: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"SIGNALBOX_HOME": str(home), "DATABASE_URL": "", "SECRET_KEY": KEY} | variables
    command = [sys.executable, str(ROOT / "manage.py"), *words]
    return subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, timeout=90, check=False)


# --- the database is away --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [("submit", "noop"), ("run", "noop"), ("token", "ada", "--scope", "read"), ("watch",), ("migrate",)],
    ids=lambda words: words[0],
)
def test_a_command_without_its_database_says_so_in_one_sentence(words: tuple[str, ...], tmp_path: Path) -> None:
    nobody = f"postgres://nobody@127.0.0.1:{valkey.free_port()}/none"
    ended = manage(tmp_path, *words, DATABASE_URL=nobody)
    assert ended.returncode == 75
    assert ended.stderr.startswith("The database cannot be used: ") and ended.stderr.count("\n") == 1, ended.stderr
    assert "Traceback" in manage(tmp_path, *words, "--traceback", DATABASE_URL=nobody).stderr


def test_a_database_without_tables_says_what_to_do(tmp_path: Path) -> None:
    ended = manage(tmp_path, "submit", "noop")
    assert ended.returncode == 1
    assert ended.stderr.startswith("The database is not prepared: run `manage.py migrate`"), ended.stderr


# --- keys and files --------------------------------------------------------------------------------------------------


def test_which_key_a_process_has_is_said_without_the_key(tmp_path: Path) -> None:
    said = manage(tmp_path, "check").stdout
    assert f"SECRET_KEY has the fingerprint {keys.fingerprint(KEY)}." in said and KEY not in said
    assert keys.fingerprint(KEY) != keys.fingerprint(KEY + "x")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("SECRET_KEY", f"{KEY}   # made in June", "SECRET_KEY has a comment at the end of its line"),
        ("SECRET_KEY", f"{KEY}#1", "SECRET_KEY is not what it must be: one word without #"),
        ("SECRET_KEY", f"{KEY} {KEY}", "SECRET_KEY is not what it must be: one word without #"),
        ("SECRET_KEY", f'"{KEY}"', "SECRET_KEY is in quotes"),
        ("SIGNALBOX_HOME", "/var/lib/signalbox # kept", "SIGNALBOX_HOME has a comment"),
        ("DATABASE_URL", "postgres://signalbox@db/signalbox # main", "DATABASE_URL has a comment"),
        ("ALLOWED_HOSTS", "'jobs.example.org'", "ALLOWED_HOSTS is in quotes"),
        ("SIGNALBOX_HOME", "var", "SIGNALBOX_HOME is 'var', but it must be the path of a folder that begins with /"),
        ("DATABASE_URL", "sqlite:///x.sqlite3", "DATABASE_URL names a file by a relative path"),
        ("DATABASE_URL", "sqlite:////tmp/x?mode=ro", "DATABASE_URL has options"),
        ("DATABASE_URL", "postgres://db/signalbox?pool=true", "DATABASE_URL has an option that PostgreSQL's library"),
        ("SIGNALBOX_PREFIX", "box", "SIGNALBOX_PREFIX is 'box', but it must be a path such as /signalbox"),
        ("SIGNALBOX_PREFIX", "//evil.example", "SIGNALBOX_PREFIX is '//evil.example'"),
        ("SIGNALBOX_CONNECTIONS", "0", "SIGNALBOX_CONNECTIONS is '0', but it must be a whole number from 2 to 1000"),
    ],
)
def test_a_line_of_the_environment_file_means_the_same_to_everybody(
    name: str, value: str, sentence: str, tmp_path: Path
) -> None:
    ended = manage(tmp_path, "check", **{name: value})
    assert ended.returncode == 2 and ended.stderr.startswith(sentence), ended
    assert ended.stderr.count("\n") == 1 and (name not in ("SECRET_KEY", "DATABASE_URL") or value not in ended.stderr)


SHOW = (
    "from django.conf import settings as s; from project import env; import os;"
    "print(s.SECRET_KEY, s.SECRET_KEY_FALLBACKS, s.DATABASES['default']['PASSWORD'], s.REDIS_URL,"
    " s.SIGNALBOX_BROKER_URL, env.secret_text('SIGNALBOX_ADMIN_PASSWORD', True))"
)


def test_every_secret_can_come_from_a_file(tmp_path: Path) -> None:
    texts = {
        "SECRET_KEY": f"{KEY}#1\n",  # in a file of its own # is no comment
        "SECRET_KEY_FALLBACKS": f"{KEY[::-1]}\n{KEY.swapcase()}\n",
        "DATABASE_URL": "postgres://signalbox:s3cret@db/signalbox\n",
        "REDIS_URL": "redis://:s3cret@redis:6379/0\n",
        "CELERY_BROKER_URL": "amqp://celery:s3cret@rabbit//\n",
        "SIGNALBOX_ADMIN_PASSWORD": "a long # pass phrase\n",
    }
    files = {}
    for name, text in texts.items():
        path = tmp_path / name.lower()
        path.write_text(text)
        files |= {name: "", f"{name}_FILE": str(path)}
    ended = manage(tmp_path / "home", "shell", "--no-imports", "-c", SHOW, **files)
    assert ended.stdout.strip() == (
        f"{KEY}#1 ['{KEY[::-1]}', '{KEY.swapcase()}'] s3cret redis://:s3cret@redis:6379/0 "
        "amqp://celery:s3cret@rabbit// a long # pass phrase"
    ), ended.stderr
    assert "signalbox.W002" not in manage(tmp_path / "home", "check", **files).stderr


def test_a_secret_that_cannot_be_read_or_is_said_twice_stops_the_start(tmp_path: Path) -> None:
    (empty := tmp_path / "empty").write_text("\n")
    (file := tmp_path / "file").write_text(KEY)
    for path, sentence in ((tmp_path / "none", "cannot be read: No such file"), (empty, "is empty")):
        ended = manage(tmp_path, "check", SECRET_KEY="", SECRET_KEY_FILE=str(path))
        assert ended.returncode == 2 and sentence in ended.stderr and ended.stderr.count("\n") == 1
    ended = manage(tmp_path, "check", SECRET_KEY_FILE=str(file))
    assert (ended.returncode, ended.stderr) == (2, "SECRET_KEY and SECRET_KEY_FILE are both set; set one of them.\n")


def test_the_files_of_a_web_server_in_front_lie_outside_of_the_home_and_can_be_read(tmp_path: Path) -> None:
    home, static = tmp_path / "home", tmp_path / "static"
    before = os.umask(0o077)
    try:
        manage(home, "collectstatic", "--no-input", SIGNALBOX_STATIC=str(static))
    finally:
        os.umask(before)
    assert home.stat().st_mode & 0o777 == 0o700 and not (home / "static").exists()
    made = [static, *static.rglob("*")]
    assert len(made) > 20
    assert {path.stat().st_mode & 0o777 for path in made if path.is_dir()} == {0o755}
    assert {path.stat().st_mode & 0o777 for path in made if path.is_file()} == {0o644}
