"""What staff type, as paragraphs; shares of a whole for the meter; small words for moments."""

import json
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext, ngettext_lazy

from campaign import rich_text
from campaign.models import Fund
from campaign.money import format_amount_compact

register = template.Library()
_AGO: dict[str, Any] = {
    "year": ngettext_lazy("%(num)d year ago", "%(num)d years ago", "num"),
    "month": ngettext_lazy("%(num)d month ago", "%(num)d months ago", "num"),
    "week": ngettext_lazy("%(num)d week ago", "%(num)d weeks ago", "num"),
    "day": ngettext_lazy("%(num)d day ago", "%(num)d days ago", "num"),
    "hour": ngettext_lazy("%(num)d hour ago", "%(num)d hours ago", "num"),
    "minute": ngettext_lazy("%(num)d min ago", "%(num)d min ago", "num"),
}
_IN_SCRIPT = {ord("<"): "\\u003C", ord(">"): "\\u003E", ord("&"): "\\u0026"}


@register.filter
def prose(text: str) -> SafeString:
    """What staff wrote, with what rich_text.py allows; plain text in paragraphs, everything in it escaped."""
    return rich_text.as_html(text)


@register.filter
def share(part_minor: int, whole_minor: int) -> str:
    """`{{ pool.matched_minor|share:pool.limit_minor }}` -> `61.8`: per cent, for the width of a bar."""
    return f"{100 * part_minor / whole_minor:.2f}" if whole_minor > 0 else "0"


@register.filter
def fund_raised(by_fund: object, fund: Fund) -> int:
    """`{{ figures.by_fund|fund_raised:fund }}`: what donors gave to this fund, in minor units; 0 when nothing."""
    found = by_fund.get(fund.pk) if isinstance(by_fund, dict) else None
    return found.raised_minor if found else 0


@register.filter
def ago(moment: datetime, now: datetime) -> str:
    """`just now`, `4 min ago`, `2 hours ago`: one unit is enough on a wall of gifts."""
    if now - moment < timedelta(minutes=1):
        return gettext("just now")
    return timesince(moment, now, time_strings=_AGO, depth=1).replace("\xa0", " ")


@register.filter
def as_data(found: object) -> str:
    """JSON as it may stand in a script element: whatever it says, it cannot end the element."""
    return json.dumps(found).translate(_IN_SCRIPT)


@register.filter
def left_to(raised_minor: int, goal_minor: int) -> int:
    """`{{ raised|left_to:goal }}`: how much is missing, in minor units."""
    return max(goal_minor - raised_minor, 0)


@register.filter
def money_compact(amount_minor: int, currency: str) -> str:
    """`9000000` -> `$90K`: for the scale of a chart."""
    return format_amount_compact(amount_minor, currency=currency)


@register.filter
def px(length: float) -> str:
    """A length in a drawing: a point for decimals whatever the locale, and no more digits than can be seen."""
    return f"{length:.2f}".rstrip("0").rstrip(".")
