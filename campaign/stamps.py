"""Whether the database still holds what it held: asked in one query, by which an older copy is known to be right.

Snapshot   PostgreSQL's own: the same text means that nothing has been committed in between, so every question has
           the answer that it had. Gifts, sessions, anything that anybody writes changes it.
Content    of what staff write for pages: the id and the version of every row of this app, so the same text means
           the same pages, whatever is given meanwhile.

Both begin with the code that asks: what another release made is never as right as new.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import NamedTuple

from django.apps import apps
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from psycopg import sql

_FOLDERS = ("campaign", "config", "donations", "locale", "matching", "templates")
_OF_PAGES = {".py", ".html", ".js", ".css", ".mo"}
_QUARTER = timedelta(minutes=15)
_LOOKED = "health_check_done"  # Django's mark on a connection, which its type does not tell
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class Stamp(NamedTuple):
    snapshot: str
    content: str


_asked: ContextVar[list[Stamp | None] | None] = ContextVar("stamp", default=None)


@contextmanager
def one_stamp() -> Iterator[None]:
    """Within the block stamp() asks at most once: everything that is read there is read after that."""
    token = _asked.set([])
    try:
        yield
    finally:
        _asked.reset(token)


def stamp() -> Stamp | None:
    """What the database held when this page began to be made; None outside one_stamp(), or when it does not say.

    What is read afterwards may be newer, never older: then the next stamp is another one. None inside a transaction,
    whose own writes no snapshot tells.
    """
    asked = _asked.get()
    if asked is None:
        return None
    if not asked:
        asked.append(None if connection.in_atomic_block else _ask())
    return asked[0]


def quarter_end(now: datetime) -> datetime:
    """The next quarter of an hour: a new day begins at one, in every time zone that a campaign may have."""
    return now + _QUARTER - (now - _EPOCH) % _QUARTER


def _ask() -> Stamp | None:
    # This query is itself the look whether the kept connection still stands: no other need come before it.
    setattr(connection, _LOOKED, True)
    try:
        with connection.cursor() as cursor:
            cursor.execute(_question())
            snapshot, content = cursor.fetchone()
            return Stamp(f"{_release()}-{snapshot}", f"{_release()}-{content}")
    except (DatabaseError, InterfaceError):
        connection.close()  # what comes next takes a new one
        return None


@cache
def _release() -> str:
    """What makes this site's pages beside the database: its newest file, and the settings that stand in them."""
    files = (path for folder in _FOLDERS for path in (settings.BASE_DIR / folder).rglob("*"))
    newest = max(path.stat().st_mtime_ns for path in files if path.suffix in _OF_PAGES)
    return hashlib.sha256(f"{newest} {settings.SITE_URL} {settings.LANGUAGE_CODE}".encode()).hexdigest()[:12]


@cache
def _question() -> str:
    """A row's version is the transaction that wrote it (xmin). Few rows, all written by people."""
    models = apps.get_app_config("campaign").get_models(include_auto_created=True)
    versions = [
        sql.SQL("(SELECT coalesce(string_agg(id || ':' || xmin, ',' ORDER BY id), '') FROM {})").format(
            sql.Identifier(model._meta.db_table)
        )
        for model in models
    ]
    question = sql.SQL("SELECT pg_current_snapshot()::text, md5(concat_ws('|', {}))").format(
        sql.SQL(", ").join(versions)
    )
    return question.as_string(None)
