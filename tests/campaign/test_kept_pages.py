"""Public pages are rendered once a second, whatever the crowd and whatever it writes into the address."""

import re
from datetime import timedelta

import pytest
from django.core.cache import cache
from redis.exceptions import ConnectionError as RedisAway

from campaign.models import Campaign
from tests import factories
from tests.campaign.pages import BEFORE, get, text

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def campaign():
    factories.organization()
    return factories.campaign(heading="First words")


def change_heading():
    Campaign.objects.update(heading="Second words")


def test_a_crowd_in_the_same_second_costs_one_rendering(django_assert_num_queries):
    text("/")
    change_heading()
    with django_assert_num_queries(0):
        assert "First words" in text("/")
        assert "First words" in text("/?utm_source=mail&made=up")


@pytest.mark.parametrize(
    "url",
    [
        "/wall/?page=2",
        "/wall/?part",
        "/funds/education/wall/",
        "/progress/?part=live",
        "/progress/?part=screen",
        "/live/",
        "/embed/countdown/",
        "/embed/progress/?part",
        "/share/campaign.png",
        "/share/funds/education.png",
        "/sitemap.xml",
        "/feed.xml",
    ],
)
def test_whatever_is_live_asks_the_database_once_a_second(campaign, django_assert_num_queries, url):
    campaign.funds.add(factories.fund("Education", slug="education"))
    factories.donation(campaign=campaign)
    get(url)
    for again in (url, f"{url}{'&' if '?' in url else '?'}utm_source=mail"):
        with django_assert_num_queries(0):
            get(again, at=BEFORE + timedelta(milliseconds=900))


def test_a_copy_carries_the_clock_of_the_moment_it_is_sent():
    first = get("/")
    later = BEFORE + timedelta(milliseconds=900)
    again = get("/", at=later)
    shown = str(int(later.timestamp() * 1000))
    assert first.headers["X-Now-Ms"] != again.headers["X-Now-Ms"] == shown
    assert f'data-now="{shown}"' in again.content.decode()


def test_a_second_later_it_is_rendered_again():
    text("/")
    change_heading()
    assert "Second words" in text("/", at=BEFORE + timedelta(seconds=1))


def test_made_up_parameters_fill_no_cache():
    keys = set()
    for number in range(5):
        get(f"/?x={number}")
        get(f"/progress/?slim={number}")
        keys.add(len(cache._cache.get_client().keys("*page:*")))
    assert keys == {1}


def test_made_up_ports_in_the_host_fill_no_cache():
    for port in range(8001, 8006):
        get("/", headers={"Host": f"127.0.0.1:{port}"})
    assert len(cache._cache.get_client().keys("*page:*")) == 1


def test_parts_and_phases_have_copies_of_their_own():
    figures, band = text("/progress/"), text("/progress/?part=band")
    assert figures != band
    change_heading()
    assert "First words" in text("/progress/?part=band")
    assert "Second words" in text("/progress/?part=band&after=before")


@pytest.mark.parametrize(
    ("page", "part", "words"),
    [
        ("/", "/progress/?part=band", "Giving Tuesday ends in"),
        ("/live/", "/progress/?part=screen", ">Ends in<"),
        ("/embed/countdown/", "/embed/countdown/?part", "Giving Tuesday ends in"),
    ],
)
def test_what_is_asked_for_at_a_moment_is_no_copy_from_before_it(page, part, words):
    opens_at = factories.OPENS_AT
    just_before = opens_at - timedelta(milliseconds=300)
    html = text(page, at=just_before)
    assert f'data-stage="before" data-switches="{opens_at.isoformat()}"' in html
    assert re.search(f'data-hx-get="{re.escape(part)}" data-hx-trigger="[^"]*moment from:body', html)
    text(part, at=just_before)
    assert words not in text(part, at=opens_at)
    assert words in text(f"{part}&after=before", at=opens_at)


def test_the_same_content_again_is_not_sent_again():
    etag = get("/progress/").headers["ETag"]
    again = get("/progress/", status=304, headers={"If-None-Match": etag})
    assert again.content == b""
    assert "First words" in text("/")


def test_an_error_is_not_kept():
    get("/funds/new-fund/", status=404)
    Campaign.objects.get().funds.add(factories.fund("New", slug="new-fund"))
    get("/funds/new-fund/", status=200)


def test_without_the_cache_every_page_is_rendered(monkeypatch):
    def away(*_, **__):
        raise RedisAway

    for name in ("get_many", "set", "add", "delete"):
        monkeypatch.setattr(cache, name, away)
    assert "First words" in text("/")
    change_heading()
    assert "Second words" in text("/")
