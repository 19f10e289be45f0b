"""Fixtures that every test may use: the servers of the run, the product as a process, workers on the test database."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.core.management.commands import flush
from django.db import connection
from django.test import client as django_client
from django.test import override_settings
from django_celery_beat.models import PeriodicTask
from whitenoise.middleware import WhiteNoiseMiddleware
from xdist.scheduler import LoadFileScheduling

from live.db_thread import DatabaseThread
from tasks.engine import calls
from tasks.engine.log_context import request_id
from tests.support.processes import Product, Worker
from tests.support.servers import FAST, Servers

LONG = {"test_misbehaviour.py", "test_lengths.py", "test_team.py", "test_doubt.py", "test_retries.py", "test_rabbit.py"}
REACH_A_DATABASE = {"db", "transactional_db", "django_db_setup", "product", "new_product", "start_worker"}


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    """``pure``: pytest-django lets it reach no database, and it starts nothing that does: one run is enough.

    Tests of servers, files and command lines say so themselves: they need a database, but any will do.
    """
    reaches = item.get_closest_marker("django_db") or item.get_closest_marker("process")
    if not reaches and REACH_A_DATABASE.isdisjoint(getattr(item, "fixturenames", ())):
        item.add_marker("pure")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest come first: a long one that begins last is what all processes wait for.

    These are the browser's, those of LONG, and those that start the most processes.
    """
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    real = {path: sum(item.get_closest_marker("process") is not None for item in files[path]) for path in files}
    first = {path: (path.parent.name != "browser", path.name not in LONG) for path in files}
    items.sort(key=lambda item: (*first[item.path], -real[item.path], -len(files[item.path])))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    config.option.loadscopereorder = False  # or it would sort by the number of tests
    return Chromiums(config, log)


class Chromiums(LoadFileScheduling):
    """A file's tests stay together, in their order; the browser's files share two Chromiums and two products."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        if not file.startswith("tests/browser/"):
            return file
        return "looks" if file.endswith("/test_looks.py") else "browser"


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes have no name of their own: those of an archive tell the time, and no two processes would agree on it.

    Nor has a lambda that makes them when its test runs: what takes long to make is not made by each collection.
    """
    return argname if isinstance(val, bytes) or getattr(val, "__name__", "") == "<lambda>" else None


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Twice as many as cores, since a test of real processes waits more than it works; one more when there are none."""
    cores = os.cpu_count() or 1
    return cores + 1 if "not process" in config.option.markexpr else cores * 2


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Servers:
    return request.config.servers


@pytest.fixture(scope="session")
def django_db_modify_db_settings(servers: Servers) -> None:
    """The test database is a copy of one that is migrated; of SQLite a file, which threads and processes share."""
    test = settings.DATABASES["default"].setdefault("TEST", {})
    if servers.database_url:
        test["TEMPLATE"] = servers.migrated()
    else:
        test["NAME"] = shutil.copy(servers.migrated(), servers.folder / "test.sqlite3")


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """The copy is taken as it is, and goes with its server or its folder."""
    return True


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """Tests begin with no schedules: those that come with a fresh install have tests of their own."""
    with django_db_blocker.unblock():
        PeriodicTask.objects.all().delete()
        calls.table()  # asked once in a process: no test shall count that statement


@pytest.fixture(scope="session", autouse=True)
def nothing_is_made_twice(django_test_environment: None) -> Iterator[None]:
    """What Django does again for each test or client, and would do again in the very same way."""
    with pytest.MonkeyPatch.context() as patch, override_settings(PASSWORD_HASHERS=[f"{__name__}.QuickHasher"]):
        patch.setattr(WhiteNoiseMiddleware, "add_files_from_finders", add_static_files)
        patch.setattr(django_client, "store_rendered_templates", store_context_of_page)
        patch.setattr(flush, "sql_flush", sql_to_empty)
        patch.setattr(flush, "emit_post_migrate_signal", lambda *args, **options: None)  # its rows have stayed
        yield


class QuickHasher(PBKDF2PasswordHasher):
    """Django's own hashes, made at once, and checked once for a process when others made them."""

    iterations = 1

    def must_update(self, encoded: str) -> bool:
        return False  # an update would end the sessions that a test has opened

    @cache  # noqa: B019 - one hasher lives as long as its process
    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        return super().encode(password, salt, iterations)


