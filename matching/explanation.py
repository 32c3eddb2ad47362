"""Why a gift was matched like this: every pool that was asked, what it gave, and what kept it from giving more.

Read from the reservation as it was considered, its allocations, the ledger's entries and the terms as they stood.
Nothing here writes or locks.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils.translation import gettext

from campaign.models import Campaign, Fund
from matching import wording
from matching.allocation import Bound
from matching.models import Allocation, LedgerEntry, MatchPool, PoolTerms, Reservation, WaitingGift

_PASSING = (Bound.LOCKED, Bound.PAUSED, Bound.WINDOW)  # what a pool's answer says before it looks at the fund


@dataclass(frozen=True, slots=True)
class Added:
    """Match that came later, from money that was freed or a pool that was unlocked."""

    amount_minor: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Line:
    """One pool and one part of the gift. Money in minor units.

    bound: what kept it from giving more at first, a matching.allocation.Bound; empty for a pool that was not asked
    then and gave later. gave_minor: at first. taken_back_minor: by refunds or a correction. kept_minor: what stands.
    waits_for: `money`, `donor_cap` or `unlock`, empty when nothing more can come.
    """

    pool: MatchPool
    terms: PoolTerms
    fund_name: str
    part_minor: int
    bound: str
    reason: str
    gave_minor: int
    added: list[Added]
    taken_back_minor: int
    kept_minor: int
    waits_for: str
    entries: list[LedgerEntry]

    @property
    def waits_text(self) -> str:
        """For staff; empty when it waits for nothing."""
        return {
            "money": gettext("waits for money that comes free"),
            "donor_cap": gettext("waits for room under the donor’s cap"),
            "unlock": gettext("waits until the pool is unlocked"),
        }.get(self.waits_for, "")

    @property
    def sponsor_name(self) -> str:
        """As pages name the sponsor."""
        return self.pool.sponsor.display_name

    @property
    def tells(self) -> bool:
        """Whether it had a part in the match, or may still have."""
        return bool(self.gave_minor or self.added or self.waits_for)


@dataclass(frozen=True, slots=True)
class Explanation:
    """lines: 0..n, by part and in the order in which the pools came. replaced_by: the reference of the match that
    took its place when the gift was corrected, or empty."""

    reference: str
    campaign: Campaign
    state: str
    has_parts: bool
    lines: list[Line]
    replaced_by: str = ""

    @property
    def kept_minor(self) -> int:
        return sum(line.kept_minor for line in self.lines)


def explanations(*, keys: Sequence[UUID]) -> list[Explanation]:
    """Of every match that was made for these gifts or held for them, the newest first: the same seven queries
    however many pools, parts and rounds there are.

    keys: a gift's own key, and those it had before it was corrected.
    """
    reservations = list(Reservation.objects.filter(key__in=keys).select_related("campaign").order_by("-pk"))
    context = _Context(reservations)
    found = []
    for reservation in reservations:
        parts = range(len(reservation.parts))
        lines = [line for part in parts for line in context.lines(reservation, part_index=part)]
        is_void = reservation.state == Reservation.State.VOIDED
        later = [row.reference for row in reservations if is_void and row.pk > reservation.pk]
        found.append(
            Explanation(
                reference=reservation.reference,
                campaign=reservation.campaign,
                state=reservation.state,
                has_parts=len(reservation.parts) > 1,
                lines=lines,
                replaced_by=later[-1] if later else "",
            )
        )
    return found


class _Context:
    """Everything that the lines of some reservations name, loaded at once."""

    def __init__(self, reservations: Sequence[Reservation]) -> None:
        self.allocations: dict[tuple[int, int, int], list[Allocation]] = defaultdict(list)
        for row in Allocation.objects.filter(reservation__in=reservations):
            self.allocations[row.reservation_id, row.part_index, row.pool_id].append(row)
        self.waiting = {
            (row.reservation_id, row.pool_id): row.waits_for
            for row in WaitingGift.objects.filter(reservation__in=reservations)
        }
        ids = {pool_id for _, _, pool_id in self.allocations} | {pool_id for _, pool_id in self.waiting}
        ids |= {asked[1] for reservation in reservations for asked in reservation.explanation}
        self.pools = MatchPool.objects.select_related("sponsor", "current_terms").in_bulk(ids)
        self.terms = {(row.pool_id, row.version): row for row in PoolTerms.objects.filter(pool_id__in=ids)}
        self.by_id = {row.pk: row for row in self.terms.values()}
        self.newest = {pool_id: row for (pool_id, _), row in sorted(self.terms.items())}
        self.entries: dict[int, list[LedgerEntry]] = defaultdict(list)
        entries = LedgerEntry.objects.filter(allocation__reservation__in=reservations).order_by("seq")
        for entry in entries:
            self.entries[entry.allocation_id or 0].append(entry)
        self.funds = Fund.objects.in_bulk()

    def lines(self, reservation: Reservation, *, part_index: int) -> Iterable[Line]:
        """The pools that were asked, in order; then those that came later."""
        asked = [row for row in reservation.explanation if row[0] == part_index]
        for _, pool_id, version, _, bound in asked:
            asked_of = self.terms[pool_id, version]
            if bound in _PASSING and not _is_for(asked_of, reservation.parts[part_index][0]):
                bound = Bound.OTHER_FUND  # noqa: PLW2901 - its end would change nothing for this part
            yield self._line(reservation, part_index, terms=asked_of, bound=bound)
        known = {row[1] for row in asked}
        given = [key[2] for key in self.allocations if key[:2] == (reservation.pk, part_index)]
        waiting = [pool_id for reservation_id, pool_id in self.waiting if reservation_id == reservation.pk]
        for pool_id in dict.fromkeys(pool_id for pool_id in (*given, *waiting) if pool_id not in known):
            rows = self.allocations[reservation.pk, part_index, pool_id]
            terms = self.by_id[rows[0].terms_id] if rows else self.newest[pool_id]
            yield self._line(reservation, part_index, terms=terms, bound="")

    def _line(self, reservation: Reservation, part_index: int, *, terms: PoolTerms, bound: str) -> Line:
        pool = self.pools[terms.pool_id]
        fund_id, part_minor = reservation.parts[part_index]
        fund = self.funds.get(fund_id)
        fund_name = fund.name if fund else gettext("its fund")
        rows = self.allocations.get((reservation.pk, part_index, pool.pk), [])
        is_standing = reservation.state in (Reservation.State.HELD, Reservation.State.COMMITTED)
        reason = "not asked at first"
        if bound:
            reason = wording.bound_text(bound=bound, fund_name=fund_name, terms=terms, campaign=reservation.campaign)
        return Line(
            pool=pool,
            terms=terms,
            fund_name=fund_name,
            part_minor=part_minor,
            bound=bound,
            reason=reason,
            gave_minor=sum(row.amount_minor for row in rows if row.round == 0),
            added=[
                Added(entry.amount_minor, entry.recorded_at)
                for row in rows
                for entry in self.entries[row.pk]
                if entry.reason == LedgerEntry.Reason.OFFER
            ],
            taken_back_minor=sum(row.reversed_minor for row in rows),
            kept_minor=sum(row.kept_minor for row in rows) if is_standing else 0,
            waits_for=self._waits_for(reservation, pool) if _is_for(terms, fund_id) else "",
            entries=[entry for row in rows for entry in self.entries[row.pk]],
        )

    def _waits_for(self, reservation: Reservation, pool: MatchPool) -> str:
        waits_for = self.waiting.get((reservation.pk, pool.pk), "")
        current = pool.current_terms
        if waits_for == WaitingGift.WaitsFor.MONEY and current and current.has_target and pool.unlocked_at is None:
            return "unlock"
        return waits_for


def _is_for(terms: PoolTerms, fund_id: int) -> bool:
    return not terms.fund_ids or fund_id in terms.fund_ids
