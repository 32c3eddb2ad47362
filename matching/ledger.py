"""The ledger: locking pools and moving money between their accounts.

An entry moves a positive amount from one account of a pool to another; models.MOVES lists the moves there are.
Inserting it is moving the money: the database's trigger writes the balances and the chain (matching/triggers.py).
Whoever posts holds the pools' row locks first, taken in one statement in the order of primary keys, so that two
gifts over the same pools never wait for each other in a circle.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import psycopg.errors
from django.db import OperationalError, connection

from matching.models import MOVES, Allocation, LedgerEntry, MatchPool

STRIPE, DONOR, SYSTEM = "stripe", "donor", "system"
# Before its pools a transaction takes one of a few places in a line, and so does each function of functions.py:
# however many wait, at most LOCKERS contend for the rows (docs/decisions/0008). A session has one place, whatever pools
# it locks: who took it once never waits for it again.
LOCKERS = 8
TAKE_A_PLACE = f"pg_advisory_xact_lock(730100000000000 + pg_backend_pid() % {LOCKERS})"


class PoolsBusy(Exception):
    """Somebody else kept the pools, or the gift, locked longer than LOCK_TIMEOUT_MS; nothing was written."""


@dataclass(frozen=True, slots=True)
class Move:
    """One entry to be posted. amount_minor > 0; reason is one of models.MOVES; allocation is None for pledges."""

    pool: MatchPool
    reason: str
    amount_minor: int
    allocation: Allocation | None = None
    reference: str = ""


def lock_pools(pool_ids: Iterable[int]) -> dict[int, MatchPool]:
    """Lock pools against every other writer until the transaction ends; fresh rows by id, in order of id.

    Takes FOR NO KEY UPDATE, so that foreign keys to a pool can be written beside it (docs/decisions/0002).
    Raises PoolsBusy when a lock cannot be had in time. Must run inside a transaction.
    """
    ids = sorted(set(pool_ids))
    if not ids:
        return {}
    pools = MatchPool.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk")
    with busy_when_locked(f"pools {ids}"), connection.cursor() as cursor:
        cursor.execute(f"SELECT {TAKE_A_PLACE}")
        return {pool.pk: pool for pool in pools}


@contextmanager
def busy_when_locked(what: str) -> Iterator[None]:
    """A lock that cannot be had in time as PoolsBusy. For the gift too: whoever has it may be waiting for a pool."""
    try:
        yield
    except OperationalError as error:
        if isinstance(error.__cause__, psycopg.errors.LockNotAvailable):
            raise PoolsBusy(f"{what} locked by someone else") from error
        raise


def post(moves: Sequence[Move], *, actor: str, now: datetime) -> None:
    """Append entries, in this order; their effect on the balances is part of the same statement.

    The pools must be locked. A move that would put a balance below zero raises IntegrityError and the whole
    transaction is lost: callers compute under the lock, so this is a guard and not a way to ask.
    """
    LedgerEntry.objects.bulk_create(
        LedgerEntry(
            pool=move.pool,
            from_account=MOVES[move.reason][0],
            to_account=MOVES[move.reason][1],
            amount_minor=move.amount_minor,
            currency=move.pool.currency,
            reason=move.reason,
            allocation=move.allocation,
            reference=move.reference,
            actor=actor,
            recorded_at=now,
        )
        for move in moves
    )
