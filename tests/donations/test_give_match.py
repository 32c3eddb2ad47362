"""`/give/match/`: what the line says of the match while a donor types."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest

from donations.match_line import match_line
from matching import pools
from tests import factories
from tests.donations.give_form import hidden, open_campaign

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign():
    return open_campaign()


def line(client, **typed: str) -> str:
    """The line's words, without markup."""
    answer = client.get("/give/match/", {"fund": "education", "amount": "100.00"} | typed)
    assert answer.status_code == 200
    words = answer.content.decode().split("<p>")[1].split("</p>")[0]
    return " ".join(unescape(re.sub("<[^>]+>", "", words)).split())


def test_a_whole_match(client, campaign):
    factories.pool(campaign=campaign)
    assert (
        line(client)
        == "$100 becomes $200. Of that, $100 comes from The Harbor Family; we hold it for you while you pay."
    )


def test_a_double_match(client, campaign):
    factories.pool(campaign=campaign, ratio_match=2)
    assert line(client).startswith("$100 becomes $300. Of that, $200 comes from The Harbor Family;")


def test_two_sponsors(client, campaign):
    factories.pool(campaign=campaign, limit_minor=4_000)
    factories.pool(campaign=campaign, sponsor=factories.sponsor("Pier Bank"), priority=200)
    assert line(client).startswith("$100 becomes $200. Of that, $100 comes from The Harbor Family and Pier Bank;")


def test_a_sponsor_of_many(client, campaign):
    factories.pool(campaign=campaign, sponsor=factories.sponsor("the Friends of Ward 6"))
    assert line(client).startswith("$100 becomes $200. Of that, $100 comes from the Friends of Ward 6;")


def test_an_anonymous_sponsor(client, campaign):
    factories.pool(campaign=campaign, sponsor=factories.sponsor(is_anonymous=True))
    assert line(client).startswith("$100 becomes $200. Of that, $100 comes from an anonymous sponsor;")


def test_a_match_for_a_part_of_the_gift(client, campaign):
    factories.pool(campaign=campaign, limit_minor=735)
    assert line(client) == (
        "$100 becomes $107.35. Of that, $7.35 comes from The Harbor Family, as much as this gift can get; "
        "we hold it for you while you pay."
    )


def test_other_amounts_and_splits(client, campaign):
    factories.pool(campaign=campaign)
    assert line(client, other_amount="1,000").startswith("$1,000 becomes $2,000.")
    assert line(client, **{"split-education": "60", "split-nursing": "15.50"}).startswith("$75.50 becomes $151.")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("abc", "“abc” is not an amount we can read. Write it like 50 or 1,000.50."),
        ("<b>", "“<b>” is not an amount we can read. Write it like 50 or 1,000.50."),
        ("1e9", "“1e9” is not an amount we can read. Write it like 50 or 1,000.50."),
        ("0", "Enter an amount above zero."),
        ("4", "The smallest gift we can take by card is $5.00."),
        ("99999999999", "The largest gift we can take by card is $50,000."),
    ],
)
def test_an_amount_that_cannot_be_given_is_said_at_once(client, campaign, typed, said):
    factories.pool(campaign=campaign)
    assert line(client, other_amount=typed) == said


@pytest.mark.parametrize("typed", ["", " ", "\u200b"])
def test_no_amount_asks_for_one(client, campaign, typed):
    factories.pool(campaign=campaign)
    assert line(client, other_amount=typed, amount="") == "Choose an amount to see what the match adds to it."


def test_a_pool_that_is_used_up(client, campaign):
    pool = factories.pool(campaign=campaign, limit_minor=10_000)
    gift = factories.donation(campaign=campaign, at=datetime.now(UTC))
    factories.match(gift, at=datetime.now(UTC))
    pool.refresh_from_db()
    assert pool.free_minor == 0
    assert line(client) == (
        "The match is all taken. Every dollar of it is given, or held for donors who are paying now. "
        "Your $100 goes to work all the same."
    )


def test_a_pool_that_is_paused(client, campaign):
    pool = factories.pool(campaign=campaign)
    pools.set_paused(pool_id=pool.pk, paused=True, actor="staff:1", now=datetime.now(UTC))
    assert line(client).startswith("The match is paused. A gift sent now has no match.")


def test_a_pool_that_opens_later(client, campaign):
    campaign.closes_at = datetime(2100, 12, 2, 17, tzinfo=UTC)
    campaign.save()
    factories.pool(campaign=campaign, opens_at=datetime(2100, 12, 1, 17, tzinfo=UTC))
    assert line(client).startswith(
        "The match is not open yet. Opens December 1, noon, Boston time. A gift sent now has no match."
    )


def test_a_pool_for_another_fund(client, campaign):
    nursing = campaign.funds.get(slug="nursing")
    factories.pool(campaign=campaign, fund_ids=(nursing.pk,))
    assert line(client).startswith(
        "$100 would not be matched. This is what is matched: Every dollar to Nursing research is doubled until $10,000"
    )
    assert line(client, fund="nursing").startswith("$100 becomes $200.")


