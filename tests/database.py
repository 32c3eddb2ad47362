"""What tests do to the database beside the site: emptying tables past the triggers, locks of others, deadlocks."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import OperationalError, connection, transaction

from matching.ledger import lock_pools
from matching.models import MatchPool
from tests.beside import PATIENCE_SECONDS

_TRIES = 5
_DEADLOCK, _LOCK_TIMEOUT = "40P01", "55P03"
# What migrations made and every test finds: no test that commits changes it.
_KEPT = ("django_migrations", "django_content_type", "auth_permission", "auth_group", "auth_group_permissions")


def empty_tables() -> None:
    """Delete every row that a test with real transactions has left, past the triggers that forbid it.

    In the place of Django's flush, which truncates every table and then makes content types, rights and groups anew:
    that took a third of a second. In one transaction our triggers are put to sleep and woken again, so nobody else ever
    meets a table without them. A worker still busy with the last test may deadlock with it: it is tried again.
    """
    for remaining in reversed(range(_TRIES)):
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                _delete(_tables_with_rows(), cursor)
        except OperationalError as error:
            code = getattr(error.__cause__, "sqlstate", None)
            if code not in {_DEADLOCK, _LOCK_TIMEOUT} or not remaining:
                raise
        else:
            return


def _delete(tables: Sequence[str], cursor: Any) -> None:
    cursor.execute("SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal")
    guarded = {name for (name,) in cursor.fetchall()} & set(tables)
    for table in sorted(guarded):
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    for table in tables:
        cursor.execute(f"DELETE FROM {table}")
    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table that waits for checks at commit cannot be altered
    for table in sorted(guarded):
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def _tables_with_rows() -> list[str]:
    tables = [name for name in connection.introspection.table_names() if name not in _KEPT]
    looks = [f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in tables]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(looks))
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
    assert locked.wait(PATIENCE_SECONDS)
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
