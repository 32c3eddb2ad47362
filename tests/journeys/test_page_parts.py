"""The parts of a page in a browser: a video that waits to be pressed, and all of them for every way of reading."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings as django_settings
from playwright.sync_api import expect

from campaign.models import Section, SectionItem
from tests import factories, staff
from tests.campaign.pages import picture
from tests.pages import DESKTOP, LOOKS

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def address(live_server, settings, tmp_path):
    """A fund's page with the parts that need more than words."""
    settings.MEDIA_ROOT = tmp_path
    factories.organization()
    fund = factories.fund("Education", slug="education")
    factories.open_campaign(funds=[fund])
    shown = {"picture_alt": "A ward", "heading": "A day of rounds"}
    link = "https://www.youtube.com/watch?v=aqz-KE-bpKQ"
    Section.objects.create(fund=fund, kind="video", position=1, picture=picture(), video_link=link, **shown)
    Section.objects.create(fund=fund, kind="beside", position=2, picture=picture("b.webp"), body="Words.", **shown)
    Section.objects.create(fund=fund, kind="quotation", position=3, body="I asked.", closing="A patient")
    asked = Section.objects.create(fund=fund, kind="questions", position=4, heading="What donors ask")
    SectionItem.objects.create(section=asked, title="Is it deductible?", text="Your receipt says how much.")
    fund.presets.create(amount_minor=4_000, does="fills a shelf in the practice room")
    return f"{live_server.url}/funds/education/"


def test_nothing_of_a_video_is_loaded_before_its_button_is_pressed(open_page, address):
    page, asked = open_page(), []

    def player(route):
        asked.append(route.request.url)
        route.fulfill(body="<!doctype html><title>player</title>", content_type="text/html")

    page.route("**://*.youtube-nocookie.com/**", player)
    page.goto(address)
    button = page.get_by_role("button", name="Play “A day of rounds”")
    expect(button).to_be_visible()
    assert asked == []
    button.press("Enter")
    expect(page.locator("iframe[title='A day of rounds']")).to_be_visible()
    page.wait_for_load_state("networkidle")
    assert asked == ["https://www.youtube-nocookie.com/embed/aqz-KE-bpKQ?autoplay=1&rel=0"]


def test_without_javascript_the_video_is_a_link(open_page, address):
    page = open_page(java_script_enabled=False)
    page.goto(address)
    expect(page.get_by_role("link", name="Watch it at YouTube")).to_be_visible()
    expect(page.locator(".video button")).to_be_hidden()


@pytest.mark.parametrize("look", LOOKS)
def test_its_parts_are_accessible_and_fit(open_page, address, look):
    page = open_page(**look)
    page.goto(address)
    page.get_by_text("Is it deductible?").click()
    expect(page.get_by_text("Your receipt says how much.")).to_be_visible()
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found] == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_a_picture_that_was_just_chosen_stands_in_the_preview_and_is_not_sent(open_page, live_server):
    factories.organization()
    part = Section.objects.create(fund=factories.fund("Education"), kind="picture", heading="A ward")
    page = open_page(viewport=DESKTOP)
    key = staff.dana().cookies[django_settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": django_settings.SESSION_COOKIE_NAME, "value": key, "url": live_server.url}])
    page.goto(f"{live_server.url}/admin/campaign/section/{part.pk}/change/")
    preview = page.frame_locator(".part-preview iframe")
    expect(preview.get_by_text("Choose the picture.")).to_be_visible()
    chosen = {"name": "ward.webp", "mimeType": "image/webp", "buffer": picture().read()}
    page.locator("input[name=picture]").set_input_files(chosen)
    shown = preview.locator("img.pic")
    expect(shown).to_have_attribute("src", re.compile("^blob:"))
    expect(shown).to_have_js_property("naturalWidth", 16)
    assert Section.objects.get().picture.name == ""
