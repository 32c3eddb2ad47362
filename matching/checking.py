"""Checking the ledger against itself: every chain, every balance, every gift, from the entries alone (design 3.7).

PostgreSQL reads and judges, since a million entries must take seconds; only what is off comes back. The rules are the
two tables below: what is said of an entry or a gift, and the SQL of its being so. docs/ledger.md has them in words.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from campaign.money import format_amount
from matching import heads
from matching.models import GENESIS_HASH, GIFTLESS, MOVES, MatchPool
from matching.triggers import OWN_HASH, moved

_SHOWN = 5  # entries or gifts named for each rule; the others are counted
_AT_ONCE = 500
_OPENS = "('hold', 'offer')"


def _added(plus: str, minus: str) -> str:
    """SQL: what an entry of one reason adds, and one of another takes, in minor units."""
    return f"CASE reason WHEN '{plus}' THEN amount_minor WHEN '{minus}' THEN -amount_minor ELSE 0 END"


# What is said of an entry that breaks a rule, and the SQL that finds it in _CHAIN.
_ENTRY_RULES = {
    "entry {seq} follows entry {seq_before}: an entry is missing or out of place": "seq <> seq_before + 1",
    "entry {seq} does not carry the hash of the entry before it": "prev_hash <> hash_before",
    "entry {seq} was changed after it was written: its hash does not fit its text": "entry_hash <> own_hash",
    "entry {seq} is not a move that the ledger knows": "amount_minor <= 0 OR (allocation_id IS NULL) <> (reason IN "
    f"{GIFTLESS}) OR concat_ws('>', reason, from_account, to_account) <> ALL (%(moves)s)",
    "entry {seq} is in {currency}, the pool in {pool_currency}": "currency <> %(currency)s",
    "after entry {seq} the account free stood below zero": "free < 0",
    "after entry {seq} the account held stood below zero": "held < 0",
    "after entry {seq} the account matched stood below zero": "matched < 0",
    "after entry {seq} more was withdrawn than was awarded": "awarded < 0",
}
_CHAIN = f"""
    WITH entry AS (
        SELECT *, {OWN_HASH.format(row="e")} AS own_hash,
            lag(seq, 1, 0::bigint) OVER chain AS seq_before,
            lag(entry_hash, 1, '{GENESIS_HASH}') OVER chain AS hash_before,
            lead(seq) OVER chain IS NULL AS is_last,
            row_number() OVER chain AS entries,
            sum({moved("pledged")}) OVER chain AS pledged,
            sum({moved("free")}) OVER chain AS free,
            sum({moved("held")}) OVER chain AS held,
            sum({moved("matched")}) OVER chain AS matched,
            sum({_added("award", "withdraw")}) OVER chain AS awarded
        FROM matching_ledgerentry e WHERE pool_id = %(pool)s
        WINDOW chain AS (ORDER BY seq ROWS UNBOUNDED PRECEDING)
    ), judged AS (SELECT *, ARRAY[{", ".join(_ENTRY_RULES.values())}] AS broken FROM entry)
    SELECT seq, seq_before, currency, entry_hash, is_last, entries, pledged, free, held, matched, broken
    FROM judged WHERE is_last OR true = ANY (broken) ORDER BY seq
"""  # noqa: S608 (made of the constants above)

# The same for a gift's part of this pool, one allocation: a row of its own, and what its entries say.
_GIFT_RULES = {
    "entries name allocation {allocation_id}, which is not of this pool": "reference IS NULL",
    "{reference}: the gift was allocated {amount}, the entries that open it say {opened}": "opened <> amount",
    "{reference} is {state}: {should_be_held} of it should be held, the entries say {held}": "held <> should_be_held",
    "{reference} is {state}: {should_be_matched} of it should be matched, the entries say {matched}": (
        "matched <> should_be_matched"
    ),
    "{reference}: {row_reversed} are marked as taken back, the entries say {reversed}": "reversed <> row_reversed",
    "{reference} is voided and still has match": "state = 'voided' AND row_reversed <> amount",
    "{reference}: an entry carries another reference": "other_references > 0",
}
_GIFTS = f"""
    WITH gift AS (
        SELECT a.id, r.reference, r.state, a.amount_minor AS amount, a.reversed_minor AS row_reversed,
            CASE WHEN r.state = 'held' THEN a.amount_minor ELSE 0 END AS should_be_held,
            CASE WHEN r.state IN ('committed', 'voided') THEN a.amount_minor - a.reversed_minor ELSE 0 END
                AS should_be_matched
        FROM matching_allocation a JOIN matching_reservation r ON r.id = a.reservation_id WHERE a.pool_id = %(pool)s
    ), entry AS (
        SELECT allocation_id, min(reference) AS first_reference, max(reference) AS last_reference,
            sum(CASE WHEN reason IN {_OPENS} THEN amount_minor ELSE 0 END) AS opened,
            sum({moved("held")}) AS held, sum({moved("matched")}) AS matched,
            sum({_added("reverse", "restore")}) AS reversed
        FROM matching_ledgerentry WHERE pool_id = %(pool)s AND allocation_id IS NOT NULL GROUP BY allocation_id
    ), both_sides AS (
        SELECT coalesce(id, allocation_id) AS allocation_id, reference, state, amount, row_reversed, should_be_held,
            should_be_matched, coalesce(opened, 0) AS opened, coalesce(held, 0) AS held,
            coalesce(matched, 0) AS matched, coalesce(reversed, 0) AS reversed,
            CASE WHEN first_reference <> reference OR last_reference <> reference THEN 1 ELSE 0 END AS other_references
        FROM gift FULL JOIN entry ON entry.allocation_id = gift.id
    ), judged AS (SELECT *, ARRAY[{", ".join(_GIFT_RULES.values())}] AS broken FROM both_sides)
    SELECT * FROM judged WHERE true = ANY (broken) ORDER BY allocation_id
