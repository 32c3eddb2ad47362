"""The sentences that donors read about a pool say what its terms do."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.cache import cache

from campaign.models import Fund
from matching import challenge_wording, challenges, pools, wording
from matching.challenges import Progress
from matching.models import MatchPool, PoolTerms
from matching.queries import pool_figures
from tests import factories

pytestmark = pytest.mark.django_db
MIDNIGHT, DAY = factories.OPENS_AT, timedelta(days=1)
AWARD = {"layer": "award", "award_minor": 5_000_000}
EVERY = AWARD | {"award_every": True}
NOON, ONE = datetime(2026, 12, 1, 17, tzinfo=UTC), datetime(2026, 12, 1, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    ("terms", "sentence"),
    [
        ({}, "Every dollar is doubled until $250,000 is used."),
        ({"ratio_match": 2}, "Every dollar is tripled until $250,000 is used."),
        ({"ratio_gift": 2}, "Every dollar earns $1 more for each $2 until $250,000 is used."),
        ({"ratio_match": 6}, "Every dollar earns $6 more until $250,000 is used."),
        (
            {"ratio_match": 2, "layer": "bonus", "opens_at": NOON, "closes_at": ONE},
            "Every dollar earns $2 more on top of any other match, until $250,000 is used, "
            "noon to 1:00 PM on December 1, Boston time.",
        ),
        (
            {"min_gift_minor": 2_500, "cap_per_donor_minor": 500_000, "cap_per_gift_minor": 100_050},
            "Every dollar in gifts of $25 or more is doubled, up to $1,000.50 of match a gift and $5,000 a donor, "
            "until $250,000 is used.",
        ),
        (
            {"ratio_match": 2, "layer": "bonus", "cap_per_gift_minor": 10_000},
            "Every dollar earns $2 more on top of any other match, up to $100 of match a gift, until $250,000 is used.",
        ),
        (
            {"opens_at": MIDNIGHT, "closes_at": MIDNIGHT + DAY},
            "Every dollar is doubled until $250,000 is used, on December 1, Boston time.",
        ),
        (
            {"opens_at": MIDNIGHT, "closes_at": MIDNIGHT + 3 * DAY},
            "Every dollar is doubled until $250,000 is used, December 1 to December 3, Boston time.",
        ),
        (
            {"opens_at": NOON, "closes_at": ONE + DAY},
            "Every dollar is doubled until $250,000 is used, from December 1, noon until December 2, 1:00 PM, "
            "Boston time.",
        ),
        (
            {"unlock_donors": 500, "reaches_back": True},
            "Once 500 people have given, every dollar is doubled until $250,000 is used. "
            "Earlier gifts are matched then, too.",
        ),
        (
            {"unlock_raised_minor": 10_000_000, "ratio_match": 2},
            "Once $100,000 has been raised, every dollar is tripled until $250,000 is used. "
            "It matches gifts made from then on.",
        ),
        (
            {"layer": "award", "unlock_donors": 500, "award_minor": 5_000_000},
            "When 500 people give, the Harbor Family will give $50,000.",
        ),
        (
            {"layer": "award", "unlock_raised_minor": 10_000_000, "award_minor": 5_000_000, "closes_at": NOON},
            "When $100,000 is raised, the Harbor Family will give $50,000, before December 1, noon, Boston time.",
        ),
        (
            {"layer": "award", "unlock_donors": 50, "award_minor": 100_000, "award_every": True},
            "For every 50 donors, the Harbor Family will give $1,000, up to $250,000.",
        ),
        (
            {"layer": "award", "unlock_raised_minor": 1_000_000, "award_minor": 4_000_000, "award_every": True},
            "For every $10,000 raised, the Harbor Family will give $40,000, up to $240,000.",
        ),
    ],
)
def test_it_says_the_terms_in_one_sentence(terms, sentence):
    campaign = factories.campaign()
    sponsor = factories.sponsor("the Harbor Family")
    pool = factories.pool(campaign=campaign, sponsor=sponsor, limit_minor=25_000_000, **terms)
    said = wording.terms_sentence(pool=pool, terms=pool.terms, campaign=campaign, funds=Fund.objects.in_bulk())
    assert said == sentence


def test_it_names_the_funds():
    campaign = factories.campaign(funds=[factories.fund("Education"), factories.fund("Research")])
    ids = tuple(campaign.funds.values_list("pk", flat=True))
    pool = factories.pool(campaign=campaign, fund_ids=ids)
    said = wording.terms_sentence(pool=pool, terms=pool.terms, campaign=campaign, funds=Fund.objects.in_bulk())
    assert said.startswith("Every dollar to Education and Research is doubled")


def test_a_challenge_for_a_fund_names_it_in_its_target():
    campaign = factories.campaign(funds=[factories.fund("Education")])
    ids = tuple(campaign.funds.values_list("pk", flat=True))
    funds = Fund.objects.in_bulk()
    locked = factories.pool(campaign=campaign, fund_ids=ids, unlock_donors=1)
    assert wording.terms_sentence(pool=locked, terms=locked.terms, campaign=campaign, funds=funds).startswith(
        "Once 1 person has given to Education, every dollar to Education is doubled"
    )
    award = factories.pool(campaign=campaign, fund_ids=ids, layer="award", unlock_donors=3, award_minor=100)
    assert wording.terms_sentence(pool=award, terms=award.terms, campaign=campaign, funds=funds) == (
        "When 3 people give to Education, The Harbor Family will give $1."
    )


@pytest.mark.parametrize(
    ("progress", "terms", "text"),
    [
        ((312, 0, 500, None), {"unlock_donors": 500}, "Unlocks when 500 people have given: 312 so far"),
        ((0, 0, 1, None), {"unlock_donors": 1}, "Unlocks when 1 person has given: 0 so far"),
        (
            (9, 6_231_000, None, 10_000_000),
            {"unlock_raised_minor": 10_000_000},
            "Unlocks when $100,000 has been raised: $62,310 so far",
        ),
        ((1_312, 0, 5_000, None), {"unlock_donors": 5_000} | AWARD, "1,312 of 5,000 people have given"),
        ((9, 50, None, 100), {"unlock_raised_minor": 100} | AWARD, "$0.50 of $1 raised"),
        ((500, 0, 500, None), {"unlock_donors": 500} | AWARD, "500 of 500 people have given"),
        ((1_503, 0, 1_500, None), {"unlock_donors": 1_500} | AWARD, "1,503 people have given; the target was 1,500"),
        ((9, 150, None, 100), {"unlock_raised_minor": 100} | AWARD, "$1.50 raised; the target was $1"),
        ((112, 0, 50, None), {"unlock_donors": 50} | EVERY, "12 of 50 people have given toward the next sum"),
        ((9, 250, None, 100), {"unlock_raised_minor": 100} | EVERY, "$0.50 of $1 raised toward the next sum"),
    ],
)
def test_it_says_how_far_a_challenge_has_come(progress, terms, text):
    found = challenge_wording.progress_text(Progress(*progress), terms=PoolTerms(**terms), currency="USD")
    assert found == text


@pytest.mark.parametrize(
    ("leftover", "terms", "sentence"),
    [
        ("given", {}, "What is left over is given anyway."),
        ("kept", {}, "What is left over stays with the sponsor, so each gift decides."),
        ("given", {"unlock_donors": 5} | AWARD, "If the target is not reached, the money is given anyway."),
        ("kept", {"unlock_donors": 5} | AWARD, "If the target is not reached, the money stays with the sponsor."),
        ("kept", {"unlock_donors": 5} | EVERY, "What is not earned stays with the sponsor."),
    ],
)
def test_it_says_what_becomes_of_the_rest(leftover, terms, sentence):
    assert wording.leftover_sentence(MatchPool(leftover=leftover), terms=PoolTerms(**terms)) == sentence


@pytest.mark.parametrize(
    ("terms", "sentence"),
    [
        ({"unlock_donors": 5}, ""),
        (
            {"unlock_donors": 5} | AWARD,
            "If refunds bring the count below the target before the campaign closes, the sum is taken back.",
        ),
        (
            {"unlock_raised_minor": 5} | AWARD,
            "If refunds bring what was raised below the target before the campaign closes, the sum is taken back.",
        ),
    ],
)
def test_it_says_what_refunds_do_to_a_challenge(terms, sentence):
    assert challenge_wording.rule_sentence(PoolTerms(**terms)) == sentence


class TestStates:
    """What a pool's state is called, from its opening to its end."""

    def state(self, pool, now=factories.GIFT_AT):
        figures = pool_figures(campaign=pool.campaign, now=now)
        found = next(row for row in figures if row.pool == pool)
        return found.state, found.state_text

    def test_a_locked_pool_is_locked_until_it_is_unlocked(self):
        pool = factories.pool(campaign=factories.campaign(), unlock_donors=1)
        assert self.state(pool) == ("locked", "Locked")
        challenges.unlock(pool_id=pool.pk, now=factories.GIFT_AT)
        assert self.state(pool) == ("open", "Open")
        assert self.state(pool, now=factories.CLOSES_AT) == ("closed", "Closed")

    def test_a_locked_pool_that_opens_later_says_when(self):
        pool = factories.pool(campaign=factories.campaign(), unlock_donors=1, opens_at=NOON)
        assert self.state(pool) == ("not_yet_open", "Opens December 1, noon")
        assert self.state(pool, now=NOON) == ("locked", "Locked")

    def test_a_challenge_runs_is_reached_and_gives(self):
        campaign = factories.campaign()
        pool = factories.pool(campaign=campaign, limit_minor=5_000_000, unlock_donors=1, **AWARD)
        assert self.state(pool) == ("running", "Under way")
        factories.match(factories.donation(campaign=campaign))
        cache.clear()
        assert self.state(pool) == ("met", "Reached")
        challenges.settle_challenges(campaign=campaign, now=factories.GIFT_AT)
        assert self.state(pool) == ("given", "Reached: $50,000 given")
        assert self.state(pool, now=factories.CLOSES_AT) == ("given", "Reached: $50,000 given")

    def test_a_challenge_that_is_paused_or_was_missed_says_so(self):
        pool = factories.pool(campaign=factories.campaign(), limit_minor=5_000_000, unlock_donors=1, **AWARD)
        assert self.state(pool, now=factories.CLOSES_AT) == ("closed", "Closed")
        pools.set_paused(pool_id=pool.pk, paused=True, actor="system", now=factories.GIFT_AT)
        assert self.state(pool) == ("paused", "Paused")

    def test_every_n_donors_says_what_was_given_so_far(self):
        campaign = factories.campaign()
        terms = EVERY | {"unlock_donors": 1, "award_minor": 100}
        pool = factories.pool(campaign=campaign, limit_minor=250, **terms)
        for donors in (1, 2):
            factories.match(factories.donation(campaign=campaign))
            challenges.settle_challenges(campaign=campaign, now=factories.GIFT_AT)
            cache.clear()
            expected = ("running", "Under way: $1 given so far") if donors == 1 else ("given", "Reached: $2 given")
            assert self.state(pool) == expected


@pytest.mark.parametrize(
    ("names", "text"), [([], ""), (["A"], "A"), (["A", "B"], "A and B"), (["A", "B", "C"], "A, B and C")]
)
def test_it_lists_names_as_people_do(names, text):
    assert wording.listed(names) == text
