"""Figures, days and moments in words for the staff pages; their zone is the page's own (campaign/moments.py)."""

from datetime import date, datetime, timedelta

from django import template
from django.utils import timezone
from django.utils.translation import gettext

from campaign import moments
from campaign.counts import count_text

register = template.Library()


@register.filter
def commas(count: int) -> str:
    """`3184` -> `3,184`."""
    return count_text(count)


@register.filter
def roughly(span: timedelta) -> str:
    """`about 1 h 40 min`, to ten minutes above an hour and five below; never more exact than a guess is."""
    minutes = span // timedelta(minutes=1)
    if minutes < 5:
        return gettext("less than 5 min")
    minutes = round(minutes / 10) * 10 if minutes >= 60 else round(minutes / 5) * 5
    hours, minutes = divmod(minutes, 60)
    if hours and minutes:
        return gettext("about %(hours)s h %(minutes)s min") % {"hours": hours, "minutes": minutes}
    if hours:
        return gettext("about %(hours)s h") % {"hours": hours}
    return gettext("about %(minutes)s min") % {"minutes": minutes}


@register.filter
def hour_name(moment: datetime) -> str:
    """`1 AM EDT` in the page's zone: with its name, since an hour comes twice when the clocks go back."""
    return moments.hour_text(timezone.localtime(moment))


@register.filter
def share_of(part_minor: int, whole_minor: int) -> float:
    """Percent of the whole, 0 of nothing."""
    return 100 * part_minor / whole_minor if whole_minor else 0.0


@register.filter
def percent(share: float) -> str:
    """`76%`; a share that is there but below one reads `under 1%`."""
    # Translators: a share that is there but below one percent
    return gettext("under %(share)s") % {"share": "1%"} if 0 < share < 1 else f"{int(share)}%"


@register.filter(expects_localtime=True)
def noted_day(found: date | None) -> str:
    """`Dec. 1, 2026`."""
    return moments.noted_day(found) if found else ""


@register.filter(expects_localtime=True)
def noted(found: datetime | None) -> str:
    """`Dec. 1, 9:14 AM`."""
    return moments.noted_moment(found) if found else ""


@register.filter(expects_localtime=True)
def noted_year(found: datetime | None) -> str:
    """`Dec. 1, 2026, 9:14 AM`."""
    return moments.noted_moment(found, year=True) if found else ""


@register.filter(expects_localtime=True)
def noted_exactly(found: datetime | None) -> str:
    """`Dec. 1, 2026, 9:14:05 AM`."""
    return moments.noted_moment(found, year=True, seconds=True) if found else ""


@register.filter(expects_localtime=True)
def listed_day(found: date | None) -> str:
    """`Dec 1, 2026`."""
    return moments.listed_day(found) if found else ""


@register.filter(expects_localtime=True)
def listed_bare_day(found: date | None) -> str:
    """`Dec 1`."""
    return moments.listed_day(found, year=False) if found else ""


@register.filter(expects_localtime=True)
def listed(found: datetime | None) -> str:
    """`Dec 1, 9:14 AM`."""
    return moments.listed_moment(found) if found else ""


@register.filter(expects_localtime=True)
def listed_year(found: datetime | None) -> str:
    """`Dec 1, 2026, 9:14 AM`."""
    return moments.listed_moment(found, year=True) if found else ""


@register.filter(expects_localtime=True)
def listed_exactly(found: datetime | None) -> str:
    """`Dec 1, 9:14:05 AM`."""
    return moments.listed_moment(found, seconds=True) if found else ""


@register.filter(expects_localtime=True)
def clock(found: datetime | None) -> str:
    """`9:14 AM`."""
    return moments.exact_clock_text(found) if found else ""


@register.filter(expects_localtime=True)
def clock_exactly(found: datetime | None) -> str:
    """`9:14:05 AM`."""
    return moments.exact_clock_text(found, seconds=True) if found else ""


@register.filter(expects_localtime=True)
def bare_hour(found: datetime | None) -> str:
    """`9 AM`."""
    return moments.bare_hour_text(found) if found else ""


@register.filter(expects_localtime=True)
def month_day(found: date | None) -> str:
    """`December 1`."""
    return moments.day_text(found) if found else ""


@register.filter(expects_localtime=True)
def full_day(found: date | None) -> str:
    """`December 1, 2026`."""
    return moments.full_day_text(found) if found else ""


@register.filter(expects_localtime=True)
def weekday(found: date | None) -> str:
    """`Tuesday, December 1`."""
    return moments.weekday_text(found) if found else ""


@register.filter(expects_localtime=True)
def full_weekday(found: date | None) -> str:
    """`Tuesday, December 1, 2026`."""
    return moments.full_weekday_text(found) if found else ""
