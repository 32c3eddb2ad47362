"""What tests do to the database beside the site: emptying tables past the triggers, locks of others, deadlocks."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import OperationalError, connection, transaction
from django.db.backends.postgresql.operations import DatabaseOperations

from matching.ledger import lock_pools
from matching.models import MatchPool

_TRIES = 5
_DEADLOCK, _LOCK_TIMEOUT = "40P01", "55P03"


def let_flush_pass_triggers(patch: Callable[[type, str, Any], None]) -> None:
    """Make Django's flush (after each test with real transactions) work on tables that refuse TRUNCATE.

    In the flush's own transaction our triggers on the tables are put to sleep and woken again, so nobody else ever
    meets a table without them. A worker still busy with the last test may deadlock with the flush: it is tried again.
    """
    sql_flush, execute = DatabaseOperations.sql_flush, DatabaseOperations.execute_sql_flush

    def sql_flush_past_triggers(self: DatabaseOperations, style: Any, tables: Any, **options: Any) -> list[str]:
        statements = sql_flush(self, style, tables, **options)
        guarded = [self.quote_name(table) for table in _tables_with_triggers()] if statements else []
        return [
            *(f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in guarded),
            *statements,
            *(f"ALTER TABLE {table} ENABLE TRIGGER USER" for table in guarded),
        ]

    def execute_again_on_deadlock(self: DatabaseOperations, statements: list[str]) -> None:
        for remaining in reversed(range(_TRIES)):
            try:
                execute(self, statements)
            except OperationalError as error:
                code = getattr(error.__cause__, "sqlstate", None)
                if code not in {_DEADLOCK, _LOCK_TIMEOUT} or not remaining:
                    raise
            else:
                return

    patch(DatabaseOperations, "sql_flush", sql_flush_past_triggers)
    patch(DatabaseOperations, "execute_sql_flush", execute_again_on_deadlock)


def _tables_with_triggers() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
            " WHERE NOT t.tgisinternal AND c.relnamespace = current_schema()::regnamespace ORDER BY 1"
        )
        return [name for (name,) in cursor.fetchall()]


def as_owner(statement: str, table: str, *, without: Sequence[str] = ()) -> None:
    """What only the tables' owner can do: a statement with the table's triggers asleep and some constraints dropped.

    The constraints stay away until the test's transaction is rolled back.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table that waits for checks at commit cannot be altered
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for constraint in without:
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")
        cursor.execute(statement)
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def ledger_rows() -> dict[str, list[tuple[Any, ...]]]:
    """Everything that the ledger's tables say, for tests that nothing was written."""
    rows = {}
    with connection.cursor() as cursor:
        for table in ("matchpool", "poolterms", "reservation", "allocation", "ledgerentry", "waitinggift"):
            cursor.execute(f"SELECT * FROM matching_{table} ORDER BY id")
            rows[table] = cursor.fetchall()
    return rows


def deadlocks() -> int:
    """How many PostgreSQL has ended in this database; the backends' own counts are written first."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


@contextmanager
def locked_by_someone_else(pool: MatchPool, *, seconds: float = 10.0) -> Iterator[threading.Event]:
    """The pool's row, held by another connection until the block ends or the seconds are over."""
    locked, done = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                lock_pools([pool.pk])
                locked.set()
                done.wait(seconds)
        finally:
            connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    assert locked.wait(5)
    try:
        yield done
    finally:
        done.set()
        thread.join(seconds)


def current_url() -> str:
    """The address of the test database, for processes beside this one."""
    settings = connection.settings_dict
    password = f":{settings['PASSWORD']}" if settings["PASSWORD"] else ""
    return f"postgres://{settings['USER']}{password}@{settings['HOST']}:{settings['PORT'] or 5432}/{settings['NAME']}"
