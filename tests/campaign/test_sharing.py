"""How pages are found and shared: descriptions, pictures with the progress, structured data, sitemap, robots, feed."""

import io
import json
import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest
import reversion
import time_machine
from django.core.cache import cache
from django.test import Client
from PIL import Image, ImageChops

from campaign.models import Campaign, Fund, Milestone, Story
from tests import factories
from tests.campaign.pages import BEFORE, DURING, get, text

pytestmark = pytest.mark.django_db
MACHINES = ["/share/campaign.png", "/share/funds/education.png", "/sitemap.xml", "/robots.txt", "/feed.xml"]


@pytest.fixture(autouse=True)
def campaign(settings):
    settings.SITE_URL = "https://give.example.org"
    factories.organization()
    made = factories.campaign(funds=[factories.fund("Education", slug="education")])
    Story.objects.create(slug="call", title="The call", summary="It rang.", body="Then.")
    return made


def structured(url: str) -> dict:
    html = text(url, at=DURING)
    data = json.loads(html.split('<script type="application/ld+json">')[1].split("</script>")[0])
    assert data["@context"] == "https://schema.org"
    return {part["@type"]: part for part in data["@graph"]}


def drawn(url: str, **options) -> Image.Image:
    answer = get(url, **options)
    assert answer.headers["Content-Type"] == "image/png"
    return Image.open(io.BytesIO(answer.content)).convert("RGB")


@pytest.mark.parametrize(
    ("url", "title", "picture"),
    [
        ("/", "Giving Tuesday is almost here!", "/share/campaign.png"),
        ("/funds/education/", "Education", "/share/funds/education.png"),
        ("/stories/call/", "The call", "/share/campaign.png"),
        ("/funds/", "What your gift can do", "/share/campaign.png"),
        ("/stories/", "Stories", "/share/campaign.png"),
        ("/match/", "How the match works", "/share/campaign.png"),
        ("/give/", "Give to Harborview Hospital", "/share/campaign.png"),
    ],
)
def test_each_page_says_what_a_shared_link_shows(url, title, picture):
    html = text(f"{url}?utm_source=mail", at=DURING)
    assert f'<link rel="canonical" href="https://give.example.org{url}">' in html
    assert f'<meta property="og:title" content="{title}">' in html
    assert f'<meta property="og:image" content="https://give.example.org{picture}">' in html
    assert html.count('property="og:description"') == html.count('name="description"') == html.count('"canonical"') == 1
    assert '<meta property="og:image:width" content="1200">' in html
    assert '<meta property="og:image:height" content="630">' in html
    get(picture, at=DURING)


def test_a_shared_picture_is_described():
    def told(url: str) -> list[str]:
        return re.findall('property="og:image:(?:width|height|alt)" content="([^"]*)"', text(url, at=DURING))

    of_campaign = "A card of Harborview Hospital with what Giving Tuesday says now and what has been given so far"
    assert told("/") == ["1200", "630", of_campaign]
    of_fund = "A card of Harborview Hospital with the name of a fund, Education, and what has been given to it"
    assert told("/funds/education/") == ["1200", "630", of_fund]
    Story.objects.update(picture="stories/ward_900x600.jpg", picture_alt="A nurse at a window")
    assert told("/stories/call/") == ["900", "600", "A nurse at a window"]
    Campaign.objects.update(shows_figures=False)
    assert told("/match/")[2] == "A card of Harborview Hospital with what Giving Tuesday says now"


def test_search_engines_read_who_asks_for_what_until_when():
    found = structured("/")
    assert set(found) == {"NGO", "Event", "DonateAction"}
    assert found["NGO"]["legalName"] == "Harborview Hospital Foundation, Inc."
    assert found["Event"]["startDate"] == "2026-12-01T00:00:00-05:00"
    assert found["Event"]["organizer"] == {"@id": found["NGO"]["@id"]}
    assert found["DonateAction"]["target"]["urlTemplate"] == "https://give.example.org/give/"
    of_fund = structured("/funds/education/")
    assert of_fund["DonateAction"]["target"]["urlTemplate"] == "https://give.example.org/give/?fund=education"


