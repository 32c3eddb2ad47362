"""What others may read of the match. No function here writes or locks."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from uuid import UUID

from django.db.models import Prefetch, QuerySet, Sum
from django.utils.translation import gettext

from campaign.copies import fresh
from campaign.kept_rows import rows
from campaign.models import Campaign, Fund
from matching import challenge_wording, challenges, shown_states, wording
from matching.allocation import AWARD, BASE, BONUS, Part, PoolState, consider, kept_after_refund
from matching.challenges import Progress
from matching.models import Allocation, LedgerEntry, MatchPool, PoolTerms, Reservation, terms_by_id
from matching.standing import donor_used

MOST_ENTRIES = 200
_LAYERS = (BASE, BONUS, AWARD)  # as pages list them


@dataclass(frozen=True, slots=True)
class PoolFigures:
    """A pool as the public and staff see it. Money in minor units; lapsed holds are counted as free.

    progress: of a challenge and of a pool that is still locked; at most about a second old. progress_text: how far it
    has come, or when the pool was unlocked; empty without a target.
    """

    pool: MatchPool
    terms: PoolTerms
    sponsor_name: str
    sentence: str
    leftover_sentence: str
    rule_sentence: str
    state: str
    state_text: str
    progress: Progress | None
    progress_text: str
    limit_minor: int
    matched_minor: int
    held_minor: int
    free_minor: int

    @property
    def opens_at(self) -> datetime | None:
        return self.terms.opens_at

    @property
    def closes_at(self) -> datetime | None:
        return self.terms.closes_at

    @property
    def progress_share(self) -> float | None:
        """How much of the target is reached, 0 to 1; None without a challenge to wait for."""
        if self.progress is None:
            return None
        return (self.progress.of_next_time if self.terms.award_every else self.progress).share

    @property
    def is_award(self) -> bool:
        """Whether it gives a sum of its own, and no match to any gift."""
        return not self.terms.matches_gifts


@dataclass(frozen=True, slots=True)
class LockedMatch:
    """What a locked pool that reaches back would add to a gift sent now, once its target is reached."""

    sponsor_name: str
    match_minor: int
    progress_text: str


@dataclass(frozen=True, slots=True)
class Quote:
    """What a gift sent now would get: a forecast, not a promise. sponsor_names: in order, 0..n. locked: 0..n."""

    match_minor: int
    sponsor_names: list[str]
    locked: list[LockedMatch]


@dataclass(frozen=True, slots=True)
class MatchLine:
    sponsor_name: str
    fund_id: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class GiftMatch:
    """One gift's match as it stands. match_minor: what it gives now, after reversals, nothing when it lapsed.

    original_minor: what was held at first. held: still standing and not lapsed at the moment of asking.
    """

    reference: str
    state: str
    match_minor: int
    original_minor: int
    held_until: datetime
    submitted_at: datetime
    lines: list[MatchLine]
    explanation: list[list]
    campaign_id: int
    parts: list[list[int]]

    @property
    def sponsor_names(self) -> list[str]:
        return list(dict.fromkeys(line.sponsor_name for line in self.lines))

    def is_held_at(self, now: datetime) -> bool:
        return self.state == Reservation.State.HELD and now < self.held_until

    @property
    def reasons(self) -> list[str]:
        """One sentence for each pool and part that was considered, in order."""
        return explain(self)


def pools_with_terms(*, campaign: Campaign) -> QuerySet[MatchPool]:
    """The campaign's pools that were opened, with their sponsors."""
    return MatchPool.objects.filter(campaign=campaign, current_terms__isnull=False).select_related("sponsor")


def pool_figures(*, campaign: Campaign, now: datetime, shown_as: str = "") -> list[PoolFigures]:
    """Every opened pool of a campaign: base, bonus, challenges, each by priority and id.

    shown_as: how to show them (shown_states.py), for staff who preview a page; empty for what they are.
    Three queries however many there are, and one for each challenge that nobody has counted within the last second.
    """
    pools = pools_with_terms(campaign=campaign)
    lapsed = {} if shown_as else _lapsed_by_pool(pools, now=now)
    for pool in pools:
        shown_states.show(pool, shown_as, now=now)
    funds = {fund.pk: fund for fund in rows(Fund.objects.all())}
    figures = [_figures(pool, campaign=campaign, funds=funds, lapsed=lapsed.get(pool.pk, 0), now=now) for pool in pools]
    return sorted(figures, key=lambda row: (_LAYERS.index(row.terms.layer), row.terms.priority, row.pool.pk))


