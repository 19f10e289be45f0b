"""How long a move waits for a database that does not let it: short in a web process, which then says 503."""

import os
import socket
import sqlite3
import time

import pytest
from django.db import OperationalError, connection

from tasks.engine import lifecycle
from tasks.engine.models import Job

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.long
@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="SQLite has one writer at a time")
def test_a_locked_database_is_said_to_be_so_after_one_patience():
    """Its busy timeout of 2 s is waited for once, not once for each try."""
    link = sqlite3.connect(str(connection.settings_dict["NAME"]), isolation_level=None)
    link.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    try:
        with pytest.raises(OperationalError, match="locked"):
            lifecycle.submit("noop", {})
        assert 1.5 < time.monotonic() - began < 4
    finally:
        link.execute("ROLLBACK")
        link.close()
    assert Job.objects.count() == 0
    assert lifecycle.submit("noop", {})[1]


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="a file does not vanish without a word")
def test_a_server_that_is_silent_is_given_up_within_seconds():
    """The options of this very connection in the kernel, whose own timeout is two hours."""
    connection.ensure_connection()
    with socket.socket(fileno=os.dup(connection.connection.fileno())) as link:
        assert link.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        idle, every, count = (
            link.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        )
        assert idle + every * count <= 30
        assert 0 < link.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) <= 30_000
