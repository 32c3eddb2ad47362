"""The whole ledger, driven in any order of steps, beside a model in memory (ledger_model.py) that must always agree."""

import os
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from matching import challenges, holds, late_gifts, pools, refunds
from matching.allocation import Part
from matching.checking import check_campaigns
from matching.models import MatchPool, Reservation
from matching.offers import offer_batch
from matching.pools import InvalidTerms, LimitBelowPromises, Terms
from matching.queries import gift_matches
from tests import factories
from tests.factories import OPENS_AT
from tests.matching import ledger_model as model
from tests.matching.ledger_model import Refused

REFUSALS = (holds.HoldResolved, holds.NoReservation, late_gifts.GiftRefunded, LimitBelowPromises)
CHAOS = bool(os.environ.get("CHAOS"))
DONORS = st.sampled_from(["ann", "ben", "cleo"])
AMOUNTS = st.sampled_from([1, 99, 500, 1_000, 2_501, 2_501])


@st.composite
def conditions(draw) -> dict:
    """Terms of a pool that matches gifts, without a challenge; `fund` is a place in the list of funds."""
    cap_per_gift, cap_per_donor = draw(
        st.sampled_from([(None, None), (None, None), (700, None), (None, 1_500), (700, 1_500)])
    )
    ratio_match, ratio_gift = draw(st.sampled_from([(1, 1), (1, 1), (2, 1), (1, 2), (1, 3)]))
    return {
        "ratio_match": ratio_match,
        "ratio_gift": ratio_gift,
        "min_gift_minor": draw(st.sampled_from([0, 0, 500])),
        "cap_per_gift_minor": cap_per_gift,
        "cap_per_donor_minor": cap_per_donor,
        "closes_at": draw(st.sampled_from([None, None, OPENS_AT + timedelta(hours=3)])),
        "fund": draw(st.sampled_from([None, None, 0, 1])),
        "priority": draw(st.integers(1, 3)),
        "layer": draw(st.sampled_from(["base", "base", "bonus"])),
        "offline_gifts": draw(st.sampled_from([True, True, False])),
    }


CHALLENGES = st.sampled_from(
    [
        {},
        {},
        {"unlock_donors": 2, "reaches_back": True},
        {"unlock_donors": 2},
        {"unlock_raised_minor": 3_000, "reaches_back": True},
        {"layer": "award", "unlock_donors": 2, "award_minor": 700},
        {"layer": "award", "unlock_raised_minor": 1_000, "award_minor": 400, "award_every": True},
    ]
)


