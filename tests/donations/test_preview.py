"""`/staff/preview/`: any page at any moment, with the pools in any state, for staff who write pages."""

import pytest
from django.test import Client

from campaign.models import Campaign, Fund, Section, Story
from donations.models import Donation
from matching.models import MatchPool
from tests import factories
from tests.campaign.pages import BEFORE, get
from tests.staff import dana, farid, olga

pytestmark = pytest.mark.django_db
URL = "/staff/preview/"


@pytest.fixture
def fund():
    factories.organization()
    made = factories.fund("Education", slug="education")
    factories.pool(campaign=factories.campaign(funds=[made]), limit_minor=1_000_000)
    return made


def seen(**asked):
    response = dana().get(URL, asked)
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ("2026-11-24T12:00", "Giving Tuesday starts in"),
        ("2026-12-01T00:00", "Giving Tuesday ends in"),
        ("2026-12-01T23:00", "This is the last hour of Giving Tuesday."),
        ("2026-12-01T23:59", '<b data-unit="minutes">01</b>'),
        ("2026-12-02T00:00", "Giving Tuesday raised"),
    ],
)
@pytest.mark.parametrize("page", ["/", "/funds/education/"])
def test_it_shows_a_page_at_a_moment_in_the_campaigns_time_zone(fund, page, at, words):
    assert words in seen(page=page, at=at)


@pytest.mark.parametrize(
    ("pools", "figures", "line"),
    [
        ("untouched", "<b>$10,000</b> still free", "$100 becomes $200."),
        ("half", "<b>$5,000</b> still free", "$100 becomes $200."),
        ("last", "<b>$7.35</b> still free", "$100 becomes $107.35."),
        ("used_up", "<b>$0</b> still free", "The match is all taken."),
        ("paused", "", "The match is paused."),
    ],
)
def test_it_shows_the_pools_in_a_state_and_changes_none(fund, pools, figures, line):
    before = list(MatchPool.objects.values())
    html = seen(page="/funds/education/", at="2026-12-01T12:00", pools=pools)
    assert figures in html
    assert line in html
    assert list(MatchPool.objects.values()) == before


@pytest.mark.parametrize(
    ("at", "pools", "words"),
    [
        ("2026-11-24T12:00", "", "Once, on December 1"),
        ("2026-12-01T12:00", "last", "$100 becomes $107.35."),
        ("2026-12-02T00:00", "", "Giving Tuesday has ended, and your gift is still welcome."),
    ],
)
def test_it_shows_the_giving_form_which_cannot_be_sent(fund, at, pools, words):
    client = dana()
    html = client.get(URL, {"page": "/give/", "at": at, "pools": pools}).content.decode()
    assert words in html
    assert 'data-busy="One moment…" disabled>' in html
    assert "hx-get" not in html
    assert "gift_form" not in client.cookies
    assert not Donation.objects.exists()


def test_it_shows_that_the_form_is_not_open_yet(fund):
    Campaign.objects.update(takes_gifts_early=False)
    html = seen(page="/give/", at="2026-11-24T12:00")
    assert "Giving opens soon" in html
    assert "<b>Preview</b>" in html


def test_it_says_loudly_what_it_is_and_renews_nothing(fund):
    html = seen(page="/funds/education/", at="2026-12-01T12:00", pools="last")
    bar = html.split('class="preview-bar')[1].split("</section>")[0]
    assert "<b>Preview</b>" in bar
    assert "Tuesday, December 1, at 12:00 PM, Boston time, with the match the last dollars." in bar
    assert "data-hx-get" not in html
    assert "data-again" not in html


def test_it_shows_drafts_which_visitors_never_see(fund):
    Section.objects.create(fund=fund, kind="text", heading="Words to come", is_draft=True)
    Story.objects.create(slug="d", title="A story to come", summary="s", body="b", is_published=False)
    Fund.objects.update(is_published=False)
    client = dana()
    html = client.get(URL, {"page": "/funds/education/"}).content.decode()
    assert "Words to come" in html
    assert "Draft: visitors do not see this part" in html
    assert "A story to come (draft)" in html
    assert "<h1>A story to come</h1>" in client.get(URL, {"page": "/stories/d/"}).content.decode()
    get("/funds/education/", status=404)
    get("/stories/d/", status=404)


def test_what_was_previewed_is_in_no_cache(fund):
    client = dana()
    answer = client.get(URL, {"page": "/funds/education/", "at": "2026-12-02T00:00", "pools": "used_up"})
    assert answer.headers["Cache-Control"] == "private, no-store"
    shown = get("/funds/education/", at=BEFORE).content.decode()
    assert "Preview</b>" not in shown
    assert "starts in" in shown
    assert "<b>$10,000</b> still free" in shown


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"at": "tomorrow"}, "That moment cannot be read"),
        ({"at": "2026-13-45T99:00"}, "That moment cannot be read"),
        ({"at": "0001-01-01T00:00"}, "That moment cannot be read"),
        ({"pools": "melted"}, "There is no such state of the pools"),
        ({"page": "/give/match/"}, "There is no page of that address to preview"),
        ({"page": "/funds/none/"}, "There is no page of that address to preview"),
        ({"page": "//evil.example/"}, "There is no page of that address to preview"),
    ],
)
def test_it_says_what_it_could_not_read_and_shows_a_page_all_the_same(fund, asked, words):
    html = seen(**asked)
    assert words in html
    assert "Giving Tuesday" in html


def test_it_is_for_people_who_write_pages(fund):
    assert Client().get(URL).headers["Location"].startswith("/staff/login/")
    assert farid().get(URL).status_code == 403
    assert olga().get(URL).status_code == 403
    assert dana().post(URL).status_code == 405
