"""Checking the ledger against itself: every chain, every balance, every hold, from the entries alone (design 3.7)."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import F, Sum

from campaign.money import format_amount
from matching.ledger import lock_pools
from matching.models import GENESIS_HASH, MOVES, Allocation, LedgerEntry, MatchPool

_BALANCES = ("free", "held", "matched")
_STANDS = {"held": "held", "committed": "matched"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault. pool: whose; text: what is off and by how much, for a person."""

    pool: MatchPool
    text: str


def check_pool(pool: MatchPool) -> list[Finding]:
    """Read one pool's whole chain and compare it with its cached row and its reservations; 0..n findings.

    Runs at one snapshot, without locks: gifts go on meanwhile. Memory stays flat; time is linear in the entries.
    """
    with _snapshot():
        row = MatchPool.objects.get(pk=pool.pk)
        balances: dict[str, int] = defaultdict(int)
        texts = list(_read_chain(row, balances))
        texts += _compare_balances(row, balances)
        texts += _compare_reservations(row, balances)
    return [Finding(row, text) for text in texts]


def check_campaigns() -> list[Finding]:
    """check_pool() for every pool there is."""
    return [finding for pool in MatchPool.objects.order_by("pk") for finding in check_pool(pool)]


@transaction.atomic
def halt_pool(*, pool_id: int, reason: str) -> None:
    """Stop new match from a pool at fault; giving goes on without it. A person takes the mark off again."""
    pool = lock_pools([pool_id])[pool_id]
    pool.halted_reason = reason[:300]
    pool.save(update_fields=["halted_reason"])


@contextmanager
def _snapshot() -> Iterator[None]:
    """A transaction that sees one moment, so that a gift made meanwhile cannot look like a fault."""
    outermost = not connection.in_atomic_block
    with transaction.atomic():
        if outermost:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield


def _read_chain(pool: MatchPool, balances: dict[str, int]) -> Iterator[str]:
    seq, head = 0, GENESIS_HASH
    for entry in LedgerEntry.objects.filter(pool=pool).order_by("seq").iterator(chunk_size=2000):
        where = f"entry {entry.seq}"
        if entry.seq != seq + 1:
            yield f"{where} follows entry {seq}: an entry is missing or out of place"
        if entry.prev_hash != head:
            yield f"{where} does not carry the hash of the entry before it"
        if hashlib.sha256(entry.chain_text().encode()).hexdigest() != entry.entry_hash:
            yield f"{where} was changed after it was written: its hash does not fit its text"
        if MOVES.get(entry.reason) != (entry.from_account, entry.to_account) or entry.amount_minor <= 0:
            yield f"{where} is not a move that the ledger knows"
        if entry.currency != pool.currency:
            yield f"{where} is in {entry.currency}, the pool in {pool.currency}"
        balances[entry.from_account] -= entry.amount_minor
        balances[entry.to_account] += entry.amount_minor
        for account in _BALANCES:
            if balances[account] < 0:
                yield f"after {where} the account {account} stood below zero"
        seq, head = entry.seq, entry.entry_hash
    if (seq, head) != (pool.head_seq, pool.head_hash):
        yield f"the chain ends at entry {seq}, the pool's row says {pool.head_seq} or carries another hash"


def _compare_balances(pool: MatchPool, balances: dict[str, int]) -> Iterator[str]:
    cached = {"free": pool.free_minor, "held": pool.held_minor, "matched": pool.matched_minor}
    for account, stored in cached.items():
        yield from _difference(pool, account, stored=stored, entries=balances[account])
    yield from _difference(pool, "limit", stored=pool.limit_minor, entries=-balances["pledged"])


def _compare_reservations(pool: MatchPool, balances: dict[str, int]) -> Iterator[str]:
    rows = Allocation.objects.filter(pool=pool, reservation__state__in=_STANDS)
    sums = rows.values("reservation__state").annotate(stands_minor=Sum(F("amount_minor") - F("reversed_minor")))
    by_account = {_STANDS[row["reservation__state"]]: row["stands_minor"] for row in sums.order_by()}
    for account in ("held", "matched"):
        stands = by_account.get(account, 0)
        if stands != balances[account]:
            off = format_amount(stands - balances[account], currency=pool.currency)
            yield f"gifts have {off} more {account} than the entries say"


def _difference(pool: MatchPool, account: str, *, stored: int, entries: int) -> Iterator[str]:
    if stored != entries:
        off, row, chain = (
            format_amount(amount_minor, currency=pool.currency) for amount_minor in (stored - entries, stored, entries)
        )
        yield f"{account} is off by {off}: the row says {row}, the entries {chain}"
