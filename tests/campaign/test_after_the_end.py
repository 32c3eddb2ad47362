"""After the end: what the pages say of match money that nobody gets any more, the same on each of them."""

from datetime import timedelta

import pytest
from django.core.cache import cache

from campaign.models import Milestone
from tests import factories
from tests.campaign.pages import AFTER, DURING, get, text

pytestmark = pytest.mark.django_db
JUST_BEFORE = factories.CLOSES_AT - timedelta(milliseconds=500)


@pytest.fixture
def campaign():
    """$300 matched, $200 of a gift that is being paid, and $500 that nobody asked for."""
    factories.organization()
    made = factories.campaign(funds=[factories.fund("Education", slug="education")])
    factories.pool(campaign=made, limit_minor=100_000)
    factories.match(factories.donation(campaign=made, amount_minor=30_000))
    gift = factories.donation(campaign=made, amount_minor=20_000, state="started", at=JUST_BEFORE)
    factories.match(gift, at=JUST_BEFORE, is_paid=False)
    return made


@pytest.mark.parametrize("url", ["/", "/match/", "/funds/education/", "/embed/progress/?part", "/progress/"])
def test_all_pages_say_what_is_left_and_what_is_being_paid_with_the_same_figures(campaign, url):
    html = get(url, at=AFTER, status=286 if url == "/progress/" else 200).content.decode()
    for words in ("<b>$300</b> matched", "<b>$200</b> of gifts being paid", "<b>$500</b> left"):
        assert words in html
    assert "still free" not in html
    assert "</b> held" not in html
    assert ("What is left over is given anyway." in html) == (url in ("/", "/match/", "/progress/"))


def test_what_is_held_no_longer_is_not_named_and_left_over_with_the_rest(campaign):
    html = text("/", at=AFTER + timedelta(hours=2))
    assert "being paid" not in html
    assert "<b>$700</b> left" in html


def test_sponsors_who_do_different_things_with_it_are_read_of_where_each_stands(campaign):
    factories.pool(campaign=campaign, leftover="kept", limit_minor=1_000, unlock_donors=50)
    html = text("/", at=AFTER)
    assert "What is left over" not in html
    assert '<a href="/match/">What happens with what is left</a>' in html
    assert "<b>$510</b> left" in html
    assert text("/match/", at=AFTER).count("What is left over") == 2


def test_a_pool_whose_hours_are_over_has_money_left_and_not_free_while_others_go_on(campaign):
    factories.pool(campaign=campaign, limit_minor=1_000, opens_at=factories.OPENS_AT, closes_at=DURING)
    assert "<b>$500</b> still free" in text("/", at=JUST_BEFORE)
    page = text("/match/", at=JUST_BEFORE)
    assert ("<b>$10</b> left" in page, "<b>$500</b> still free" in page) == (True, True)


def test_an_open_page_asks_until_its_figures_are_of_after_the_end(campaign):
    """A copy of the last second is shown for a moment; a page that stopped there would call money free for ever."""
    assert "<b>$500</b> still free" in text("/progress/", at=JUST_BEFORE)
    for key in cache._cache.get_client().keys("*page:*"):
        cache._cache.get_client().delete(key)
    html = text("/progress/", at=factories.CLOSES_AT)
    assert "<b>$500</b> left" in html
    assert 'data-hx-trigger="every 5s' in text("/", at=factories.CLOSES_AT)
    get("/progress/", at=AFTER, status=286)


def test_milestones_are_reached_or_not_and_nothing_is_to_go(campaign):
    Milestone.objects.create(campaign=campaign, amount_minor=10_000, text="A chair")
    Milestone.objects.create(campaign=campaign, amount_minor=50_000, text="A room")
    assert "<b>$200 to go:</b> A room" in text("/live/", at=JUST_BEFORE)
    screen = text("/live/", at=AFTER)
    assert "<b>$100 reached:</b> A chair" in screen
    page = " ".join(text("/", at=AFTER).split())
    assert "A chair<small>Reached</small>" in page
    assert "A room<small>Not reached</small>" in page
    assert [words for words in ("to go", "Still ahead") if words in screen + page] == []
