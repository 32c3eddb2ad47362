"""What stands in the way of closing a month: faults, which stop it, and what one should know, which is kept with it.

A fault is news that is on its way to us at this moment. All else may stand open for long, and whatever it changes is
booked in a later month by itself.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Count, F, Q, Sum
from django.urls import reverse
from django.utils.translation import gettext, ngettext

from campaign.counts import count_text
from campaign.money import format_amount
from donations import attention, stripe_days
from donations.models import Donation, Receipt, StripeEvent, StripeRun
from donations.models.periods import following
from donations.periods.months import Window, windows
from donations.search import midnight


@dataclass(frozen=True)
class Obstacle:
    """text: a sentence; url: where to mend it. is_fault: the month cannot be closed before."""

    text: str
    url: str
    is_fault: bool = False


def obstacles(first_day: date) -> list[Obstacle]:
    """Everything that stands in the way of a month that is over, faults first; 0..n. Reads our own database alone."""
    every = windows(first_day)
    ends = max(window.ends for window in every)
    found = [_not_asked(ends), _not_applied(ends), *_debits(every), *_differences(every), _without_receipt(every)]
    waiting = [concern for concern in attention.concerns(pools=[]) if concern.key != "days"]
    # Translators: what needs a person, as the page Today heads it, such as: A payment fits no gift
    found += [Obstacle(gettext("%(concern)s.") % {"concern": concern.title}, concern.url) for concern in waiting]
    return sorted((one for one in found if one), key=lambda one: not one.is_fault)


def _not_asked(ends: datetime) -> Obstacle | None:
    run = StripeRun.objects.exclude(finished_at=None).first()
    has_payments = Donation.objects.filter(payment_intent__isnull=False, submitted_at__lt=ends).exists()
    if not has_payments or (run and run.started_at >= ends):
        return None
    text = gettext("Stripe’s lists have not been gone through since the month ended, so a payment may be missing.")
    return Obstacle(text, reverse("staff-stripe"), is_fault=True)


def _not_applied(ends: datetime) -> Obstacle | None:
    count = StripeEvent.objects.filter(state=StripeEvent.State.RECEIVED, created_at__lt=ends).count()
    if not count:
        return None
    text = ngettext(
        "One of Stripe’s events is still being applied. Reload this page in a minute.",
        "%(count)s of Stripe’s events are still being applied. Reload this page in a minute.",
        count,
    )
    return Obstacle(text % {"count": count_text(count)}, reverse("staff-today"), is_fault=True)


def _debits(every: list[Window]) -> list[Obstacle]:
    open_debits = Donation.objects.filter(_in(every, "submitted_at"), state=Donation.State.PROCESSING).order_by()
    rows = open_debits.values("currency").annotate(n=Count("pk"), minor=Sum(F("amount_minor") + F("fee_minor")))
    found = []
    for row in rows.order_by("currency"):
        shown = format_amount(row["minor"], currency=row["currency"])
        text = ngettext(
            "One gift by bank debit is not paid yet, %(amount)s in all: booked in the month that closes after the bank "
            "paid.",
            "%(count)s gifts by bank debit are not paid yet, %(amount)s in all: booked in the month that closes after "
            "the bank paid.",
            row["n"],
        )
        text %= {"count": count_text(row["n"]), "amount": shown}
        found.append(Obstacle(text, reverse("staff-gifts") + "?state=open"))
    return found


def _differences(every: list[Window]) -> list[Obstacle]:
    """By currency, in the days of its newest campaign."""
    newest = {window.campaign.currency: window for window in sorted(every, key=lambda one: one.campaign.opens_at)}
    found = []
    for currency, window in newest.items():
        month = stripe_days.compare(start=window.starts, end=window.ends, currency=currency)
        if month.as_of and not month.is_equal:
            shown = format_amount(month.difference_minor, currency=currency)
            text = gettext("Stripe’s balance and our books differ in this month, by %(amount)s in all.")
            address = reverse("staff-stripe") + f"?day={_first_unequal(window, currency=currency)}"
            found.append(Obstacle(text % {"amount": shown}, address))
    return found


def _first_unequal(window: Window, *, currency: str) -> date:
    day = first = window.starts.astimezone(window.campaign.tz).date()
    while day < following(first):
        start, end = (midnight(one, window.campaign.tz) for one in (day, day + timedelta(days=1)))
        if not stripe_days.compare(start=start, end=end, currency=currency).is_equal:
            return day
        day += timedelta(days=1)
    return first


def _without_receipt(every: list[Window]) -> Obstacle | None:
    not_all_back = Q(refunded_minor__lt=F("amount_minor") + F("fee_minor"))
    owed = Donation.objects.received().filter(_in(every, "paid_at"), not_all_back)
    count = owed.exclude(pk__in=Receipt.objects.filter(voided_at=None).values("donation_id")).count()
    if not count:
        return None
    text = ngettext(
        "One gift of this month has no receipt yet, and will be booked without its number.",
        "%(count)s gifts of this month have no receipt yet, and will be booked without its number.",
        count,
    )
    first = every[0].starts.astimezone(every[0].campaign.tz).date()
    days = f"?first={first}&last={following(first) - timedelta(days=1)}"
    return Obstacle(text % {"count": count_text(count)}, reverse("staff-exports") + days)


def _in(every: list[Window], moment: str) -> Q:
    """Gifts whose moment is in the month of their own campaign."""
    found = Q(pk__in=[])
    for window in every:
        found |= Q(("campaign", window.campaign), (f"{moment}__gte", window.starts), (f"{moment}__lt", window.ends))
    return found
