"""Setting up sponsors' pools: opening, terms, limit, pause.

Terms are never edited: a change is a new version, for gifts submitted from then on. The limit moves by ledger
entries. Every function is one short transaction under the pool's lock.
"""

import logging
from dataclasses import asdict, dataclass
from datetime import datetime

from django.db import transaction

from campaign.models import Campaign
from campaign.money import format_amount
from matching.allocation import AWARD, BASE
from matching.ledger import Move, lock_pools, post
from matching.models import MatchPool, PoolTerms, Sponsor
from matching.waiting import queue_earlier_gifts

logger = logging.getLogger(__name__)


class InvalidTerms(ValueError):
    """These terms contradict themselves; the message says how, for the person who typed them."""


class LimitBelowPromises(ValueError):
    """The new limit is below what is held and matched already; the message names the least that is possible."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of a pool (design 3.1). Money in minor units; None means no such term; no fund named means all."""

    ratio_match: int = 1
    ratio_gift: int = 1
    min_gift_minor: int = 0
    cap_per_gift_minor: int | None = None
    cap_per_donor_minor: int | None = None
    opens_at: datetime | None = None
    closes_at: datetime | None = None
    fund_ids: tuple[int, ...] = ()
    priority: int = 100
    layer: str = BASE
    offline_gifts: bool = True
    unlock_donors: int | None = None
    unlock_raised_minor: int | None = None
    reaches_back: bool = False
    award_minor: int | None = None
    award_every: bool = False

    @property
    def has_target(self) -> bool:
        return self.unlock_donors is not None or self.unlock_raised_minor is not None

    def refuse_contradictions(self) -> None:
        """Raises InvalidTerms with a sentence for the person who typed them."""
        if self.ratio_match < 1 or self.ratio_gift < 1:
            raise InvalidTerms("Both numbers of the ratio must be at least 1.")
        if self.opens_at and self.closes_at and self.closes_at <= self.opens_at:
            raise InvalidTerms("The pool would close before it opens; check the two moments.")
        for cap, name in ((self.cap_per_gift_minor, "per gift"), (self.cap_per_donor_minor, "per donor")):
            if cap is not None and cap < 1:
                raise InvalidTerms(f"A cap {name} of nothing would match nothing; leave it empty for no cap.")
        if None not in (self.cap_per_gift_minor, self.cap_per_donor_minor) and (
            (self.cap_per_gift_minor or 0) > (self.cap_per_donor_minor or 0)
        ):
            raise InvalidTerms("The cap per gift is above the cap per donor, so it could never be reached.")
        self._refuse_contradictory_challenge()

    def _refuse_contradictory_challenge(self) -> None:
        if None not in (self.unlock_donors, self.unlock_raised_minor):
            raise InvalidTerms("A challenge has one target: a number of donors or a sum raised, not both.")
        if 0 in (self.unlock_donors, self.unlock_raised_minor, self.award_minor):
            raise InvalidTerms("A target or an award of nothing means nothing; leave it empty for none.")
        if self.layer == AWARD and not (self.has_target and self.award_minor):
            raise InvalidTerms("A challenge needs a target to reach and the sum that it gives.")
        if self.layer != AWARD and (self.award_minor or self.award_every):
            raise InvalidTerms("Only a challenge gives a sum of its own; a pool that matches gifts gives their match.")
        if self.reaches_back and (self.layer == AWARD or not self.has_target):
            raise InvalidTerms("Only a match that is locked at first can reach back to earlier gifts.")


@transaction.atomic
def open_pool(
    *,
    campaign: Campaign,
    sponsor: Sponsor,
    name: str,
    limit_minor: int,
    terms: Terms,
    actor: str,
    now: datetime,
    leftover: str = MatchPool.Leftover.GIVEN,
) -> MatchPool:
    """Open a pool with its first terms and the sponsor's pledge of limit_minor (> 0), as one entry.

    Raises InvalidTerms. Returns the pool as it stands, its pledge free.
    """
    if limit_minor < 1:
        raise InvalidTerms("A pool needs money: write a limit above zero.")
    pool = MatchPool.objects.create(
        campaign=campaign, sponsor=sponsor, name=name, currency=campaign.currency, leftover=leftover
    )
    _add_version(pool, terms=terms, actor=actor, now=now)
    post([Move(pool, "pledge", limit_minor)], actor=actor, now=now)
    pool.refresh_from_db()
    queue_earlier_gifts(pool, now=now)
    return pool


