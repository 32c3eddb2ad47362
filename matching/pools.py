"""Setting up sponsors' pools: opening, terms, limit, pause.

Terms are never edited: a change is a new version, for gifts submitted from then on. The limit moves by ledger
entries. Every function is one short transaction under the pool's lock.
"""

import logging
from dataclasses import asdict, dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext

from campaign.models import Campaign
from campaign.money import format_amount
from matching import challenges
from matching.allocation import AWARD, BASE
from matching.ledger import Move, lock_pools, post
from matching.models import MatchPool, PoolPause, PoolTerms, Sponsor
from matching.waiting import queue_earlier_gifts

logger = logging.getLogger(__name__)


class InvalidTerms(ValueError):
    """These terms contradict themselves or break a promise; the message says how, for the person who typed them.

    name: the term to look at, a field of Terms or `limit_minor`; empty when it is not one of them.
    """

    def __init__(self, message: str, name: str = "") -> None:
        super().__init__(message)
        self.name = name


class ChangedMeanwhile(Exception):
    """Somebody else changed the pool after the page was made that this change comes from. Nothing was written."""


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
            raise InvalidTerms(gettext("Both numbers of the ratio must be at least 1."), "ratio_match")
        if self.opens_at and self.closes_at and self.closes_at <= self.opens_at:
            raise InvalidTerms(gettext("The pool would close before it opens; check the two moments."), "closes_at")
        for name in ("cap_per_gift_minor", "cap_per_donor_minor"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                unit = name.removeprefix("cap_").removesuffix("_minor").replace("_", " ")
                raise InvalidTerms(
                    gettext("A cap %(unit)s of nothing would match nothing; leave it empty for no cap.")
                    % {"unit": unit},
                    name,
                )
        if None not in (self.cap_per_gift_minor, self.cap_per_donor_minor) and (
            (self.cap_per_gift_minor or 0) > (self.cap_per_donor_minor or 0)
        ):
            raise InvalidTerms(
                gettext("The cap per gift is above the cap per donor, so it could never be reached."),
                "cap_per_gift_minor",
            )
        self._refuse_contradictory_challenge()

    def _refuse_contradictory_challenge(self) -> None:
        if None not in (self.unlock_donors, self.unlock_raised_minor):
            raise InvalidTerms(
                gettext("A challenge has one target: a number of donors or a sum raised, not both."),
                "unlock_raised_minor",
            )
        for name in ("unlock_donors", "unlock_raised_minor", "award_minor"):
            if getattr(self, name) == 0:
                raise InvalidTerms(
                    gettext("A target or an award of nothing means nothing; leave it empty for none."), name
                )
        if self.layer == AWARD and not (self.has_target and self.award_minor):
            name = "award_minor" if self.has_target else "unlock_donors"
            raise InvalidTerms(gettext("A challenge needs a target to reach and the sum that it gives."), name)
        if self.layer != AWARD and (self.award_minor or self.award_every):
            raise InvalidTerms(
                gettext("Only a challenge gives a sum of its own; a pool that matches gifts gives their match."),
                "award_minor",
            )
        if self.reaches_back and (self.layer == AWARD or not self.has_target):
            raise InvalidTerms(
                gettext("Only a match that is locked at first can reach back to earlier gifts."), "reaches_back"
            )


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
    form_key: str = "",
) -> MatchPool:
    """Open a pool with its first terms and the sponsor's pledge of limit_minor (> 0), as one entry.

    form_key: of the form that asks for it, or empty; a second pool with the same key is an IntegrityError.
    Raises InvalidTerms. Returns the pool as it stands, its pledge free.
    """
    if limit_minor < 1:
        raise InvalidTerms(gettext("A pool needs money: write a limit above zero."), "limit_minor")
    terms.refuse_contradictions()
    refuse_impossible(campaign=campaign, terms=terms, limit_minor=limit_minor)
    pool = MatchPool.objects.create(
        campaign=campaign,
        sponsor=sponsor,
        name=name,
        currency=campaign.currency,
        leftover=leftover,
        form_key=form_key,
    )
    _add_version(pool, terms=terms, actor=actor, now=now)
    post([Move(pool, "pledge", limit_minor)], actor=actor, now=now)
    pool.refresh_from_db()
    queue_earlier_gifts(pool, now=now)
    return pool


def refuse_impossible(*, campaign: Campaign, terms: Terms, limit_minor: int) -> None:
    """Raises InvalidTerms for terms that could never give anything, in this campaign and with this limit."""
    if terms.opens_at and terms.opens_at >= campaign.closes_at:
        raise InvalidTerms(gettext("The pool would open when the campaign is over already."), "opens_at")
    if terms.award_minor and limit_minor < terms.award_minor:
        raise InvalidTerms(
            gettext("The pool has less than the sum that it gives: raise the limit to it."), "limit_minor"
        )


@transaction.atomic
def change_pool(
    *,
    pool_id: int,
    name: str,
    limit_minor: int,
    terms: Terms,
    seen: tuple[int, int] | None,
    actor: str,
    now: datetime,
) -> MatchPool:
    """Change a pool's name, limit and terms at once, or nothing of them.

    seen: the version of the terms and the limit that the change starts from; when they are no longer so, it raises
    ChangedMeanwhile. None: whatever they are. Raises InvalidTerms; LimitBelowPromises; PoolsBusy.
    """
    pool = lock_pools([pool_id])[pool_id]
    if seen not in (None, (pool.terms.version, pool.limit_minor)):
        raise ChangedMeanwhile
    refuse_impossible(campaign=pool.campaign, terms=terms, limit_minor=limit_minor)
    change_limit(pool_id=pool_id, limit_minor=limit_minor, actor=actor, now=now)
    change_terms(pool_id=pool_id, terms=terms, actor=actor, now=now)
    MatchPool.objects.filter(pk=pool_id).update(name=name)
    pool.refresh_from_db()
    return pool


