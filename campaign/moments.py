"""How pages and letters write days and moments: each pattern is a text of its own in a language's catalog.

Every `local` is aware and in the zone in which it is to be read; a day may be a date or such a moment.
A pattern's letters are those of Django's `date` filter: F month, M and N month in short, E month as it stands beside a
number in languages that bend it, j day, Y year, l weekday, g and A hour and AM or PM, H hour of 24, i minutes,
s seconds.
"""

from datetime import date, datetime

from django.utils.dateformat import format as written
from django.utils.translation import gettext, pgettext


def day_text(day: date) -> str:
    """`December 1`."""
    # Translators: a day as Django's date filter writes it: December 1
    return written(day, gettext("F j"))


def full_day_text(day: date) -> str:
    """`December 1, 2026`."""
    # Translators: a day with its year, as Django's date filter writes it: December 1, 2026
    return written(day, gettext("F j, Y"))


def month_text(day: date) -> str:
    """`December 2026`."""
    # Translators: a month with its year, as Django's date filter writes it: December 2026
    return written(day, gettext("F Y"))


def weekday_text(day: date) -> str:
    """`Tuesday, December 1`."""
    # Translators: a day with its weekday, as Django's date filter writes it: Tuesday, December 1
    return written(day, gettext("l, F j"))


def full_weekday_text(day: date) -> str:
    """`Tuesday, December 1, 2026`."""
    # Translators: a day with its weekday and year, as Django's date filter writes it: Tuesday, December 1, 2026
    return written(day, gettext("l, F j, Y"))


def exact_clock_text(local: datetime, *, seconds: bool = False) -> str:
    """`2:18 PM`, `12:00 AM`, or `2:18:33 PM`: figures whatever the hour."""
    # Translators: a time as Django's date filter writes it: 2:18:33 PM, and without its seconds 2:18 PM
    return written(local, gettext("g:i:s A") if seconds else gettext("g:i A"))


def clock_text(local: datetime) -> str:
    """`9:14 AM`, `noon`, `midnight`."""
    if (local.hour, local.minute) in ((0, 0), (12, 0)):
        return pgettext("a time", "midnight") if local.hour == 0 else pgettext("a time", "noon")
    return exact_clock_text(local)


def hour_text(local: datetime) -> str:
    """`1 AM EST`: with the zone's own name, since an hour comes twice when the clocks go back."""
    # Translators: a whole hour and its time zone, such as 1 AM EST
    return gettext("%(hour)s %(zone)s") % {"hour": bare_hour_text(local), "zone": local.tzname()}


def bare_hour_text(local: datetime) -> str:
    """`1 AM`."""
    # Translators: a whole hour, as Django's date filter writes it: 1 AM
    return written(local, gettext("g A"))


def hour_of_chart(local: datetime) -> str:
    """`1`, `2`, and `12 AM` or `12 PM`: narrow, since a whole day's hours stand side by side."""
    if local.hour % 12 == 0:
        # Translators: midnight or noon below a chart, as Django's date filter writes it: 12 AM
        return written(local, pgettext("below a chart", "g A"))
    # Translators: any other hour below a chart: 1
    return written(local, pgettext("below a chart", "g"))


def moment_text(local: datetime) -> str:
    """`December 1, 9:14 AM`, `December 1, noon`."""
    # Translators: a moment, such as December 1, 9:14 AM
    return gettext("%(day)s, %(clock)s") % {"day": day_text(local), "clock": clock_text(local)}


def when_text(local: datetime, *, seen_on: date) -> str:
    """`at 9:14 AM`, or `on December 1 at 9:14 AM` on any other day than the one on which it is read."""
    if local.date() == seen_on:
        # Translators: a moment of today, such as: Used up at 9:14 AM
        return gettext("at %(clock)s") % {"clock": clock_text(local)}
    # Translators: a moment of another day, such as: Used up on December 1 at 9:14 AM
    return gettext("on %(day)s at %(clock)s") % {"day": day_text(local), "clock": clock_text(local)}


def noted_day(day: date) -> str:
    """`Dec. 1, 2026`: within the sentences of staff pages."""
    # Translators: a day within a sentence for staff, as Django's date filter writes it: Dec. 1, 2026
    return written(day, gettext("N j, Y"))


def noted_moment(local: datetime, *, year: bool = False, seconds: bool = False) -> str:
    """`Dec. 1, 9:14 AM`, with its year `Dec. 1, 2026, 9:14 AM`, with its seconds, too, `Dec. 1, 2026, 9:14:05 AM`."""
    if not year:
        # Translators: a moment within a sentence for staff, as Django's date filter writes it: Dec. 1, 9:14 AM
        return written(local, gettext("N j, g:i A"))
    # Translators: the same with its year: Dec. 1, 2026, 9:14 AM, and with its seconds: Dec. 1, 2026, 9:14:05 AM
    return written(local, gettext("N j, Y, g:i:s A") if seconds else gettext("N j, Y, g:i A"))


def listed_day(day: date, *, year: bool = True) -> str:
    """`Dec 1, 2026` or `Dec 1`: narrow, since it stands in a row of a table of staff pages."""
    # Translators: a day in a table for staff, as Django's date filter writes it: Dec 1, 2026, and without year Dec 1
    return written(day, gettext("M j, Y") if year else gettext("M j"))


def listed_moment(local: datetime, *, seconds: bool = False, year: bool = False) -> str:
    """`Dec 1, 9:14 AM`, `Dec 1, 9:14:05 AM` or `Dec 1, 2026, 9:14 AM`: narrow, in a row of a table."""
    if year:
        # Translators: a moment in a table for staff, as Django's date filter writes it: Dec 1, 2026, 9:14 AM
        return written(local, gettext("M j, Y, g:i A"))
    # Translators: the same without its year, with its seconds: Dec 1, 9:14:05 AM, and without them: Dec 1, 9:14 AM
    return written(local, gettext("M j, g:i:s A") if seconds else gettext("M j, g:i A"))
