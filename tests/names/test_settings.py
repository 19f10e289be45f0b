"""Celery's own settings, as a project has them: each is honoured, done by something of ours, or refused."""

from datetime import UTC, datetime
from types import SimpleNamespace
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest
from celery import Celery
from django.db import transaction
from kombu import Queue
from kombu.common import Broadcast

from project import app_settings, celery_settings
from tasks.base import job
from tasks.engine import due, registry
from tasks.engine.celery_app import app
from tasks.engine.models import Job
from tasks.worker import annotated
from tests.project.test_settings import manage
from tests.tasks import add


@pytest.mark.parametrize("name", sorted(celery_settings.NAMES))
def test_each_setting_of_celery_has_one_end(name):
    refused = name in celery_settings.REFUSED
    replaced = bool(celery_settings.replacement(name)) and not refused
    assert (name in celery_settings.HONOURED) + refused + replaced == 1


def test_the_tables_name_nothing_that_celery_does_not_have():
    names = celery_settings.NAMES.keys()
    assert celery_settings.HONOURED | celery_settings.REFUSED.keys() | celery_settings.PICKLES <= names
    assert [start for start in celery_settings.REPLACED if not any(name.startswith(start) for name in names)] == []


def test_what_is_replaced_is_noted_and_what_is_celerys_default_is_not():
    project = SimpleNamespace(
        CELERY_RESULT_BACKEND="redis://", CELERY_TASK_ACKS_LATE=True, CELERY_WORKER_PREFETCH_MULTIPLIER=4,
        CELERY_TASK_SERIALIZER="json", CELERY_ACCEPT_CONTENT=["json"], CELERY_TASK_TIME_LIMIT=5, CELERY_ONCE={},
        CELERY_TASK_TIME_LIMTI=5, CELERY_RESULT_SERIALIZER="json",
    )  # fmt: skip
    assert celery_settings.notes(project) == [
        "CELERY_RESULT_BACKEND is not read: a job's result is in its row.",
        "CELERY_TASK_ACKS_LATE is not read: leases find lost attempts; on_lost of @job says whether they are repeated.",
        "CELERY_TASK_TIME_LIMTI is no setting of Celery. Is CELERY_TASK_TIME_LIMIT meant?",
    ]
    assert celery_settings.refusals(project) == []


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("TASK_SERIALIZER", "pickle", "names pickle. What a job is given and returns is JSON: take pickle out."),
        ("ACCEPT_CONTENT", ["json", "pickle"], "names pickle."),
        ("WORKER_DIRECT", True, "cannot be honoured: no worker has a queue of its own"),
        (
            "TASK_QUEUES",
            [Queue("a"), Broadcast("all")],
            "has a Broadcast, all: a job runs once, and not in every worker.",
        ),
        ("ENABLE_UTC", False, "cannot be honoured: times without a zone are in CELERY_TIMEZONE"),
    ],
)
def test_what_would_change_a_task_is_refused(name, value, sentence):
    (said,) = celery_settings.refusals(SimpleNamespace(**{f"CELERY_{name}": value}))
    assert said.startswith(f"CELERY_{name} ") and sentence in said


def test_what_an_app_sets_in_code_is_refused_in_the_same_words():
    other = Celery("guest", set_as_current=False, changes={"enable_utc": False, "task_serializer": "pickle"})
    assert [said.split()[0] for said in celery_settings.refusals(app_settings._as_settings(other))] == [
        "CELERY_ENABLE_UTC",
        "CELERY_TASK_SERIALIZER",
    ]


@pytest.mark.django_db(transaction=True)
def test_eager_mode_is_honoured_under_tests(settings):
    settings.CELERY_TASK_ALWAYS_EAGER = True
    result = add.delay(1, 2)
    assert (result.get(), result.state, Job.objects.count()) == (3, "SUCCESS", 0)
    settings.CELERY_TASK_ALWAYS_EAGER = False
    add.delay(1, 2)
    assert Job.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_call_at_the_commit_runs_then_in_eager_mode_too(settings):
    settings.CELERY_TASK_ALWAYS_EAGER = True
    with patch.object(add, "run") as ran, transaction.atomic():
        add.delay_on_commit(1, 2)
        add.apply_async_on_commit((3, 4))
        assert ran.call_count == 0
    assert ran.call_count == 2


def test_a_moment_without_a_zone_is_in_celerys_zone(monkeypatch):
    noon = datetime(2026, 7, 1, 12)
    assert due.at(noon) == noon.replace(tzinfo=UTC)
    monkeypatch.setitem(app.conf.changes, "timezone", "Europe/Berlin")
    monkeypatch.delitem(app.__dict__, "timezone", raising=False)
    try:
        assert due.at(noon) == noon.replace(tzinfo=ZoneInfo("Europe/Berlin"))
    finally:
        app.__dict__.pop("timezone", None)


@pytest.mark.django_db(transaction=True)
def test_annotations_of_tasks_count_for_kinds(monkeypatch):
    @job
    def names_annotated() -> None: ...

    kind = registry.get("names_annotated")
    said = {"max_retries": 6, "time_limit": 7, "queue": "slow", "priority": 8}
    monkeypatch.setitem(app.conf.changes, "task_annotations", {kind.celery_name: said})
    annotated.settle_all()
    made = Job.objects.get(uid=names_annotated.delay().id)
    assert (made.max_attempts, made.queue, made.priority, kind.time_limit) == (7, "slow", 8, 7)


