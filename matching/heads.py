"""Signed heads: where every chain of the ledger stood at one moment, signed and published for good.

A head names, for each pool, the number and the hash of its newest entry and the balances. Since each hash covers all
entries before it, whoever keeps one head (it is printed on receipts) can later prove that history was rewritten:
today's ledger must still contain that entry with that hash. Each head carries the hash of the head before it.
docs/public-ledger.md describes the text; matching/verifier/verify_ledger.py checks it.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q, QuerySet

from campaign.models import Campaign
from matching import signing
from matching.models import GENESIS_HASH, LedgerEntry, LedgerKey, SignedHead
from matching.triggers import moved

FORMAT = 1
FEWEST_DIGITS = 16  # of a head's hash, to look it up
_TITLE = "twofold-ledger-head"
_QUIET_FOR = timedelta(hours=1)  # while nothing moves and no campaign is open, a head an hour says it all
_EACH_MINUTE = timedelta(seconds=50)  # the timer of a minute may come a little early
# Where each chain stands by its entries: what the last head said, and what was moved since. One statement, one moment.
_POOL_LINES = f"""
    SELECT pool.id, pool.currency, newest.seq, newest.entry_hash, coalesce(signed.limit_minor, 0) - since.pledged,
        coalesce(signed.free, 0) + since.free, coalesce(signed.held, 0) + since.held,
        coalesce(signed.matched, 0) + since.matched
    FROM matching_matchpool pool
    LEFT JOIN unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])
        AS signed (pool_id, seq, limit_minor, free, held, matched) ON signed.pool_id = pool.id
    CROSS JOIN LATERAL (
        SELECT seq, entry_hash FROM matching_ledgerentry WHERE pool_id = pool.id ORDER BY seq DESC LIMIT 1
    ) newest
    CROSS JOIN LATERAL (
        SELECT coalesce(sum({moved("pledged")}), 0) AS pledged, coalesce(sum({moved("free")}), 0) AS free,
            coalesce(sum({moved("held")}), 0) AS held, coalesce(sum({moved("matched")}), 0) AS matched
        FROM matching_ledgerentry WHERE pool_id = pool.id AND seq > coalesce(signed.seq, 0)
    ) since
    ORDER BY pool.id
"""  # noqa: S608 (made of the constants above)


class HistoryRewritten(Exception):
    """The ledger no longer holds what the last head signed; the message names pool and entry. Nothing is signed."""


@dataclass(frozen=True, slots=True)
class Point:
    """Where one chain stood: its newest entry's number and hash."""

    pool_id: int
    seq: int
    entry_hash: str


def publish_head(*, now: datetime) -> SignedHead | None:
    """Sign where every chain stands: each minute while a campaign is open, else when something moved, or after an hour.

    A key that is new signs at once. now: aware; printed in the head.
    Returns the newest head, None without a signing key.
    Raises signing.InvalidSigningKey; HistoryRewritten when the ledger contradicts the head before.
    One transaction; locks the key's row, so that a doubled timer writes nothing twice. No pool is locked.
    """
    key = signing.signing_key()
    if key is None:
        return None
    with transaction.atomic():
        public_key = _locked_key(signing.public_key_of(key), now=now)
        latest = latest_head()
        lines = _pool_lines(latest)
        if latest and _says_it_all(latest, public_key=public_key, lines=lines, now=now):
            return latest
        if latest:
            _refuse_rewritten(latest)
        return _sign(key, public_key=public_key, latest=latest, lines=lines, now=now)


def _says_it_all(latest: SignedHead, *, public_key: LedgerKey, lines: list[str], now: datetime) -> bool:
    """Whether no new head is due. A new key signs at once: its first head is what ends the old one's time."""
    is_same = latest.key_id == public_key.pk and latest.text.split("\n")[1:] == lines
    return is_same and now - latest.made_at < _quiet_for(now)


def _quiet_for(now: datetime) -> timedelta:
    is_open = Campaign.objects.filter(opens_at__lte=now, closes_at__gt=now).exists()
    return _EACH_MINUTE if is_open else _QUIET_FOR


def latest_head() -> SignedHead | None:
    return SignedHead.objects.select_related("key").first()


def find_head(digits: str) -> SignedHead | None:
    """The head whose SHA-256 begins with these hexadecimal digits, FEWEST_DIGITS or more. None for none, or for two."""
    found = list(SignedHead.objects.select_related("key").filter(sha256__startswith=digits.lower())[:2])
    return found[0] if len(found) == 1 else None


