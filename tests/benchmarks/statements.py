"""Statements that PostgreSQL gets, counted in its own log: the site is run as always and knows nothing of it."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from django.db import connection
from psycopg import sql

from sandbox.stack.postgres import SUPERUSER
from tests.benchmarks.processor import postgres_pid

# BEGIN and COMMIT are statements, and so is the SELECT 1 with which Django looks whether its connection still stands.
_STATEMENT = re.compile(rb"LOG:  (?:statement|execute [^:\n]+): ")


class Statements:
    """What connections that were opened since have sent. The log is the file that PostgreSQL's own errors go to."""

    def __init__(self, log: Path) -> None:
        self._log, self._seen_bytes = log, log.stat().st_size

    def since(self) -> int:
        """How many since this was asked last, or since the beginning."""
        with self._log.open("rb") as log:
            log.seek(self._seen_bytes)
            found = log.read()
        self._seen_bytes += len(found)
        return len(_STATEMENT.findall(found))


@contextmanager
def logged_statements() -> Iterator[Statements | None]:
    """Have the statements of all connections that are opened within the block logged, and count them.

    The vacuum rests meanwhile: what it writes after a part with gifts would count in the next one without.
    None when that cannot be had: the database is not the one that `make bench` brings.
    """
    asked = connection.settings_dict
    address = {"host": asked["HOST"], "port": asked["PORT"], "dbname": asked["NAME"], "user": SUPERUSER}
    name = sql.Identifier(asked["NAME"])
    try:
        log = Path(os.readlink(f"/proc/{postgres_pid()}/fd/2"))
        server = psycopg.connect(**address, autocommit=True, connect_timeout=5)
    except (OSError, psycopg.Error):
        yield None
        return
    with server:
        server.execute(sql.SQL("ALTER DATABASE {} SET log_statement = 'all'").format(name))
        server.execute("ALTER SYSTEM SET autovacuum = off")
        server.execute("SELECT pg_reload_conf()")
        try:
            yield Statements(log)
        finally:
            server.execute(sql.SQL("ALTER DATABASE {} RESET log_statement").format(name))
            server.execute("ALTER SYSTEM RESET autovacuum")
            server.execute("SELECT pg_reload_conf()")
