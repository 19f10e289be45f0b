"""Fixtures that every test may use: the servers of the run, the product as a process, the test database."""

from pathlib import Path

import pytest
from django.conf import settings

from tests.servers import Servers


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Servers:
    return request.config.servers


@pytest.fixture(scope="session")
def django_db_modify_db_settings(servers: Servers) -> None:
    """SQLite's test database is a file, as in production: threads and processes of a test share it."""
    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite3"):
        database.setdefault("TEST", {})["NAME"] = str(Path(servers.folder) / "test.sqlite3")
