"""`/`: the campaign before, during and after."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client
from redis.exceptions import ConnectionError as NoCache

from campaign.models import Campaign, Fund, Story
from tests import factories
from tests.campaign.pages import AFTER, BEFORE, DURING, assert_shared, get, text

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign():
    factories.organization()
    return factories.campaign(action_label="Double my gift", goal_minor=25_000_000)


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_it_is_only_read(campaign, method):
    assert getattr(Client(), method)("/").status_code == 405


def test_anybody_may_keep_it_for_a_second(campaign):
    assert_shared(get("/"))


def test_before_it_counts_down_to_the_opening_without_javascript(campaign):
    html = text("/", at=BEFORE)
    assert "Giving Tuesday starts in" in html
    for unit, value in (("days", "8"), ("hours", "09"), ("minutes", "41"), ("seconds", "27")):
        assert f'<b data-unit="{unit}">{value}</b>' in html
    assert "It starts at 12:00 AM (midnight) on Tuesday, December 1, Boston time. Gifts made now count." in html
    assert '<span class="without-js"> This is the time that was left at 2:18:33 PM.</span>' in html
    assert 'data-until="2026-12-01T05:00:00+00:00" data-now="1795375113000"' in html
    assert 'role="timer"' in html


def test_before_it_asks_for_no_gift_when_gifts_may_not_come_early(campaign):
    campaign.takes_gifts_early = False
    campaign.save()
    html = text("/", at=BEFORE)
    assert "Double my gift" not in html
    assert "Gifts made now count" not in html
    assert "Double my gift" in text("/", at=DURING)


def test_it_opens_at_its_very_moment(campaign):
    assert 'data-phase="open"' in text("/", at=factories.OPENS_AT)
    html = text("/", at=DURING)
    assert "Giving Tuesday ends in" in html
    assert '<b data-unit="hours">14</b>' in html
    assert "It ends at midnight at the end of Tuesday, December 1, Boston time." in html


def test_its_last_hour_says_so_from_its_first_moment_and_the_page_before_fetches_it(campaign):
    begins = factories.CLOSES_AT - timedelta(hours=1)
    words = "<b>This is the last hour of Giving Tuesday.</b>"
    earlier = text("/", at=begins - timedelta(seconds=1))
    assert words not in earlier
    assert 'data-stage="open" data-switches="2026-12-02T04:00:00+00:00"' in earlier
    assert 'data-hx-get="/progress/?part=band" data-hx-trigger="moment from:body"' in earlier
    html = text("/progress/?part=band&after=open", at=begins)
    assert words in html
    assert 'class="band last-hour"' in html
    assert 'data-stage="last-hour" data-switches="2026-12-02T05:00:00+00:00"' in html
    assert words not in text("/progress/?part=band&after=last-hour", at=factories.CLOSES_AT)


def test_it_closes_at_its_very_moment_with_thanks_and_the_result(campaign):
    factories.pool(campaign=campaign)
    gift = factories.donation(campaign=campaign, amount_minor=12_345)
    factories.match(gift)
    html = text("/", at=factories.CLOSES_AT)
    assert 'data-phase="closed"' in html
    assert "Thank you." in html
    assert "The campaign has ended. Every gift still counts." in html
    assert "<b>$123.45</b><span>from 1 donor, and $123.45 of match on top</span>" in html
    assert "countdown" not in html
    assert "every 5s" not in html


def test_it_shows_what_was_given_and_the_three_states_of_the_match(campaign):
    factories.pool(campaign=campaign, limit_minor=100_000)
    factories.match(factories.donation(campaign=campaign, amount_minor=30_000))
    factories.match(factories.donation(campaign=campaign, amount_minor=20_000, state="started"), is_paid=False)
    html = text("/", at=factories.GIFT_AT)
    assert "<b>$300</b> <span>given by 1 donor, toward a goal of $250,000</span>" in html
    assert "<b>$300</b> matched" in html
    assert "<b>$200</b> held" in html
    assert "<b>$500</b> still free" in html
    assert "Figures from 10:30:00 AM, Boston time" in html


def test_money_of_a_pool_that_opens_later_is_not_called_free(campaign):
    factories.pool(campaign=campaign, limit_minor=6_000_000, opens_at=factories.OPENS_AT, closes_at=factories.CLOSES_AT)
    html = text("/", at=BEFORE)
    assert "<b>$0</b> still free" in html
    assert "$60,000 more match opens later." in html
    assert "<b>$60,000</b> still free" in text("/", at=DURING)


def test_it_shows_funds_story_and_gifts_as_their_donors_allow(campaign):
    fund = Fund.objects.get()
    Story.objects.create(slug="a", title="The call", summary="It rang.", body="Then.", fund=fund)
    Story.objects.create(slug="b", title="A draft", summary="Not yet.", body="No.", is_published=False)
    factories.donation(campaign=campaign, donor_name="Hidden Person", hides_name=True, amount_minor=4_000)
    factories.donation(campaign=campaign, donor_name="Ana Lima", hides_amount=True, amount_minor=98_765)
    html = text("/", at=DURING)
    assert fund.get_absolute_url() in html
    assert "The call" in html
    assert "A draft" not in html
    assert "Hidden Person" not in html
    assert "Anonymous" in html
    assert "Ana Lima" in html
    wall = html.split('class="wall"')[1]
    assert "amount hidden" in wall
    assert "$987.65" not in wall


def test_the_figures_are_counted_once_a_second(campaign, django_assert_max_num_queries):
    factories.donation(campaign=campaign, amount_minor=10_000)
    assert "<b>$100</b> <span>given" in text("/", at=DURING)
    factories.donation(campaign=campaign, amount_minor=10_000)
    assert "<b>$100</b> <span>given" in text("/", at=DURING.replace(microsecond=900_000))
    assert "<b>$200</b> <span>given" in text("/", at=DURING.replace(second=1, microsecond=100_000))


def test_while_one_visitor_counts_anew_the_others_see_the_last_figures(campaign):
    factories.donation(campaign=campaign, amount_minor=10_000)
    text("/", at=DURING)
    (key,) = (found.decode().split(":1:", 1)[1] for found in cache._cache.get_client().keys("*:figures:*"))
    cache.set(f"{key}:lock", 1, 5)
    factories.donation(campaign=campaign, amount_minor=10_000)
    html = text("/", at=DURING.replace(second=30))
    assert "<b>$100</b> <span>given" in html
    assert "Figures from 10:00:00 AM" in html


@pytest.mark.parametrize("broken", ["get_many", "set", "add"])
def test_it_answers_from_the_database_when_the_cache_is_down(campaign, monkeypatch, broken):
    def fail(*_args, **_options):
        raise NoCache("gone")

    factories.donation(campaign=campaign, amount_minor=10_000)
    monkeypatch.setattr(f"django.core.cache.backends.redis.RedisCache.{broken}", fail)
    assert "<b>$100</b> <span>given" in text("/", at=DURING)


def test_without_a_campaign_it_says_so(db):
    factories.organization()
    assert 'To give, call us on <a href="tel:617-555-0142">617-555-0142</a>.' in text("/")


def test_without_funds_there_is_nothing_to_choose(campaign):
    campaign.funds.clear()
    assert "Choose what your gift does" not in text("/")


def test_without_anything_at_all_it_still_answers(db):
    assert "There is no campaign at the moment." in text("/")


def test_after_the_end_a_gift_is_still_welcome(campaign):
    assert "Give today" in text("/", at=AFTER)


def test_the_words_change_with_the_phase_and_those_of_the_day_may_be_left_out(campaign):
    said = {"heading": "Early words.", "open_heading": "Words of the day.", "closed_heading": "Thank you all."}
    Campaign.objects.update(**said, open_lead="")
    for at, name in ((BEFORE, "heading"), (DURING, "open_heading"), (AFTER, "closed_heading")):
        html = text("/", at=at)
        assert [words for words in said.values() if f">{words}</h1>" in html] == [said[name]]
        assert f'property="og:title" content="{said[name]}"' in html
        cache.clear()
    assert f">{campaign.lead}</p>" in text("/", at=DURING)
    Campaign.objects.update(open_heading="")
    cache.clear()
    assert ">Early words.</h1>" in text("/", at=DURING)