static_files: dict[str, Any] = {}
find_static_files = WhiteNoiseMiddleware.add_files_from_finders


def add_static_files(self: WhiteNoiseMiddleware) -> None:
    """Found once for a process: each test client makes its middleware again, and this was most of a request's time."""
    if not static_files:
        find_static_files(self)
        static_files.update(self.files)
    self.files.update(static_files)


store_rendered_templates = django_client.store_rendered_templates


def store_context_of_page(store: dict[str, Any], *args: Any, **more: Any) -> None:
    """For ``response.context``: that of the page. A copy for each template in it took a quarter of a request's time."""
    if "context" not in store:
        store_rendered_templates(store, *args, **more)


def sql_to_empty(style: Any, connection: Any, *args: Any, **options: Any) -> list[str]:
    """Between two tests with transactions: empties the tables that hold rows, but for those that describe models."""
    kept = {"django_migrations", "django_content_type", "auth_permission"}
    tables = sorted(set(connection.introspection.django_table_names(only_existing=True, include_views=False)) - kept)
    asked = " UNION ALL ".join(f"SELECT '{table}' WHERE EXISTS (SELECT 1 FROM \"{table}\")" for table in tables)
    with connection.cursor() as cursor:
        cursor.execute(asked)
        return [f'DELETE FROM "{table}"' for (table,) in cursor.fetchall()]  # no order: constraints wait for the commit


@pytest.fixture(autouse=True)
def no_request() -> None:
    """The test client serves a request in the test's own context, where its id would stay for all later tests."""
    request_id.set("")


@pytest.fixture
def rows() -> Iterator[Callable[..., Any]]:
    """The database, from inside a loop: ``await rows(function, *arguments)``."""
    reader = DatabaseThread("test-rows")
    yield reader.run
    reader.stop()


@pytest.fixture(scope="session")
def product(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The whole product, running and ready: one for all tests that leave it as they found it."""
    running = Product(servers, tmp_path_factory.mktemp("product"))
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture
def new_product(servers: Servers, tmp_path: Path) -> Iterator[Callable[..., Product]]:
    """Makes products (not yet started) for one test: ``new_product("--server", "uvicorn", SIGNALBOX_LEASE_S="1")``."""
    made: list[Product] = []

    def make(*options: str, **more) -> Product:
        made.append(Product(servers, tmp_path / f"product{len(made)}", *options, **more))
        return made[-1]

    yield make
    for one in made:
        if one.process is not None:
            one.stop()


@pytest.fixture
def start_worker(servers: Servers, tmp_path: Path, transactional_db: None) -> Iterator[Callable[..., Worker]]:
    """Starts real workers on the test database: ``start_worker("w1", concurrency=2, SIGNALBOX_LEASE_S="1")``."""
    started: list[Worker] = []
    with redis.from_url(servers.redis_url) as link:
        link.flushdb()  # a thousand messages of an earlier test would all be handled first

    def start(
        name: str = "test",
        concurrency: int = 2,
        wait: bool = True,
        pool: str = "prefork",
        options: Sequence[str] = (),
        **more: str,
    ) -> Worker:
        environment = FAST | {"DATABASE_URL": database_url_of_the_test(servers)} | more
        log = tmp_path / f"{name}{len(started)}.log"
        started.append(Worker(servers, environment, name, concurrency, log, pool, options))
        return started[-1].wait_ready() if wait else started[-1]

    yield start
    for worker in started:
        worker.kill()


def database_url_of_the_test(servers: Servers) -> str:
    """DATABASE_URL of the database that the test itself uses."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return servers.database_url.rpartition("/")[0] + f"/{name}"