def test_only_what_could_match_the_gift_is_named(client, campaign):
    """All that Education has is taken; what waits for Nursing would never match it."""
    education, nursing = (campaign.funds.get(slug=slug) for slug in ("education", "nursing"))
    now = datetime.now(UTC)
    taken = factories.pool(campaign=campaign, fund_ids=(education.pk,), limit_minor=10_000)
    factories.pool(campaign=campaign, fund_ids=(nursing.pk,), unlock_raised_minor=12_000_000, priority=1)
    factories.match(factories.donation(campaign=campaign, parts=[(education, 10_000)], at=now), at=now)
    assert line(client).startswith("The match is all taken. Every dollar of it is given, or held")
    assert line(client, fund="nursing").startswith("The match is still locked. Unlocks when $120,000 has been raised")
    factories.pool(campaign=campaign, fund_ids=(nursing.pk,))
    assert line(client) == (
        "The match for this is all taken. Every dollar of it is given, or held for donors who are paying now. Other "
        "funds still have a match: Every dollar to Nursing research is doubled until $10,000 is used. Your $100 goes "
        "to work all the same."
    )
    pools.set_paused(pool_id=taken.pk, paused=True, actor="staff:1", now=now)
    assert line(client).startswith("The match for this is paused. A gift sent now has no match. Other funds still")


def test_a_cent_too_little_is_told_first(client, campaign):
    education, nursing = (campaign.funds.get(slug=slug) for slug in ("education", "nursing"))
    factories.pool(campaign=campaign, fund_ids=(education.pk,), priority=1)
    factories.pool(campaign=campaign, unlock_donors=500, priority=2)
    factories.pool(campaign=campaign, fund_ids=(nursing.pk,), min_gift_minor=2_500)
    factories.pool(campaign=campaign, fund_ids=(nursing.pk,), min_gift_minor=9_000, priority=3)
    assert line(client, fund="nursing", other_amount="24.99") == (
        "$24.99 would not be matched. A gift of $25 or more would be. This is what is matched: Every dollar to Nursing "
        "research in gifts of $25 or more is doubled until $10,000 is used. Your $24.99 goes to work all the same."
    )
    assert line(client, fund="nursing", other_amount="25").startswith("$25 becomes $50.")


def test_a_locked_match_that_has_nothing_left_is_not_waited_for(campaign):
    factories.pool(campaign=campaign, unlock_donors=500)
    parts = ((campaign.funds.get(slug="education").pk, 10_000),)
    shown = match_line(campaign=campaign, parts=parts, now=datetime.now(UTC), pools="used_up")
    assert shown.headline == "The match is all taken."


def test_a_campaign_that_ended(client):
    now = datetime.now(UTC)
    campaign = open_campaign(opens_at=now - timedelta(days=2), closes_at=now - timedelta(days=1))
    factories.pool(campaign=campaign, opens_at=now - timedelta(days=2), closes_at=now - timedelta(days=1))
    assert line(client) == (
        "Giving Tuesday has ended. Gifts are no longer matched. Your $100 goes to work all the same."
    )


def test_it_says_until_when_it_is_true(client, campaign):
    answer = client.get("/give/match/", {"fund": "education", "amount": "100.00"})
    assert f'data-switches="{campaign.closes_at.isoformat()}"' in answer.content.decode()
    assert f'data-now="{answer.headers["X-Now-Ms"]}"' in answer.content.decode()


def test_no_pools_at_all(client, campaign):
    assert line(client).startswith("This gift has no match.")


def test_it_carries_the_promise_and_the_exact_fee(client, campaign):
    factories.pool(campaign=campaign, limit_minor=735)
    html = client.get("/give/match/", {"fund": "education", "other_amount": "50"}).content.decode()
    education = campaign.funds.get(slug="education")
    assert hidden(html, "promised_match_minor") == "735"
    assert hidden(html, "promised_for") == f"{education.pk}:5000"
    assert "Add $1.81 to a gift of $50, so that all of it reaches the fund" in html
    assert 'id="fee-words" data-hx-swap-oob="true"' in html


def test_it_is_not_kept_by_anyone(client, campaign):
    assert client.get("/give/match/")["Cache-Control"] == "private, no-store"


def test_without_a_campaign_it_says_nothing(client):
    assert client.get("/give/match/").status_code == 204


def test_a_locked_match_says_what_unlocks_it(client, campaign):
    factories.pool(campaign=campaign, unlock_donors=500)
    assert line(client) == (
        "The match is still locked. Unlocks when 500 people have given: 0 so far. A gift sent now has no match. "
        "Your $100 goes to work all the same."
    )


def test_a_locked_match_that_reaches_back_says_what_comes_later(client, campaign):
    factories.pool(campaign=campaign, unlock_donors=500, reaches_back=True)
    assert line(client) == (
        "Your match is still locked. A gift sent now has no match yet. $100 more from The Harbor Family is still "
        "locked. Unlocks when 500 people have given: 0 so far. Then gifts are matched in the order in which they came, "
        "while the money lasts. Your $100 goes to work all the same."
    )


def test_a_locked_match_beside_an_open_one(client, campaign):
    factories.pool(campaign=campaign, limit_minor=4_000)
    later = factories.sponsor("the Alumni")
    factories.pool(campaign=campaign, sponsor=later, unlock_raised_minor=10_000, reaches_back=True, priority=200)
    assert line(client) == (
        "$100 becomes $140. Of that, $40 comes from The Harbor Family; we hold it for you while you pay. "
        "$60 more from the Alumni is still locked. Unlocks when $100 has been raised: $0 so far. Then gifts are "
        "matched in the order in which they came, while the money lasts."
    )


def test_a_challenge_is_no_match_of_a_gift(client, campaign):
    factories.pool(campaign=campaign, layer="award", award_minor=100, unlock_donors=5)
    assert line(client).startswith("This gift has no match.")
