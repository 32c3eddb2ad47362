"""A limit on how long PostgreSQL may work on a statement, for what pages can do without."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import connection, transaction

_SETTING = "statement_timeout"


@contextmanager
def statements_within(limit: timedelta) -> Iterator[None]:
    """Run the block's statements in one transaction; one that takes longer, waits for locks included, is cancelled.

    Raises OperationalError then, and nothing of the transaction stays. One round trip more, three inside another
    transaction, whose own limit comes back afterwards.
    """
    is_inside = connection.in_atomic_block
    with transaction.atomic():
        before = _current() if is_inside else ""
        _set(str(limit // timedelta(milliseconds=1)))
        yield
        if is_inside:
            _set(before)


def _current() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting(%s)", [_SETTING])
        return str(cursor.fetchone()[0])


def _set(value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT set_config('{_SETTING}', %s, true)", [value])
