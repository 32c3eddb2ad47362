"""Money that comes free goes to the oldest paid gift that had too little (design 3.5)."""

from dataclasses import replace
from datetime import timedelta
from itertools import accumulate, product
from uuid import uuid4

import pytest
from django.db import transaction

from matching import challenges, holds, late_gifts, pools, refunds
from matching.allocation import Part
from matching.checking import check_campaigns
from matching.ledger import SYSTEM
from matching.models import LedgerEntry, MatchPool, Reservation, WaitingGift
from matching.offers import Added, offer_batch
from matching.queries import gift_match, shortfall
from tests import factories
from tests.beside import Beside, someone_waits_for_a_lock
from tests.factories import GIFT_AT, OPENS_AT

pytestmark = pytest.mark.django_db
LATER = GIFT_AT + timedelta(hours=1)
STAFF = "staff:1"


@pytest.fixture
def campaign():
    return factories.campaign()


@pytest.fixture
def fund(campaign):
    return campaign.funds.get()


@pytest.fixture
def paid(campaign, fund):
    """Make a paid gift; returns its key."""

    def make(amount_minor=10_000, *, at=GIFT_AT, donor_key="", parts=None):
        gift = holds.Gift(uuid4(), donor_key or str(uuid4()), parts or (Part(fund.pk, amount_minor),), at)
        holds.hold(campaign_id=campaign.pk, gift=gift, now=at)
        holds.commit(key=gift.key, now=at)
        return gift.key

    return make


@pytest.fixture
def offer(campaign):
    """Offer all that is free, as the timer does."""

    def run(limit=50):
        added = []
        while True:
            batch = offer_batch(campaign_id=campaign.pk, now=LATER, limit=limit)
            added += batch.added
            if not batch.more:
                assert check_campaigns() == []
                return added

    return run


def match_of(key):
    match = gift_match(key=key)
    return match.match_minor if match else None


class TestWhoWaits:
    def test_a_gift_with_all_its_match_does_not_wait(self, campaign, paid):
        factories.pool(campaign=campaign)
        paid()
        assert WaitingGift.objects.count() == 0

    def test_a_gift_that_found_the_pool_dry_waits_for_its_money(self, campaign, paid):
        pool = factories.pool(campaign=campaign, limit_minor=735)
        paid()
        assert list(WaitingGift.objects.values_list("pool", "waits_for")) == [(pool.pk, "money")]

    def test_an_unpaid_gift_does_not_wait(self, campaign, fund):
        factories.pool(campaign=campaign, limit_minor=735)
        gift = holds.Gift(uuid4(), "1", (Part(fund.pk, 10_000),), GIFT_AT)
        holds.hold(campaign_id=campaign.pk, gift=gift, now=GIFT_AT)
        assert WaitingGift.objects.count() == 0

    @pytest.mark.parametrize(
        "terms",
        [
            {"min_gift_minor": 20_000},
            {"closes_at": GIFT_AT},
            {"fund_ids": (999_999,)},
            {"cap_per_gift_minor": 735},
        ],
        ids=["minimum", "window", "other fund", "cap per gift"],
    )
    def test_what_the_terms_refuse_nobody_waits_for(self, campaign, paid, terms):
        factories.pool(campaign=campaign, limit_minor=735, **terms)
        paid()
        assert WaitingGift.objects.count() == 0

    def test_a_gift_covered_by_a_second_pool_does_not_wait_for_the_first(self, campaign, paid):
        factories.pool(campaign=campaign, limit_minor=735, priority=1)
        factories.pool(campaign=campaign, priority=2)
        paid()
        assert WaitingGift.objects.count() == 0