class LedgerMachine(RuleBasedStateMachine):
    """One campaign with three pools; gifts of three donors for two funds. Each step goes to the site and the model."""

    gifts = Bundle("gifts")

    def __init__(self):
        super().__init__()
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        self.campaign = factories.campaign(funds=[factories.fund("Education"), factories.fund("Research")])
        self.funds = [fund.pk for fund in self.campaign.funds.order_by("pk")]
        self.now = OPENS_AT
        self.agrees = False
        self.model = model.Model(closes_at=self.campaign.closes_at)

    def teardown(self):
        try:
            if self.agrees:
                self._hand_out_what_comes_free()
        finally:
            transaction.set_rollback(True)
            self.transaction.__exit__(None, None, None)

    @initialize(
        target=gifts,
        opened=st.lists(st.tuples(conditions(), CHALLENGES, st.integers(1, 3_000)), min_size=3, max_size=3),
        givers=st.lists(st.tuples(DONORS, AMOUNTS), min_size=2, max_size=5),
    )
    def open_pools_and_run_them_dry(self, opened, givers):
        for wanted, challenge, least in opened:
            terms = self._terms(wanted | challenge)
            limit = max(least, terms.award_minor or 0)
            pool = factories.pool(campaign=self.campaign, limit_minor=limit, now=self._tick(), **vars_of(terms))
            self.model.pools[pool.pk] = model.Pool(pool.pk, [(self.now, terms)], limit)
        return multiple(*(self.hold_and_pay(donor=donor, amounts=[amount]) for donor, amount in givers))

    @rule(target=gifts, donor=DONORS, amounts=st.lists(AMOUNTS, min_size=1, max_size=2), seconds=st.integers(1, 600))
    def hold(self, donor, amounts, seconds):
        key, parts, now = uuid4(), self._parts(amounts), self._tick(seconds)
        made = holds.hold(campaign_id=self.campaign.pk, gift=holds.Gift(key, donor, parts, now), now=now)
        expected = self.model.hold(key=key, donor=donor, parts=parts, now=now)
        assert made.match_minor == expected.match
        return key

    @rule(target=gifts, donor=DONORS, amounts=st.lists(AMOUNTS, min_size=1, max_size=2))
    def hold_and_pay(self, donor, amounts):
        key = self.hold(donor=donor, amounts=amounts, seconds=1)
        self.commit(key)
        return key

    @rule(place=st.integers(0, 2), more=st.integers(1, 3_000), limit=st.integers(1, 4))
    def grow_and_offer(self, place, more, limit):
        self.change_limit(place=place, limit=self._pool(place).limit + more)
        self.offer(limit=limit)

    @rule(limit=st.integers(1, 4))
    def settle_challenges_and_offer(self, limit):
        self.settle_challenges()
        self.offer(limit=limit)

    @rule(key=gifts, seconds=st.integers(1, 1_200))
    def hold_again(self, key, seconds):
        before, now = self.model.latest(key), self._tick(seconds)
        gift = holds.Gift(key, before.donor, before.parts, now)
        self._both(
            lambda: holds.hold(campaign_id=self.campaign.pk, gift=gift, now=now),
            lambda: self.model.hold(key=key, donor=before.donor, parts=before.parts, now=now),
        )

    @rule(key=gifts)
    def commit(self, key):
        now, match = self._tick(), self.model.latest(key)
        self._both(lambda: holds.commit(key=key, now=now), lambda: self.model.resolve(match, state=model.COMMITTED))

    @rule(key=gifts)
    def release(self, key):
        now, match = self._tick(), self.model.latest(key)
        self._both(lambda: holds.release(key=key, now=now), lambda: self.model.resolve(match, state=model.RELEASED))

    @rule(key=gifts, minutes=st.sampled_from([1, 20, 60, 40_000]))
    def extend(self, key, minutes):
        until = self._tick() + timedelta(minutes=minutes)
        assert holds.extend(key=key, until=until) == self.model.extend(self.model.latest(key), until=until)

    @rule(seconds=st.sampled_from([1, 600, 901]))
    def expire(self, seconds):
        now = self._tick(seconds)
        assert holds.expire_lapsed(now=now) == self.model.expire(now=now)

    @rule(key=gifts, seconds=st.sampled_from([1, 901]))
    def match_late(self, key, seconds):
        now, match = self._tick(seconds), self.model.latest(key)
        self._both(lambda: late_gifts.match_late(key=key, now=now)[0], lambda: self.model.match_late(match, now=now))

    @rule(target=gifts, donor=DONORS, amounts=st.lists(AMOUNTS, min_size=1, max_size=2), ago=st.integers(0, 3_000))
    def match_offline(self, donor, amounts, ago):
        key, parts, now = uuid4(), self._parts(amounts), self._tick()
        received_at = max(OPENS_AT, now - timedelta(seconds=ago))
        gift = holds.Gift(key, donor, parts, received_at, offline=True)
        late_gifts.match_offline(campaign_id=self.campaign.pk, gift=gift, now=now, actor="staff:7")
        self.model.match_offline(key=key, donor=donor, parts=parts, received_at=received_at, now=now)
        return key

    @rule(target=gifts, key=gifts, amounts=st.lists(AMOUNTS, min_size=1, max_size=2), ago=st.integers(0, 3_000))
    def correct(self, key, amounts, ago):
        wrong, new, parts, now = self.model.latest(key), uuid4(), self._parts(amounts), self._tick()
        received_at = max(OPENS_AT, now - timedelta(seconds=ago))
        gift = holds.Gift(new, wrong.donor, parts, received_at, offline=wrong.offline)
        made = self._both(
            lambda: late_gifts.correct(key=key, gift=gift, now=now, actor="staff:7"),
            lambda: self.model.correct(wrong, key=new, parts=parts, received_at=received_at, now=now),
        )
        return new if made else multiple()

    @rule(key=gifts, tenths=st.integers(0, 10), cents=st.integers(-1, 1))
    def settle_refund(self, key, tenths, cents):
        match, now = self.model.latest(key), self._tick()
        total = max(0, match.whole * tenths // 10 + cents)
        self._both(
            lambda: refunds.settle_refund(key=key, refunded_minor=total, now=now),
            lambda: self.model.refund(match, total=total),
        )

    @rule(place=st.integers(0, 2), limit=st.integers(1, 8_000))
    def change_limit(self, place, limit):
        pool, now = self._pool(place), self._tick()
        self._both(
            lambda: pools.change_limit(pool_id=pool.id, limit_minor=limit, actor="staff:7", now=now),
            lambda: self.model.change_limit(pool, limit=limit),
        )

    @rule(place=st.integers(0, 2), wanted=conditions(), keeps_challenge=st.booleans())
    def change_terms(self, place, wanted, keeps_challenge):
        pool, now = self._pool(place), self._tick()
        before = pool.terms
        if before.layer == "award":
            return
        kept = ("unlock_donors", "unlock_raised_minor", "reaches_back") if keeps_challenge else ()
        terms = self._terms(wanted | {name: getattr(before, name) for name in kept})
        try:
            pools.change_terms(pool_id=pool.id, terms=terms, actor="staff:7", now=now)
        except InvalidTerms:  # it would go back on a challenge: then nothing has changed
            return
        self.model.change_terms(pool, terms=terms, now=now)

    @rule(place=st.integers(0, 2), paused=st.booleans())
    def set_paused(self, place, paused):
        pool, now = self._pool(place), self._tick()
        pools.set_paused(pool_id=pool.id, paused=paused, actor="staff:7", now=now)
        self.model.set_paused(pool, paused=paused, now=now)

    @rule()
    def settle_challenges(self):
        now = self._tick()
        challenges.settle_challenges(campaign=self.campaign, now=now)
        self.model.settle_challenges(now=now)

    @rule(limit=st.integers(1, 4))
    def offer(self, limit):
        now, added = self._tick(), {}
        for _ in range(200):
            batch = offer_batch(campaign_id=self.campaign.pk, now=now, limit=limit)
            for row in batch.added:
                added[row.key] = added.get(row.key, 0) + row.added_minor
            if not batch.more:
                break
        else:
            raise AssertionError("offers never end")
        assert added == self.model.offer()

    @invariant()
    def both_agree(self):
        self.agrees = False
        self._pools_agree()
        self._gifts_agree()
        self._caps_hold()
        self._the_ledger_is_whole()
        self.agrees = bool(self.model.pools)

    def _hand_out_what_comes_free(self):
        """The end of every run: the challenges count, money comes into each pool in turn, and goes to who waits."""
        self.settle_challenges()
        for place in (2, 0, 1):
            self.set_paused(place=place, paused=False)
            self.grow_and_offer(place=place, more=1_500, limit=2)
        self.both_agree()

    def _pools_agree(self):
        rows = MatchPool.objects.filter(pk__in=self.model.pools)
        stored = {p.pk: (p.free_minor, p.held_minor, p.matched_minor, p.limit_minor, p.unlocked_at) for p in rows}
        figures = {p.id: (p.free, p.held, p.matched, p.limit, p.unlocked_at) for p in self.model.pools.values()}
        assert stored == figures

    def _gifts_agree(self):
        latest = {match.key: match for match in self.model.matches}
        stored = {
            key: (
                row.state,
                row.match_minor,
                row.original_minor,
                row.held_until,
                [line.amount_minor for line in row.lines],
            )
            for key, row in gift_matches(keys=latest).items()
        }
        expected = {
            key: (m.state, m.match, sum(p.amount for p in m.pieces), m.held_until, [p.kept for p in m.pieces])
            for key, m in latest.items()
        }
        assert stored == expected
        assert Reservation.objects.filter(campaign=self.campaign).count() == len(self.model.matches)

    def _caps_hold(self):
        """By the terms of each gift; a donor may have had more before the cap was lowered."""
        for match in (match for match in self.model.matches if match.state == model.COMMITTED):
            for pool in self.model.pools.values():
                cap = pool.terms_at(match.submitted_at).cap_per_gift_minor
                given = sum(piece.kept for piece in match.pieces if piece.pool is pool)
                assert cap is None or given <= cap
                if len(pool.versions) == 1 and (cap := pool.terms.cap_per_donor_minor) is not None:
                    assert self.model.had(pool, match.donor) <= cap

    def _the_ledger_is_whole(self):
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        assert check_campaigns() == []

    def _both(self, site, in_memory):
        """Take one step on both sides: both do it, or both refuse it for the same reason. Whether it was done."""
        refused, expected = "", ""
        try:
            in_memory()
        except Refused as refusal:
            expected = str(refusal)
        try:
            with transaction.atomic():
                site()
        except REFUSALS as error:
            refused = type(error).__name__
        assert refused == expected
        return not refused

    def _tick(self, seconds=1):
        self.now += timedelta(seconds=seconds)
        return self.now

    def _parts(self, amounts):
        return tuple(Part(fund, amount) for fund, amount in zip(self.funds, amounts, strict=False))

    def _pool(self, place):
        return list(self.model.pools.values())[place]

    def _terms(self, wanted):
        fund = wanted.pop("fund")
        return Terms(**wanted, fund_ids=() if fund is None else (self.funds[fund],))


def vars_of(terms):
    return {name: getattr(terms, name) for name in Terms.__dataclass_fields__}


@pytest.mark.django_db
def test_the_ledger_agrees_with_a_model_in_memory_after_any_steps():
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(
            max_examples=400 if CHAOS else 10,
            stateful_step_count=60 if CHAOS else 35,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.reuse, Phase.generate, *([Phase.shrink] if CHAOS else [])],
            print_blob=True,
        ),
    )
