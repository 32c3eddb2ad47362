"""`/live/` for the lobby and the gala: legible from afar, nothing hidden, goes on after a lost connection."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import expect

from campaign.models import Campaign, Milestone
from tests import factories
from tests.campaign.pages import AFTER, BEFORE, DURING, assert_shared, get, text
from tests.pages import PHONE

WALL_SIZE = {"width": 1920, "height": 1080}
A_POLL_MS = 7_000
SMALLEST_PX = 44  # on a wall three metres wide its letters are five centimetres high: legible at ten metres


@pytest.fixture
def campaign(db):
    factories.organization()
    return factories.campaign()


def test_anybody_may_keep_it_for_a_second_and_only_read_it(campaign):
    assert_shared(get("/live/", at=DURING))
    assert Client().post("/live/").status_code == 405
    assert 'http-equiv="refresh" content="10"' in text("/live/", at=DURING)


def test_it_shows_the_sums_and_never_what_was_hidden(campaign):
    factories.pool(campaign=campaign)
    factories.match(factories.donation(campaign=campaign, amount_minor=12_345, donor_name="Ana Lima"))
    factories.donation(campaign=campaign, amount_minor=7_777, donor_name="Hidden Person", hides_name=True)
    factories.donation(campaign=campaign, amount_minor=98_765, donor_name="Quiet Giver", hides_amount=True)
    for url in ("/live/", "/progress/?part=screen"):
        html = text(url, at=DURING + timedelta(hours=1))
        assert "<b>$1,188</b> <span>given by 3 donors</span>" in html
        assert "<b>+ $123</b> <span>matched by sponsors</span>" in html
        assert "<span>Ana Lima</span><b>$123.45</b>" in html
        assert "<span>Quiet Giver</span></li>" in html
        assert "<span>Anonymous</span><b>$77.77</b>" in html
        assert "Hidden Person" not in html
        assert "987" not in html
        assert "Figures from 11:00:00 AM" in html


def test_it_counts_milestones_for_the_celebration(campaign):
    Milestone.objects.create(campaign=campaign, amount_minor=10_000, text="A chair")
    Milestone.objects.create(campaign=campaign, amount_minor=50_000, text="A room")
    assert 'data-reached="0"' in text("/progress/?part=screen", at=DURING)
    factories.donation(campaign=campaign, amount_minor=12_001)
    html = text("/progress/?part=screen", at=DURING + timedelta(seconds=2))
    assert 'data-reached="1" data-reached-amount="$100" data-reached-text="A chair"' in html
    assert "<b>$380 to go:</b> A room" in html


@pytest.mark.parametrize(("at", "words"), [(BEFORE, "Starts in"), (DURING, "Ends in"), (AFTER, "Thank you.")])
def test_it_follows_the_campaign_and_never_stops_asking(campaign, at, words):
    assert words in text("/live/", at=at)
    assert words in text("/progress/?part=screen", at=at)


def test_switched_off_it_shows_no_figure_and_no_name(campaign):
    factories.donation(campaign=campaign, amount_minor=12_000, donor_name="Ana Lima")
    Campaign.objects.update(shows_screen=False)
    html = text("/live/", at=DURING)
    assert "Thank you for being here." in html
    assert "$120" not in html
    assert "Ana Lima" not in html


def test_without_a_campaign_there_is_no_screen(db):
    get("/live/", status=404)


@pytest.mark.django_db(transaction=True)
def test_it_can_be_read_at_ten_metres_celebrates_and_outlives_a_lost_connection(open_page, page_errors, live_server):
    page_errors.expect("ERR_INTERNET_DISCONNECTED|htmx:sendError|htmx:afterRequest")
    factories.organization()
    campaign = factories.open_campaign()
    factories.pool(campaign=campaign, limit_minor=100_000_000)
    Milestone.objects.create(campaign=campaign, amount_minor=123_456_700, text="A new birth simulator for the ward")
    for name in ("Maximiliane Featherstonehaugh-Whittington", "Ana Lima", "Bo", "The Residents of 1998", "Chi Ming"):
        gift = factories.donation(campaign=campaign, amount_minor=20_000_000, donor_name=name, at=timezone.now())
        factories.match(gift, at=timezone.now())
    page = open_page(viewport=WALL_SIZE, reduced_motion="reduce")
    page.clock.install()
    page.goto(live_server.url + "/live/")
    expect(page.locator("h1")).to_contain_text("$1,000,000")
    assert page.evaluate("document.documentElement.scrollHeight") <= WALL_SIZE["height"]
    assert page.evaluate(SMALL_TEXT, SMALLEST_PX) == []

    at = page.locator(".screen-now").get_attribute("data-figures-at")
    page.context.set_offline(True)
    page.clock.run_for(A_POLL_MS)
    expect(page.locator("#lost-note")).to_contain_text(f"No connection. These figures are from {at}")
    factories.donation(campaign=campaign, amount_minor=40_000_000, at=timezone.now())
    page.context.set_offline(False)
    page.clock.run_for(A_POLL_MS)
    expect(page.locator("#celebration")).to_contain_text("$1,234,567")
    expect(page.locator("#lost-note")).to_be_hidden()
    assert page.evaluate("document.getAnimations().length") == 0
    assert page.evaluate(SMALL_TEXT, SMALLEST_PX) == []
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


# The words on the screen that are smaller than so many pixels, or cut off at its edge.
SMALL_TEXT = """(smallest) => {
  const found = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const box = walk.currentNode.parentElement, range = document.createRange();
    range.selectNodeContents(walk.currentNode);
    const at = range.getBoundingClientRect();
    if (!walk.currentNode.data.trim() || !at.width || box.closest("script, .visually-hidden")) continue;
    const size = parseFloat(getComputedStyle(box).fontSize);
    if (size < smallest || at.bottom > innerHeight) found.push(walk.currentNode.data.trim());
  }
  return found;
}"""
