"""System checks: a wrong or dangerous configuration is a sentence at the start, not an error page later.

They run before `up`; those about security run in every process that starts (project/startup.py). What concerns one
environment variable alone is in env.py.
"""

import ipaddress
import os
from collections.abc import Iterable
from typing import Any

from celery import signals
from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Tags, Warning, register
from django.core.exceptions import FieldDoesNotExist

from project import celery_settings, env
from tasks.engine import adoption, options, registry
from tasks.params.signature import Field
from tasks.schedules import entries

FOR_TESTS = {"SIGNALBOX_CHROMIUM"}
WEAK_LENGTH, WEAK_VARIETY = 32, 8
NAMED = 'Give the label of an installed model, such as Ref("shop.Order").'
HAS_UID = "A row goes by its public id: a UUIDField named uid, with unique=True and a default."
UNSENT = {
    signals.task_revoked: "Use an alert or a webhook.",
    signals.heartbeat_sent: "GET /api/v1/workers/ and /readyz say which workers live.",
}
LOCAL_NAMES = {"localhost", "testserver"}


def is_local(host: str) -> bool:
    """Whether a name of ALLOWED_HOSTS can only mean this machine."""
    name = host.strip("[]").lower()
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name in LOCAL_NAMES or name.endswith(".localhost")


def is_public() -> bool:
    return not settings.DEBUG and not all(is_local(host) for host in settings.ALLOWED_HOSTS)


@register(Tags.security)
def secret_key(app_configs: Iterable[AppConfig] | None, **_) -> list[CheckMessage]:
    """Whoever guesses the key, or one that is still honoured, can forge sessions, share links and cursors."""
    if not is_public():
        return []
    hint = "Leave SECRET_KEY unset: a strong one is then made and kept in SIGNALBOX_HOME."
    keys = {"SECRET_KEY": [settings.SECRET_KEY], "SECRET_KEY_FALLBACKS": settings.SECRET_KEY_FALLBACKS}
    return [
        Error(f"{name} is too weak for other hosts than this one.", hint=hint, id="signalbox.E001")
        for name, values in keys.items()
        if any(is_weak(value) for value in values)
    ]


def is_weak(key: str) -> bool:
    return len(key) < WEAK_LENGTH or len(set(key)) < WEAK_VARIETY or key.startswith("django-insecure")


@register(Tags.security)
def debug_in_public(app_configs: Iterable[AppConfig] | None, **_) -> list[CheckMessage]:
    """Debug pages show settings and code to whoever asks."""
    if not settings.DEBUG or all(is_local(host) for host in settings.ALLOWED_HOSTS):
        return []
    return [Error("DEBUG is on although ALLOWED_HOSTS names other hosts than this one.", id="signalbox.E002")]


@register()
def engine(app_configs: Iterable[AppConfig] | None, **_) -> list[CheckMessage]:
    """The moves of a job are one text for two databases; no other one has been tried."""
    wrong = settings.DATABASES["default"]["ENGINE"]
    if wrong in ("project.sqlite3", "project.postgresql", "django.db.backends.postgresql"):
        return []
    return [Error(f"DATABASE_URL means {wrong}, but only SQLite and PostgreSQL are supported.", id="signalbox.E003")]


@register()
def unknown_names(app_configs: Iterable[AppConfig] | None, **_) -> list[CheckMessage]:
    """A misspelt setting would be ignored in silence."""
    known = env.known | {f"{name}_FILE" for name in env.secrets} | FOR_TESTS
    names = sorted(name for name in os.environ if name.startswith("SIGNALBOX_") and name not in known)
    return [Warning(f"{name} is set, but there is no such setting.", id="signalbox.W002") for name in names]


@register(Tags.security)
def everything_allowed(app_configs: Iterable[AppConfig] | None, **_) -> list[CheckMessage]:
    """A network of length 0 switches off the protection of the machines around us."""
    if all(network.prefixlen for network in settings.SIGNALBOX_ALLOW_NETWORKS):
        return []
    text = "SIGNALBOX_ALLOW_NETWORKS names every address: jobs and webhooks may reach every machine around this one."
    return [Warning(text, id="signalbox.W001")]


@register()
def settings_of_celery(app_configs: Iterable[AppConfig] | None, **_) -> list[CheckMessage]:
    """What a project has set for Celery and Signalbox does itself. What it cannot honour has stopped the start."""
    return [Info(note, id="signalbox.I001") for note in celery_settings.notes()]


