"""The ledger's functions with their lock taken out, for the controls that show the race."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from matching.functions import HOLD, LOCK_POOLS, LOOK_AGAIN, create_statement


@contextmanager
def functions_without_lock() -> Iterator[None]:
    """A hold is worked out from what was read, and written as it is: nobody waits, nobody looks again."""
    assert LOCK_POOLS in HOLD
    assert LOOK_AGAIN in HOLD
    _install(create_statement("matching_hold").replace(LOCK_POOLS, "").replace(LOOK_AGAIN, ""))
    try:
        yield
    finally:
        _install(create_statement("matching_hold"))


def _install(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
