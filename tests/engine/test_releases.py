"""Which version of the code ran: a setting, or git; in the row, its attempts, the worker's row, and on the charts."""

import subprocess
from datetime import timedelta

import pytest
from django.utils import timezone

from tasks.engine import lifecycle, releases
from tasks.engine.errors import Failure
from tasks.engine.models import Attempt, Job, Worker
from tasks.monitor.models import Rollout, note_release
from tasks.queries import plots
from tests.support.calls import call
from tests.support.processes import wait_until


@pytest.fixture(autouse=True)
def asked_anew():
    releases.current.cache_clear()
    yield
    releases.current.cache_clear()


def test_the_setting_comes_first_then_git_then_nothing(settings, tmp_path):
    settings.SIGNALBOX_RELEASE = "2026.11.28"
    assert releases.current() == "2026.11.28"
    assert releases.from_git(str(tmp_path)) == ""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "one"], check=True)
    short = subprocess.run([*git, "rev-parse", "--short", "HEAD"], check=True, capture_output=True, text=True).stdout
    assert releases.from_git(str(tmp_path)) == short.strip() != ""


def test_without_git_there_is_none(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    assert releases.from_git("/") == ""


@pytest.mark.django_db
def test_a_row_carries_the_release_of_its_newest_attempt_and_attempts_their_own(settings):
    job = lifecycle.submit("noop", {})[0]
    assert job.summary()["release"] is None
    settings.SIGNALBOX_RELEASE = "1.0"
    claimed = lifecycle.claim(job.uid, "w", 1)
    assert claimed.summary()["release"] == "1.0"
    lifecycle.fail(claimed, Failure("broken"))
    lifecycle.retry(job.uid)
    releases.current.cache_clear()
    settings.SIGNALBOX_RELEASE = "1.1"
    lifecycle.succeed(lifecycle.claim(job.uid, "w", 1))
    shown = call("vera").get(f"jobs/{job.uid}/").json()
    assert shown["release"] == "1.1"
    assert [attempt["release"] for attempt in shown["attempts"]] == ["1.0", "1.1"]
    assert Attempt.objects.get().release == "1.0"


@pytest.mark.django_db
def test_charts_mark_when_the_release_changed():
    note_release("1.0"), note_release("1.0"), note_release("1.1"), note_release("")
    assert [row.release for row in Rollout.objects.order_by("id")] == ["1.0", "1.1"]
    Rollout.objects.filter(release="1.0").update(at=timezone.now() - timedelta(days=40))
    page = call("vera").client.get("/charts/?period=1h").text
    assert page.count('data-release-at="') == 2 and "Release <code>1.1</code>" in page and "1.0</code>" not in page
    buckets = [{"at": "2026-01-01T00:00:00Z"}, {"at": "2026-01-01T00:01:00Z"}]
    (mark,) = plots.release_marks(buckets, [{"at": "2026-01-01T00:01:30.5Z", "release": "x"}])
    assert mark["place"] == 1


@pytest.mark.process
@pytest.mark.django_db(transaction=True)
def test_a_real_worker_says_its_release(start_worker):
    start_worker("w1", SIGNALBOX_RELEASE="v7")
    wait_until(lambda: Worker.objects.filter(release="v7").exists(), 10, "the worker's row")
    job = lifecycle.submit("noop", {})[0]
    wait_until(lambda: Job.objects.get(pk=job.pk).state == "succeeded", 15, "the job")
    assert Job.objects.get(pk=job.pk).release == "v7" and Rollout.objects.get().release == "v7"
