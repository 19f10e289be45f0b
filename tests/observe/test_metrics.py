"""Metrics of watched applications: Flower's labels under our names, and none where nothing is watched."""

from datetime import timedelta

import pytest
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest

from project import watched_metrics
from tasks.observe.models import WatchedQueue
from tests.observe.test_api import shop
from tests.support.watched_rows import watched

pytestmark = pytest.mark.django_db


class Watched:
    def collect(self):
        yield from watched_metrics.families()


def scraped() -> str:
    registry = CollectorRegistry()
    registry.register(Watched())
    return generate_latest(registry).decode()


def test_nothing_is_said_where_nothing_is_watched():
    assert "signalbox_watched" not in scraped()


def test_workers_queues_and_ends_have_the_labels_of_flower(monkeypatch):
    app = shop()
    WatchedQueue.objects.create(app=app, name="celery", depth=5, seen_at=timezone.now())
    ended = watched_metrics.Ended()
    monkeypatch.setattr(watched_metrics, "ended", ended)
    monkeypatch.setattr(watched_metrics, "SETTLED", timedelta(0))
    for state in ("succeeded", "succeeded", "failed", "unknown"):
        watched(state)
    said = scraped()
    for line in (
        'signalbox_watched_worker_online{app="shop",worker="w1@host"} 1.0',
        'signalbox_watched_worker_number_of_currently_executing_tasks{app="shop",worker="w2@host"} 0.0',
        'signalbox_watched_queue_depth{app="shop",queue="celery"} 5.0',
        'signalbox_watched_unseen_total{app="shop"} 3.0',
        'signalbox_watched_lag_seconds{app="shop"} 0.2',
        'signalbox_watched_events_total{app="shop",task="shop.tasks.pay",type="task-succeeded",worker="w1@host"} 2.0',
        'signalbox_watched_events_total{app="shop",task="shop.tasks.pay",type="task-failed",worker="w1@host"} 1.0',
        'signalbox_watched_task_runtime_seconds_count{app="shop",task="shop.tasks.pay",worker="w1@host"} 2.0',
    ):
        assert line in said, line
    assert 'worker="old@host"' not in said
    assert scraped().count('type="task-succeeded",worker="w1@host"} 2.0') == 1, "nothing is counted twice"
