"""The months of the books: which there are, which is the next to close, and when each begins and ends.

A month is a calendar month of each campaign's own time zone: its gifts and receipts have their days there too.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import Min

from campaign import moments
from campaign.models import Campaign
from donations.models import Donation, Period
from donations.models.periods import following
from donations.search import Days, midnight

_MONTH = re.compile(r"(\d{4})-(\d{2})")
_SHOWN = 120


class NoSuchMonth(ValueError):
    """No month of the books is called so."""


@dataclass(frozen=True, slots=True)
class Window:
    """One campaign's `[starts, ends)` of a month."""

    campaign: Campaign
    starts: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class Month:
    """period: None while the month is open. is_next: it is the next to close. is_over: in every campaign's zone."""

    first_day: date
    period: Period | None
    is_next: bool
    is_over: bool

    @property
    def state(self) -> str:
        """`closed`; `ready` to close; `running`; `waits` for an earlier month."""
        if self.period is not None:
            return "closed"
        if not self.is_next:
            return "waits"
        return "ready" if self.is_over else "running"

    @property
    def slug(self) -> str:
        return f"{self.first_day:%Y-%m}"

    def __str__(self) -> str:
        return moments.month_text(self.first_day)


def months(*, now: datetime) -> list[Month]:
    """From the first paid gift's month to the running one, newest first; 0..n, at most the newest ten years."""
    first_day = _first()
    if first_day is None:
        return []
    campaigns = list(Campaign.objects.all())
    closed = {period.first_day: period for period in Period.objects.all()}
    newest = max(now.astimezone(campaign.tz).date() for campaign in campaigns).replace(day=1)
    found, next_day = [], _next_to_close(first_day)
    while first_day <= max([newest, *closed]):
        found.append(
            Month(
                first_day=first_day,
                period=closed.get(first_day),
                is_next=first_day == next_day,
                is_over=all(window.ends <= now for window in windows(first_day, campaigns=campaigns)),
            )
        )
        first_day = following(first_day)
    return found[: -_SHOWN - 1 : -1]


def month_called(slug: str, *, now: datetime) -> Month:
    """`2026-12` as that month. Raises NoSuchMonth for what is no month, and for one of which there are no books."""
    for month in months(now=now):
        if _MONTH.fullmatch(slug) and month.slug == slug:
            return month
    raise NoSuchMonth(slug)


def windows(first_day: date, *, campaigns: Sequence[Campaign] | None = None) -> list[Window]:
    """When the month begins and ends in each campaign's zone."""
    found = Campaign.objects.all() if campaigns is None else campaigns
    return [Window(one, midnight(first_day, one.tz), midnight(following(first_day), one.tz)) for one in found]


def closed_month_of(gift: Donation) -> Period | None:
    """The closed month in which a paid gift has its day. One query."""
    if gift.paid_at is None:
        return None
    return Period.objects.filter(first_day=gift.paid_at.astimezone(gift.campaign.tz).date().replace(day=1)).first()


def closed_in(days: Days) -> list[Period]:
    """Closed months of which at least a day is among these, the oldest first, 0..n."""
    found = Period.objects.order_by("first_day")
    found = found.filter(first_day__gte=days.first.replace(day=1)) if days.first else found
    return list(found.filter(first_day__lte=days.last) if days.last else found)


def _next_to_close(first_day: date) -> date:
    last = Period.objects.first()
    return following(last.first_day) if last else first_day


def _first() -> date | None:
    """The first closed month, or that of the oldest paid gift."""
    oldest = Period.objects.order_by("first_day").first()
    if oldest is not None:
        return oldest.first_day
    paid = Donation.objects.received().values("campaign").annotate(at=Min("paid_at")).order_by()
    zones = Campaign.objects.in_bulk([row["campaign"] for row in paid])
    days = [row["at"].astimezone(zones[row["campaign"]].tz).date() for row in paid]
    return min(days).replace(day=1) if days else None