def quote(
    *,
    campaign: Campaign,
    parts: Sequence[tuple[int, int]],
    now: datetime,
    donor_key: str = "",
    shown_as: str = "",
) -> Quote:
    """What a gift of these parts (fund id, amount in minor units) would be matched with if it were sent now.

    shown_as: as for pool_figures().
    """
    wanted = [Part(fund_id, amount_minor) for fund_id, amount_minor in parts if amount_minor > 0]
    found = pools_with_terms(campaign=campaign)
    lapsed = {} if shown_as else _lapsed_by_pool(found, now=now)
    pools = {pool.pk: pool for pool in found}
    for pool in pools.values():
        shown_states.show(pool, shown_as, now=now)
    used = donor_used(donor_key=donor_key, pool_ids=list(pools))
    states = [
        pool.terms.state(
            campaign_closes_at=campaign.closes_at,
            free_minor=pool.free_minor + lapsed.get(pool.pk, 0),
            donor_used_minor=used.get(pool.pk, 0),
            stopped=pool.is_stopped,
            unlocked_at=pool.unlocked_at,
        )
        for pool in pools.values()
    ]
    shares = [s for s in consider(parts=wanted, submitted_at=now, offline=False, pools=states) if s.match_minor]
    sponsors = list(dict.fromkeys(pools[share.pool_id].sponsor.display_name for share in shares))
    return Quote(
        match_minor=sum(share.match_minor for share in shares),
        sponsor_names=sponsors,
        locked=_locked_matches(pools, states=states, parts=wanted, campaign=campaign, now=now),
    )


def _locked_matches(
    pools: dict[int, MatchPool],
    *,
    states: Sequence[PoolState],
    parts: Sequence[Part],
    campaign: Campaign,
    now: datetime,
) -> list[LockedMatch]:
    """What the gift would have once the pools that reach back are unlocked, from those pools alone."""
    reaching = {state.id for state in states if state.locked and pools[state.id].terms.reaches_back}
    if not reaching:
        return []
    unlocked = [replace(state, locked=False) if state.id in reaching else state for state in states]
    added: Counter[int] = Counter()
    for share in consider(parts=parts, submitted_at=now, offline=False, pools=unlocked):
        if share.pool_id in reaching and share.match_minor:
            added[share.pool_id] += share.match_minor
    return [
        LockedMatch(
            sponsor_name=pools[pool_id].sponsor.display_name,
            match_minor=match_minor,
            progress_text=_progress_text(
                _progress(pools[pool_id], campaign=campaign, now=now), pool=pools[pool_id], campaign=campaign
            ),
        )
        for pool_id, match_minor in added.items()
    ]


def gift_match(*, key: UUID) -> GiftMatch | None:
    """The newest reservation of one gift, or None when nothing was ever held for it."""
    return gift_matches(keys=[key]).get(key)


def gift_matches(*, keys: Iterable[UUID]) -> dict[UUID, GiftMatch]:
    """The newest reservation of each of these gifts: two queries however many there are."""
    with_sponsors = Prefetch("allocations", Allocation.objects.select_related("pool__sponsor"))
    reservations = (
        Reservation.objects.filter(key__in=list(keys))
        .order_by("key", "-id")
        .distinct("key")
        .prefetch_related(with_sponsors)
    )
    return {reservation.key: _gift_match(reservation) for reservation in reservations}


def shortfall(*, key: UUID) -> int:
    """By how much a paid gift's match is below what its donor was shown, refunds allowed for; 0 when nothing lacks.

    Shown is the most that was ever held for the gift, or matched before a refund that failed. In minor units.
    """
    reservations = list(Reservation.objects.filter(key=key).prefetch_related("allocations"))
    standing = next((row for row in reservations if row.state == Reservation.State.COMMITTED), None)
    if standing is None:
        return 0
    left, whole = standing.remaining_minor, standing.amount_minor
    held = max(sum(a.amount_minor for a in row.allocations.all() if a.round == 0) for row in reservations)
    allocations = list(standing.allocations.all())
    # In fractions: the same sum from one pool and from three is rounded down once and three times.
    never_matched = Fraction(held * left, whole) - sum(
        Fraction(a.amount_minor * min(left, a.basis_minor), a.basis_minor) for a in allocations
    )
    due: Counter[int] = Counter()
    for a in allocations:
        due[a.pool_id] += kept_after_refund(a.amount_minor, basis_minor=a.basis_minor, remaining_minor=left)
        cap_minor = terms_by_id(a.terms_id).cap_per_gift_minor
        due[a.pool_id] = due[a.pool_id] if cap_minor is None else min(due[a.pool_id], cap_minor)
    return max(0, int(never_matched)) + due.total() - standing.match_minor


