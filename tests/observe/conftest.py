"""Fixtures of watched applications."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from kombu import Connection, pools

from tasks.engine.celery_app import app
from tests.support.servers import Servers
from tests.support.watched import OwnRabbit, OwnRedis, Shop


@pytest.fixture(scope="session")
def foreign(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> OwnRedis:
    """One Redis for all watched applications of a run; each test takes a database of its own, and empties it."""
    return OwnRedis(servers, tmp_path_factory.mktemp("foreign"))


@pytest.fixture(scope="session")
def rabbit(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> OwnRabbit:
    return OwnRabbit(servers, tmp_path_factory.mktemp("rabbit"))


def forget_events(url: str) -> None:
    """RabbitMQ keeps events for an observer that is away: those of the test before are none of the next one's."""
    with Connection(url) as link:
        link.channel().queue_delete(f"signalbox-observe.{settings.SIGNALBOX_NAME}.shop")


@pytest.fixture
def new_shop(servers: Servers, foreign: OwnRedis, tmp_path: Path, settings: Any) -> Iterator[Callable[..., Shop]]:
    shops: list[Shop] = []
    settings.SIGNALBOX_OBSERVE_OPTIONS = {}
    settings.SIGNALBOX_OBSERVE_RESULTS = {}
    pools.reset()  # what a pooled connection has declared would not be declared again
    app._after_fork()  # it would go on to use a pool that is closed now
    foreign.client().flushall()

    def make(number: int = 0, results: bool = False, broker: str = "", **conf: Any) -> Shop:
        where = broker or foreign.url(number)
        if where.startswith("amqp:"):
            forget_events(where)
        backend = (where if where.startswith("redis:") else foreign.url(15)) if results else ""
        shops.append(Shop(servers, tmp_path / f"shop{len(shops)}", where, backend, **conf))
        return shops[-1]

    yield make
    for shop in shops:
        shop.stop()
