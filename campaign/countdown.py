"""How long until the campaign opens or closes, and how pages word those moments."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from django.utils.translation import gettext, npgettext

from campaign import moments
from campaign.models import Campaign

LAST_HOUR = timedelta(hours=1)
STAGES = ("before", "open", "last-hour", "closed")
_EVERY_PLURAL = 101  # from 0 to 100 every plural of every language has come


@dataclass(frozen=True, slots=True)
class Countdown:
    """phase: `before`, `open` or `closed`. until: the moment counted down to; None when closed.

    days to seconds: what is left, whole seconds rounded up, so that a page never says 0 before the moment has come.
    switches_at: when pages say something else by themselves; that is the last hour's beginning, or until.
    """

    phase: str
    until: datetime | None
    days: int = 0
    hours: int = 0
    minutes: int = 0
    seconds: int = 0
    is_last_hour: bool = False
    switches_at: datetime | None = None

    @property
    def stage(self) -> str:
        """The phase, or `last-hour` for the end of `open`: names a copy of the band, as what came before it."""
        return "last-hour" if self.is_last_hour else self.phase


def countdown(*, campaign: Campaign, now: datetime) -> Countdown:
    """What is left of the present phase at `now` (aware). The window is half-open: at closes_at it is closed."""
    phase = campaign.phase(now=now)
    if phase == "closed":
        return Countdown(phase, None)
    until = campaign.opens_at if phase == "before" else campaign.closes_at
    left = -((now - until) // timedelta(seconds=1))
    minutes, seconds = divmod(left, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    begins = last_hour_begins(campaign)
    has_to_come = phase == "open" and begins is not None and now < begins
    return Countdown(
        phase,
        until,
        days,
        hours,
        minutes,
        seconds,
        is_last_hour=phase == "open" and begins is not None and now >= begins,
        switches_at=begins if has_to_come else until,
    )


def last_hour_begins(campaign: Campaign) -> datetime | None:
    """None for a campaign that is hardly longer than an hour itself."""
    begins = campaign.closes_at - LAST_HOUR
    return begins if begins - campaign.opens_at >= LAST_HOUR else None


def unit_word(unit: str, *, count: int) -> str:
    """`day` or `days`, the word beside a figure. unit: `days`, `hours`, `minutes` or `seconds`."""
    # Translators: these words stand below the figures of a countdown
    words = {
        "days": npgettext("countdown", "day", "days", count),
        "hours": npgettext("countdown", "hour", "hours", count),
        "minutes": npgettext("countdown", "minute", "minutes", count),
        "seconds": npgettext("countdown", "second", "seconds", count),
    }
    return words[unit]


@lru_cache(maxsize=64)
def unit_words(unit: str, *, language: str) -> dict[str, str]:
    """A unit's words as a browser asks for them, by the plural it finds for a figure: `one` and `other` in English.

    language: the one that is spoken, such as `en-us`. Intl.PluralRules and Babel have the same rules, Unicode's.
    """
    try:
        plural = Locale.parse(language, sep="-").plural_form
    except (UnknownLocaleError, ValueError):
        plural = Locale("en").plural_form
    return {plural(count): unit_word(unit, count=count) for count in reversed(range(_EVERY_PLURAL))}


def start_text(moment: datetime, *, campaign: Campaign) -> str:
    """`Tuesday, December 1, at 9:00 AM, Boston time`; a midnight is 12:00 AM, of the day that it begins."""
    local = moment.astimezone(campaign.tz)
    day, zone = moments.weekday_text(local), campaign.time_zone_label
    if (local.hour, local.minute) == (0, 0):
        # Translators: such as: It starts at 12:00 AM (midnight) on Tuesday, December 1, Boston time
        return gettext("at 12:00 AM (midnight) on %(day)s, %(zone)s") % {"day": day, "zone": zone}
    clock = moments.exact_clock_text(local)
    # Translators: such as: Starts Tuesday, December 1, at 9:00 AM, Boston time
    return gettext("%(day)s, at %(clock)s, %(zone)s") % {"day": day, "clock": clock, "zone": zone}


def end_text(moment: datetime, *, campaign: Campaign) -> str:
    """As start_text(), for a closing moment: midnight belongs to the day that ends with it."""
    local = moment.astimezone(campaign.tz)
    if (local.hour, local.minute) == (0, 0):
        eve = moments.weekday_text(local - timedelta(days=1))
        # Translators: such as: It ends at midnight at the end of Tuesday, December 1, Boston time
        return gettext("at midnight at the end of %(day)s, %(zone)s") % {"day": eve, "zone": campaign.time_zone_label}
    return start_text(moment, campaign=campaign)


def clock_text(moment: datetime, *, campaign: Campaign, seconds: bool = False) -> str:
    """`2:18 PM` or `2:18:33 PM` in the campaign's time zone."""
    return moments.exact_clock_text(moment.astimezone(campaign.tz), seconds=seconds)
