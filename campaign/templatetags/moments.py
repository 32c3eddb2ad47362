"""`{{ gift.paid_at|timezone:campaign.tz|full_day }}`: days and moments as campaign/moments.py writes them.

`|timezone:` comes before, since its zone decides the day; a date needs none. Nothing stays nothing.
"""

from datetime import date, datetime

from django import template

from campaign import moments
from campaign.models import Campaign

register = template.Library()


@register.filter
def day(found: date | None) -> str:
    """`December 1`."""
    return moments.day_text(found) if found else ""


@register.filter
def full_day(found: date | None) -> str:
    """`December 1, 2026`."""
    return moments.full_day_text(found) if found else ""


@register.filter
def weekday(found: date | None) -> str:
    """`Tuesday, December 1`."""
    return moments.weekday_text(found) if found else ""


@register.filter
def exact_clock(local: datetime | None) -> str:
    """`9:00 AM`."""
    return moments.exact_clock_text(local) if local else ""


@register.filter
def hour_in(moment: datetime, campaign: Campaign) -> str:
    """`1 AM EST`, in the campaign's zone."""
    return moments.hour_text(moment.astimezone(campaign.tz))
