"""Settings come from the environment and are strict: a wrong one is one sentence and exit 2, for every command."""

import os
import re
import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.core.checks import run_checks

from project import checks, env
from tests.support.processes import ROOT


def manage(*words: str, home: Path, **variables: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"SIGNALBOX_HOME": str(home), "DATABASE_URL": ""} | variables
    command = [sys.executable, str(ROOT / "manage.py"), *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.process
@pytest.mark.pure
@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("SIGNALBOX_NAME", "Über", "a name of at most 32"),
        ("SIGNALBOX_APPS", "no.such.app", "Django apps that can be imported"),
        ("SIGNALBOX_ENVIRONMENT", "<b>", "a name of at most 24"),
        ("SIGNALBOX_LEASE_S", "soon", "a number from 0.2 to 3600"),
        ("SIGNALBOX_LEASE_S", "nan", "a number from 0.2 to 3600"),
        ("SIGNALBOX_HEARTBEAT_S", "-1", "a number from 0.05 to 600"),
        ("SIGNALBOX_SWEEP_S", "0", "a number"),
        ("SIGNALBOX_RECONCILE_S", "1e9", "a number"),
        ("SIGNALBOX_BEAT_S", "5s", "a number"),
        ("SIGNALBOX_TICK_MS", "0", "a number"),
        ("SIGNALBOX_SOCKETS", "1.5", "a whole number"),
        ("SIGNALBOX_ALLOW_NETWORKS", "10.0.0.0/8,home", "networks such as 10.0.0.0/8"),
        ("SIGNALBOX_ORIGINS", "jobs.example.org", "origins without a path"),
        ("SIGNALBOX_HTTPS", "maybe", "true or false"),
        ("SIGNALBOX_LOG_LEVEL", "loud", "one of debug, info, warning, error"),
        ("SIGNALBOX_CHANNEL_LAYER", "redis!", "dotted path"),
        ("DEBUG", "2", "true or false"),
        ("ALLOWED_HOSTS", "https://example.org", "host names without scheme"),
        ("DATABASE_URL", "mydb", "an address such as postgres://"),
        ("DATABASE_URL", "sqlite://", "an address such as postgres://"),
        ("DATABASE_URL", "mysql://user@host/name", "an address such as postgres://"),
        ("REDIS_URL", "localhost:6379", "redis:// or rediss://"),
        ("CELERY_BROKER_URL", "http://example.org", "redis://"),
        ("SIGNALBOX_BROKER_URL", "http://example.org", "redis://"),
    ],
)
def test_a_wrong_value_is_one_sentence_and_exit_2(tmp_path: Path, name: str, value: str, wanted: str) -> None:
    ended = manage("check", home=tmp_path, **{name: value})
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"{name} is ")
    assert wanted in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.process
@pytest.mark.pure
def test_a_refusal_does_not_repeat_a_password(tmp_path: Path) -> None:
    for name in ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "SIGNALBOX_BROKER_URL"):
        assert "geheim" not in manage("check", home=tmp_path, **{name: "nix://user:geheim@host/x"}).stderr


@pytest.mark.process
@pytest.mark.pure
def test_where_our_broker_is_said_celerys_own_variable_is_not_read(tmp_path: Path) -> None:
    show = "from django.conf import settings; print(settings.SIGNALBOX_BROKER_URL)"
    brokers = {"CELERY_BROKER_URL": "sqs://", "SIGNALBOX_BROKER_URL": "amqp://guest:guest@rabbit//"}
    ended = manage("shell", "--no-imports", "-c", show, home=tmp_path, **brokers)
    assert (ended.returncode, ended.stdout.strip()) == (0, "amqp://guest:guest@rabbit//"), ended.stderr


@pytest.mark.process
@pytest.mark.pure
def test_a_lease_shorter_than_two_beats_is_refused(tmp_path: Path) -> None:
    ended = manage("check", home=tmp_path, SIGNALBOX_LEASE_S="3", SIGNALBOX_HEARTBEAT_S="2")
    assert ended.returncode == 2
    assert "twice SIGNALBOX_HEARTBEAT_S" in ended.stderr


@pytest.mark.process
@pytest.mark.pure
def test_an_empty_variable_counts_as_unset(tmp_path: Path) -> None:
    assert manage("check", home=tmp_path, SIGNALBOX_LEASE_S="", DEBUG=" ").returncode == 0