def test_a_fund_that_takes_no_gifts_asks_for_none():
    Fund.objects.update(is_open=False)
    assert set(structured("/funds/education/")) == {"NGO"}


def test_words_of_staff_cannot_end_the_block_of_data():
    evil = "</script><script>alert(1)</script>"
    Campaign.objects.update(lead=evil)
    assert structured("/")["Event"]["description"] == evil
    assert "<script>alert" not in text("/", at=DURING)


def test_the_picture_is_drawn_with_the_progress_at_most_once_a_minute(campaign):
    empty = drawn("/share/campaign.png", at=DURING)
    assert empty.size == (1200, 630)
    factories.donation(campaign=campaign, amount_minor=12_500_000)
    again = drawn("/share/campaign.png", at=DURING + timedelta(seconds=59))
    assert ImageChops.difference(empty, again).getbbox() is None
    half = drawn("/share/campaign.png", at=DURING + timedelta(seconds=61))
    mint = [half.getpixel((x, 560)) == half.getpixel((90, 560)) for x in (300, 590, 620, 1100)]
    assert mint == [True, True, False, False]
    assert len(get("/share/campaign.png", at=DURING).content) < 60_000


def ink(picture: Image.Image, box: tuple[int, int, int, int]) -> int:
    """How many pixels of a part are as light as words are."""
    return sum(picture.crop(box).convert("L").histogram()[200:])


@pytest.mark.parametrize(("words", "is_right"), [("הכפלנו", True), ("مضاعفة", True), ("募金", False), ("Gift", False)])
def test_words_stand_where_their_script_begins(words, is_right):
    """Hebrew and Arabic at the right edge."""
    Campaign.objects.update(heading=words)
    picture = drawn("/share/campaign.png")
    left, right = ink(picture, (72, 150, 500, 260)), ink(picture, (700, 150, 1128, 260))
    assert (left > 0, right > 0) == (not is_right, is_right)


def test_letters_of_an_arabic_word_are_joined():
    def width(heading: str) -> int:
        Campaign.objects.update(heading=heading)
        cache.clear()
        picture = drawn("/share/campaign.png").crop((72, 140, 1128, 300)).convert("L")
        left, _, right, _ = picture.point(lambda light: light > 200 and 255).getbbox()
        return right - left

    assert width("ععععع") < 0.9 * width("\u200c".join("ععععع"))  # the second keeps them apart


def test_what_no_font_has_is_left_out_and_not_boxed():
    Campaign.objects.update(heading="हिन्दी")
    assert ink(drawn("/share/campaign.png"), (72, 150, 1128, 400)) == 0


@pytest.mark.parametrize("words", ["W" * 160, "word " * 32, "Größe 募金 🎁", "x"])
def test_a_picture_holds_any_words(words):
    Campaign.objects.update(heading=words[:160])
    Fund.objects.update(name=words[:120])
    assert drawn("/share/campaign.png").size == drawn("/share/funds/education.png").size == (1200, 630)


def test_a_picture_tells_no_sum_that_staff_switched_off(campaign):
    factories.donation(campaign=campaign, amount_minor=12_500_000)
    Campaign.objects.update(shows_figures=False)
    off = drawn("/share/campaign.png", at=DURING)
    assert off.getpixel((100, 560)) != (79, 208, 192)


def test_drafts_are_in_no_list_and_have_no_picture():
    Fund.objects.create(name="Draft", slug="draft", summary="s", gl_code="1", is_published=False)
    Story.objects.create(slug="later", title="Later", summary="s", publish_at=DURING + timedelta(days=1))
    get("/share/funds/draft.png", at=DURING, status=404)
    get("/funds/draft/wall/", at=DURING, status=404)
    for url in ("/sitemap.xml", "/feed.xml"):
        html = text(url, at=DURING)
        assert "draft" not in html
        assert "/later/" not in html


