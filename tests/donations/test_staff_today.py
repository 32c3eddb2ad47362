"""The day's page: its figures are the queries' figures, its list names what needs a person, its cost is constant."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from campaign.templatetags.prose import px
from donations import attention, charts, queries
from donations.models import Donation, FollowUp, StripeEvent
from donations.templatetags.staff_words import percent, roughly
from matching import holds
from matching.models import MatchPool
from matching.queries import pool_figures
from tests import factories, staff
from tests.factories import CLOSES_AT, OPENS_AT

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 12, 1, 14, 14, 7, tzinfo=UTC)  # 9:14:07 AM in Boston
BEFORE = OPENS_AT - timedelta(days=1)


@pytest.fixture(autouse=True)
def _at_nine():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def fund():
    return factories.fund("Education")


@pytest.fixture
def campaign(fund):
    return factories.campaign(funds=[fund])


@pytest.fixture
def pool(campaign):
    return factories.pool(campaign=campaign, limit_minor=100_000, now=BEFORE)


def paid(campaign, fund, amount_minor, at, **changes):
    gift = factories.donation(campaign=campaign, parts=[(fund, amount_minor)], at=at, **changes)
    factories.match(gift, at=at)
    return gift


def test_it_shows_raised_matched_held_and_free(campaign, fund, pool):
    paid(campaign, fund, 60_000, NOW - timedelta(hours=1))
    paid(campaign, fund, 12_550, NOW - timedelta(minutes=5), fee_minor=390)
    at_checkout = factories.donation(campaign=campaign, parts=[(fund, 5_000)], at=NOW, state="started")
    factories.match(at_checkout, at=NOW, is_paid=False)
    page = staff.text_of(staff.dana().get("/staff/"))
    for words in (
        "<dt>Raised by donors</dt><dd><b>$725.50</b><small>2 gifts · 2 donors</small>",
        "<dt>Matched</dt><dd><b>$725.50</b><small>by 1 sponsor</small>",
        "<dt>Held, being paid</dt><dd><b>$50</b><small>1 donor at checkout</small>",
        "<dt>Still free</dt><dd><b>$224.50</b><small>in 1 open pool</small>",
        '<time datetime="2026-12-01T09:14:07-0500">9:14:07 AM</time>',
        "Giving Tuesday, live",
        "Nothing is late",
        "Nothing waits for you.",
    ):
        assert words in page


def test_it_shows_an_empty_campaign_without_inventing_anything(campaign):
    page = staff.text_of(staff.dana().get("/staff/"))
    for words in ("0 gifts · 0 donors", "no match yet", "nobody at checkout", "no pool is open", "No gift yet."):
        assert words in page
    assert "No match pool yet." in page


def test_it_refreshes_every_part_and_nothing_else(campaign, fund, pool):
    paid(campaign, fund, 60_000, NOW)
    whole = staff.text_of(staff.dana().get("/staff/"))
    parts = staff.text_of(staff.farid().get("/staff/figures/", headers={"HX-Request": "true"}))
    moving = (
        "ledger-check",
        "backlog",
        "halted",
        "kpis",
        "hours-chart",
        "hours-table",
        "concerns",
        "pools-table",
        "payments",
        "newest-table",
    )
    for name in moving:
        assert whole.count(f'id="{name}"') == parts.count(f'id="{name}"') == 1
    assert parts.count('hx-swap-oob="true"') == len(moving)
    assert 'hx-swap-oob="true"' not in whole
    assert parts.count('hx-trigger="every 5s"') == whole.count('hx-trigger="every 5s"') == 1
    assert "<html" not in parts


def test_it_stands_still_when_asked_to(campaign):
    page = staff.text_of(staff.dana().get("/staff/?live=0"))
    assert "hx-trigger" not in page
    assert "Refresh by itself" in page


def test_it_needs_the_same_number_of_queries_for_one_gift_and_for_sixty(campaign, fund, pool):
    client = staff.dana()
    counts = []
    for gifts in (1, 59):
        for number in range(gifts):
            gift = paid(campaign, fund, 1_000, NOW - timedelta(minutes=number))
            FollowUp.objects.create(donation=gift, kind="email", subject_id=number, due_at=NOW, state="failed")
            Donation.objects.filter(pk=gift.pk).update(match_shortfall_minor=100)
        with CaptureQueriesContext(connection) as seen:
            assert client.get("/staff/").status_code == 200
        counts.append(len(seen))
    assert counts[0] == counts[1] <= 39


def test_it_lists_what_needs_a_person(campaign, fund, pool):
    short = [paid(campaign, fund, 1_000, NOW) for _ in range(5)]
    Donation.objects.update(match_shortfall_minor=4_000)
    FollowUp.objects.create(donation=short[0], kind="email", due_at=NOW, state="failed")
    FollowUp.objects.create(donation=short[0], kind="receipt", due_at=NOW, state="failed")
    FollowUp.objects.create(donation=short[1], kind="receipt", due_at=NOW, state="failed")
    event = {"type": "charge.refunded", "payload": {}, "created_at": NOW, "due_at": NOW}
    StripeEvent.objects.create(event_id="evt_1", state="failed", last_error="AmountMismatch: odd", **event)
    StripeEvent.objects.create(event_id="evt_2", state="applied", **event)
    MatchPool.objects.update(halted_reason="free is 1 cent off.")
    found = attention.concerns(pools=pool_figures(campaign=campaign, now=NOW))
    newest = [gift.pk for gift in short][::-1]
    assert [(row.title, row.count, row.url) for row in found] == [
        ("New match is stopped: the ledger check failed", 1, f"/staff/pools/#pool-{pool.pk}"),
        ("A Stripe event could not be applied", 1, "/staff/attention/#event"),
        ("Match smaller than shown (5)", 5, "/staff/attention/#short"),
        ("Receipt could not be made (2)", 2, "/staff/attention/#receipt"),
        ("Receipt refused by the mailbox", 1, "/staff/attention/#email"),
    ]
    page = staff.text_of(staff.dana().get("/staff/"))
    assert f"Newest: Gift G-{newest[0]}, $40.00 short of what was held" in page
    assert "Stopped" in page


def test_it_says_how_far_the_workers_are_behind(campaign, fund, pool):
    gift = paid(campaign, fund, 1_000, NOW)
    FollowUp.objects.create(donation=gift, kind="email", due_at=NOW - timedelta(seconds=59))
    assert attention.backlog(now=NOW) == attention.Backlog(0, None)
    FollowUp.objects.create(donation=gift, kind="receipt", due_at=NOW - timedelta(minutes=2))
    StripeEvent.objects.create(
        event_id="evt_1", type="x", payload={}, created_at=NOW, due_at=NOW - timedelta(minutes=5)
    )
    assert attention.backlog(now=NOW) == attention.Backlog(2, NOW - timedelta(minutes=5))
    assert "2 jobs late since 9:09 AM" in staff.text_of(staff.dana().get("/staff/"))


def test_it_puts_each_gift_into_its_hour_of_the_campaigns_day(campaign, fund, pool):
    at = [
        OPENS_AT,
        OPENS_AT + timedelta(minutes=59, seconds=59),
        OPENS_AT + timedelta(hours=1),
        OPENS_AT - timedelta(seconds=1),
    ]
    for moment, amount_minor in zip(at, (1_000, 2_000, 4_000, 8_000), strict=True):
        paid(campaign, fund, amount_minor, moment)
    hours = queries.gifts_by_hour(campaign_id=campaign.pk, start=OPENS_AT, end=OPENS_AT + timedelta(hours=3))
    assert [(row.gift_count, row.raised_minor, row.matched_minor) for row in hours] == [
        (2, 3_000, 3_000),
        (1, 4_000, 4_000),
        (0, 0, 0),
    ]
    page = staff.text_of(staff.dana().get("/staff/"))
    assert (
        '<th scope="row">12 AM EST</th><td class="r">2</td><td class="r">$30.00</td><td class="r">$30.00</td>' in page
    )
    assert page.count("<g><title>") == 10  # midnight to the hour that is running
    the_day_before = staff.text_of(staff.farid().get("/staff/?day=2026-11-30"))
    assert "11 PM: $80 raised by 1 gift, $80 matched" in the_day_before
    assert the_day_before.count("<g><title>") == 24


def test_it_counts_the_twenty_five_hours_of_the_day_the_clocks_go_back(campaign, fund):
    start, end = datetime(2026, 11, 1, 4, tzinfo=UTC), datetime(2026, 11, 2, 5, tzinfo=UTC)
    for hour in range(25):
        factories.donation(campaign=campaign, parts=[(fund, 1_000)], at=start + timedelta(hours=hour))
    hours = queries.gifts_by_hour(campaign_id=campaign.pk, start=start, end=end)
    assert [row.gift_count for row in hours] == [1] * 25
    page = staff.text_of(staff.dana().get("/staff/?day=2026-11-01"))
    assert "1 AM EDT" in page
    assert "1 AM EST" in page


@pytest.mark.parametrize("day", ["2026-13-01", "tomorrow", "9999-12-31", "0001-01-01", "", "1"])
def test_it_shows_today_for_a_day_that_cannot_be(campaign, day):
    page = staff.text_of(staff.dana().get("/staff/", {"day": day}))
    assert "Tuesday, December 1" in page
    assert "The day after" not in page


def test_it_shows_the_last_day_of_a_campaign_that_has_closed(campaign):
    with time_machine.travel(CLOSES_AT + timedelta(days=9), tick=False):
        page = staff.text_of(staff.dana().get("/staff/"))
    assert "Tuesday, December 1" in page
    assert "<h1>Giving Tuesday</h1>" in page


def test_it_estimates_how_long_the_free_money_lasts_only_from_enough_gifts(campaign, fund, pool):
    def lasts():
        return queries.time_to_last(campaign_id=campaign.pk, pools=pool_figures(campaign=campaign, now=NOW), now=NOW)

    for minutes in (1, 5, 10, 29):
        paid(campaign, fund, 2_000, NOW - timedelta(minutes=minutes))
    paid(campaign, fund, 2_000, NOW - timedelta(minutes=31))
    assert lasts() is None
    paid(campaign, fund, 2_000, NOW)
    assert lasts() == timedelta(minutes=30) * 88_000 / 10_000
    assert "about 4 h 20 min at this rate" in staff.text_of(staff.dana().get("/staff/"))
    MatchPool.objects.update(is_paused=True)
    assert lasts() is None


def test_it_makes_no_estimate_beyond_a_day(campaign, fund):
    factories.pool(campaign=campaign, limit_minor=100_000_000, now=BEFORE)
    for _ in range(5):
        paid(campaign, fund, 2_000, NOW)
    pools = pool_figures(campaign=campaign, now=NOW)
    assert queries.time_to_last(campaign_id=campaign.pk, pools=pools, now=NOW) is None


def test_it_counts_donors_at_checkout_until_their_hold_lapses(campaign, fund, pool):
    ana = factories.donor("Ana", "ana@example.org")
    for giver in (ana, ana, factories.donor("Ben")):
        gift = factories.donation(campaign=campaign, parts=[(fund, 100)], at=NOW, state="started", donor=giver)
        factories.match(gift, at=NOW, is_paid=False)
    until = holds.Reservation.objects.first().held_until
    just_before = until - timedelta(microseconds=1)
    assert queries.donors_at_checkout(campaign_id=campaign.pk, now=just_before) == 2
    assert queries.donors_at_checkout(campaign_id=campaign.pk, now=until) == 0


@pytest.mark.parametrize(
    ("highest_minor", "step_minor"),
    [
        (0, 1_000),
        (3_000, 1_000),
        (3_001, 2_000),
        (6_001, 2_500),
        (7_501, 5_000),
        (8_600_000, 5_000_000),
        (10**11, 5 * 10**10),
    ],
)
def test_it_chooses_round_lines_that_reach_the_highest_bar(highest_minor, step_minor):
    assert charts.round_step(highest_minor) == step_minor
    assert step_minor * 3 >= highest_minor


def test_it_draws_bars_to_scale_and_shows_the_smallest():
    hours = [queries.HourFigures(OPENS_AT, 1, 3_000, 1), queries.HourFigures(OPENS_AT + queries.HOUR)]
    chart = charts.hour_chart(hours=hours, zone=UTC)
    first, empty = chart.bars
    assert [line.amount_minor for line in chart.lines] == [0, 1_000, 2_000, 3_000]
    assert (first.raised_height, first.raised_y) == (charts.BASE - charts.TOP, charts.TOP)
    assert first.matched_height == 2
    assert (empty.raised_height, empty.matched_height) == (0, 0)
    assert [bar.label for bar in chart.bars] == ["5", "6"]


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(1, "less than 5 min"), (12, "about 10 min"), (59, "about 1 h"), (100, "about 1 h 40 min"), (118, "about 2 h")],
)
def test_it_words_an_estimate_as_roughly_as_it_is(minutes, words):
    assert roughly(timedelta(minutes=minutes)) == words


def test_it_words_small_shares_and_lengths():
    assert [percent(share) for share in (0.0, 0.4, 1.0, 76.9)] == ["0%", "under 1%", "1%", "76%"]
    assert [px(length) for length in (0, 12.5, 33.333333)] == ["0", "12.5", "33.33"]


def test_it_uses_the_campaigns_zone_and_no_other(campaign):
    campaign.time_zone, campaign.time_zone_label = "Asia/Kolkata", "Mumbai time"
    campaign.save()
    page = staff.text_of(staff.dana().get("/staff/"))
    assert "7:44:07 PM" in page
    assert timezone.get_current_timezone_name() == "UTC"