@pytest.mark.process
@pytest.mark.pure
def test_the_secret_key_is_made_once_and_is_private(tmp_path: Path) -> None:
    home = tmp_path / "home"
    show = ("shell", "--no-imports", "-c", "from django.conf import settings; print(settings.SECRET_KEY)")
    first, second = (manage(*show, home=home, SECRET_KEY="").stdout.strip() for _ in range(2))
    assert first == second
    assert len(first) >= 50
    assert (home / "secret_key").stat().st_mode & 0o777 == 0o600


@pytest.mark.process
@pytest.mark.pure
def test_a_weak_key_is_refused_in_production_only(tmp_path: Path) -> None:
    weak = {"SECRET_KEY": "secret", "ALLOWED_HOSTS": "jobs.example.org"}
    ended = manage("up", home=tmp_path, **weak)
    assert ended.returncode == 2
    assert "SECRET_KEY is too weak" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert manage("check", home=tmp_path, **weak | {"ALLOWED_HOSTS": "localhost"}).returncode == 0
    assert manage("check", home=tmp_path, **weak | {"SECRET_KEY": ""}).returncode == 0


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "[::1]", "jobs.localhost"])
def test_local_names(host: str) -> None:
    assert checks.is_local(host)


@pytest.mark.parametrize("host", ["*", ".example.org", "10.0.0.1", "0.0.0.0", "localhost.example.org"])
def test_names_that_others_reach(host: str) -> None:
    assert not checks.is_local(host)


def found() -> set[str]:
    """Without the notes on classes of tasks: tests before this one have made some."""
    return {message.id for message in run_checks() if message.id.startswith("signalbox.")} - {"signalbox.I003"}


def test_what_the_checks_find(settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not found()
    settings.DEBUG, settings.ALLOWED_HOSTS = True, ["*"]
    assert found() == {"signalbox.E002"}
    settings.DEBUG, settings.SECRET_KEY = False, "x" * 100
    assert found() == {"signalbox.E001"}
    settings.ALLOWED_HOSTS = ["localhost"]
    settings.SIGNALBOX_ALLOW_NETWORKS = [ip_network("::/0")]
    assert found() == {"signalbox.W001"}
    settings.SIGNALBOX_ALLOW_NETWORKS = []
    monkeypatch.setenv("SIGNALBOX_LEESE_S", "4")
    assert found() == {"signalbox.W002"}


def test_every_setting_stands_in_the_docs() -> None:
    documented = set(re.findall(r"^\| `([A-Z_]+)`", (ROOT / "docs/settings.md").read_text(), re.MULTILINE))
    assert settings.SIGNALBOX_HOME  # the settings are read by now
    assert documented == env.known | {"CELERY_BROKER_URL"}  # which is read in processes of our own only
    assert env.secrets == {name for name in env.known if f"`{name}_FILE`" in (ROOT / "docs/settings.md").read_text()}
    used = {
        name
        for folder in ("project", "live", "tasks")
        for file in (ROOT / folder).rglob("*.py")
        for name in re.findall(r"\bsettings\.(SIGNALBOX_[A-Z_]+)", file.read_text())
    }
    assert used <= documented


@pytest.mark.process
@pytest.mark.pure
def test_a_deployment_checks_clean_and_refuses_a_weak_key(tmp_path: Path) -> None:
    production = {"ALLOWED_HOSTS": "jobs.example.org", "SIGNALBOX_HTTPS": "true"}
    clean = manage("check", "--deploy", home=tmp_path, **production)
    assert clean.returncode == 0 and "no issues" in clean.stdout, clean.stderr
    for weak in ("short", "a" * 60, "django-insecure-0123456789abcdefghijklmnopqrstuvwxyz0123456789"):
        refused = manage("check", home=tmp_path, SECRET_KEY=weak, **production)
        assert refused.returncode == 1 and "SECRET_KEY is too weak" in refused.stderr
    assert manage("check", home=tmp_path, SECRET_KEY=" ", **production).returncode == 0  # one is made, and kept
    assert len((tmp_path / "secret_key").read_text()) >= 50


def test_the_keys_of_our_rows_do_not_depend_on_the_settings_of_a_team():
    """Else its own ``makemigrations`` would write migrations into our apps."""
    ours = [each for each in apps.get_app_configs() if each.name.startswith(("tasks.", "live"))]
    with_rows = [each for each in ours if any(model._meta.auto_field for model in each.get_models())]
    assert with_rows and [each.name for each in with_rows if not each._is_default_auto_field_overridden] == []
