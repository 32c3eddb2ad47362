"""Somebody else holds the pools while a donor presses Continue: the gift is kept, and the page goes on by itself."""

import pytest
from playwright.sync_api import expect

from tests.database import locked_by_someone_else
from tests.journeys.giving_pages import fill_form, open_for_giving, send_form, the_gift
from tests.journeys.test_giving_access import expect_accessible
from tests.pages import LOOKS

WAITING = "We are holding your match: one moment"


@pytest.fixture
def pool(site):
    return open_for_giving()


@pytest.mark.parametrize("look", LOOKS)
def test_the_page_waits_for_the_match_and_then_shows_it(open_page, site, pool, look):
    page = open_page(**look)
    fill_form(page, site)
    with locked_by_someone_else(pool, seconds=30):
        send_form(page)
        expect(page.get_by_role("heading", level=1)).to_have_text(WAITING)
        expect_accessible(page)
        page.wait_for_timeout(2_000)  # the page has asked by then, and was told to wait
        expect(page.get_by_role("heading", level=1)).to_have_text(WAITING)
    expect(page.get_by_role("heading", level=1)).to_have_text("Your match is held")
    expect(page.get_by_text("$100.00 from The Harbor Family is yours until")).to_be_visible()
    assert the_gift().awaits_match_since is None


def test_without_javascript_it_goes_on_by_itself_too(open_page, site, pool):
    page = open_page(java_script_enabled=False)
    fill_form(page, site)
    with locked_by_someone_else(pool, seconds=30):
        send_form(page)
        expect(page.get_by_role("heading", level=1)).to_have_text(WAITING)
        page.get_by_role("link", name="Look again").click()
        expect(page.get_by_role("heading", level=1)).to_have_text(WAITING)
    expect(page.get_by_role("heading", level=1)).to_have_text("Your match is held")
