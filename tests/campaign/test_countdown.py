"""The countdown's arithmetic and words."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.countdown import LAST_HOUR, Countdown, clock_text, countdown, end_text, start_text
from campaign.models import Campaign
from tests.factories import CLOSES_AT, OPENS_AT

CAMPAIGN = Campaign(
    name="Giving Tuesday",
    opens_at=OPENS_AT,
    closes_at=CLOSES_AT,
    time_zone="America/New_York",
    time_zone_label="Boston time",
)


@given(st.timedeltas(min_value=timedelta(microseconds=1), max_value=timedelta(days=400)))
def test_it_adds_up_to_what_is_left_and_never_says_nothing_too_early(left):
    found = countdown(campaign=CAMPAIGN, now=OPENS_AT - left)
    seconds = found.days * 86400 + found.hours * 3600 + found.minutes * 60 + found.seconds
    assert timedelta(seconds=seconds - 1) < left <= timedelta(seconds=seconds)
    assert (found.phase, found.until) == ("before", OPENS_AT)
    assert found.hours < 24
    assert found.minutes < 60
    assert found.seconds < 60


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (OPENS_AT - timedelta(microseconds=1), Countdown("before", OPENS_AT, 0, 0, 0, 1, switches_at=OPENS_AT)),
        (OPENS_AT, Countdown("open", CLOSES_AT, 1, 0, 0, 0, switches_at=CLOSES_AT - LAST_HOUR)),
        (
            CLOSES_AT - LAST_HOUR - timedelta(microseconds=1),
            Countdown("open", CLOSES_AT, 0, 1, 0, 1, switches_at=CLOSES_AT - LAST_HOUR),
        ),
        (
            CLOSES_AT - LAST_HOUR,
            Countdown("open", CLOSES_AT, 0, 1, 0, 0, is_last_hour=True, switches_at=CLOSES_AT),
        ),
        (
            CLOSES_AT - timedelta(seconds=1),
            Countdown("open", CLOSES_AT, 0, 0, 0, 1, is_last_hour=True, switches_at=CLOSES_AT),
        ),
        (CLOSES_AT, Countdown("closed", None)),
    ],
)
def test_the_window_is_half_open(now, expected):
    assert countdown(campaign=CAMPAIGN, now=now) == expected


def test_a_campaign_that_is_hardly_longer_than_an_hour_has_no_last_one():
    campaign = Campaign(opens_at=OPENS_AT, closes_at=OPENS_AT + 2 * LAST_HOUR - timedelta(seconds=1))
    found = countdown(campaign=campaign, now=campaign.closes_at - timedelta(minutes=1))
    assert (found.is_last_hour, found.stage, found.switches_at) == (False, "open", campaign.closes_at)


def test_it_is_right_across_the_end_of_daylight_saving_time():
    # Clocks in Boston go back on 1 November 2026: from that midnight to the next it is 25 hours.
    start = datetime(2026, 11, 1, 4, tzinfo=UTC)
    campaign = Campaign(opens_at=start + timedelta(hours=25), closes_at=CLOSES_AT, time_zone="America/New_York")
    found = countdown(campaign=campaign, now=start)
    assert (found.days, found.hours) == (1, 1)
    assert clock_text(start, campaign=campaign) == clock_text(campaign.opens_at, campaign=campaign) == "12:00 AM"


def test_a_midnight_says_which_day_it_belongs_to():
    assert start_text(OPENS_AT, campaign=CAMPAIGN) == "at 12:00 AM (midnight) on Tuesday, December 1, Boston time"
    assert end_text(CLOSES_AT, campaign=CAMPAIGN) == "at midnight at the end of Tuesday, December 1, Boston time"


def test_another_moment_is_told_by_day_and_clock():
    noon = datetime(2026, 12, 1, 17, tzinfo=UTC)
    assert start_text(noon, campaign=CAMPAIGN) == "Tuesday, December 1, at 12:00 PM, Boston time"
    assert end_text(noon, campaign=CAMPAIGN) == "Tuesday, December 1, at 12:00 PM, Boston time"
    assert clock_text(noon + timedelta(seconds=7), campaign=CAMPAIGN, seconds=True) == "12:00:07 PM"