class TestOffers:
    def test_a_larger_limit_goes_to_the_oldest_gift_first(self, campaign, paid, offer):
        pool = factories.pool(campaign=campaign, limit_minor=735)
        second, first = paid(at=GIFT_AT + timedelta(minutes=2)), paid(at=GIFT_AT + timedelta(minutes=1))
        pools.change_limit(pool_id=pool.pk, limit_minor=15_735, actor=SYSTEM, now=LATER)
        assert offer() == [Added(first, 10_000, 10_000), Added(second, 5_000, 5_735)]
        assert list(pool.entries.values_list("reason", "amount_minor"))[-2:] == [("offer", 10_000), ("offer", 5_000)]

    def test_a_gift_that_waits_for_two_pools_does_not_end_the_batches_early(self, campaign, paid, offer):
        both = [factories.pool(campaign=campaign, limit_minor=1, priority=priority) for priority in (1, 2)]
        keys = [paid(100, at=GIFT_AT + timedelta(seconds=n)) for n in range(3)]
        for pool in both:
            pools.change_limit(pool_id=pool.pk, limit_minor=50_000, actor=SYSTEM, now=LATER)
        assert [row.key for row in offer(limit=2)] == keys

    def test_it_comes_in_batches_and_ends(self, campaign, paid, offer):
        pool = factories.pool(campaign=campaign, limit_minor=1)
        keys = [paid(100, at=GIFT_AT + timedelta(seconds=n)) for n in range(7)]
        pools.change_limit(pool_id=pool.pk, limit_minor=100_000, actor=SYSTEM, now=LATER)
        assert [row.key for row in offer(limit=2)] == keys
        assert [match_of(key) for key in keys] == [100] * 7
        assert WaitingGift.objects.count() == 0

    def test_a_refund_frees_money_for_another_gift_and_none_is_reduced(self, campaign, paid, offer):
        factories.pool(campaign=campaign, limit_minor=10_000)
        rich, poor = paid(), paid(at=GIFT_AT + timedelta(minutes=1))
        refunds.settle_refund(key=rich, refunded_minor=4_000, now=LATER)
        assert offer() == [Added(poor, 4_000, 4_000)]
        assert (match_of(rich), match_of(poor)) == (6_000, 4_000)

    def test_a_lapsed_hold_goes_to_a_paid_gift(self, campaign, fund, paid, offer):
        factories.pool(campaign=campaign, limit_minor=10_000)
        left = holds.Gift(uuid4(), "1", (Part(fund.pk, 10_000),), GIFT_AT)
        holds.hold(campaign_id=campaign.pk, gift=left, now=GIFT_AT)
        poor = paid(at=GIFT_AT + timedelta(minutes=1))
        holds.expire_lapsed(now=LATER)
        assert offer() == [Added(poor, 10_000, 10_000)]

    def test_a_late_payment_that_lacked_match_gets_what_comes_free(self, campaign, fund, paid, offer):
        pool = factories.pool(campaign=campaign, limit_minor=10_000)
        late = holds.Gift(uuid4(), "1", (Part(fund.pk, 10_000),), GIFT_AT)
        holds.hold(campaign_id=campaign.pk, gift=late, now=GIFT_AT)
        holds.release(key=late.key, now=GIFT_AT)
        paid(7_000, at=GIFT_AT + timedelta(minutes=20))
        assert late_gifts.match_late(key=late.key, now=LATER)[1] == 7_000
        assert shortfall(key=late.key) == 7_000
        pools.change_limit(pool_id=pool.pk, limit_minor=12_000, actor=SYSTEM, now=LATER)
        assert offer() == [Added(late.key, 2_000, 5_000)]
        assert shortfall(key=late.key) == 5_000

    def test_a_refund_that_failed_is_made_good_from_freed_money(self, campaign, paid, offer):
        pool = factories.pool(campaign=campaign, limit_minor=10_000)
        first = paid()
        refunds.settle_refund(key=first, refunded_minor=10_000, now=LATER)
        paid(7_000, at=GIFT_AT + timedelta(minutes=1))
        assert refunds.settle_refund(key=first, refunded_minor=0, now=LATER) == (3_000, 7_000)
        pools.change_limit(pool_id=pool.pk, limit_minor=16_000, actor=SYSTEM, now=LATER)
        assert offer() == [Added(first, 6_000, 9_000)]
        assert shortfall(key=first) == 1_000
        assert LedgerEntry.objects.filter(pool=pool).last().reason == "restore"

    def test_a_refund_that_failed_gives_no_gift_more_than_its_cap(self, campaign, paid, offer):
        """What the refund had freed went to the same gift: only the rest comes back."""
        factories.pool(campaign=campaign, cap_per_gift_minor=7_000)
        key = paid()
        refunds.settle_refund(key=key, refunded_minor=5_000, now=LATER)
        assert offer() == [Added(key, 1_500, 5_000)]
        refunds.settle_refund(key=key, refunded_minor=0, now=LATER)
        assert (match_of(key), shortfall(key=key)) == (7_000, 0)

    def test_a_refund_that_failed_gives_no_donor_more_than_their_cap(self, campaign, paid, offer):
        factories.pool(campaign=campaign, cap_per_donor_minor=10_000)
        first, second = paid(donor_key="ann"), paid(donor_key="ann", at=GIFT_AT + timedelta(minutes=1))
        refunds.settle_refund(key=first, refunded_minor=6_000, now=LATER)
        assert offer() == [Added(second, 6_000, 6_000)]
        assert refunds.settle_refund(key=first, refunded_minor=0, now=LATER) == (4_000, 6_000)
        assert list(WaitingGift.objects.values_list("reservation__key", "waits_for")) == [
            (first, "donor_cap"),
            (second, "donor_cap"),
        ]
        refunds.settle_refund(key=second, refunded_minor=10_000, now=LATER)
        assert offer() == [Added(first, 6_000, 10_000)]

    def test_a_refund_makes_no_shortfall_of_the_cents_that_are_rounded_down(self, campaign, paid):
        for priority in (1, 2, 3):
            factories.pool(campaign=campaign, limit_minor=3_333, priority=priority)
        key = paid(9_999)
        assert refunds.settle_refund(key=key, refunded_minor=1, now=LATER) == (9_996, 0)
        assert shortfall(key=key) == 0

    def test_a_gift_refunded_in_full_gets_nothing_more(self, campaign, paid, offer):
        pool = factories.pool(campaign=campaign, limit_minor=735)
        gone = paid()
        refunds.settle_refund(key=gone, refunded_minor=10_000, now=LATER)
        pools.change_limit(pool_id=pool.pk, limit_minor=50_000, actor=SYSTEM, now=LATER)
        assert (offer(), match_of(gone)) == ([], 0)

    def test_a_gift_refunded_in_part_is_matched_for_the_rest_and_refunds_go_on_from_there(self, campaign, paid, offer):
        pool = factories.pool(campaign=campaign, limit_minor=1)
        half = paid()
        refunds.settle_refund(key=half, refunded_minor=5_000, now=LATER)
        pools.change_limit(pool_id=pool.pk, limit_minor=50_000, actor=SYSTEM, now=LATER)
        assert offer() == [Added(half, 5_000, 5_000)]
        refunds.settle_refund(key=half, refunded_minor=7_500, now=LATER)
        assert match_of(half) == 2_500
        refunds.settle_refund(key=half, refunded_minor=10_000, now=LATER)
        assert match_of(half) == 0

    def test_the_rules_are_those_of_the_moment_when_the_gift_was_sent(self, campaign, paid, offer):
        pool = factories.pool(campaign=campaign, limit_minor=735)
        before = paid(10_000)
        pools.change_terms(
            pool_id=pool.pk, terms=pools.Terms(ratio_match=2), actor=SYSTEM, now=GIFT_AT + timedelta(minutes=1)
        )
        after = paid(10_000, at=GIFT_AT + timedelta(minutes=2))
        pools.change_limit(pool_id=pool.pk, limit_minor=100_000, actor=SYSTEM, now=LATER)
        offer()
        assert (match_of(before), match_of(after)) == (10_000, 20_000)

    def test_a_pool_opened_later_does_not_reach_back_unless_its_hours_say_so(self, campaign, paid, offer):
        gift = paid()
        factories.pool(campaign=campaign, limit_minor=3_000, now=LATER)
        assert (offer(), match_of(gift)) == ([], 0)
        factories.pool(campaign=campaign, limit_minor=4_000, now=LATER, opens_at=OPENS_AT)
        assert offer() == [Added(gift, 4_000, 4_000)]

    @pytest.mark.parametrize("stop", [{"is_paused": True}, {"halted_reason": "free is off by $0.01"}])
    def test_a_stopped_pool_offers_nothing_until_it_goes_on(self, campaign, paid, offer, stop):
        pool = factories.pool(campaign=campaign, limit_minor=735)
        gift = paid()
        pools.change_limit(pool_id=pool.pk, limit_minor=20_000, actor=SYSTEM, now=LATER)
        MatchPool.objects.filter(pk=pool.pk).update(**stop)
        assert offer() == []
        MatchPool.objects.filter(pk=pool.pk).update(is_paused=False, halted_reason="")
        assert offer() == [Added(gift, 9_265, 10_000)]

    def test_a_gift_sent_while_the_pool_was_paused_is_not_matched_for_it_later(self, campaign, paid, offer):
        pool = factories.pool(campaign=campaign)
        pools.set_paused(pool_id=pool.pk, paused=True, actor=SYSTEM, now=GIFT_AT)
        gift = paid()
        pools.set_paused(pool_id=pool.pk, paused=False, actor=SYSTEM, now=LATER)
        assert (offer(), match_of(gift)) == ([], 0)

    def test_room_under_a_donors_cap_is_given_to_their_next_gift(self, campaign, paid, offer):
        factories.pool(campaign=campaign, cap_per_donor_minor=10_000)
        first, second = paid(donor_key="7"), paid(donor_key="7", at=GIFT_AT + timedelta(minutes=1))
        assert (match_of(second), offer()) == (0, [])
        refunds.settle_refund(key=first, refunded_minor=4_000, now=LATER)
        assert offer() == [Added(second, 4_000, 4_000)]
        assert list(WaitingGift.objects.values_list("waits_for", flat=True)) == ["donor_cap"]

    def test_the_cap_of_a_donor_holds_over_two_gifts_of_one_batch(self, campaign, paid, offer):
        pool = factories.pool(campaign=campaign, limit_minor=1, cap_per_donor_minor=15_000)
        paid(1, donor_key="x")
        keys = [paid(donor_key="7", at=GIFT_AT + timedelta(minutes=n)) for n in (1, 2)]
        pools.change_limit(pool_id=pool.pk, limit_minor=100_000, actor=SYSTEM, now=LATER)
        assert offer() == [Added(keys[0], 10_000, 10_000), Added(keys[1], 5_000, 5_000)]

    def test_a_bonus_and_a_base_pool_each_give_their_own(self, campaign, paid, offer):
        base = factories.pool(campaign=campaign, limit_minor=1_000)
        bonus = factories.pool(campaign=campaign, limit_minor=2_000, layer="bonus")
        gift = paid()
        for pool in (base, bonus):
            pools.change_limit(pool_id=pool.pk, limit_minor=30_000, actor=SYSTEM, now=LATER)
        assert offer() == [Added(gift, 17_000, 20_000)]

    def test_what_a_bonus_pool_gave_covers_nothing_for_a_base_pool(self, campaign, paid, offer):
        base = factories.pool(campaign=campaign, limit_minor=735)
        factories.pool(campaign=campaign, layer="bonus")
        key = paid()
        pools.change_limit(pool_id=base.pk, limit_minor=50_000, actor=SYSTEM, now=LATER)
        assert offer() == [Added(key, 9_265, 20_000)]

    def test_a_split_gift_never_gets_more_than_its_parts(self, campaign, fund, paid, offer):
        other = factories.fund("Research")
        pool = factories.pool(campaign=campaign, limit_minor=1_000, fund_ids=(fund.pk,))
        gift = paid(parts=(Part(fund.pk, 4_000), Part(other.pk, 6_000)))
        pools.change_limit(pool_id=pool.pk, limit_minor=50_000, actor=SYSTEM, now=LATER)
        assert offer() == [Added(gift, 3_000, 4_000)]

    @pytest.mark.parametrize("layer", ["base", "bonus"])
    @pytest.mark.parametrize(
        ("pieces", "ratio"), product([[100], [7, 7, 7], [1, 1, 1]], [(3, 1), (3, 2), (2, 3), (1, 2)]), ids=str
    )
    def test_money_in_pieces_adds_up_to_what_it_gives_at_once(self, campaign, paid, offer, *, pieces, ratio, layer):
        terms = {"ratio_match": ratio[0], "ratio_gift": ratio[1], "layer": layer}
        pool = factories.pool(campaign=campaign, limit_minor=pieces[0], **terms)
        key = paid(10_001)
        for limit_minor in (*accumulate(pieces), 1_000_000):
            pools.change_limit(pool_id=pool.pk, limit_minor=limit_minor, actor=SYSTEM, now=LATER)
            offer()
        assert match_of(key) == 10_001 * ratio[0] // ratio[1]
        assert WaitingGift.objects.count() == 0

    def test_a_gift_being_paid_when_a_pool_opens_that_reaches_back_gets_its_match(self, campaign, fund, offer):
        gift = holds.Gift(uuid4(), "1", (Part(fund.pk, 10_000),), GIFT_AT)
        holds.hold(campaign_id=campaign.pk, gift=gift, now=GIFT_AT)
        factories.pool(campaign=campaign, now=GIFT_AT + timedelta(minutes=1), opens_at=OPENS_AT)
        holds.commit(key=gift.key, now=GIFT_AT + timedelta(minutes=2))
        assert offer() == [Added(gift.key, 10_000, 10_000)]

    def test_a_full_refund_that_failed_leaves_a_gift_in_line_for_a_pool_opened_since(self, campaign, paid, offer):
        factories.pool(campaign=campaign, limit_minor=1)
        key = paid()
        factories.pool(campaign=campaign, now=GIFT_AT + timedelta(minutes=1), opens_at=OPENS_AT)
        refunds.settle_refund(key=key, refunded_minor=10_000, now=LATER)
        refunds.settle_refund(key=key, refunded_minor=0, now=LATER)
        assert offer() == [Added(key, 9_999, 10_000)]

    def test_the_switch_of_the_campaign_turns_it_off(self, campaign, paid, offer):
        pool = factories.pool(campaign=campaign, limit_minor=735)
        paid()
        pools.change_limit(pool_id=pool.pk, limit_minor=20_000, actor=SYSTEM, now=LATER)
        type(campaign).objects.filter(pk=campaign.pk).update(offers_freed_match=False)
        assert offer() == []

    def test_a_locked_pool_that_reaches_back_serves_the_earlier_gifts_once_unlocked(self, campaign, paid, offer):
        pool = factories.pool(campaign=campaign, limit_minor=15_000, unlock_donors=2, reaches_back=True)
        first = paid()
        assert offer() == []
        second = paid(at=GIFT_AT + timedelta(minutes=1))
        assert (match_of(first), match_of(second)) == (0, 0)
        challenges.settle_challenges(campaign=campaign, now=LATER)
        assert offer() == [Added(first, 10_000, 10_000), Added(second, 5_000, 5_000)]
        pool.refresh_from_db()
        assert pool.unlocked_at == LATER

    def test_a_gift_served_by_one_pool_goes_on_waiting_for_a_locked_one(self, campaign, paid, offer):
        open_pool = factories.pool(campaign=campaign, limit_minor=735, priority=1)
        factories.pool(campaign=campaign, limit_minor=50_000, priority=2, unlock_donors=2, reaches_back=True)
        first = paid(donor_key="ann")
        pools.change_limit(pool_id=open_pool.pk, limit_minor=5_735, actor=SYSTEM, now=LATER)
        assert offer() == [Added(first, 5_000, 5_735)]
        second = paid(donor_key="ben", at=GIFT_AT + timedelta(minutes=3))
        challenges.settle_challenges(campaign=campaign, now=LATER)
        assert offer() == [Added(first, 4_265, 10_000), Added(second, 10_000, 10_000)]

    def test_a_locked_pool_that_does_not_reach_back_serves_only_gifts_after_it(self, campaign, paid, offer):
        factories.pool(campaign=campaign, unlock_donors=1)
        first = paid()
        challenges.settle_challenges(campaign=campaign, now=GIFT_AT + timedelta(minutes=1))
        second = paid(at=GIFT_AT + timedelta(minutes=2))
        assert (offer(), match_of(first), match_of(second)) == ([], 0, 10_000)


