"""Connections to databases as no job should leave them."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from typing import Any

from django.db import DatabaseError, connection, connections, transaction
from psycopg import sql
from psycopg.rows import dict_row

from tasks.engine.models import Job

KEPT: list[Any] = []  # what a module keeps stays as long as the process
WAYS: dict[str, Callable[[], Any]] = {}


def way(function: Callable[[], Any]) -> Callable[[], Any]:
    WAYS[function.__name__] = function
    return function


def write(alias: str = "default") -> None:
    """What an open transaction holds: on SQLite the place of the one writer."""
    Job.objects.using(alias).update(progress_note="a mess")


def rows(alias: str = "default") -> Iterator[int]:
    with transaction.atomic(using=alias):
        write(alias)
        yield 1


@way
def a_generator_in_a_transaction() -> None:
    next(it := rows())
    raise ZeroDivisionError(f"with {it} open")


@way
def a_generator_that_is_kept() -> None:
    KEPT.append(rows())
    next(KEPT[-1])


@way
def a_generator_that_is_collected_later() -> None:
    it = rows()
    cycle: list[Any] = [it]
    cycle.append(cycle)
    next(it)


@way
def a_generator_that_goes_on_later() -> None:
    """The next ordinary job's collection ends it in the middle of somebody else's transaction."""
    KEPT.append(rows())
    next(KEPT[-1])
    threading.Timer(0.5, KEPT.clear).start()


@way
def a_block_that_was_entered() -> None:
    transaction.atomic().__enter__()
    write()


@way
def blocks_within_each_other() -> None:
    for _ in range(3):
        transaction.atomic().__enter__()
    write()
    raise ZeroDivisionError


@way
def a_block_that_must_be_rolled_back() -> None:
    transaction.atomic().__enter__()
    transaction.set_rollback(True)


@way
def a_block_with_an_error_in_it() -> None:
    transaction.atomic().__enter__()
    with connection.cursor() as cursor:
        cursor.execute("SELECT nothing FROM nowhere")


@way
def no_autocommit() -> None:
    transaction.set_autocommit(False)
    write()


@way
def a_transaction_by_hand() -> None:
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
    write()


@way
def a_transaction_of_the_driver() -> None:
    connection.ensure_connection()
    connection.connection.execute("BEGIN")


@way
def a_callback_after_a_commit_that_never_comes() -> None:
    transaction.atomic().__enter__()
    transaction.on_commit(lambda: write() or 1 / 0)


@way
def a_setting_of_the_session() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 1" if postgres() else "PRAGMA query_only = 1")


@way
def a_setting_of_the_session_through_the_driver() -> None:
    connection.ensure_connection()
    connection.connection.execute(
        "SET default_transaction_read_only = on" if postgres() else "PRAGMA foreign_keys = OFF"
    )


@way
def a_setting_of_the_session_by_a_function() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('search_path', 'pg_catalog', false)" if postgres() else "PRAGMA busy_timeout = 1"
        )


@way
def a_setting_behind_another_statement() -> None:
    connection.ensure_connection()
    if postgres():
        connection.connection.execute("SELECT 1; SET search_path TO pg_catalog")
    else:
        connection.connection.executescript("SELECT 1; PRAGMA query_only = 1")


@way
def a_setting_in_other_words() -> None:
    """Not as a plain text, in odd letters, by other methods than ``execute``."""
    connection.ensure_connection()
    if not postgres():
        return
    driver = connection.connection
    driver.execute(b"SET default_transaction_read_only = on")
    driver.execute(sql.SQL("SET {} = 0").format(sql.Identifier("lock_timeout")))
    driver.execute("SELECT Set_Config('search_path', 'pg_catalog, public', false)")
    driver.cursor().executemany("SET work_mem = '1MB'", [()])


@way
def a_setting_of_the_driver() -> None:
    connection.ensure_connection()
    if postgres():
        connection.connection.read_only = True
    else:
        connection.connection.text_factory = bytes


@way
def rows_of_another_form() -> None:
    connection.ensure_connection()
    connection.connection.row_factory = dict_row if postgres() else sqlite3.Row


@way
def a_call_of_the_driver_that_forbids_all() -> None:
    connection.ensure_connection()
    if not postgres():
        connection.connection.set_trace_callback(None)
        connection.connection.execute("PRAGMA query_only = 1")
        connection.connection.set_progress_handler(lambda: 1, 1)
        connection.connection.set_authorizer(lambda *words: sqlite3.SQLITE_DENY)


@way
def another_address_of_the_database() -> None:
    connection.settings_dict["NAME"] = "/nowhere/else"
    connection.settings_dict["AUTOCOMMIT"] = False
    connection.close()


@way
def a_role_and_a_lock() -> None:
    with connection.cursor() as cursor:
        if postgres():
            cursor.execute("SELECT pg_advisory_lock(1)")
            cursor.execute("CREATE ROLE nobody_here")
            cursor.execute("SET ROLE nobody_here")


@way
def a_temporary_table_before_a_real_one() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE tasks_job (id integer)")
        cursor.execute("CREATE TEMPORARY TABLE junk (id integer)")


@way
def a_temporary_table_that_is_only_selected() -> None:
    if postgres():
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 AS id INTO TEMPORARY tasks_job")
            cursor.execute("EXPLAIN ANALYZE CREATE TEMP TABLE junk AS SELECT 1 AS id")


@way
def a_wrapper_around_statements() -> None:
    connection.execute_wrappers.append(lambda *words: 1 / 0)


@way
def a_closed_connection() -> None:
    connection.ensure_connection()
    connection.connection.close()


@way
def a_second_alias_in_a_transaction() -> None:
    next(it := rows("second"))
    KEPT.append(it)


@way
def a_thread_that_holds_a_transaction() -> None:
    begun = threading.Event()

    def hold() -> None:
        with transaction.atomic():
            write()
            begun.set()
            threading.Event().wait()

    threading.Thread(target=hold, daemon=True).start()
    begun.wait()


@way
def a_thread_that_ended_in_a_transaction() -> None:
    def leave() -> None:
        KEPT.append(connections["default"])
        transaction.atomic().__enter__()
        write()

    thread = threading.Thread(target=leave)
    thread.start()
    thread.join()


@way
def a_transaction_that_nobody_knows_of() -> None:
    """Of a connection that the job made itself: on SQLite it would hold the place of the one writer for ever."""
    if not postgres():
        KEPT.append(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None))
        KEPT[-1].execute("BEGIN IMMEDIATE")


@way
def an_error_that_holds_a_cursor() -> None:
    cursor = connection.cursor()
    cursor.execute("SELECT 1")
    raise DatabaseError(cursor)


def postgres() -> bool:
    return connection.vendor == "postgresql"