"""  # noqa: S608
_GIFT_MONEY = ("amount", "row_reversed", "should_be_held", "should_be_matched", "opened", "held", "matched", "reversed")


@dataclass(frozen=True, slots=True)
class PoolCheck:
    """One pool, checked. entries: how many were read; findings: 0..n sentences, each with what is off for a person.

    A rule that many entries or gifts break is said of the first few, then how many more.
    """

    pool: MatchPool
    entries: int
    findings: list[str]


def check_pool(pool: MatchPool) -> PoolCheck:
    """Read one pool's whole chain and compare it with its cached row and its gifts.

    Runs at one snapshot, without locks: gifts go on meanwhile. Memory stays flat; time is linear in the entries,
    about four seconds for a million.
    """
    with snapshot():
        row = MatchPool.objects.get(pk=pool.pk)
        last, broken = _read_chain(row)
        findings = [*broken, *_compare_with_row(row, last), *_read_gifts(row), *_compare_with_head(row)]
    return PoolCheck(row, last["entries"], findings)


def check_campaigns() -> list[str]:
    """check_pool() for every pool there is: what is off, each sentence with its pool; 0..n."""
    return [
        f"pool {pool.pk} ({pool}): {text}"
        for pool in MatchPool.objects.order_by("pk")
        for text in check_pool(pool).findings
    ]


@contextmanager
def snapshot() -> Iterator[None]:
    """A transaction that sees one moment, so that a gift made meanwhile cannot look like a fault. May be nested."""
    outermost = not connection.in_atomic_block
    with transaction.atomic():
        if outermost:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield


def _read_chain(pool: MatchPool) -> tuple[dict[str, Any], list[str]]:
    """The last entry with the sums up to it, and what is wrong with the entries."""
    last = {"seq": 0, "entry_hash": GENESIS_HASH, "entries": 0, "pledged": 0, "free": 0, "held": 0, "matched": 0}
    faults = _Faults(tuple(_ENTRY_RULES))
    moves = [">".join((reason, *accounts)) for reason, accounts in MOVES.items()]
    for row in _rows(_CHAIN, {"pool": pool.pk, "currency": pool.currency, "moves": moves}):
        faults.note(row["broken"], row | {"pool_currency": pool.currency})
        if row["is_last"]:
            last = row
    return last, faults.said()


def _read_gifts(pool: MatchPool) -> list[str]:
    faults = _Faults(tuple(_GIFT_RULES))
    for row in _rows(_GIFTS, {"pool": pool.pk}):
        money = {name: format_amount(int(row[name] or 0), currency=pool.currency) for name in _GIFT_MONEY}
        faults.note(row["broken"], row | money)
    return faults.said()


class _Faults:
    """Sentences for what breaks the rules, limited: a chain cut at its first entry must not give a million."""

    def __init__(self, rules: tuple[str, ...]) -> None:
        self._said: dict[str, list[str]] = {rule: [] for rule in rules}
        self._counts: Counter[str] = Counter()

    def note(self, broken: list[bool | None], row: dict[str, Any]) -> None:
        for rule, is_broken in zip(self._said, broken, strict=True):
            if is_broken:
                self._counts[rule] += 1
                if self._counts[rule] <= _SHOWN:
                    self._said[rule].append(rule.format(**row))

    def said(self) -> list[str]:
        findings = []
        for rule, sentences in self._said.items():
            findings += sentences
            if self._counts[rule] > _SHOWN:
                findings.append(f"and {self._counts[rule] - _SHOWN:,} more like the last")
        return findings


def _compare_with_row(pool: MatchPool, last: dict[str, Any]) -> Iterator[str]:
    if (last["seq"], last["entry_hash"]) != (pool.head_seq, pool.head_hash):
        yield f"the chain ends at entry {last['seq']}, the pool's row says {pool.head_seq} or carries another hash"
    cached = {
        "free": (pool.free_minor, last["free"]),
        "held": (pool.held_minor, last["held"]),
        "matched": (pool.matched_minor, last["matched"]),
        "limit": (pool.limit_minor, -last["pledged"]),
    }
    for name, (stored, entries) in cached.items():
        if stored != entries:
            off, row, chain = (
                format_amount(int(minor), currency=pool.currency) for minor in (stored - entries, stored, entries)
            )
            yield f"{name} is off by {off}: the row says {row}, the entries {chain}"


def _compare_with_head(pool: MatchPool) -> list[str]:
    """A history rewritten with all its hashes agrees with itself, but not with what was signed before."""
    head = heads.latest_head()
    return heads.contradictions(head, pool_id=pool.pk) if head else []


def _rows(query: str, values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What a query finds, row by row: read from the server in portions, since everything may be at fault."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(query, values)
        names = [column[0] for column in cursor.description or ()]
        while rows := cursor.fetchmany(_AT_ONCE):
            for row in rows:
                yield dict(zip(names, row, strict=True))
