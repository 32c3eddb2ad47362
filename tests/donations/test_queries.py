"""Figures about gifts: what counts, what does not, and that the parts add up to the whole."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from donations import queries
from donations.models import Donation
from donations.queries import Totals
from tests import factories
from tests.factories import CLOSES_AT, OPENS_AT

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign():
    return factories.campaign(funds=[])


def test_it_counts_paid_gifts_without_the_covered_fee(campaign):
    education = factories.fund("Education")
    ana = factories.donor("Ana", "ana@example.org")
    factories.donation(campaign=campaign, parts=[(education, 10_000)], fee_minor=320, donor=ana)
    factories.donation(campaign=campaign, parts=[(education, 5_000)], donor=ana)
    for state in (Donation.State.STARTED, Donation.State.PROCESSING, Donation.State.FAILED, "abandoned"):
        factories.donation(campaign=campaign, parts=[(education, 7_700)], state=state)
    factories.donation(campaign=factories.campaign(funds=[]), parts=[(education, 9_900)])
    assert queries.totals(campaign_id=campaign.pk) == Totals(15_000, 2, 1)


def test_it_takes_refunds_from_the_gift_first_and_the_fee_last(campaign):
    education = factories.fund("Education")
    for refunded_minor in (2_500, 10_000, 10_320):  # a part; the gift itself; everything
        factories.donation(campaign=campaign, parts=[(education, 10_000)], fee_minor=320, refunded_minor=refunded_minor)
    assert queries.totals(campaign_id=campaign.pk) == Totals(7_500, 1, 1)
    assert queries.fund_totals(campaign_id=campaign.pk) == {education.pk: Totals(7_500, 1, 1)}


def test_it_counts_a_window_with_its_first_moment_and_without_its_last(campaign):
    education = factories.fund("Education")
    for at in (OPENS_AT - timedelta(microseconds=1), OPENS_AT, CLOSES_AT - timedelta(microseconds=1), CLOSES_AT):
        factories.donation(campaign=campaign, parts=[(education, 1_000)], at=at)
    assert queries.totals(campaign_id=campaign.pk, start=OPENS_AT, end=CLOSES_AT) == Totals(2_000, 2, 2)
    by_fund = queries.fund_totals(campaign_id=campaign.pk, start=OPENS_AT, end=CLOSES_AT)
    assert by_fund == {education.pk: Totals(2_000, 2, 2)}


def test_it_answers_nothing_with_zeros(campaign):
    assert queries.totals(campaign_id=campaign.pk) == Totals(0, 0, 0)
    assert queries.fund_totals(campaign_id=campaign.pk) == {}


def test_it_splits_by_fund_what_refunds_left_to_the_cent(campaign):
    a, b, c = factories.fund("A"), factories.fund("B"), factories.fund("C")
    factories.donation(campaign=campaign, parts=[(a, 3_333), (b, 3_333), (c, 3_334)], refunded_minor=1)
    factories.donation(campaign=campaign, parts=[(c, 100), (a, 200)], refunded_minor=101)
    by_fund = queries.fund_totals(campaign_id=campaign.pk)
    first = queries.split_left(parts_minor=[3_333, 3_333, 3_334], refunded_minor=1)
    second = queries.split_left(parts_minor=[100, 200], refunded_minor=101)
    assert {fund_id: figures.raised_minor for fund_id, figures in by_fund.items()} == {
        a.pk: first[0] + second[1],
        b.pk: first[1],
        c.pk: first[2] + second[0],
    }
    whole = queries.totals(campaign_id=campaign.pk)
    assert sum(figures.raised_minor for figures in by_fund.values()) == whole.raised_minor == 10_198


def test_it_splits_parts_without_positions_in_the_order_they_were_made(campaign):
    a, b = factories.fund("A"), factories.fund("B")
    gift = factories.donation(campaign=campaign, parts=[(a, 3_333), (b, 6_667)], refunded_minor=5)
    gift.designations.update(position=0)
    by_fund = queries.fund_totals(campaign_id=campaign.pk)
    left = queries.split_left(parts_minor=[3_333, 6_667], refunded_minor=5)
    assert [by_fund[a.pk].raised_minor, by_fund[b.pk].raised_minor] == left


def test_it_splits_a_gift_of_a_hundred_million_dollars_without_overflow(campaign):
    a, b = factories.fund("A"), factories.fund("B")
    factories.donation(campaign=campaign, parts=[(a, 7_000_000_000), (b, 3_000_000_000)], refunded_minor=1_000_000_000)
    by_fund = queries.fund_totals(campaign_id=campaign.pk)
    assert {key: figures.raised_minor for key, figures in by_fund.items()} == {
        a.pk: 6_300_000_000,
        b.pk: 2_700_000_000,
    }


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=6), st.integers(0, 7 * 10**9))
def test_it_never_loses_a_cent_when_it_splits(parts_minor, refunded_minor):
    left = queries.split_left(parts_minor=parts_minor, refunded_minor=refunded_minor)
    assert sum(left) == max(sum(parts_minor) - refunded_minor, 0)
    assert all(0 <= kept <= part for kept, part in zip(left, parts_minor, strict=True))


def test_it_asks_the_database_once_for_each_figure(campaign, django_assert_num_queries):
    factories.donation(campaign=campaign)
    with django_assert_num_queries(1):
        queries.totals(campaign_id=campaign.pk)
    with django_assert_num_queries(1):
        queries.fund_totals(campaign_id=campaign.pk)


def test_it_shows_the_newest_gifts_as_their_donors_allow(campaign):
    a, b = factories.fund("A"), factories.fund("B")
    at = [OPENS_AT + timedelta(hours=hour) for hour in range(4)]
    factories.donation(campaign=campaign, parts=[(a, 1_000)], at=at[0], donor_name="Ana", hides_amount=True)
    factories.donation(campaign=campaign, parts=[(a, 2_000), (b, 1_000)], at=at[2], donor_name="Ben")
    factories.donation(campaign=campaign, parts=[(b, 3_000)], at=at[1], donor_name="Cy", hides_name=True)
    factories.donation(campaign=campaign, parts=[(b, 3_000)], at=at[3], donor_name="Di", refunded_minor=3_000)
    factories.donation(campaign=campaign, parts=[(b, 3_000)], at=at[3], donor_name="Ed", state="started")
    shown = queries.recent_public_gifts(campaign_id=campaign.pk, limit=5)
    assert [(gift.name, gift.amount_minor, gift.match_minor, gift.fund_names) for gift in shown] == [
        ("Ben", 3_000, 0, ("A", "B")),
        ("Anonymous", 3_000, 0, ("B",)),
        ("Ana", None, None, ("A",)),
    ]
    of_fund = queries.recent_public_gifts(campaign_id=campaign.pk, fund_id=b.pk, limit=1)
    assert [(gift.name, gift.amount_minor, gift.fund_names) for gift in of_fund] == [("Ben", 1_000, ("B",))]


def test_it_needs_no_more_queries_for_more_gifts(campaign, django_assert_max_num_queries):
    fund = factories.fund("A")
    for _ in range(20):
        factories.donation(campaign=campaign, parts=[(fund, 1_000)])
    with django_assert_max_num_queries(8):
        assert len(queries.recent_public_gifts(campaign_id=campaign.pk, limit=20)) == 20
