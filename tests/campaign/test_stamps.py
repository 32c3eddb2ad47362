"""While nobody writes anything, a page that is made anew asks the database once; what was written is on the next."""

from datetime import timedelta
from functools import partial

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from campaign import copies, stamps
from campaign.models import Campaign, Fund
from donations.models import Donation
from matching.moments import next_change
from tests import factories
from tests.campaign.pages import DURING, get, text

pytestmark = pytest.mark.django_db(transaction=True)
PAGES = [
    *("/", "/funds/", "/funds/education/", "/stories/", "/stories/ana/", "/match/", "/wall/", "/live/", "/give/"),
    *("/embed/progress/", "/embed/countdown/", "/progress/", "/progress/?part=band", "/progress/?part=live"),
]


def later(seconds):
    return DURING + timedelta(seconds=seconds)


@pytest.fixture(autouse=True)
def campaign():
    factories.organization()
    education = factories.fund("Education", slug="education")
    education.presets.create(amount_minor=5_000, does="buys a book")
    education.stories.create(slug="ana", title="Ana")
    campaign = factories.campaign(funds=[education], heading="First words")
    factories.pool(campaign=campaign, limit_minor=1_000_000)
    factories.match(factories.donation(campaign=campaign, amount_minor=10_000))
    return campaign


def questions(url, *, at):
    with CaptureQueriesContext(connection) as asked:
        get(url, at=at)
    return len(asked)


def fewest_questions(url, *, since=0):
    """Of some tries: PostgreSQL's own upkeep commits, too, and then the page is read again."""
    tries = (questions(url, at=later(seconds)) for seconds in range(since + 2, since + 42, 2))
    return next((count for count in tries if count == 1), None)


def test_a_page_whose_copy_is_old_asks_once_while_nothing_is_written():
    assert questions("/", at=DURING) > 30
    for url in PAGES:
        get(url, at=DURING)
    assert {url: fewest_questions(url) for url in PAGES} == dict.fromkeys(PAGES, 1)
    assert questions("/", at=later(900)) > 1, "a new day may have begun"


def test_beside_gifts_what_staff_wrote_is_not_read_again(campaign):
    get("/stories/ana/", at=DURING)
    factories.donation(campaign=campaign)
    assert questions("/stories/ana/", at=later(2)) == 1
    assert questions("/", at=later(2)) > 1


def test_what_is_written_is_on_the_page_a_second_later(campaign):
    assert "First words" in text("/", at=DURING)
    assert "$100" in text("/progress/", at=DURING)
    Campaign.objects.update(heading="Second words")
    factories.donation(campaign=campaign, amount_minor=23_400)
    assert "Second words" in text("/", at=later(2))
    assert "$334" in text("/progress/", at=later(2))
    Fund.objects.update(is_published=False)
    get("/funds/education/", at=later(4), status=404)
    assert "First words" not in text("/give/", at=later(4))


def test_figures_that_are_still_right_carry_the_moment_they_were_seen_to_be():
    get("/progress/", at=DURING)
    assert ":02 AM" in text("/progress/", at=later(2))


def test_a_hold_that_lapses_is_free_again_though_nobody_wrote_it(campaign):
    gift = factories.donation(campaign=campaign, state=Donation.State.STARTED, at=DURING)
    held = factories.match(gift, at=DURING, is_paid=False)
    assert next_change(now=DURING) == min(held.held_until, stamps.quarter_end(DURING))
    shown = text("/progress/", at=held.held_until - timedelta(seconds=1))
    assert text("/progress/", at=held.held_until + timedelta(seconds=1)) != shown


@pytest.mark.parametrize(("wait", "change"), [(60, 60), (61, 1), (5_400, 60), (5_461, 61), (9_001, 1), (9_000, 900)])
def test_the_wait_for_an_opening_changes_at_whole_minutes_and_before_at_half_hours(campaign, wait, change):
    start = stamps.quarter_end(DURING)
    factories.pool(campaign=campaign, opens_at=start + timedelta(seconds=wait))
    assert next_change(now=start) == start + timedelta(seconds=change)


def test_what_another_release_made_is_made_again(monkeypatch):
    get("/give/", at=DURING)
    monkeypatch.setattr(stamps, "_release", lambda: "another")
    assert questions("/give/", at=later(2)) > 1
    assert fewest_questions("/give/", since=2) == 1


def test_inside_a_transaction_nothing_is_sworn_to():
    """No snapshot tells of one's own writes: the copy is made again."""
    until = partial(stamps.quarter_end, DURING)
    with transaction.atomic():
        for seconds, name in ((0, "old"), (2, "new")):
            with stamps.one_stamp():
                made = copies.fresh("k", now=later(seconds), make=lambda made=name: made, until=until)
            assert made == (later(seconds), name)


def test_a_page_that_is_gone_is_shown_to_nobody_any_more(campaign):
    get("/funds/education/", at=DURING)
    Fund.objects.update(is_published=False)
    for _ in range(2):  # the one that looks, and the next
        get("/funds/education/", at=later(2), status=404)


def test_without_an_answer_the_page_is_made_as_before(monkeypatch):
    get("/", at=DURING)
    monkeypatch.setattr(stamps, "_question", lambda: "SELECT nothing_of_that_name")
    assert questions("/", at=later(2)) > 1
    assert "First words" in text("/", at=later(4))
