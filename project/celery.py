"""The Celery app. A message carries a job's id; everything else is in the database."""

import os

from django.apps import apps
from django.conf import settings

from project import startup
from tasks.engine import broker
from tasks.engine.celery_app import app

startup.read_settings()
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")  # `up` and the deployment have checked; a worker needs no pages
app.config_from_object("django.conf:settings", namespace="CELERY")  # project.celery_settings says which of them count
app.conf.update(
    broker_url=settings.SIGNALBOX_BROKER_URL,
    broker_transport=broker.transport(),
    broker_transport_options=broker.transport_options(),
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_channel_error_retry=True,  # a full Redis answers with an error: a worker must outlive that too
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    event_serializer="json",
    task_acks_late=True,
    task_acks_on_failure_or_timeout=True,
    task_reject_on_worker_lost=False,  # without an attempt limit a job that kills its process would run for ever
    task_default_queue=broker.broker_name(getattr(settings, "CELERY_TASK_DEFAULT_QUEUE", "default")),
    worker_consumer="project.consumer:Consumer",
    worker_lost_wait=0.5,
    worker_max_memory_per_child=settings.SIGNALBOX_MEMORY_MB * 1024,  # what a job keeps, the next ones need not
    worker_prefetch_multiplier=1,  # with late acknowledgement nothing waits behind a long job beside an idle slot
    worker_enable_remote_control=False,  # whoever writes to Redis could stop workers
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,  # project.logs.Printed does, whole lines at a time
    worker_cancel_long_running_tasks_on_connection_loss=False,
    beat_scheduler="project.beat:Timekeeper",
    enable_utc=True,
)
if not apps.models_ready:  # it is Celery that imports this module, and not Django, which sets up itself
    startup.set_up()
