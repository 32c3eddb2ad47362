"""`/staff/preview/`: any page at any moment, with the pools in any state, for staff who write pages."""

from datetime import UTC, datetime

import pytest
from django.test import Client

from campaign.models import Campaign, Fund, Section, Story
from donations.models import Donation
from matching.models import MatchPool
from matching.queries import pool_figures
from matching.shown_states import shown_as
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


def seen(*, client=None, **asked):
    response = (client or dana()).get(URL, asked)
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


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("/live/", ["<b>$0</b> <span>given by 0 donors</span>", "The last hour: ends in"]),
        ("/wall/", ["<h1>The newest gifts</h1>", "There are no gifts yet."]),
        ("/funds/education/wall/", ["<h1>The newest gifts to Education</h1>"]),
        ("/embed/countdown/", ["Giving Tuesday ends in", "It ends"]),
        ("/embed/progress/", ["toward $250,000", "<b>$7.35</b> still free"]),
    ],
)
def test_it_shows_the_screen_the_wall_and_what_other_sites_show(fund, page, words):
    html = seen(page=page, at="2026-12-01T23:30", pools="last")
    assert [word for word in words if word not in html] == []
    assert "<b>Preview</b>" in html
    assert f'<option value="{page}" selected>' in html
    assert "data-hx-get" not in html
    assert 'http-equiv="refresh"' not in html


def test_it_shows_the_form_with_the_fund_of_its_address(fund):
    nursing = factories.fund("Nursing", slug="nursing")
    Campaign.objects.get().funds.add(nursing)
    client = dana()
    html = seen(client=client, page="/give/?fund=nursing", at="2026-12-01T12:00")
    assert '<option value="nursing" selected>Nursing</option>' in html
    assert '<option value="/give/?fund=nursing" selected>Giving form: Nursing</option>' in html
    assert 'value="75.00"' in seen(client=client, page="/give/?fund=nursing&amount=75", at="2026-12-01T12:00")


def test_it_shows_one_pool_in_a_state_and_the_others_as_they_are(fund):
    campaign = Campaign.objects.get()
    first = MatchPool.objects.get()
    second = factories.pool(campaign=campaign, sponsor=factories.sponsor("The Alumni"), limit_minor=300_000)
    locked = factories.pool(campaign=campaign, limit_minor=500_000, unlock_donors=50, sponsor=factories.sponsor("Yard"))
    award = {"layer": "award", "unlock_raised_minor": 40_000, "award_minor": 5_000, "limit_minor": 5_000}
    factories.pool(campaign=campaign, **award, sponsor=factories.sponsor("Cole Trust"))
    noon = datetime(2026, 12, 1, 17, tzinfo=UTC)

    def states(state, pool=None):
        shown = shown_as(state, pool_id=pool.pk if pool else None)
        return [row.state for row in pool_figures(campaign=campaign, now=noon, shown_as=shown)]

    assert states("") == ["open", "open", "locked", "running"]
    assert states("used_up", second) == ["open", "used_up", "locked", "running"]
    assert states("half", locked) == ["open", "open", "open", "running"]
    assert states("not_yet_open") == ["not_yet_open", "not_yet_open", "not_yet_open", "running"]
    assert states("closed") == ["closed", "closed", "closed", "running"]
    assert states("locked") == ["open", "open", "locked", "running"]
    assert states("unlocked") == ["open", "open", "open", "given"]
    assert states("paused", first) == ["paused", "open", "locked", "running"]
    assert states("") == ["open", "open", "locked", "running"], "terms that are remembered stay as they are"
    client = dana()
    html = seen(client=client, page="/match/", at="2026-12-01T12:00", pools="used_up", pool=second.pk)
    assert f"with the money of “{second.name}” all taken." in html
    html = seen(client=client, page="/match/", at="2026-12-01T12:00", pools="locked")
    assert "Unlocks when 50 people have given: 30 so far" in html
    assert "$240 of $400 raised" in html


def test_it_shows_that_the_form_is_not_open_yet(fund):
    Campaign.objects.update(takes_gifts_early=False)
    html = seen(page="/give/", at="2026-11-24T12:00")
    assert "Giving opens soon" in html
    assert "<b>Preview</b>" in html


def test_it_says_loudly_what_it_is_and_renews_nothing(fund):
    html = seen(page="/funds/education/", at="2026-12-01T12:00", pools="last")
    bar = html.split('class="preview-bar')[1].split("</section>")[0]
    assert "<b>Preview</b>" in bar
    assert "Tuesday, December 1, at 12:00 PM, Boston time, with the match money down to its last dollars." in bar
    assert "data-hx-get" not in html
    assert "data-switches" not in html


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
        ({"page": "/give/match/"}, "cannot be previewed: choose a page of the list"),
        ({"page": "/funds/none/"}, "cannot be previewed: choose a page of the list"),
        ({"page": "/embed/nothing/"}, "The address /embed/nothing/ cannot be previewed"),
        ({"page": "/gifts/pUvL8NyN/"}, "The address /gifts/pUvL8NyN/ cannot be previewed"),
        ({"pools": "half", "pool": "x"}, "There is no such pool"),
        ({"pools": "locked"}, "None of this money waits for a challenge"),
        ({"page": "//evil.example/"}, "cannot be previewed: choose a page of the list"),
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