class TestOfflineAndCorrected:
    def offline(self, fund, amount_minor=10_000, *, at=GIFT_AT, key=None):
        return holds.Gift(key or uuid4(), "9", (Part(fund.pk, amount_minor),), at, offline=True)

    def test_a_cheque_is_matched_at_once_by_the_moment_it_was_received(self, campaign, fund):
        pool = factories.pool(campaign=campaign, closes_at=GIFT_AT + timedelta(minutes=1))
        matched = late_gifts.match_offline(campaign_id=campaign.pk, gift=self.offline(fund), now=LATER, actor="staff:7")
        assert (matched.state, matched.match_minor) == ("committed", 10_000)
        assert list(pool.entries.values_list("reason", "actor"))[1:] == [("hold", "staff:7"), ("commit", "staff:7")]

    def test_a_cheque_received_before_a_pause_and_entered_in_it_is_matched_when_the_pool_goes_on(
        self, campaign, fund, offer
    ):
        pool = factories.pool(campaign=campaign)
        pools.set_paused(pool_id=pool.pk, paused=True, actor=SYSTEM, now=GIFT_AT + timedelta(minutes=5))
        gift = self.offline(fund)
        late_gifts.match_offline(campaign_id=campaign.pk, gift=gift, now=GIFT_AT + timedelta(minutes=6), actor=SYSTEM)
        assert offer() == []
        pools.set_paused(pool_id=pool.pk, paused=False, actor=SYSTEM, now=LATER)
        assert offer() == [Added(gift.key, 10_000, 10_000)]

    def test_a_cheque_received_in_a_pause_is_not_matched_however_late_it_is_entered(self, campaign, fund, offer):
        pool = factories.pool(campaign=campaign)
        pools.set_paused(pool_id=pool.pk, paused=True, actor=SYSTEM, now=GIFT_AT - timedelta(minutes=5))
        pools.set_paused(pool_id=pool.pk, paused=False, actor=SYSTEM, now=GIFT_AT + timedelta(minutes=5))
        made = late_gifts.match_offline(campaign_id=campaign.pk, gift=self.offline(fund), now=LATER, actor=SYSTEM)
        assert (made.match_minor, made.explanation[0][-1], offer()) == (0, "paused", [])

    def test_a_repeat_returns_the_first_and_another_gift_under_its_key_is_refused(self, campaign, fund):
        factories.pool(campaign=campaign)
        gift = self.offline(fund)
        first = late_gifts.match_offline(campaign_id=campaign.pk, gift=gift, now=LATER, actor="staff:7")
        again = late_gifts.match_offline(campaign_id=campaign.pk, gift=gift, now=LATER, actor="staff:7")
        assert again == first
        other = self.offline(fund, 5, key=gift.key)
        with pytest.raises(holds.KeyReused):
            late_gifts.match_offline(campaign_id=campaign.pk, gift=other, now=LATER, actor="staff:7")

    def test_a_correction_keeps_its_own_money_and_voids_the_old_match(self, campaign, fund):
        pool = factories.pool(campaign=campaign, limit_minor=10_000)
        wrong = self.offline(fund)
        late_gifts.match_offline(campaign_id=campaign.pk, gift=wrong, now=LATER, actor="staff:7")
        right = late_gifts.correct(key=wrong.key, gift=self.offline(fund, 9_000), now=LATER, actor="staff:7")
        assert (right.state, right.match_minor) == ("committed", 9_000)
        old = Reservation.objects.get(key=wrong.key)
        assert (old.state, old.match_minor) == ("voided", 0)
        pool.refresh_from_db()
        assert (pool.free_minor, pool.held_minor, pool.matched_minor) == (1_000, 0, 9_000)
        assert check_campaigns() == []

    def test_a_corrected_gift_cannot_be_corrected_held_or_committed_again(self, campaign, fund):
        factories.pool(campaign=campaign)
        wrong = self.offline(fund)
        late_gifts.match_offline(campaign_id=campaign.pk, gift=wrong, now=LATER, actor="staff:7")
        late_gifts.correct(key=wrong.key, gift=self.offline(fund, 9_000), now=LATER, actor="staff:7")
        count = LedgerEntry.objects.count()
        with pytest.raises(holds.NoReservation):
            late_gifts.correct(key=wrong.key, gift=self.offline(fund), now=LATER, actor="staff:7")
        with pytest.raises(holds.HoldAlreadyVoided):
            holds.commit(key=wrong.key, now=LATER)
        with pytest.raises(holds.HoldAlreadyVoided):
            holds.hold(campaign_id=campaign.pk, gift=wrong, now=LATER)
        assert LedgerEntry.objects.count() == count

    def test_a_refunded_gift_is_not_corrected(self, campaign, fund):
        factories.pool(campaign=campaign)
        gift = self.offline(fund)
        late_gifts.match_offline(campaign_id=campaign.pk, gift=gift, now=LATER, actor="staff:7")
        refunds.settle_refund(key=gift.key, refunded_minor=1, now=LATER)
        with pytest.raises(late_gifts.GiftRefunded):
            late_gifts.correct(key=gift.key, gift=self.offline(fund, 9_000), now=LATER, actor="staff:7")