def test_the_sitemap_lists_every_page_once():
    places = [
        place.text for place in ElementTree.fromstring(get("/sitemap.xml").content).iter() if (place.text or "").strip()
    ]
    addresses = ("/", "/funds/", "/stories/", "/match/", "/give/", "/funds/education/", "/stories/call/")
    assert places == [f"https://give.example.org{address}" for address in addresses]


def test_dates_are_those_of_the_history_and_of_the_gifts(campaign):
    def saved(story: Story, at: datetime, **changes) -> None:
        with time_machine.travel(at, tick=False), reversion.create_revision():
            for name, value in changes.items():
                setattr(story, name, value)
            story.save()

    days = [datetime(2026, 11, day, 12, tzinfo=UTC) for day in (1, 2, 3)]
    story = Story.objects.get()
    saved(story, days[0], is_published=False)
    saved(story, days[1], is_published=True)
    saved(story, days[2], summary="It rang twice.")
    Story.objects.create(slug="timed", title="Timed", summary="s", publish_at=days[0])
    Milestone.objects.create(campaign=campaign, amount_minor=10_000, text="A chair")
    for minutes in (0, 10, 20):
        at = factories.GIFT_AT + timedelta(minutes=minutes)
        factories.donation(campaign=campaign, amount_minor=6_000, at=at, donor_email=f"m{minutes}@example.org")
    later = factories.GIFT_AT + timedelta(hours=1)
    channel = ElementTree.fromstring(get("/feed.xml", at=later).content)[0]
    assert {item.findtext("title"): item.findtext("pubDate") for item in channel.iter("item")} == {
        "$100 reached": "Tue, 01 Dec 2026 15:40:00 +0000",
        "The call": "Mon, 02 Nov 2026 12:00:00 +0000",
        "Timed": "Sun, 01 Nov 2026 12:00:00 +0000",
    }
    places = re.findall(
        "<loc>https://give.example.org([^<]*)</loc>(?:<lastmod>([^<]*)</lastmod>)?", text("/sitemap.xml")
    )
    assert {address: moment for address, moment in places if moment} == {
        "/stories/call/": "2026-11-03T12:00:00+00:00",
        "/stories/timed/": "2026-11-01T12:00:00+00:00",
    }


def test_robots_are_kept_from_what_is_nobodys():
    rules = text("/robots.txt").splitlines()
    assert {"Disallow: /staff/", "Disallow: /gifts/", "Disallow: /admin/"} <= set(rules)
    assert rules[-1] == "Sitemap: https://give.example.org/sitemap.xml"


def test_the_feed_has_stories_and_reached_milestones(campaign):
    Milestone.objects.create(campaign=campaign, amount_minor=10_000, text="A chair")
    Milestone.objects.create(campaign=campaign, amount_minor=90_000, text="A room")
    factories.donation(campaign=campaign, amount_minor=12_000)
    channel = ElementTree.fromstring(get("/feed.xml", at=DURING).content)[0]
    items = [(item.findtext("title"), item.findtext("description")) for item in channel.iter("item")]
    assert items == [("$100 reached", "A chair"), ("The call", "It rang.")]
    assert 'type="application/rss+xml"' in text("/")


@pytest.mark.parametrize("url", MACHINES)
def test_they_are_only_read_and_anybody_may_keep_them(url):
    answer = get(url, at=BEFORE)
    assert answer.headers["Cache-Control"].startswith("public, max-age=")
    assert not answer.cookies
    assert Client().post(url).status_code == 405


@pytest.mark.parametrize("url", MACHINES)
def test_without_a_campaign_they_answer_all_the_same(url):
    Campaign.objects.all().delete()
    get(url, status=404 if url.startswith("/share") else 200)


def test_an_unknown_fund_has_no_picture():
    get("/share/funds/none.png", status=404)
