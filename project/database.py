"""Django's settings of the database: what a process may keep open, and how long it waits, depends on what it does.

A web process answers each request on a thread of its own, so a connection that a thread keeps is one for each request:
it takes them from a pool instead and gives them back. Every other process has few threads and keeps what they have.
"""

from typing import Any

BUSY_S = 2  # over HTTP the answer is then 503, and the client may try again
WORKER_BUSY_S = 20


def settings(base: dict[str, Any], *, web: bool, worker: bool, pooler: bool, connections: int) -> dict[str, Any]:
    """``base`` (engine, name, host, …) completed for a process.

    ``pooler``: there is a pooler in transaction mode between us and PostgreSQL, so that nothing may rest on a session:
    no prepared statement, no cursor, no setting. ``connections``: the most that a web process has to PostgreSQL.
    """
    kept = {"CONN_MAX_AGE": 0 if web else None, "CONN_HEALTH_CHECKS": True, "ATOMIC_REQUESTS": False}
    if base["ENGINE"].endswith("sqlite3"):
        # Django's backend, but one value that cannot be read does not cost the whole answer.
        return base | kept | {"ENGINE": "project.sqlite3", "OPTIONS": _sqlite(worker)}
    options = base.get("OPTIONS", {})
    if web:
        options = options | {"pool": _pool(connections)}
    if not pooler:
        options = options | {"server_side_binding": True, "prepare_threshold": 3}
        if web:
            options["options"] = f"{options.get('options', '')} -c lock_timeout={BUSY_S * 1000}".strip()
    # A server that is gone without a word, as at a failover, is given up in seconds; the kernel would wait for hours.
    patience = {
        "connect_timeout": 5, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3,
        "tcp_user_timeout": 20_000,
    }  # fmt: skip
    ours = {"ENGINE": "project.postgresql", "OPTIONS": patience | options}
    return base | kept | ours | {"DISABLE_SERVER_SIDE_CURSORS": pooler}


def _pool(connections: int) -> dict[str, Any]:
    """Tries to connect when somebody asks, and not ever more seldom in the background: after an outage the first
    request connects."""
    return {"min_size": 1, "max_size": connections, "timeout": BUSY_S, "max_idle": 60, "reconnect_timeout": 1}


def _sqlite(worker: bool) -> dict[str, Any]:
    """A worker waits long for SQLite's one writer and may lose its last commit to a power cut (the lease gives the job
    to another); any other process never says yes to a job that a power cut could take back."""
    patience, sync = (WORKER_BUSY_S, "NORMAL") if worker else (BUSY_S, "FULL")
    return {
        "transaction_mode": "IMMEDIATE",
        "timeout": patience,
        "init_command": f"PRAGMA journal_mode=WAL; PRAGMA synchronous={sync}; PRAGMA busy_timeout={patience * 1000};",
    }