@transaction.atomic
def change_terms(*, pool_id: int, terms: Terms, actor: str, now: datetime) -> PoolTerms:
    """Add the next version of a pool's terms; what was held or matched keeps the version it was promised under.

    The same terms again write nothing and return the current version. A challenge that is taken off leaves the pool
    unlocked. Raises InvalidTerms; PoolsBusy.
    """
    pool = lock_pools([pool_id])[pool_id]
    if pool.current_terms_id and _as_terms(pool.terms) == terms:
        return pool.terms
    _refuse_broken_promise(pool, terms)
    if pool.terms.has_target and not terms.has_target:
        MatchPool.objects.filter(pk=pool_id, unlocked_at=None).update(unlocked_at=now)
    return _add_version(pool, terms=terms, actor=actor, now=now)


@transaction.atomic
def change_limit(*, pool_id: int, limit_minor: int, actor: str, now: datetime) -> None:
    """Move the limit up (a pledge) or down (from free money only), as one entry; the same limit writes nothing.

    Raises LimitBelowPromises when held and matched money would not fit; PoolsBusy.
    """
    pool = lock_pools([pool_id])[pool_id]
    change = limit_minor - pool.limit_minor
    promised = pool.held_minor + pool.matched_minor
    if limit_minor < promised:
        least = format_amount(promised, currency=pool.currency)
        raise LimitBelowPromises(f"{least} of this pool is promised to donors already; the limit cannot be below that.")
    if change:
        post([Move(pool, "pledge" if change > 0 else "unpledge", abs(change))], actor=actor, now=now)


@transaction.atomic
def set_paused(*, pool_id: int, paused: bool, actor: str, now: datetime) -> None:
    """Stop or resume new match from a pool, at once. Held and matched money is untouched. Raises PoolsBusy."""
    pool = lock_pools([pool_id])[pool_id]
    pool.is_paused = paused
    pool.save(update_fields=["is_paused"])
    logger.info("pool %s was %s by %s at %s", pool.pk, "paused" if paused else "resumed", actor, now.isoformat())


def _add_version(pool: MatchPool, *, terms: Terms, actor: str, now: datetime) -> PoolTerms:
    terms.refuse_contradictions()
    newest = pool.terms_versions.order_by("-version").first()
    version = newest.version + 1 if newest else 1
    made_at = max(now, newest.created_at) if newest else now  # another change may have had the lock first
    fields = {**asdict(terms), "fund_ids": list(terms.fund_ids)}
    added = PoolTerms.objects.create(pool=pool, version=version, created_at=made_at, created_by=actor, **fields)
    pool.current_terms = added
    pool.save(update_fields=["current_terms"])
    return added


def _refuse_broken_promise(pool: MatchPool, terms: Terms) -> None:
    """Raises InvalidTerms when the change would go back on what donors were told."""
    before = pool.terms
    if pool.head_seq > 1 and (before.layer == AWARD) != (terms.layer == AWARD):
        raise InvalidTerms("This pool has given already: it cannot turn from a match into a challenge, or back.")
    promise = ("award_minor", "award_every", "unlock_donors", "unlock_raised_minor")
    if pool.matched_minor and before.layer == AWARD and any(getattr(before, n) != getattr(terms, n) for n in promise):
        raise InvalidTerms("This challenge has given already; open another one for another sum or target.")


def _as_terms(row: PoolTerms) -> Terms:
    values = {name: getattr(row, name) for name in Terms.__dataclass_fields__}
    return Terms(**{**values, "fund_ids": tuple(row.fund_ids)})
