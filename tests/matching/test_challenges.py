"""Locked pools and lump sums: what counts, when they give, what refunds take back."""

from datetime import timedelta
from uuid import uuid4

import pytest

from matching import challenges, holds, pools, refunds
from matching.allocation import AWARD, Part
from matching.checking import check_campaigns
from matching.ledger import SYSTEM
from tests import factories
from tests.factories import CLOSES_AT, GIFT_AT

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign():
    return factories.campaign()


@pytest.fixture
def paid(campaign):
    def make(amount_minor=10_000, *, donor_key="", at=GIFT_AT, fund=None):
        parts = (Part((fund or campaign.funds.first()).pk, amount_minor),)
        gift = holds.Gift(uuid4(), donor_key or str(uuid4()), parts, at)
        holds.hold(campaign_id=campaign.pk, gift=gift, now=at)
        holds.commit(key=gift.key, now=at)
        return gift.key

    return make


def settle(campaign, *, at=GIFT_AT + timedelta(minutes=5)):
    challenges.settle_challenges(campaign=campaign, now=at)
    assert check_campaigns() == []


def given(pool):
    pool.refresh_from_db()
    return pool.matched_minor


def award(campaign, *, limit_minor=5_000_000, **terms):
    wanted = {"layer": AWARD, "award_minor": 5_000_000, "unlock_donors": 3} | terms
    return factories.pool(campaign=campaign, limit_minor=limit_minor, **wanted)


class TestProgress:
    def test_each_donor_counts_once_and_refunded_gifts_not_at_all(self, campaign, paid):
        pool = factories.pool(campaign=campaign, unlock_donors=3)
        paid(donor_key="1")
        paid(donor_key="1")
        paid(donor_key="2")
        gone, part = paid(donor_key="3"), paid(donor_key="4")
        refunds.settle_refund(key=gone, refunded_minor=10_000, now=GIFT_AT)
        refunds.settle_refund(key=part, refunded_minor=2_500, now=GIFT_AT)
        found = challenges.progress(campaign=campaign, terms=pool.terms)
        assert found == challenges.Progress(3, 37_500, 3, None)
        assert found.times == 1

    def test_only_gifts_within_its_hours_and_to_its_funds_count(self, campaign, paid):
        research = factories.fund("Research")
        opens, closes = GIFT_AT, GIFT_AT + timedelta(hours=1)
        terms = {"unlock_raised_minor": 20_000, "fund_ids": (research.pk,), "opens_at": opens, "closes_at": closes}
        pool = factories.pool(campaign=campaign, **terms)
        paid(500, fund=research, at=opens - timedelta(microseconds=1))
        paid(600, fund=research, at=closes)
        paid(700)
        paid(19_999, fund=research, at=opens)
        found = challenges.progress(campaign=campaign, terms=pool.terms)
        assert found == challenges.Progress(1, 19_999, None, 20_000)
        assert found.times == 0

    def test_of_a_split_gift_only_the_part_for_its_fund_counts_less_its_share_of_refunds(self, campaign):
        education, research = campaign.funds.first(), factories.fund("Research")
        pool = factories.pool(campaign=campaign, unlock_raised_minor=10_000, fund_ids=(research.pk,))
        gift = holds.Gift(uuid4(), "7", (Part(education.pk, 6_000), Part(research.pk, 4_000)), GIFT_AT)
        holds.hold(campaign_id=campaign.pk, gift=gift, now=GIFT_AT)
        holds.commit(key=gift.key, now=GIFT_AT)
        refunds.settle_refund(key=gift.key, refunded_minor=5_000, now=GIFT_AT)
        assert challenges.progress(campaign=campaign, terms=pool.terms) == challenges.Progress(1, 2_000, None, 10_000)

    def test_a_part_of_which_less_than_a_cent_is_left_counts_nothing(self, campaign):
        education, research = campaign.funds.first(), factories.fund("Research")
        pool = factories.pool(campaign=campaign, unlock_donors=1, fund_ids=(research.pk,))
        gift = holds.Gift(uuid4(), "7", (Part(education.pk, 1_000), Part(research.pk, 1)), GIFT_AT)
        holds.hold(campaign_id=campaign.pk, gift=gift, now=GIFT_AT)
        holds.commit(key=gift.key, now=GIFT_AT)
        assert challenges.progress(campaign=campaign, terms=pool.terms) == challenges.Progress(1, 1, 1, None)
        refunds.settle_refund(key=gift.key, refunded_minor=199, now=GIFT_AT)
        assert challenges.progress(campaign=campaign, terms=pool.terms) == challenges.Progress(0, 0, 1, None)


