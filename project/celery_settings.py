"""What becomes of each of Celery's settings that a project has, as ``CELERY_…`` in its Django settings.

Every name that Celery knows stands in one of three tables: honoured as it is, replaced by something of ours that does
it (a note at the start), or refused (a sentence that stops the start). A value that is Celery's default says nothing.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from celery.app.defaults import NAMESPACES, flatten
from django.conf import settings
from kombu.common import Broadcast

PREFIX = "CELERY_"
NAMES: dict[str, Any] = dict(flatten(NAMESPACES))  # name → option

HONOURED = {
    "beat_schedule", "imports", "include", "timezone",
    "task_always_eager", "task_annotations", "task_default_priority", "task_default_queue", "task_default_rate_limit",
    "task_eager_propagates", "task_queues", "task_repr_maxlevels", "task_routes", "task_soft_time_limit",
    "task_time_limit",
    "worker_concurrency", "worker_disable_rate_limits", "worker_max_tasks_per_child", "worker_pool",
    "worker_pool_putlocks", "worker_pool_start_method", "worker_proc_alive_timeout", "worker_timer",
    "worker_timer_precision",
}  # fmt: skip

BROKER = "SIGNALBOX_BROKER_URL says where the broker is; its options are Signalbox's own"
RESULTS = "a job's result is in its row"
EVENTS = "workers are rows, and what jobs do is in rows"
LOSSES = "leases find lost attempts; on_lost of @job says whether they are repeated"
PREFETCH = "a worker takes one job for each free slot"
LOG = "SIGNALBOX_LOG_LEVEL and SIGNALBOX_LOG_FORMAT say how processes log"
BEAT = "slots are rows, each settled once; missed of a schedule says what happens to those that nobody kept"
MESSAGES = "a message carries a job's id alone, and the dispatcher sends again what was lost"
QUEUES = "Signalbox declares its queues; the board names those that nobody serves"
STOP = "a worker that stops gives back what it cannot finish"

# By the beginning of a name; the longest that fits counts.
REPLACED = {
    "broker_": BROKER,
    **dict.fromkeys(
        ("result_", "cache_", "cassandra_", "s3_", "azureblockblob_", "gcs_", "couchbase_", "arangodb_", "mongodb_",
         "cosmosdbsql_", "redis_", "elasticsearch_", "database_", "task_ignore_result", "task_store_",
         "task_remote_tracebacks", "task_track_started"),
        RESULTS,
    ),
    **dict.fromkeys(
        ("control_", "event_", "worker_send_task_events", "worker_enable_remote_control", "worker_state_db",
         "task_send_sent_event"),
        EVENTS,
    ),
    **dict.fromkeys(
        ("task_acks_", "task_reject_on_worker_lost", "task_retry_on_worker_lost", "worker_lost_wait",
         "worker_deduplicate_successful_tasks", "worker_cancel_long_running_tasks_on_connection_loss"),
        LOSSES,
    ),
    **dict.fromkeys(
        ("worker_prefetch_multiplier", "worker_eta_task_limit", "worker_enable_prefetch_count_reduction",
         "worker_disable_prefetch", "worker_detect_quorum_queues"),
        PREFETCH,
    ),
    **dict.fromkeys(
        ("worker_hijack_root_logger", "worker_log_", "worker_task_log_", "worker_redirect_stdouts"), LOG
    ),
    **dict.fromkeys(
        ("beat_scheduler", "beat_schedule_filename", "beat_sync_every", "beat_max_loop_interval",
         "beat_cron_starting_deadline", "beat_enable_remote_control", "beat_remote_control_max_tick_age"),
        BEAT,
    ),
    **dict.fromkeys(
        ("accept_content", "task_serializer", "task_compression", "task_protocol", "task_publish_retry", "security_"),
        MESSAGES,
    ),
    **dict.fromkeys(
        ("task_create_missing_queue", "task_default_delivery_mode", "task_default_exchange", "task_default_routing_key",
         "task_default_queue_type", "task_queue_max_priority"),
        QUEUES,
    ),
    **dict.fromkeys(("worker_soft_shutdown_timeout", "worker_enable_soft_shutdown_on_idle"), STOP),
    "worker_max_memory_per_child": "SIGNALBOX_MEMORY_MB says it, in megabytes",
    "worker_pool_restarts": "stop a worker and start another one",
}  # fmt: skip

REFUSED = {
    "enable_utc": "times without a zone are in CELERY_TIMEZONE, and rows keep UTC",
    "task_inherit_parent_priority": "give the priority of a job where it is asked for",
    "task_allow_error_cb_on_chord_header": "an error callback of a chord cannot be honoured",
    "worker_agent": "a worker is made of Signalbox's own parts",
    "worker_autoscaler": "a worker is made of Signalbox's own parts",
    "worker_consumer": "a worker is made of Signalbox's own parts",
    "worker_direct": "no worker has a queue of its own; give a queue a name, and serve it with -Q",
}
PICKLES = {"accept_content", "event_serializer", "result_accept_content", "result_serializer", "task_serializer"}
UNSAFE = {"pickle", "application/x-python-serialize", "python/pickle"}


def refusals(source: Any = settings) -> list[str]:
    """A sentence for each setting that stops the start."""
    found = []
    for name, value in given(source):
        if name in REFUSED:
            found.append(f"{spelt(name)} is set, and cannot be honoured: {REFUSED[name]}.")
        elif name in PICKLES and UNSAFE & set([value] if isinstance(value, str) else value or ()):
            found.append(f"{spelt(name)} names pickle. What a job is given and returns is JSON: take pickle out.")
        elif name == "task_queues" and (
            all_get := [each.alias for each in _queues(value) if isinstance(each, Broadcast)]
        ):
            found.append(f"{spelt(name)} has a Broadcast, {all_get[0]}: a job runs once, and not in every worker.")
    return found


def _queues(value: Any) -> list[Any]:
    return list(value.values() if isinstance(value, dict) else value or ())


def notes(source: Any = settings) -> list[str]:
    """A sentence for each setting that Signalbox does not read because it does that itself, or that looks misspelt."""
    found = []
    for name, value in given(source):
        if (instead := replacement(name)) and value != ["json"] and name not in REFUSED:
            found.append(f"{spelt(name)} is not read: {instead}.")
    for name in dir(source):
        plain = name[len(PREFIX) :].lower() if name.startswith(PREFIX) and name.isupper() else ""
        if plain and plain not in NAMES and (meant := get_close_matches(plain, NAMES, 1, 0.85)):
            found.append(f"{name} is no setting of Celery. Is {spelt(meant[0])} meant?")
    return found


def given(source: Any) -> Iterable[tuple[str, Any]]:
    """The settings that a project has, by Celery's names, with another value than Celery's default."""
    for name, option in NAMES.items():
        value = getattr(source, spelt(name), option.default)
        if value != option.default:
            yield name, value


def replacement(name: str) -> str:
    if name in HONOURED:
        return ""
    return REPLACED.get(max((start for start in REPLACED if name.startswith(start)), key=len, default=""), "")


def spelt(name: str) -> str:
    return PREFIX + name.upper()
