"""Figures in words for the staff pages."""

from datetime import datetime, timedelta

from django import template
from django.utils import timezone

register = template.Library()


@register.filter
def commas(count: int) -> str:
    """`3184` -> `3,184`."""
    return f"{count:,}"


@register.filter
def roughly(span: timedelta) -> str:
    """`about 1 h 40 min`, to ten minutes above an hour and five below; never more exact than a guess is."""
    minutes = span // timedelta(minutes=1)
    if minutes < 5:
        return "less than 5 min"
    minutes = round(minutes / 10) * 10 if minutes >= 60 else round(minutes / 5) * 5
    hours, minutes = divmod(minutes, 60)
    return "about " + " ".join(part for part in (hours and f"{hours} h", minutes and f"{minutes} min") if part)


@register.filter
def hour_name(moment: datetime) -> str:
    """`1 AM EDT` in the page's zone: with its name, since an hour comes twice when the clocks go back."""
    local = timezone.localtime(moment)
    return f"{local.hour % 12 or 12} {local:%p %Z}"


@register.filter
def share_of(part_minor: int, whole_minor: int) -> float:
    """Percent of the whole, 0 of nothing."""
    return 100 * part_minor / whole_minor if whole_minor else 0.0


@register.filter
def percent(share: float) -> str:
    """`76%`; a share that is there but below one reads `under 1%`."""
    return "under 1%" if 0 < share < 1 else f"{int(share)}%"