class TestCost:
    def test_a_batch_of_many_gifts_costs_as_many_queries_as_one_of_few(
        self, campaign, paid, django_assert_max_num_queries
    ):
        """Pools with a cap per donor and terms that were changed since: nothing of it is asked gift by gift."""
        pool = factories.pool(campaign=campaign, limit_minor=100, cap_per_donor_minor=50_000)
        for _ in range(30):
            paid(1_000)
        terms = pools.Terms(cap_per_donor_minor=60_000)
        pools.change_terms(pool_id=pool.pk, terms=terms, actor="system", now=LATER)
        pools.change_limit(pool_id=pool.pk, limit_minor=1_000_000, actor="system", now=LATER)
        with django_assert_max_num_queries(20):
            batch = offer_batch(campaign_id=campaign.pk, now=LATER)
        assert [row.added_minor for row in batch.added] == [900] + [1_000] * 29
        assert check_campaigns() == []

    def test_gifts_of_nobody_known_are_not_added_up_under_a_cap(self, campaign, fund, offer):
        """As at first: a cap per donor needs a donor."""
        pool = factories.pool(campaign=campaign, limit_minor=100, cap_per_donor_minor=1_000)
        for _ in range(2):
            gift = holds.Gift(uuid4(), "", (Part(fund.pk, 1_000),), GIFT_AT)
            holds.hold(campaign_id=campaign.pk, gift=gift, now=GIFT_AT)
            holds.commit(key=gift.key, now=GIFT_AT)
        pools.change_limit(pool_id=pool.pk, limit_minor=10_000, actor="system", now=LATER)
        assert [row.match_minor for row in offer()] == [1_000, 1_000]


@pytest.mark.django_db(transaction=True)
def test_a_gift_that_is_being_corrected_gets_nothing_more(campaign, fund, paid):
    """The batch found it in line and waited for it; when it had it, it was voided. Who waits behind it is served."""
    pool = factories.pool(campaign=campaign, limit_minor=735)
    wrong = holds.Gift(uuid4(), "1", (Part(fund.pk, 10_000),), GIFT_AT, offline=True)
    late_gifts.match_offline(campaign_id=campaign.pk, gift=wrong, now=GIFT_AT, actor=STAFF)
    next_key = paid()
    pools.change_limit(pool_id=pool.pk, limit_minor=1_000, actor=STAFF, now=GIFT_AT)
    right = replace(wrong, key=uuid4(), parts=(Part(fund.pk, 500),))
    with transaction.atomic():
        late_gifts.correct(key=wrong.key, gift=right, now=LATER, actor=STAFF)
        beside = Beside(lambda: offer_batch(campaign_id=campaign.pk, now=LATER))
        someone_waits_for_a_lock()
    assert beside.finish().added == [Added(next_key, 500, 500)]
    assert (match_of(right.key), check_campaigns()) == (500, [])
