"""The match as plain dictionaries and lists: what the ledger must say after every step, without a database.

Written from the design, not from matching/: it knows a pool's figures, its terms over time, and each gift's
reservations. Only the arithmetic of one gift is the site's own (matching/allocation.py), which has tests of its own.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from matching.allocation import (
    AWARD,
    Bound,
    Given,
    Part,
    PoolState,
    Share,
    consider,
    covered_by,
    kept_after_refund,
    remaining_parts,
)
from matching.pools import Terms

BY_TERMS = {Bound.WINDOW, Bound.MINIMUM, Bound.OTHER_FUND, Bound.OFFLINE, Bound.PAUSED, Bound.LOCKED}
HELD, COMMITTED, RELEASED, EXPIRED, VOIDED = "held", "committed", "released", "expired", "voided"
HOLD = timedelta(seconds=900)
LONGEST = timedelta(days=14)


class Refused(Exception):
    """The step is not possible now; the message is the name of the site's exception."""


@dataclass
class Pool:
    id: int
    versions: list[tuple[datetime, Terms]]
    free: int
    held: int = 0
    matched: int = 0
    pauses: list[list[datetime | None]] = field(default_factory=list)  # [from, until], the last one perhaps open
    unlocked_at: datetime | None = None

    @property
    def limit(self) -> int:
        return self.free + self.held + self.matched

    @property
    def terms(self) -> Terms:
        return self.versions[-1][1]

    @property
    def paused(self) -> bool:
        return bool(self.pauses) and self.pauses[-1][1] is None

    def was_paused(self, moment: datetime) -> bool:
        return any(since <= moment and (until is None or moment < until) for since, until in self.pauses)

    def terms_at(self, moment: datetime) -> Terms:
        return next((terms for since, terms in reversed(self.versions) if since <= moment), self.versions[0][1])

    def move(self, amount: int, source: str, target: str) -> None:
        setattr(self, source, getattr(self, source) - amount)
        setattr(self, target, getattr(self, target) + amount)
        assert min(self.free, self.held, self.matched) >= 0


@dataclass
class Piece:
    """What one pool gives to one part of a gift. basis: of the gift, not refunded when it was given."""

    pool: Pool
    part_index: int
    amount: int
    basis: int
    ratio: tuple[int, int]
    layer: str
    back: int = 0

    @property
    def kept(self) -> int:
        return self.amount - self.back

    def due(self, remaining: int) -> int:
        return kept_after_refund(self.amount, basis_minor=self.basis, remaining_minor=remaining)


@dataclass
class Match:
    """One reservation of one gift."""

    key: UUID
    donor: str
    parts: tuple[Part, ...]
    submitted_at: datetime
    offline: bool
    held_until: datetime
    pieces: list[Piece]
    state: str = HELD
    refunded: int = 0

    @property
    def whole(self) -> int:
        return sum(part.amount_minor for part in self.parts)

    @property
    def remaining(self) -> int:
        return self.whole - self.refunded

    @property
    def match(self) -> int:
        return sum(piece.kept for piece in self.pieces) if self.state in (HELD, COMMITTED) else 0


