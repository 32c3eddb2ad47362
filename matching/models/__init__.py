"""Sponsors' money as a scarce resource, kept in one double-entry ledger.

Sponsor      who pays the match.
MatchPool    a sponsor's capped money in one campaign. Its row caches three balances (free, held, matched), its limit
             and the head of its chain; only the ledger's trigger writes them.
PoolTerms    one version of a pool's terms; never changed, a change is the next version. Layer `base` or `bonus`
             matches gifts; layer `award` gives a sum of its own when a challenge is met.
Reservation  match money held for one gift: HELD, then COMMITTED, RELEASED or EXPIRED, once. A committed one is VOIDED
             when its gift was corrected and another reservation took its place.
Allocation   how much of a reservation comes from which pool, for which part of the gift, under which terms. Round 0
             was held before the gift was paid; later rounds came from money that was freed afterwards.
WaitingGift  a paid gift that would take more from a pool: the queue for money that comes free, oldest gift first.
LedgerEntry  `amount_minor` moved from one account of a pool to another. Always positive; the accounts give the sign.
LedgerKey, SignedHead    where every chain stood at a moment, signed (models/ledger.py).
LedgerCheck, PoolHalt    the watch over the ledger (models/watch.py). PoolPause   a stop by staff (models/pauses.py).

Accounts: `pledged` (outside: what the sponsor has promised), `free`, `held`, `matched`. The limit is what came from
`pledged`; free + held + matched = limit, always.

The database enforces (triggers in matching/triggers.py, constraints): entries are never changed, deleted or
truncated; each continues its pool's chain and moves the pool's balances in the same statement; no balance below
zero; no balance, limit or chain head changes in any other way; only the moves in MOVES exist; a hold
resolves once; an allocation fits its gift, its pool and its terms, is opened by one hold or offer and moves exactly
its own amount in its own currency; an entry carries its gift's reference; a stopped pool gives no new match; only a
challenge awards, and no more is withdrawn than was awarded; terms, allocations and a reservation's gift never change,
versions of terms follow each other and the newest is in force; an unlocked pool stays so; a resolved reservation stays
as it is, but for what was refunded of a committed one and its becoming voided once nothing of it is left.
"""

from matching.models.ledger import GIFTLESS, MOVES, LedgerEntry, LedgerKey, SignedHead
from matching.models.pauses import PoolPause
from matching.models.pools import GENESIS_HASH, MatchPool, PoolTerms, Sponsor, terms_at, terms_by_id, versions_until
from matching.models.reservations import Allocation, Reservation, WaitingGift
from matching.models.watch import LedgerCheck, PoolHalt

__all__ = [
    "GENESIS_HASH",
    "GIFTLESS",
    "MOVES",
    "Allocation",
    "LedgerCheck",
    "LedgerEntry",
    "LedgerKey",
    "MatchPool",
    "PoolHalt",
    "PoolPause",
    "PoolTerms",
    "Reservation",
    "SignedHead",
    "Sponsor",
    "WaitingGift",
    "terms_at",
    "terms_by_id",
    "versions_until",
]