class TestLockedPools:
    def test_it_unlocks_once_and_stays_unlocked(self, campaign, paid):
        pool = factories.pool(campaign=campaign, unlock_raised_minor=20_000)
        first = paid()
        settle(campaign)
        pool.refresh_from_db()
        assert pool.unlocked_at is None
        paid()
        settle(campaign)
        refunds.settle_refund(key=first, refunded_minor=10_000, now=GIFT_AT)
        settle(campaign, at=GIFT_AT + timedelta(hours=2))
        pool.refresh_from_db()
        assert pool.unlocked_at == GIFT_AT + timedelta(minutes=5)

    def test_taking_the_challenge_off_leaves_the_pool_unlocked(self, campaign, paid):
        pool = factories.pool(campaign=campaign, unlock_donors=100)
        pools.change_terms(pool_id=pool.pk, terms=pools.Terms(), actor=SYSTEM, now=GIFT_AT)
        pool.refresh_from_db()
        assert pool.unlocked_at == GIFT_AT
        paid(at=GIFT_AT + timedelta(minutes=1))
        assert given(pool) == 10_000


class TestAwards:
    def test_it_gives_its_sum_once_when_the_target_is_reached(self, campaign, paid):
        pool = award(campaign)
        for _ in range(2):
            paid()
        settle(campaign)
        assert given(pool) == 0
        for _ in range(5):
            paid()
        settle(campaign)
        settle(campaign)
        assert given(pool) == 5_000_000
        assert list(pool.entries.values_list("reason", "amount_minor"))[1:] == [("award", 5_000_000)]

    def test_it_matches_no_gift(self, campaign, paid):
        award(campaign)
        key = paid()
        assert holds.latest(key).explanation == []

    def test_every_n_donors_gives_again_while_there_is_money(self, campaign, paid):
        pool = award(campaign, limit_minor=250, award_minor=100, unlock_donors=2, award_every=True)
        for _ in range(9):
            paid()
        settle(campaign)
        assert given(pool) == 200

    def test_refunds_before_the_close_take_it_back_and_new_gifts_bring_it_again(self, campaign, paid):
        pool = award(campaign, award_minor=100, limit_minor=100)
        first, *_ = [paid() for _ in range(3)]
        settle(campaign)
        refunds.settle_refund(key=first, refunded_minor=10_000, now=GIFT_AT)
        settle(campaign)
        assert given(pool) == 0
        paid()
        settle(campaign)
        assert given(pool) == 100
        assert list(pool.entries.values_list("reason", flat=True))[1:] == ["award", "withdraw", "award"]

    def test_after_the_close_nothing_is_taken_back(self, campaign, paid):
        pool = award(campaign, award_minor=100, limit_minor=100)
        first, *_ = [paid() for _ in range(3)]
        settle(campaign)
        refunds.settle_refund(key=first, refunded_minor=10_000, now=CLOSES_AT)
        settle(campaign, at=CLOSES_AT)
        assert given(pool) == 100

    def test_a_paused_challenge_gives_nothing_until_it_goes_on(self, campaign, paid):
        pool = award(campaign, award_minor=100, limit_minor=100, unlock_donors=1)
        pools.set_paused(pool_id=pool.pk, paused=True, actor=SYSTEM, now=GIFT_AT)
        paid()
        settle(campaign)
        assert given(pool) == 0
        pools.set_paused(pool_id=pool.pk, paused=False, actor=SYSTEM, now=GIFT_AT)
        settle(campaign)
        assert given(pool) == 100

    def test_what_it_has_given_for_cannot_be_changed_afterwards(self, campaign, paid):
        pool = award(campaign, award_minor=100, limit_minor=300, unlock_donors=1)
        paid()
        settle(campaign)
        other = pools.Terms(layer=AWARD, award_minor=200, unlock_donors=1)
        with pytest.raises(pools.InvalidTerms, match="has given already"):
            pools.change_terms(pool_id=pool.pk, terms=other, actor=SYSTEM, now=GIFT_AT)
        with pytest.raises(pools.InvalidTerms, match="cannot turn"):
            pools.change_terms(pool_id=pool.pk, terms=pools.Terms(), actor=SYSTEM, now=GIFT_AT)