def explain(match: GiftMatch) -> list[str]:
    """Why the gift was matched like this, from the terms as they stood: a sentence for each pool and part."""
    campaign = Campaign.objects.get(pk=match.campaign_id)
    funds = Fund.objects.in_bulk()
    pools = MatchPool.objects.filter(campaign=campaign).select_related("sponsor").in_bulk()
    versions = {
        (row.pool_id, row.version): row
        for row in PoolTerms.objects.filter(pool_id__in={considered[1] for considered in match.explanation})
    }
    sentences = []
    for part_index, pool_id, version, match_minor, bound in match.explanation:
        fund = funds.get(match.parts[part_index][0])
        sentences.append(
            wording.reason_text(
                gave_minor=match_minor,
                bound=bound,
                sponsor_name=pools[pool_id].sponsor.display_name,
                fund_name=fund.name if fund else gettext("its fund"),
                terms=versions[pool_id, version],
                campaign=campaign,
            )
        )
    return sentences


def ledger_entries(*, reference: str) -> list[LedgerEntry]:
    """Every entry that a reference names, oldest first, with its pool and sponsor; none for an unknown reference.

    reference: as a person copied it: blanks and small letters are forgiven.
    """
    cleaned = "".join(reference.split()).upper()
    entries = (
        LedgerEntry.objects.filter(allocation__reservation__reference=cleaned)
        if cleaned
        else LedgerEntry.objects.none()
    )
    return list(entries.select_related("pool__sponsor").order_by("recorded_at", "id")[:MOST_ENTRIES])


def standing(entries: Iterable[LedgerEntry]) -> dict[str, int]:
    """What these entries leave in `held` and in `matched`, in minor units."""
    stands = {"held": 0, "matched": 0}
    for entry in entries:
        for account, change in ((entry.from_account, -entry.amount_minor), (entry.to_account, entry.amount_minor)):
            if account in stands:
                stands[account] += change
    return stands


def _figures(pool: MatchPool, *, campaign: Campaign, funds: dict[int, Fund], lapsed: int, now: datetime) -> PoolFigures:
    terms = pool.terms
    free = pool.free_minor + lapsed
    progress = _progress(pool, campaign=campaign, now=now)
    state = wording.state_of(pool=pool, terms=terms, campaign=campaign, free_minor=free, now=now, progress=progress)
    return PoolFigures(
        pool=pool,
        terms=terms,
        sponsor_name=pool.sponsor.display_name,
        sentence=wording.terms_sentence(pool=pool, terms=terms, campaign=campaign, funds=funds),
        leftover_sentence=wording.leftover_sentence(pool, terms=terms),
        rule_sentence=challenge_wording.rule_sentence(terms),
        state=state,
        state_text=wording.state_text(state=state, pool=pool, terms=terms, campaign=campaign),
        progress=progress,
        progress_text=_progress_text(progress, pool=pool, campaign=campaign),
        limit_minor=pool.limit_minor,
        matched_minor=pool.matched_minor,
        held_minor=pool.held_minor - lapsed,
        free_minor=free,
    )


def _progress(pool: MatchPool, *, campaign: Campaign, now: datetime) -> Progress | None:
    """How far a challenge has come, from a copy that is at most about a second old; None when nothing is awaited."""
    terms = pool.terms
    if not terms.has_target or (terms.matches_gifts and pool.unlocked_at is not None):
        return None
    if pool.shown_progress is not None:
        return pool.shown_progress
    return fresh(f"challenge:{terms.pk}", now=now, make=lambda: challenges.progress(campaign=campaign, terms=terms))[1]


def _progress_text(progress: Progress | None, *, pool: MatchPool, campaign: Campaign) -> str:
    if progress is not None:
        return challenge_wording.progress_text(progress, terms=pool.terms, currency=pool.currency)
    if pool.terms.has_target and pool.unlocked_at is not None:
        # Translators: of the money of a sponsor: Unlocked December 1, noon
        return gettext("Unlocked %(moment)s") % {"moment": wording.moment_text(pool.unlocked_at, campaign=campaign)}
    return ""


def _lapsed_by_pool(pools: QuerySet[MatchPool], *, now: datetime) -> dict[int, int]:
    rows = (
        Allocation.objects.filter(
            pool__in=pools, reservation__state=Reservation.State.HELD, reservation__held_until__lte=now
        )
        .values("pool_id")
        .annotate(lapsed_minor=Sum("amount_minor"))
    )
    return {row["pool_id"]: row["lapsed_minor"] for row in rows}


def _gift_match(reservation: Reservation) -> GiftMatch:
    allocations = list(reservation.allocations.all())
    return GiftMatch(
        reference=reservation.reference,
        state=reservation.state,
        match_minor=reservation.match_minor,
        original_minor=sum(row.amount_minor for row in allocations),
        held_until=reservation.held_until,
        submitted_at=reservation.submitted_at,
        lines=[MatchLine(row.pool.sponsor.display_name, row.fund_id, row.kept_minor) for row in allocations],
        explanation=reservation.explanation,
        campaign_id=reservation.campaign_id,
        parts=reservation.parts,
    )