@transaction.atomic
def change_terms(*, pool_id: int, terms: Terms, actor: str, now: datetime) -> PoolTerms:
    """Add the next version of a pool's terms; what was held or matched keeps the version it was promised under.

    The same terms again write nothing and return the current version. A challenge that is taken off leaves the pool
    unlocked. Raises InvalidTerms; PoolsBusy.
    """
    pool = lock_pools([pool_id])[pool_id]
    if pool.current_terms_id and as_terms(pool.terms) == terms:
        return pool.terms
    terms.refuse_contradictions()
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
        raise LimitBelowPromises(
            gettext("%(least)s of this pool is promised to donors already; the limit cannot be below that.")
            % {"least": least}
        )
    if change:
        post([Move(pool, "pledge" if change > 0 else "unpledge", abs(change))], actor=actor, now=now)


@transaction.atomic
def set_paused(*, pool_id: int, paused: bool, actor: str, now: datetime) -> bool:
    """Stop or resume new match from a pool, at once, and keep who did. Held and matched money is untouched.

    Returns False, having written nothing, when it was so already. Raises PoolsBusy.
    """
    pool = lock_pools([pool_id])[pool_id]
    if pool.is_paused == paused:
        return False
    pool.is_paused = paused
    pool.save(update_fields=["is_paused"])
    if paused:
        PoolPause.objects.create(pool=pool, paused_at=now, paused_by=actor)
    else:
        PoolPause.objects.filter(pool=pool, resumed_at=None).update(resumed_at=now, resumed_by=actor)
    logger.info("pool %s was %s by %s at %s", pool.pk, "paused" if paused else "resumed", actor, now.isoformat())
    return True


def _add_version(pool: MatchPool, *, terms: Terms, actor: str, now: datetime) -> PoolTerms:
    """The pool must be locked. Who waited for somebody else's change of the same moment comes after it."""
    version = pool.terms_versions.count() + 1
    created_at = max(now, pool.terms.created_at) if pool.current_terms_id else now
    fields = {**asdict(terms), "fund_ids": list(terms.fund_ids)}
    added = PoolTerms.objects.create(pool=pool, version=version, created_at=created_at, created_by=actor, **fields)
    pool.current_terms = added
    pool.save(update_fields=["current_terms"])
    return added


def _refuse_broken_promise(pool: MatchPool, terms: Terms) -> None:
    """Raises InvalidTerms when the change would go back on what donors were told."""
    before = pool.terms
    if pool.head_seq > 1 and (before.layer == AWARD) != (terms.layer == AWARD):
        raise InvalidTerms(
            gettext("This pool has given already: it cannot turn from a match into a challenge, or back.")
        )
    if pool.matched_minor and before.layer == AWARD:
        for name in ("award_minor", "award_every", "unlock_donors", "unlock_raised_minor"):
            if getattr(before, name) != getattr(terms, name):
                raise InvalidTerms(
                    gettext("This challenge has given already; open another one for another sum or target."), name
                )
    if before.has_target and (terms.has_target or before.layer == AWARD) and pool.unlocked_at is None:
        _refuse_harder_challenge(pool, terms)


def _refuse_harder_challenge(pool: MatchPool, terms: Terms) -> None:
    """Whoever has given towards a target was told what it takes and what it brings: both may only get better."""
    before = pool.terms
    worse = {
        "unlock_donors": _is_harder(terms.unlock_donors, than=before.unlock_donors),
        "unlock_raised_minor": _is_harder(terms.unlock_raised_minor, than=before.unlock_raised_minor),
        "award_minor": (terms.award_minor or 0) < (before.award_minor or 0),
        "award_every": terms.award_every != before.award_every,
        "reaches_back": before.reaches_back and not terms.reaches_back,
        "fund_ids": terms.fund_ids != tuple(before.fund_ids),
        "opens_at": terms.opens_at != before.opens_at,
        "closes_at": terms.closes_at is not None and (before.closes_at is None or terms.closes_at < before.closes_at),
    }
    broken = next((name for name, is_worse in worse.items() if is_worse), "")
    if not broken:
        return
    donors = challenges.progress(campaign=pool.campaign, terms=before).donors
    if donors:
        gave = "1 person has" if donors == 1 else f"{donors:,} people have"
        raise InvalidTerms(
            f"{gave} given towards this target already. It can be brought nearer and what it brings can grow; "
            "its funds, its beginning and its kind stay as they were told.",
            broken,
        )


def _is_harder(target: int | None, *, than: int | None) -> bool:
    """Also when the kind of target changes: a number of donors cannot be compared with a sum."""
    return (target is None) != (than is None) or (target or 0) > (than or 0)


def as_terms(row: PoolTerms) -> Terms:
    """A kept version as the form and these functions take it."""
    values = {name: getattr(row, name) for name in Terms.__dataclass_fields__}
    return Terms(**{**values, "fund_ids": tuple(row.fund_ids)})
