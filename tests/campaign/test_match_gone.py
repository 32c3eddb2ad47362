"""What the campaign says when no match is to be had: on its page, on a fund's, on other sites, to machines."""

import json
from datetime import timedelta

import pytest
from django.core.cache import cache

from campaign import figures
from campaign.models import Campaign
from matching import holds, pools
from tests import factories
from tests.campaign.pages import AFTER, BEFORE, DURING, get, text

pytestmark = pytest.mark.django_db
TAKEN = "All $10 of it is given, or held for donors who are paying now. Gifts still go straight to work."
STAFF = ("Today your gift is made twice.", "Until midnight a dollar for every dollar.", "Double my gift now")
SOON = DURING + timedelta(seconds=2)


@pytest.fixture
def campaign():
    factories.organization()
    words = dict(zip(("open_heading", "open_lead", "action_label"), STAFF, strict=True))
    return factories.campaign(funds=[factories.fund("Education", slug="education")], **words)


@pytest.fixture
def pool(campaign):
    return factories.pool(campaign=campaign, limit_minor=1_000)


@pytest.fixture
def gift(campaign, pool):
    """One that has all of the match, and is being paid."""
    made = factories.donation(campaign=campaign, amount_minor=1_000, state="started")
    factories.match(made, at=DURING, is_paid=False)
    return made


def promised(url: str, *, at=DURING) -> list[str]:
    html = text(url, at=at)
    return [words for words in STAFF if words in html]


@pytest.mark.parametrize(
    "url", ["/", "/funds/education/", "/progress/?part=band&slim", "/embed/countdown/", "/feed.xml"]
)
def test_no_page_promises_a_match_that_is_all_taken(gift, url):
    assert promised(url) == []
    html = text(url, at=DURING)
    assert ("Give now" if "embed" in url else TAKEN) in html


def test_shared_links_and_machines_are_told_the_same(gift):
    html = text("/", at=DURING)
    assert 'property="og:title" content="Every matching dollar is taken."' in html
    assert html.count(f'content="{TAKEN}"') == 2
    data = json.loads(html.split('<script type="application/ld+json">')[1].split("</script>")[0])
    assert [part["description"] for part in data["@graph"] if part["@type"] == "Event"] == [TAKEN]
    assert "A match you can count on" not in html


def test_an_open_page_is_told_to_fetch_the_other_band_and_back(pool, gift):
    band = "/progress/?part=band&after=open"
    assert '<span data-band="open-used_up" hidden>' in text("/progress/", at=DURING)
    shown = text(band, at=DURING)
    assert 'data-phase="open" data-band="open-used_up"' in shown
    holds.release(key=gift.match_key, now=DURING)
    assert '<span data-band="open" hidden>' in text("/progress/", at=SOON)
    assert promised("/progress/?part=band&after=open-used_up", at=SOON) == list(STAFF)


def test_a_hold_that_lapses_brings_the_promise_back(pool, gift):
    assert promised("/") == []
    assert promised("/", at=DURING + timedelta(hours=2)) == list(STAFF)


def test_a_match_that_is_paused_is_not_promised(pool):
    assert promised("/") == list(STAFF)
    pools.set_paused(pool_id=pool.pk, paused=True, actor="staff:1", now=DURING)
    html = text("/", at=SOON)
    assert promised("/", at=SOON) == []
    assert ">The match is paused.</h1>" in html


def test_with_figures_switched_off_it_says_so_without_a_sum_and_open_pages_still_learn_of_it(gift):
    Campaign.objects.update(shows_figures=False)
    html = text("/", at=DURING)
    assert promised("/") == []
    assert "All of it is given, or held for donors who are paying now." in html
    assert 'id="progress" class="progress" hidden data-hx-get' in html
    answer = get("/progress/", at=DURING).content.decode()
    assert "open-used_up" in answer
    assert "$10" not in answer


def test_while_the_figures_rest_nothing_is_promised(pool):
    cache.set(f"figures:{figures._SHAPE}:{pool.campaign_id}:rest", 1, 30)
    html = text("/", at=DURING)
    assert promised("/") == []
    assert "You see before you pay whether yours is matched, and with how much." in html
    assert ">Every gift goes straight to work.</h1>" in text("/live/", at=DURING)


@pytest.mark.parametrize(
    ("later", "says"),
    [
        ({"opens_at": DURING + timedelta(hours=1), "closes_at": factories.CLOSES_AT}, "More match is still to come."),
        ({"unlock_donors": 50}, "More match is still to come."),
        ({"layer": "award", "award_minor": 100, "unlock_donors": 50}, "Every matching dollar is taken."),
    ],
)
def test_what_may_come_later_is_said_and_a_challenge_is_no_match(campaign, gift, later, says):
    factories.pool(campaign=campaign, **later)
    assert promised("/") == []
    assert f">{says}</h1>" in text("/", at=DURING)


def test_a_pool_whose_hours_are_over_has_no_match_left(campaign):
    factories.pool(campaign=campaign, opens_at=factories.OPENS_AT, closes_at=DURING)
    assert ">The match has ended.</h1>" in text("/", at=DURING)


def test_staffs_words_stand_where_nothing_was_matched_and_before_gifts_are_taken_and_after(campaign):
    assert promised("/") == list(STAFF)
    pool = factories.pool(campaign=campaign)
    pools.set_paused(pool_id=pool.pk, paused=True, actor="staff:1", now=BEFORE)
    Campaign.objects.update(takes_gifts_early=False, heading="Soon.")
    assert ">Soon.</h1>" in text("/", at=BEFORE)
    assert ">Thank you.</h1>" in text("/", at=AFTER)
