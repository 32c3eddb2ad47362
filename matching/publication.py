"""The ledger as anybody may have it: one document on where it stands, and its entries, without personal data.

docs/public-ledger.md describes every field for whoever writes a verifier. Entries never change, so any range of them
that was answered once can be kept for ever; only the document is short-lived. Nothing here locks, and no transaction
stays open while a file is sent: entries are read in batches, up to where the document says each chain stands.
"""

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings

from matching import heads
from matching.models import LedgerEntry, MatchPool

FORMAT = 1
PAGE_SIZE = 1000  # entries or heads in one page at most
FIELDS = ("pool", "seq", "from", "to", "amount", "currency", "reason", "reference", "actor", "at", "prev", "hash")
_COLUMNS = (
    "pool_id",
    "seq",
    "from_account",
    "to_account",
    "amount_minor",
    "currency",
    "reason",
    "reference",
    "actor",
    "recorded_at",
    "prev_hash",
    "entry_hash",
)
_AT = FIELDS.index("at")
Entry = tuple[Any, ...]


class UnknownPool(Exception):
    """There is no such pool in the ledger."""


class NotThatFar(Exception):
    """The ledger has no such entries or heads yet; `last` is the number of its newest."""

    def __init__(self, last: int) -> None:
        super().__init__(f"the newest is number {last}")
        self.last = last


def document(*, now: datetime, pool_id: int | None = None, after: int = 0) -> dict[str, Any]:
    """Where every chain stands, with balances, the public keys and the newest signed head: the first line of a file.

    pool_id: that pool alone; after: the file's entries begin behind this number. Raises UnknownPool; NotThatFar.
    Four queries; the pools are of one moment.
    """
    head = heads.latest_head()  # before the pools: a head made between the two would be ahead of them
    rows = MatchPool.objects.filter(head_seq__gt=0).select_related("sponsor", "campaign").order_by("pk")
    pools = [_pool_record(pool) for pool in (rows if pool_id is None else rows.filter(pk=pool_id))]
    if pool_id is not None and not pools:
        raise UnknownPool(str(pool_id))
    if pools and after > pools[0]["entries"]:
        raise NotThatFar(pools[0]["entries"])
    return {
        "type": "ledger",
        "format": FORMAT,
        "site": settings.SITE_URL,
        "made_at": heads.moment_text(now),
        "page_size": PAGE_SIZE,
        "only_pool": pool_id,
        "after": after,
        "pools": pools,
        "keys": heads.key_records(),
        "head": heads.head_record(head) if head else None,
    }


def jsonl_file(found: dict[str, Any]) -> Iterator[bytes]:
    """A whole file as JSON Lines: the document, its entries, and a last line by which a cut-off file is noticed."""
    digest, count = hashlib.sha256(), 0
    first = json_line(found)
    digest.update(first)
    yield first
    for batch in _batches(found):
        lines = as_jsonl(batch)
        digest.update(lines)
        count += len(batch)
        yield lines
    yield json_line({"type": "end", "entries": count, "sha256": digest.hexdigest()})


def csv_file(found: dict[str, Any]) -> Iterator[bytes]:
    """The same entries as CSV with a heading; what the document says has no place in a table."""
    yield as_csv([FIELDS])
    for batch in _batches(found):
        yield as_csv(batch)


def entries_between(*, pool_id: int, first: int, last: int) -> list[Entry]:
    """Entries first..last of a pool, all of them; at most PAGE_SIZE. Raises UnknownPool; NotThatFar."""
    head_seq = MatchPool.objects.filter(pk=pool_id, head_seq__gt=0).values_list("head_seq", flat=True).first()
    if head_seq is None:
        raise UnknownPool(str(pool_id))
    if last > head_seq:
        raise NotThatFar(head_seq)
    return _entries(pool_id, first=first, last=last)


def as_jsonl(entries: Iterable[Entry]) -> bytes:
    return b"".join(json_line({"type": "entry", **dict(zip(FIELDS, entry, strict=True))}) for entry in entries)


def as_csv(rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def json_line(record: dict[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _pool_record(pool: MatchPool) -> dict[str, Any]:
    return {
        "pool": pool.pk,
        "sponsor": pool.sponsor.display_name,
        "campaign": pool.campaign.name,
        "currency": pool.currency,
        "entries": pool.head_seq,
        "hash": pool.head_hash,
        "limit": pool.limit_minor,
        "free": pool.free_minor,
        "held": pool.held_minor,
        "matched": pool.matched_minor,
    }


def _batches(found: dict[str, Any]) -> Iterator[list[Entry]]:
    for pool in found["pools"]:
        for first in range(found["after"] + 1, pool["entries"] + 1, PAGE_SIZE):
            yield _entries(pool["pool"], first=first, last=min(first + PAGE_SIZE - 1, pool["entries"]))


def _entries(pool_id: int, *, first: int, last: int) -> list[Entry]:
    rows = LedgerEntry.objects.filter(pool_id=pool_id, seq__range=(first, last)).order_by("seq")
    return [(*row[:_AT], heads.moment_text(row[_AT]), *row[_AT + 1 :]) for row in rows.values_list(*_COLUMNS)]