@pytest.mark.django_db(transaction=True)
def test_what_code_sets_on_a_task_counts_for_its_kind():
    @job
    def names_set_later() -> None: ...

    kind = registry.get("names_set_later")
    names_set_later.queue, names_set_later.priority = "slow", 8
    names_set_later.soft_time_limit, names_set_later.time_limit, names_set_later.rate_limit = 7, 9, "5/m"
    made = Job.objects.get(uid=names_set_later.delay().id)
    assert (made.queue, made.priority) == ("slow", 8)
    assert (kind.soft_time_limit, kind.time_limit, kind.rate_limit) == (7, 9, "5/m")
    names_set_later.queue = Queue("slower")
    assert (kind.queue, Job.objects.get(uid=names_set_later.delay().id).queue) == ("slower", "slower")
    names_set_later.queue = names_set_later.priority = None
    made = Job.objects.get(uid=names_set_later.delay().id)
    assert (made.queue, made.priority, kind.queue) == ("default", 5, "default")
    with pytest.raises(TypeError, match="priority is a whole number from 0 to 9"):
        names_set_later.priority = 11


def test_limits_for_all_tasks_are_limits_of_each_kind(monkeypatch):
    @job(time_limit=9)
    def names_limited() -> None: ...

    @job
    def names_unlimited() -> None: ...

    kinds = [registry.get(name) for name in ("names_limited", "names_unlimited")]
    others = [kind for kind in registry.kinds() if kind not in kinds]
    monkeypatch.setattr(registry, "kinds", lambda: kinds)
    monkeypatch.setitem(app.conf.changes, "task_time_limit", 33)
    monkeypatch.setitem(app.conf.changes, "task_default_rate_limit", "10/m")
    annotated.settle_all()
    assert [(kind.time_limit, kind.rate_limit) for kind in kinds] == [(9, "10/m"), (33, "10/m")]
    assert not any(kind.rate_limit == "10/m" for kind in others)


SETTINGS = """
from project.settings import *
CELERY_TASK_ROUTES = {"namesteam.bgtasks.*": {"queue": "slow"}}
CELERY_TASK_TIME_LIMIT = 33
CELERY_TASK_DEFAULT_QUEUE = "work"
CELERY_IMPORTS = ["namesteam.bgtasks"]
CELERY_RESULT_BACKEND = "redis://nowhere"
"""
TASKS = """
from tasks.base import job

@job
def names_found(): ...
"""
CELERY = """
from celery import Celery
app = Celery("namesteam", set_as_current=False)
app.autodiscover_tasks(related_name="activities")
app.conf.ONCE = {"backend": "namesteam.locks"}  # read by a library's class of tasks, from the app of the task
"""
ASK = """
import django; django.setup()
from tasks.engine import registry
from project.celery import app
for name in "names_found namesteam.bgtasks.names_found names_other namesteam.activities.names_active noop".split():
    kind = registry.find(name)
    print(name, kind and (kind.name, kind.queue))
print(app.conf.task_time_limit, registry.queues())
print(app.conf.ONCE)
"""


@pytest.mark.process
@pytest.mark.pure
def test_a_projects_settings_and_its_modules_are_read(tmp_path):
    team = tmp_path / "namesteam"
    team.mkdir()
    (team / "__init__.py").write_text("from namesteam import celery")
    (team / "celery.py").write_text(CELERY)
    (team / "settings.py").write_text(SETTINGS)
    (team / "bgtasks.py").write_text(TASKS)
    (team / "helper.py").write_text(TASKS.replace("names_found", "names_other"))
    (team / "activities.py").write_text(TASKS.replace("names_found", "names_active"))
    more = {"DJANGO_SETTINGS_MODULE": "namesteam.settings", "SIGNALBOX_APPS": "namesteam", "PYTHONPATH": str(tmp_path)}
    checked = manage("check", home=tmp_path, SIGNALBOX_IMPORTS="namesteam.helper", **more)
    assert "CELERY_RESULT_BACKEND is not read: a job's result is in its row." in checked.stderr + checked.stdout
    asked = manage("shell", "-v", "0", "-c", ASK, home=tmp_path, SIGNALBOX_IMPORTS="namesteam.helper", **more)
    assert asked.stdout.splitlines() == [
        "names_found ('names_found', 'slow')",
        "namesteam.bgtasks.names_found ('names_found', 'slow')",
        "names_other ('names_other', 'work')",
        "namesteam.activities.names_active ('names_active', 'work')",
        "noop ('noop', 'work')",
        "33 ['chores', 'default', 'images', 'io', 'slow', 'work']",
        "{'backend': 'namesteam.locks'}",
    ], asked.stderr


@pytest.mark.process
@pytest.mark.pure
@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"SIGNALBOX_IMPORTS": "shop.nowhere"}, "SIGNALBOX_IMPORTS names the module shop.nowhere, and there is none."),
        ({"SIGNALBOX_IMPORTS": "shop/tasks"}, "a comma-separated list of modules such as shop.orders.bgtasks"),
    ],
)
def test_a_module_that_there_is_not_is_one_sentence(tmp_path, more, sentence):
    ended = manage("check", home=tmp_path, **more)
    assert (ended.returncode, len(ended.stderr.splitlines())) == (2, 1)
    assert sentence in ended.stderr