@dataclass
class Model:
    closes_at: datetime
    pools: dict[int, Pool] = field(default_factory=dict)
    matches: list[Match] = field(default_factory=list)  # in the order they were made

    def latest(self, key: UUID) -> Match:
        return next(match for match in reversed(self.matches) if match.key == key)

    def hold(self, *, key: UUID, donor: str, parts: tuple[Part, ...], now: datetime) -> Match:
        earlier = next((match for match in reversed(self.matches) if match.key == key), None)
        if earlier and earlier.state == VOIDED:
            raise Refused("HoldAlreadyVoided")
        if earlier and (earlier.state == COMMITTED or (earlier.state == HELD and now < earlier.held_until)):
            return earlier
        return self._reserve(key, donor, parts, submitted_at=now, offline=False, now=now, held_until=now + HOLD)

    def resolve(self, match: Match, *, state: str) -> None:
        if match.state != HELD:
            raise Refused(f"HoldAlready{match.state.capitalize()}")
        match.state = state
        for piece in match.pieces:
            piece.pool.move(piece.amount, "held", "matched" if state == COMMITTED else "free")

    def extend(self, match: Match, *, until: datetime) -> bool:
        if match.state != HELD:
            return False
        match.held_until = max(match.held_until, min(until, match.submitted_at + LONGEST))
        return True

    def expire(self, *, now: datetime) -> int:
        lapsed = [match for match in self.matches if match.state == HELD and match.held_until <= now]
        for match in lapsed:
            self.resolve(match, state=EXPIRED)
        return len(lapsed)

    def match_late(self, match: Match, *, now: datetime) -> Match:
        if match.state in (COMMITTED, VOIDED):
            raise Refused(f"HoldAlready{match.state.capitalize()}")
        if match.state == HELD:
            self.resolve(match, state=COMMITTED)
            return match
        return self._match_now(match.key, match.donor, match.parts, match.submitted_at, match.offline, now=now)

    def match_offline(
        self, *, key: UUID, donor: str, parts: tuple[Part, ...], received_at: datetime, now: datetime
    ) -> Match:
        return self._match_now(key, donor, parts, received_at, True, now=now)

    def correct(
        self, wrong: Match, *, key: UUID, parts: tuple[Part, ...], received_at: datetime, now: datetime
    ) -> Match:
        if wrong.state != COMMITTED:
            raise Refused("NoReservation")
        if wrong.refunded:
            raise Refused("GiftRefunded")
        for piece in wrong.pieces:
            piece.pool.move(piece.kept, "matched", "free")
            piece.back = piece.amount
        wrong.state = VOIDED
        return self._match_now(key, wrong.donor, parts, received_at, wrong.offline, now=now)

    def refund(self, match: Match, *, total: int) -> None:
        if match.state != COMMITTED:
            raise Refused("NoReservation")
        match.refunded = min(total, match.whole)
        for piece in match.pieces:
            self._bring_to_due(piece, match)

    def change_limit(self, pool: Pool, *, limit: int) -> None:
        if limit < pool.held + pool.matched:
            raise Refused("LimitBelowPromises")
        pool.free += limit - pool.limit

    def change_terms(self, pool: Pool, *, terms: Terms, now: datetime) -> None:
        if pool.terms.has_target and not terms.has_target:
            pool.unlocked_at = pool.unlocked_at or now
        if terms != pool.terms:
            pool.versions.append((now, terms))

    def set_paused(self, pool: Pool, *, paused: bool, now: datetime) -> None:
        if paused and not pool.paused:
            pool.pauses.append([now, None])
        elif pool.paused and not paused:
            pool.pauses[-1][1] = now

    def settle_challenges(self, *, now: datetime) -> None:
        for pool in self.pools.values():
            terms = pool.terms
            if not terms.has_target:
                continue
            donors, raised = self.progress(pool)
            times = donors // terms.unlock_donors if terms.unlock_donors else raised // (terms.unlock_raised_minor or 1)
            if terms.layer != AWARD:
                pool.unlocked_at = pool.unlocked_at or (now if times else None)
                continue
            award = terms.award_minor or 0
            earned = award * (times if terms.award_every else min(times, 1))
            while pool.matched < earned and pool.free >= award and not pool.paused:
                pool.move(award, "free", "matched")
            while pool.matched > earned and now < self.closes_at:
                pool.move(award, "matched", "free")

    def progress(self, pool: Pool) -> tuple[int, int]:
        """How many donors gave and how much was raised of what counts for the pool."""
        starts, ends = self._window(pool, pool.terms)
        given: dict[str, int] = {}
        for match in self._paid():
            wanted = [part for part in match.parts if not pool.terms.fund_ids or part.fund in pool.terms.fund_ids]
            counted = sum(part.amount_minor for part in wanted) * match.remaining // match.whole
            if starts <= match.submitted_at < ends and counted:
                given[match.donor] = given.get(match.donor, 0) + counted
        return len(given), sum(given.values())

    def offer(self) -> dict[UUID, int]:
        """Free money to the oldest paid gift that would have had more; what each got."""
        added = {}
        for match in sorted(self._paid(), key=lambda match: (match.submitted_at, self.matches.index(match))):
            before = match.match
            self._serve(match)
            if match.match > before:
                added[match.key] = match.match - before
        return added

    def _serve(self, match: Match) -> None:
        if not match.remaining:
            return
        for piece in match.pieces:
            if not piece.pool.paused and piece.due(match.remaining) > piece.kept:
                self._bring_to_due(piece, match)
        pools = [pool for pool in self.pools.values() if not pool.paused and not pool.was_paused(match.submitted_at)]
        kept: Counter[tuple[int, int, tuple[int, int], str]] = Counter()
        for piece in match.pieces:
            kept[piece.part_index, piece.pool.id, piece.ratio, piece.layer] += piece.kept
        given = [
            Given(part_index, pool_id, minor, covered_by(minor, ratio=ratio), layer)
            for (part_index, pool_id, ratio, layer), minor in kept.items()
        ]
        shares = consider(
            parts=remaining_parts(match.parts, remaining_minor=match.remaining),
            submitted_at=match.submitted_at,
            offline=match.offline,
            pools=[self._state(pool, match.donor, match.submitted_at) for pool in pools],
            before=given,
            gift_minor=match.whole,
        )
        for piece in self._pieces(shares, submitted_at=match.submitted_at, basis=match.remaining):
            piece.pool.move(piece.amount, "free", "matched")
            match.pieces.append(piece)

    def _bring_to_due(self, piece: Piece, match: Match) -> None:
        terms = piece.pool.terms_at(match.submitted_at)
        change = min(piece.due(match.remaining) - piece.kept, piece.pool.free)
        if change > 0 and terms.cap_per_gift_minor is not None:
            in_gift = sum(other.kept for other in match.pieces if other.pool is piece.pool)
            change = max(0, min(change, terms.cap_per_gift_minor - in_gift))
        if change > 0 and terms.cap_per_donor_minor is not None:
            change = max(0, min(change, terms.cap_per_donor_minor - self.had(piece.pool, match.donor)))
        piece.back -= change
        piece.pool.move(change, "free", "matched")

    def _match_now(
        self, key: UUID, donor: str, parts: tuple[Part, ...], submitted_at: datetime, offline: bool, *, now: datetime
    ) -> Match:
        made = self._reserve(key, donor, parts, submitted_at=submitted_at, offline=offline, now=now, held_until=now)
        self.resolve(made, state=COMMITTED)
        return made

    def _reserve(
        self,
        key: UUID,
        donor: str,
        parts: tuple[Part, ...],
        *,
        submitted_at: datetime,
        offline: bool,
        now: datetime,
        held_until: datetime,
    ) -> Match:
        def ask(*, free: int | None) -> list[Share]:
            states = [self._state(pool, donor, submitted_at, free=free) for pool in self.pools.values()]
            return consider(parts=parts, submitted_at=submitted_at, offline=offline, pools=states)

        askable = {share.pool_id for share in ask(free=1) if share.bound not in BY_TERMS}
        for match in self.matches:
            is_lapsed = match.state == HELD and match.held_until <= now
            if is_lapsed and (match.key == key or any(piece.pool.id in askable for piece in match.pieces)):
                self.resolve(match, state=EXPIRED)
        shares = ask(free=None)
        pieces = list(self._pieces(shares, submitted_at=submitted_at, basis=sum(part.amount_minor for part in parts)))
        for piece in pieces:
            piece.pool.move(piece.amount, "free", "held")
        made = Match(key, donor, parts, submitted_at, offline, held_until, pieces)
        self.matches.append(made)
        return made

    def _pieces(self, shares: list[Share], *, submitted_at: datetime, basis: int) -> Iterator[Piece]:
        for share in shares:
            if share.match_minor:
                terms = self.pools[share.pool_id].terms_at(submitted_at)
                ratio = (terms.ratio_match, terms.ratio_gift)
                pool = self.pools[share.pool_id]
                yield Piece(pool, share.part_index, share.match_minor, basis, ratio, terms.layer)

    def _state(self, pool: Pool, donor: str, submitted_at: datetime, *, free: int | None = None) -> PoolState:
        terms = pool.terms_at(submitted_at)
        opens_at, closes_at = self._window(pool, terms)
        came_before = pool.unlocked_at is None or (submitted_at < pool.unlocked_at and not terms.reaches_back)
        return PoolState(
            id=pool.id,
            free_minor=pool.free if free is None else free,
            ratio=(terms.ratio_match, terms.ratio_gift),
            min_gift_minor=terms.min_gift_minor,
            cap_per_gift_minor=terms.cap_per_gift_minor,
            cap_per_donor_minor=terms.cap_per_donor_minor,
            donor_used_minor=self.had(pool, donor),
            opens_at=opens_at,
            closes_at=closes_at,
            funds=frozenset(terms.fund_ids) or None,
            priority=terms.priority,
            layer=terms.layer,
            paused=pool.paused or pool.was_paused(submitted_at),
            locked=terms.has_target and came_before,
            offline_gifts=terms.offline_gifts,
        )

    def had(self, pool: Pool, donor: str) -> int:
        """What a donor has from a pool, held and matched."""
        theirs = [match for match in self.matches if match.donor == donor and match.state in (HELD, COMMITTED)]
        return sum(piece.kept for match in theirs for piece in match.pieces if piece.pool is pool)

    def _window(self, pool: Pool, terms: Terms) -> tuple[datetime, datetime]:
        closes_at = min(terms.closes_at or self.closes_at, self.closes_at)
        return terms.opens_at or pool.versions[0][0], closes_at

    def _paid(self) -> list[Match]:
        return [match for match in self.matches if match.state == COMMITTED]
