"""How pages and letters write days and moments: each pattern is a text of its own in a language's catalog.

Every `local` is aware and in the zone in which it is to be read; a day may be a date or such a moment.
A pattern's letters are those of Django's `date` filter: F month, E month as it stands beside a number in languages
that bend it, j day, Y year, l weekday, g and A hour and AM or PM, H hour of 24, i minutes, s seconds.
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


def weekday_text(day: date) -> str:
    """`Tuesday, December 1`."""
    # Translators: a day with its weekday, as Django's date filter writes it: Tuesday, December 1
    return written(day, gettext("l, F j"))


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
    # Translators: a whole hour and its time zone, as Django's date filter writes them: 1 AM EST
    return written(local, gettext("g A T"))


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
