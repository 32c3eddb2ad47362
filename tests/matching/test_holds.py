"""Holding, committing, releasing, expiring, refunding: each once, whole, and in the ledger."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError

from matching import holds, late_gifts, pools, refunds
from matching.allocation import Part
from matching.checking import check_campaigns
from matching.models import LedgerEntry, Reservation
from matching.queries import gift_match, pool_figures, quote
from tests import factories
from tests.factories import GIFT_AT

pytestmark = pytest.mark.django_db


def gift(fund, amount_minor=10_000, *, donor_key="1", at=GIFT_AT, key=None):
    return holds.Gift(key=key or uuid4(), donor_key=donor_key, parts=(Part(fund.pk, amount_minor),), submitted_at=at)


@pytest.fixture
def campaign():
    return factories.campaign()


@pytest.fixture
def fund(campaign):
    return campaign.funds.get()


def balances(pool):
    pool.refresh_from_db()
    return pool.free_minor, pool.held_minor, pool.matched_minor


def entries(pool):
    return list(pool.entries.values_list("reason", "amount_minor"))


class TestHold:
    def test_it_holds_the_match_and_says_until_when(self, campaign, fund):
        pool = factories.pool(campaign=campaign, limit_minor=50_000)
        reservation = holds.hold(campaign_id=campaign.pk, gift=gift(fund), now=GIFT_AT)
        assert (reservation.state, reservation.match_minor) == ("held", 10_000)
        assert reservation.held_until == GIFT_AT + timedelta(seconds=900)
        assert balances(pool) == (40_000, 10_000, 0)
        assert entries(pool) == [("pledge", 50_000), ("hold", 10_000)]

    def test_no_money_left_is_an_empty_reservation(self, campaign, fund):
        reservation = holds.hold(campaign_id=campaign.pk, gift=gift(fund), now=GIFT_AT)
        assert (reservation.match_minor, reservation.allocations.count()) == (0, 0)

    def test_a_repeat_returns_the_first_and_writes_nothing(self, campaign, fund):
        pool = factories.pool(campaign=campaign)
        asked = gift(fund)
        first = holds.hold(campaign_id=campaign.pk, gift=asked, now=GIFT_AT)
        again = holds.hold(campaign_id=campaign.pk, gift=asked, now=GIFT_AT + timedelta(minutes=1))
        assert again == first
        assert LedgerEntry.objects.filter(pool=pool, reason="hold").count() == 1

    def test_the_same_key_for_another_amount_is_refused(self, campaign, fund):
        factories.pool(campaign=campaign)
        asked = gift(fund)
        holds.hold(campaign_id=campaign.pk, gift=asked, now=GIFT_AT)
        with pytest.raises(holds.KeyReused):
            holds.hold(campaign_id=campaign.pk, gift=gift(fund, 9_999, key=asked.key), now=GIFT_AT)

    def test_a_gift_over_three_pools_takes_from_each_in_order(self, campaign, fund):
        first = factories.pool(campaign=campaign, limit_minor=3_000, priority=1)
        second = factories.pool(campaign=campaign, limit_minor=4_000, priority=2)
        bonus = factories.pool(campaign=campaign, limit_minor=99_000, layer="bonus")
        reservation = holds.hold(campaign_id=campaign.pk, gift=gift(fund), now=GIFT_AT)
        taken = {row.pool_id: row.amount_minor for row in reservation.allocations.all()}
        assert taken == {first.pk: 3_000, second.pk: 4_000, bonus.pk: 10_000}
        assert check_campaigns() == []

    def test_a_cap_per_donor_counts_what_the_donor_holds_already(self, campaign, fund):
        factories.pool(campaign=campaign, cap_per_donor_minor=15_000)
        first = holds.hold(campaign_id=campaign.pk, gift=gift(fund, donor_key="7"), now=GIFT_AT)
        second = holds.hold(campaign_id=campaign.pk, gift=gift(fund, donor_key="7"), now=GIFT_AT)
        other = holds.hold(campaign_id=campaign.pk, gift=gift(fund, donor_key="8"), now=GIFT_AT)
        assert [row.match_minor for row in (first, second, other)] == [10_000, 5_000, 10_000]

    def test_a_lapsed_hold_is_free_for_the_next_donor_without_any_sweep(self, campaign, fund):
        pool = factories.pool(campaign=campaign, limit_minor=10_000)
        lost = holds.hold(campaign_id=campaign.pk, gift=gift(fund), now=GIFT_AT)
        early = holds.hold(campaign_id=campaign.pk, gift=gift(fund), now=GIFT_AT + timedelta(seconds=899))
        later = GIFT_AT + timedelta(seconds=900)
        won = holds.hold(campaign_id=campaign.pk, gift=gift(fund, at=later), now=later)
        lost.refresh_from_db()
        assert (early.match_minor, won.match_minor, lost.state) == (0, 10_000, "expired")
        assert balances(pool) == (0, 10_000, 0)

    def test_a_lapsed_hold_over_two_pools_frees_the_pool_that_the_next_gift_does_not_touch(self, campaign, fund):
        other = factories.fund("Research")
        mine = factories.pool(campaign=campaign, limit_minor=10_000, fund_ids=(fund.pk,))
        theirs = factories.pool(campaign=campaign, limit_minor=10_000, fund_ids=(other.pk,))
        both = holds.Gift(uuid4(), "1", (Part(fund.pk, 5_000), Part(other.pk, 5_000)), GIFT_AT)
        holds.hold(campaign_id=campaign.pk, gift=both, now=GIFT_AT)
        later = GIFT_AT + timedelta(hours=1)
        holds.hold(campaign_id=campaign.pk, gift=gift(fund, at=later), now=later)
        assert (balances(mine), balances(theirs)) == ((0, 10_000, 0), (10_000, 0, 0))

    def test_public_figures_count_a_lapsed_hold_as_free(self, campaign, fund):
        factories.pool(campaign=campaign, limit_minor=10_000)
        holds.hold(campaign_id=campaign.pk, gift=gift(fund, 6_000), now=GIFT_AT)
        before = pool_figures(campaign=campaign, now=GIFT_AT)[0]
        after = pool_figures(campaign=campaign, now=GIFT_AT + timedelta(hours=1))[0]
        assert (before.held_minor, before.free_minor) == (6_000, 4_000)
        assert (after.held_minor, after.free_minor) == (0, 10_000)
        forecast = quote(campaign=campaign, parts=[(fund.pk, 10_000)], now=GIFT_AT + timedelta(hours=1))
        assert (forecast.match_minor, forecast.sponsor_names) == (10_000, ["The Harbor Family"])

    def test_a_paused_or_halted_pool_gives_nothing(self, campaign, fund):
        paused, halted = factories.pool(campaign=campaign), factories.pool(campaign=campaign)
        type(paused).objects.filter(pk=paused.pk).update(is_paused=True)
        type(halted).objects.filter(pk=halted.pk).update(halted_reason="free is off by $0.01")
        reservation = holds.hold(campaign_id=campaign.pk, gift=gift(fund), now=GIFT_AT)
        assert reservation.match_minor == 0
        assert [bound for *_, bound in reservation.explanation] == ["paused", "paused"]

    def test_no_match_outlives_its_campaign(self, campaign, fund):
        pool = factories.pool(campaign=campaign)
        last, late = campaign.closes_at - timedelta(microseconds=1), campaign.closes_at
        matches = [
            holds.hold(campaign_id=campaign.pk, gift=gift(fund, at=moment), now=moment).match_minor
            for moment in (last, late)
        ]
        assert matches == [10_000, 0]
        assert quote(campaign=campaign, parts=[(fund.pk, 100)], now=late).match_minor == 0
        assert [row.state for row in pool_figures(campaign=campaign, now=late)] == ["closed"]
        assert pool.is_paused is False

    def test_it_explains_every_pool_it_considered(self, campaign, fund):
        factories.pool(campaign=campaign, limit_minor=735)
        factories.pool(campaign=campaign, min_gift_minor=1_000_000)
        asked = gift(fund)
        holds.hold(campaign_id=campaign.pk, gift=asked, now=GIFT_AT)
        match = gift_match(key=asked.key)
        assert match is not None
        assert match.reasons == [
            "$7.35 from The Harbor Family: the sponsor’s money had run out.",
            "$0 from The Harbor Family: this match begins with gifts of $10,000.",
        ]


RESOLUTIONS = {
    "commit": (holds.commit, "committed", holds.HoldAlreadyCommitted),
    "release": (holds.release, "released", holds.HoldAlreadyReleased),
    "expire": (None, "expired", holds.HoldAlreadyExpired),
}


def resolve(name, key):
    if name == "expire":
        holds.expire_lapsed(now=GIFT_AT + timedelta(hours=1))
    else:
        RESOLUTIONS[name][0](key=key, now=GIFT_AT)


class TestResolution:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [("commit", (40_000, 0, 10_000)), ("release", (50_000, 0, 0)), ("expire", (50_000, 0, 0))],
    )
    def test_it_moves_the_held_money_once(self, campaign, fund, name, expected):
        pool = factories.pool(campaign=campaign, limit_minor=50_000)
        reservation = holds.hold(campaign_id=campaign.pk, gift=gift(fund), now=GIFT_AT)
        resolve(name, reservation.key)
        reservation.refresh_from_db()
        assert (reservation.state, balances(pool)) == (RESOLUTIONS[name][1], expected)
        assert entries(pool)[-1] == (name, 10_000)
        assert check_campaigns() == []

    @pytest.mark.parametrize("first", RESOLUTIONS)
    @pytest.mark.parametrize("second", ["commit", "release"])
    def test_a_second_resolution_is_a_typed_error_and_writes_nothing(self, campaign, fund, first, second):
        pool = factories.pool(campaign=campaign, limit_minor=50_000)
        reservation = holds.hold(campaign_id=campaign.pk, gift=gift(fund), now=GIFT_AT)
        resolve(first, reservation.key)
        before = (balances(pool), entries(pool))
        with pytest.raises(RESOLUTIONS[first][2]):
            resolve(second, reservation.key)
        assert (balances(pool), entries(pool)) == before

    @pytest.mark.parametrize("first", RESOLUTIONS)
    def test_expiring_again_writes_nothing(self, campaign, fund, first):
        pool = factories.pool(campaign=campaign, limit_minor=50_000)
        reservation = holds.hold(campaign_id=campaign.pk, gift=gift(fund), now=GIFT_AT)
        resolve(first, reservation.key)
        before = entries(pool)
        assert holds.expire_lapsed(now=GIFT_AT + timedelta(days=1)) == 0
        assert entries(pool) == before

    def test_a_key_that_held_nothing_is_named(self):
        with pytest.raises(holds.NoReservation):
            holds.commit(key=uuid4(), now=GIFT_AT)

    def test_an_extended_hold_does_not_lapse_until_its_new_end(self, campaign, fund):
        factories.pool(campaign=campaign)
        reservation = holds.hold(campaign_id=campaign.pk, gift=gift(fund), now=GIFT_AT)
        assert holds.extend(key=reservation.key, until=GIFT_AT + timedelta(days=4))
        assert holds.expire_lapsed(now=GIFT_AT + timedelta(days=3)) == 0
        assert holds.extend(key=reservation.key, until=GIFT_AT + timedelta(days=1))
        reservation.refresh_from_db()
        assert reservation.held_until == GIFT_AT + timedelta(days=4)

    def test_no_hold_is_extended_beyond_the_limit(self, campaign, fund):
        factories.pool(campaign=campaign)
        reservation = holds.hold(campaign_id=campaign.pk, gift=gift(fund), now=GIFT_AT)
        holds.extend(key=reservation.key, until=GIFT_AT + timedelta(days=400))
        reservation.refresh_from_db()
        assert reservation.held_until == GIFT_AT + holds.LONGEST_HOLD

    def test_asking_again_and_again_does_not_move_the_limit(self, campaign, fund):
        factories.pool(campaign=campaign)
        reservation = holds.hold(campaign_id=campaign.pk, gift=gift(fund), now=GIFT_AT)
        for minutes in (5, 30, 55, 61, 120):
            until = GIFT_AT + timedelta(minutes=minutes + 10)
            holds.extend(key=reservation.key, until=until, longest=timedelta(hours=1))
        reservation.refresh_from_db()
        assert reservation.held_until == GIFT_AT + timedelta(hours=1)


class TestLatePayment:
    def test_it_is_matched_again_from_free_money(self, campaign, fund):
        pool = factories.pool(campaign=campaign, limit_minor=50_000)
        reservation = holds.hold(campaign_id=campaign.pk, gift=gift(fund), now=GIFT_AT)
        resolve("expire", reservation.key)
        matched, shortfall = late_gifts.match_late(key=reservation.key, now=GIFT_AT + timedelta(hours=2))
        assert (matched.match_minor, shortfall, balances(pool)) == (10_000, 0, (40_000, 0, 10_000))
        assert Reservation.objects.filter(key=reservation.key).count() == 2

    def test_what_is_missing_is_the_shortfall(self, campaign, fund):
        pool = factories.pool(campaign=campaign, limit_minor=10_000)
        late = holds.hold(campaign_id=campaign.pk, gift=gift(fund), now=GIFT_AT)
        later = GIFT_AT + timedelta(hours=1)
        quick = holds.hold(campaign_id=campaign.pk, gift=gift(fund, 6_000, at=later), now=later)
        matched, shortfall = late_gifts.match_late(key=late.key, now=later)
        assert (matched.match_minor, shortfall, quick.match_minor) == (4_000, 6_000, 6_000)
        assert balances(pool) == (0, 6_000, 4_000)

    def test_the_rules_are_those_of_the_moment_it_was_submitted(self, campaign, fund):
        pool = factories.pool(campaign=campaign, limit_minor=50_000, now=GIFT_AT - timedelta(days=1))
        late = holds.hold(campaign_id=campaign.pk, gift=gift(fund), now=GIFT_AT)
        resolve("expire", late.key)
        changed = pools.Terms(min_gift_minor=99_999)
        pools.change_terms(pool_id=pool.pk, terms=changed, actor="staff:1", now=GIFT_AT + timedelta(hours=2))
        matched, shortfall = late_gifts.match_late(key=late.key, now=GIFT_AT + timedelta(hours=3))
        assert (matched.match_minor, shortfall) == (10_000, 0)
        assert [row.terms.version for row in matched.allocations.all()] == [1]

    def test_terms_changed_by_two_people_at_one_moment_follow_each_other(self, campaign):
        """The second looked at the clock first, and then waited for the pool."""
        pool = factories.pool(campaign=campaign, now=GIFT_AT - timedelta(days=1))
        for seconds, least_minor in ((0, 1_000), (-2, 2_000)):
            terms, now = pools.Terms(min_gift_minor=least_minor), GIFT_AT + timedelta(seconds=seconds)
            pools.change_terms(pool_id=pool.pk, terms=terms, actor="staff:1", now=now)
        pool.refresh_from_db()
        assert list(pool.terms_versions.order_by("version").values_list("min_gift_minor", "created_at"))[1:] == [
            (1_000, GIFT_AT),
            (2_000, GIFT_AT),
        ]
        assert pool.terms_at(GIFT_AT).min_gift_minor == 2_000


class TestRefund:
    def committed(self, campaign, fund, amount_minor=10_000):
        reservation = holds.hold(campaign_id=campaign.pk, gift=gift(fund, amount_minor), now=GIFT_AT)
        holds.commit(key=reservation.key, now=GIFT_AT)
        return reservation

    def test_two_partial_refunds_equal_one(self, campaign, fund):
        one = factories.pool(campaign=campaign, limit_minor=50_000, ratio_gift=3)
        first = self.committed(campaign, fund, 9_999)
        second = self.committed(campaign, fund, 9_999)
        for refunded in (1_111, 4_321):
            refunds.settle_refund(key=first.key, refunded_minor=refunded, now=GIFT_AT)
        refunds.settle_refund(key=second.key, refunded_minor=4_321, now=GIFT_AT)
        first_kept, second_kept = (gift_match(key=row.key).match_minor for row in (first, second))
        assert first_kept == second_kept == 3_333 * (9_999 - 4_321) // 9_999
        assert balances(one)[2] == 2 * first_kept
        assert check_campaigns() == []

    def test_a_repeat_writes_nothing(self, campaign, fund):
        pool = factories.pool(campaign=campaign)
        reservation = self.committed(campaign, fund)
        refunds.settle_refund(key=reservation.key, refunded_minor=5_000, now=GIFT_AT)
        before = entries(pool)
        assert refunds.settle_refund(key=reservation.key, refunded_minor=5_000, now=GIFT_AT) == (5_000, 0)
        assert entries(pool) == before

    def test_a_failed_refund_restores_what_free_money_allows(self, campaign, fund):
        pool = factories.pool(campaign=campaign, limit_minor=10_000)
        reservation = self.committed(campaign, fund)
        refunds.settle_refund(key=reservation.key, refunded_minor=10_000, now=GIFT_AT)
        self.committed(campaign, fund, 7_000)
        assert refunds.settle_refund(key=reservation.key, refunded_minor=0, now=GIFT_AT) == (3_000, 7_000)
        assert balances(pool) == (0, 0, 10_000)
        assert check_campaigns() == []


class TestLimit:
    def test_it_grows_and_shrinks_by_entries(self, campaign):
        pool = factories.pool(campaign=campaign, limit_minor=10_000)
        pools.change_limit(pool_id=pool.pk, limit_minor=25_000, actor="staff:1", now=GIFT_AT)
        pools.change_limit(pool_id=pool.pk, limit_minor=12_000, actor="staff:1", now=GIFT_AT)
        assert entries(pool) == [("pledge", 10_000), ("pledge", 15_000), ("unpledge", 13_000)]
        assert (pool.refresh_from_db(), pool.limit_minor, balances(pool)) == (None, 12_000, (12_000, 0, 0))

    def test_it_never_goes_below_what_was_promised(self, campaign, fund):
        pool = factories.pool(campaign=campaign, limit_minor=10_000)
        holds.hold(campaign_id=campaign.pk, gift=gift(fund, 8_000), now=GIFT_AT)
        with pytest.raises(pools.LimitBelowPromises, match=r"\$80\.00"):
            pools.change_limit(pool_id=pool.pk, limit_minor=7_999, actor="staff:1", now=GIFT_AT)

    def test_an_entry_that_overdraws_is_refused_by_the_database(self, campaign):
        from matching.ledger import Move, post

        pool = factories.pool(campaign=campaign, limit_minor=100)
        with pytest.raises(IntegrityError, match="pool_free_is_not_negative"):
            post([Move(pool, "unpledge", 101)], actor="system", now=GIFT_AT)
