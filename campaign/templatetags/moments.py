"""`{{ gift.paid_at|timezone:campaign.tz|full_day }}`: days and moments as campaign/moments.py writes them.

`|timezone:` comes before, since its zone decides the day; a date needs none. Nothing stays nothing.
"""

import json
from datetime import UTC, date, datetime

from django import template
from django.conf import settings
from django.utils.translation import get_language

from campaign import countdown, moments
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
def utc_text(moment: datetime) -> str:
    """`2026-12-01 14:00:05 UTC`, as the public ledger and its programs write it in every language."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


@register.filter
def hour_in(moment: datetime, campaign: Campaign) -> str:
    """`1 AM EST`, in the campaign's zone."""
    return moments.hour_text(moment.astimezone(campaign.tz))


@register.filter
def unit_word(count: int, unit: str) -> str:
    """`{{ count.days|unit_word:"days" }}` -> `day` or `days`."""
    return countdown.unit_word(unit, count=count)


@register.filter
def unit_words(unit: str) -> str:
    """The same for every figure, for the script that counts on: JSON."""
    found = countdown.unit_words(unit, language=get_language() or settings.LANGUAGE_CODE)
    return json.dumps(found, ensure_ascii=False)