class TestPromises:
    """What people gave towards may get better for them, never worse."""

    before = {"unlock_donors": 5, "closes_at": CLOSES_AT, "reaches_back": True}

    @pytest.mark.parametrize(
        ("change", "term"),
        [
            ({"unlock_donors": 6}, "unlock_donors"),
            ({"unlock_donors": None, "unlock_raised_minor": 5}, "unlock_donors"),
            ({"reaches_back": False}, "reaches_back"),
            ({"opens_at": GIFT_AT}, "opens_at"),
            ({"closes_at": CLOSES_AT - timedelta(hours=1)}, "closes_at"),
            ({"fund_ids": (1,)}, "fund_ids"),
        ],
    )
    def test_a_target_that_people_gave_towards_gets_no_farther(self, campaign, paid, change, term):
        pool = factories.pool(campaign=campaign, **self.before)
        wanted = pools.Terms(**(self.before | change))
        pools.change_terms(pool_id=pool.pk, terms=wanted, actor=SYSTEM, now=GIFT_AT)
        pools.change_terms(pool_id=pool.pk, terms=pools.Terms(**self.before), actor=SYSTEM, now=GIFT_AT)
        paid()
        with pytest.raises(pools.InvalidTerms, match="1 person has given towards this target already") as refused:
            pools.change_terms(pool_id=pool.pk, terms=wanted, actor=SYSTEM, now=GIFT_AT)
        assert refused.value.name == term
        assert pool.terms_versions.count() == 3

    @pytest.mark.parametrize("change", [{"unlock_donors": 4}, {"closes_at": None}, {"ratio_match": 3}])
    def test_it_may_come_nearer_and_give_more(self, campaign, paid, change):
        pool = factories.pool(campaign=campaign, **self.before)
        paid()
        wanted = pools.Terms(**(self.before | change))
        assert pools.change_terms(pool_id=pool.pk, terms=wanted, actor=SYSTEM, now=GIFT_AT).version == 2

    def test_an_award_that_people_gave_towards_gets_no_smaller(self, campaign, paid):
        pool = award(campaign, limit_minor=300, award_minor=100)
        paid()
        less, more = (pools.Terms(layer=AWARD, award_minor=minor, unlock_donors=3) for minor in (99, 101))
        with pytest.raises(pools.InvalidTerms, match="given towards this target"):
            pools.change_terms(pool_id=pool.pk, terms=less, actor=SYSTEM, now=GIFT_AT)
        assert pools.change_terms(pool_id=pool.pk, terms=more, actor=SYSTEM, now=GIFT_AT).award_minor == 101

    def test_it_opens_no_pool_that_could_never_give(self, campaign):
        with pytest.raises(pools.InvalidTerms, match="less than the sum"):
            award(campaign, limit_minor=99, award_minor=100)
        with pytest.raises(pools.InvalidTerms, match="over already"):
            factories.pool(campaign=campaign, opens_at=CLOSES_AT)

    def test_limit_and_terms_are_changed_together_or_not_at_all(self, campaign):
        pool = award(campaign, limit_minor=300, award_minor=100)
        wanted = pools.Terms(layer=AWARD, award_minor=400, unlock_donors=3)
        change = {"pool_id": pool.pk, "name": "x", "terms": wanted, "actor": SYSTEM, "now": GIFT_AT}
        with pytest.raises(pools.InvalidTerms, match="less than the sum"):
            pools.change_pool(**change, limit_minor=399, seen=None)
        with pytest.raises(pools.ChangedMeanwhile):
            pools.change_pool(**change, limit_minor=400, seen=(1, 299))
        pool.refresh_from_db()
        assert (pool.limit_minor, pool.terms.version, pool.name != "x") == (300, 1, True)
        changed = pools.change_pool(**change, limit_minor=400, seen=(1, 300))
        assert (changed.limit_minor, changed.terms.version, changed.name) == (400, 2, "x")


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"unlock_donors": 5, "unlock_raised_minor": 5}, "one target"),
        ({"unlock_donors": 0}, "of nothing"),
        ({"layer": AWARD, "award_minor": 5}, "needs a target"),
        ({"layer": AWARD, "unlock_donors": 5}, "needs a target"),
        ({"award_minor": 5}, "Only a challenge"),
        ({"reaches_back": True}, "locked at first"),
    ],
)
def test_contradictory_challenges_are_refused_with_the_reason(terms, message):
    with pytest.raises(pools.InvalidTerms, match=message):
        pools.Terms(**terms).refuse_contradictions()
