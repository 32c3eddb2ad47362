"""The sentences that donors read about a pool say what its terms do."""

from datetime import UTC, datetime

import pytest

from campaign.models import Fund
from matching import wording
from tests import factories

pytestmark = pytest.mark.django_db
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
            "Every dollar in gifts of $25 or more is doubled up to $1,000.50 of match a gift up to $5,000 of match "
            "a donor until $250,000 is used.",
        ),
    ],
)
def test_it_says_the_terms_in_one_sentence(terms, sentence):
    campaign = factories.campaign()
    pool = factories.pool(campaign=campaign, limit_minor=25_000_000, **terms)
    said = wording.terms_sentence(pool=pool, terms=pool.terms, campaign=campaign, funds=Fund.objects.in_bulk())
    assert said == sentence


def test_it_names_the_funds():
    campaign = factories.campaign(funds=[factories.fund("Education"), factories.fund("Research")])
    ids = tuple(campaign.funds.values_list("pk", flat=True))
    pool = factories.pool(campaign=campaign, fund_ids=ids)
    said = wording.terms_sentence(pool=pool, terms=pool.terms, campaign=campaign, funds=Fund.objects.in_bulk())
    assert said.startswith("Every dollar to Education and Research is doubled")


@pytest.mark.parametrize(
    ("names", "text"), [([], ""), (["A"], "A"), (["A", "B"], "A and B"), (["A", "B", "C"], "A, B and C")]
)
def test_it_lists_names_as_people_do(names, text):
    assert wording.listed(names) == text