def heads_between(first: int, last: int) -> QuerySet[SignedHead]:
    """Heads of these numbers, both included, oldest first."""
    return SignedHead.objects.select_related("key").filter(number__range=(first, last)).order_by("number")


def contradictions(head: SignedHead, *, pool_id: int | None = None) -> list[str]:
    """What the ledger has otherwise than this head says, 0..n; pool_id: of that pool alone. One query."""
    points = [point for point in _points(head.text) if pool_id in (None, point.pool_id)]
    wanted = Q(pk=None)
    for point in points:
        wanted |= Q(pool_id=point.pool_id, seq=point.seq)
    rows = LedgerEntry.objects.filter(wanted).values_list("pool_id", "seq", "entry_hash")
    there = {(pool, seq): entry_hash for pool, seq, entry_hash in rows}
    return [
        f"{head} has entry {point.seq} of pool {point.pool_id} with another hash than the ledger has now"
        for point in points
        if there.get((point.pool_id, point.seq)) != point.entry_hash
    ]


def head_record(head: SignedHead) -> dict[str, Any]:
    """A head as it is published."""
    return {
        "type": "head",
        "number": head.number,
        "text": head.text,
        "sha256": head.sha256,
        "key": head.key.key_id,
        "signature": head.signature,
    }


def key_records() -> list[dict[str, Any]]:
    """Every public key that ever signed a head, oldest first; `until` is None for the one in use.

    The newest head tells which that is, so that web servers need no private key.
    """
    latest = latest_head()
    return [
        {
            "key": key.key_id,
            "public_key": key.public_key,
            "from": moment_text(key.first_used_at),
            "until": None if latest and latest.key_id == key.pk else _last_use(key),
        }
        for key in LedgerKey.objects.all()
    ]


def moment_text(moment: datetime) -> str:
    """`2026-12-01T15:00:00.000000Z`, as in entries."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _locked_key(public_key: str, *, now: datetime) -> LedgerKey:
    names = {"public_key": public_key, "key_id": signing.key_id_of(public_key)}
    LedgerKey.objects.get_or_create(**names, defaults={"first_used_at": now})
    return LedgerKey.objects.select_for_update(no_key=True).get(public_key=public_key)


def _pool_lines(latest: SignedHead | None) -> list[str]:
    """One line for each pool with entries, in order of id, as of one moment.

    By the entries, never by the pool's row: were the row off by a cent, its head would say so for ever. Only entries
    after the latest head are added up, so a minute's work stays the same however long the ledger is.
    """
    signed = [line.split("|") for line in latest.text.split("\n")[1:]] if latest else []
    columns = [[int(fields[place]) for fields in signed] for place in (0, 2, 4, 5, 6, 7)]
    with connection.cursor() as cursor:
        cursor.execute(_POOL_LINES, columns)
        return ["|".join(map(str, row)) for row in cursor.fetchall()]


def _sign(
    key: Ed25519PrivateKey, *, public_key: LedgerKey, latest: SignedHead | None, lines: Iterable[str], now: datetime
) -> SignedHead:
    number, previous = (latest.number + 1, latest.sha256) if latest else (1, GENESIS_HASH)
    title = f"{_TITLE}|{FORMAT}|{settings.SITE_URL}|{number}|{moment_text(now)}|{previous}"
    text = "\n".join([title, *lines])
    return SignedHead.objects.create(
        number=number,
        made_at=now,
        text=text,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        key=public_key,
        signature=key.sign(text.encode()).hex(),
    )


def _points(text: str) -> Iterator[Point]:
    for line in text.split("\n")[1:]:
        pool_id, _, seq, entry_hash, *_ = line.split("|")
        yield Point(int(pool_id), int(seq), entry_hash)


def _refuse_rewritten(latest: SignedHead) -> None:
    """Never put our name to a ledger that contradicts what we signed before."""
    for text in contradictions(latest):
        raise HistoryRewritten(
            f"{text}: no head is signed. Run `manage.py check_match_ledger`; docs/ledger.md says how to go on."
        )


def _last_use(key: LedgerKey) -> str | None:
    moments = SignedHead.objects.filter(key=key).order_by("-number").values_list("made_at", flat=True)
    last = moments.first()
    return moment_text(last) if last else None