@register()
def entries_of_beat(app_configs: Iterable[AppConfig] | None, **_) -> list[CheckMessage]:
    """An entry of CELERY_BEAT_SCHEDULE that no beat could keep would be silent otherwise."""
    return [Warning(sentence, id="signalbox.W004") for sentence in entries.wrong_entries()]


@register()
def adopted_tasks(app_configs: Iterable[AppConfig] | None, **_) -> list[CheckMessage]:
    """Which plain Celery tasks are jobs, which could not be, and tasks of other apps that nobody named."""
    said: list[CheckMessage] = [Warning(sentence, id="signalbox.W005") for sentence in adoption.wrong]
    if names := adoption.adopted:
        said.append(Info(f"Plain Celery tasks that are jobs: {', '.join(names)}.", id="signalbox.I002"))
    hint = "Give them @job, name them in SIGNALBOX_ADOPT, or call take(app) where the app is made."
    if names := adoption.left_alone:
        text = f"Tasks of another Celery app are no jobs, and go to the broker of that app: {', '.join(names)}."
        said.append(Warning(text, hint=hint, id="signalbox.W006"))
    return said


@register()
def calls_of_classes(app_configs: Iterable[AppConfig] | None, **_) -> list[CheckMessage]:
    """A class of tasks with an apply_async of its own. The database begins a later step, and nobody calls it there."""
    hint = "What it adds or refuses is missing there. Do it in __call__ or before_start, which every job calls."
    text = "{}.apply_async is called where code asks for a job, and not for later steps of a chain or chord."
    names = sorted(
        name for name in options.own_calls if name != "tasks.kinds.mapped.CallsEach"
    )  # a chain plans its parts
    return [Info(text.format(name), hint=hint, id="signalbox.I003") for name in names]


@register()
def requests_of_classes(app_configs: Iterable[AppConfig] | None, **_) -> list[CheckMessage]:
    """A class of tasks with a Request of its own, which Celery's worker would make for each message."""
    hint = "on_failure and task_failure are called when a task fails; alerts tell of time limits and dead processes."
    return [
        Warning(f"{name}.Request is not used: a worker makes requests of its own.", hint=hint, id="signalbox.W007")
        for name in sorted(options.unused_requests)
    ]


@register()
def parts_of_workers(app_configs: Iterable[AppConfig] | None, **_) -> list[CheckMessage]:
    """What Celery's own worker would call, and a worker of jobs does not."""
    said: list[CheckMessage] = []
    for signal, hint in UNSENT.items():
        if names := sorted(_name_of(each) for each in signal._live_receivers(None)):
            text = f"{signal.name} is not sent by workers of jobs, and has receivers: {', '.join(names)}."
            said.append(Warning(text, hint=hint, id="signalbox.W008"))
    for app in adoption.served:
        if names := sorted({_name_of(step) for steps in app.steps.values() for step in steps}):
            text = f"Workers of jobs run no bootsteps of {app.main}: {', '.join(names)}."
            said.append(Warning(text, hint="Use signals, such as worker_ready.", id="signalbox.W009"))
    return said


def _name_of(found: Any) -> str:
    """Module and name of a class or function, also of one that was named by a text."""
    return found if isinstance(found, str) else f"{found.__module__}.{found.__name__}"


@register()
def rows_of_kinds(app_configs: Iterable[AppConfig] | None, **_) -> list[CheckMessage]:
    """A parameter that names a row names a model that exists, by the public id that such rows have."""
    return [message for kind in registry.kinds() for field in kind.signature.fields for message in row_of(kind, field)]


def row_of(kind: registry.Kind, field: Field) -> Iterable[CheckMessage]:
    said = f"{kind.place}: {kind.where}: the parameter `{field.name}` is the id of "
    if field.type == "file" and field.model is None:
        hint = 'Name the model of your uploads, such as Annotated[str, File("shop.Upload")].'
        yield Warning(f"{said}an upload, and nothing looks whether there is one.", hint=hint, id="signalbox.W003")
    if field.model is None:
        return
    try:
        apps.get_model(field.model)._meta.get_field("uid")
    except (LookupError, ValueError):
        yield Error(f"{said}a row of {field.model!r}, and there is no such model.", hint=NAMED, id="signalbox.E004")
    except FieldDoesNotExist:
        yield Error(f"{said}a row of {field.model}, which has no field `uid`.", hint=HAS_UID, id="signalbox.E005")
