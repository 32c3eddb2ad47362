"""Days and moments, in English and in the language that is spoken."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from django.utils import translation

from campaign import moments

BOSTON = ZoneInfo("America/New_York")
AFTERNOON = datetime(2026, 12, 1, 19, 18, 33, tzinfo=UTC).astimezone(BOSTON)
NOON = AFTERNOON.replace(hour=12, minute=0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (moments.day_text(date(2026, 12, 1)), "December 1"),
        (moments.full_day_text(AFTERNOON), "December 1, 2026"),
        (moments.weekday_text(AFTERNOON), "Tuesday, December 1"),
        (moments.exact_clock_text(AFTERNOON), "2:18 PM"),
        (moments.exact_clock_text(AFTERNOON, seconds=True), "2:18:33 PM"),
        (moments.exact_clock_text(NOON), "12:00 PM"),
        (moments.clock_text(NOON), "noon"),
        (moments.clock_text(NOON.replace(hour=0)), "midnight"),
        (moments.hour_text(AFTERNOON), "2 PM EST"),
        (moments.moment_text(AFTERNOON), "December 1, 2:18 PM"),
        (moments.when_text(AFTERNOON, seen_on=date(2026, 12, 1)), "at 2:18 PM"),
        (moments.when_text(AFTERNOON, seen_on=date(2026, 12, 2)), "on December 1 at 2:18 PM"),
    ],
)
def test_it_writes_a_moment(text, said):
    assert text == said


def test_it_writes_days_in_the_language_that_is_spoken():
    with translation.override("es"):  # its names of days and months come with Django
        assert moments.weekday_text(AFTERNOON).lower() == "martes, diciembre 1"
