"""One day of Stripe's balance beside our books: what moved there, what we have for it, and every difference by name.

A day is of the campaign's time zone, by the moment at which Stripe's balance moved. Each movement is compared with the
object that it is of: a charge with its gift, a refund or a dispute with its row. Stripe's fees are known from Stripe
alone. What we have and Stripe's balance has not, by the time of the last run, is a difference too.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import BigIntegerField, Case, Count, Exists, F, OuterRef, Q, QuerySet, Subquery, Sum, Value, When
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy

from donations.models import Donation, Reversal, StrayPayment, StripeMovement, StripeRun
from donations.payments import GONE_REFUND

_NO_GIFT_MONEY = ("payout", "payout_reversal")
_NAMES = {
    "charge": gettext_lazy("Charges"),
    "refund": gettext_lazy("Refunds"),
    "refund_failure": gettext_lazy("Refunds that came back"),
    "dispute": gettext_lazy("Disputes"),
    "dispute_reversal": gettext_lazy("Disputes won"),
}
QUIET = timedelta(minutes=10)  # what is younger may still be on its way by the ordinary road
_SHOWN = 100
_INTEGER = BigIntegerField()


@dataclass(frozen=True)
class Line:
    """One kind of movement. Signed minor units, before fees."""

    name: str
    count: int
    theirs_minor: int
    ours_minor: int
    currency: str

    @property
    def difference_minor(self) -> int:
        return self.theirs_minor - self.ours_minor


@dataclass(frozen=True)
class Difference:
    """One thing that is not the same on both sides. url: where to look, or empty."""

    what: str
    name: str
    theirs_minor: int
    ours_minor: int
    url: str


@dataclass(frozen=True)
class Day:
    """as_of: up to when Stripe was asked, None when it never was. fees_minor: what Stripe kept."""

    lines: list[Line]
    set_aside: list[Line]
    fees_minor: int
    other_minor: int
    differences: list[Difference]
    difference_minor: int
    as_of: datetime | None

    @property
    def is_equal(self) -> bool:
        return self.difference_minor == 0 and not self.differences


def compare(*, start: datetime, end: datetime, currency: str, as_of: datetime | None = None) -> Day:
    """Stripe's movements in `[start, end)` in one currency beside our books. Reads our own database; six queries or so.

    as_of: up to when Stripe was asked; by the last run that came to its end if not given. Payments that were set aside
    are listed in their own currencies, and in no sum. Of each kind of difference the first 100 are named; the sum is of
    all.
    """
    if as_of is None:
        run = StripeRun.objects.exclude(finished_at=None).first()
        as_of = run.started_at if run else None
    every = _with_ours(StripeMovement.objects.filter(moved_at__gte=start, moved_at__lt=end))
    moved = every.filter(currency=currency)
    gifts = moved.filter(category__in=_NAMES, is_stray=False)
    lines = _lines(gifts)
    until = min(end, as_of - QUIET) if as_of else start
    unpaid, not_back = _gifts_missing(start=start, end=until), _reversals_missing(start=start, end=until)
    differences = [
        *map(_named, gifts.exclude(ours=F("amount_minor")).order_by("moved_at")[:_SHOWN]),
        *map(_gift_named, unpaid.order_by("pk")[:_SHOWN]),
        *map(_reversal_named, not_back.select_related("donation").order_by("pk")[:_SHOWN]),
    ]
    return Day(
        lines=lines,
        set_aside=_lines(every.filter(is_stray=True)),
        fees_minor=moved.aggregate(sum=Sum("fee_minor"))["sum"] or 0,
        other_minor=moved.exclude(category__in=(*_NAMES, *_NO_GIFT_MONEY)).aggregate(sum=Sum("amount_minor"))["sum"]
        or 0,
        differences=differences,
        difference_minor=sum(line.difference_minor for line in lines)
        - (unpaid.aggregate(sum=Sum(F("amount_minor") + F("fee_minor")))["sum"] or 0)
        + (not_back.aggregate(sum=Sum("amount_minor"))["sum"] or 0),
        as_of=as_of,
    )


def _with_ours(rows: QuerySet[StripeMovement]) -> QuerySet[Any]:
    """Each movement with what our books have for it (`ours`, 0 for nothing) and whether finance has it (`is_stray`)."""
    # Without the exclusion PostgreSQL would not use the index on charges, which leaves the empty ones out.
    gift = Donation.objects.filter(charge=OuterRef("source"), state=Donation.State.PAID).exclude(charge="")
    reversal = Reversal.objects.filter(stripe_id=OuterRef("source"))
    stray = StrayPayment.objects.filter(charge=OuterRef("charge"), accepted_as=None).exclude(charge="")
    failed = reversal.filter(status__in=GONE_REFUND)
    amount = Subquery(reversal.values("amount_minor")[:1])
    ours = Case(
        When(category="charge", then=Subquery(gift.values(total=F("amount_minor") + F("fee_minor"))[:1])),
        When(category="refund", then=Value(0) - amount),
        When(category="refund_failure", then=Subquery(failed.values("amount_minor")[:1])),
        When(category="dispute", then=Value(0) - amount),
        When(category="dispute_reversal", then=Subquery(reversal.filter(status="won").values("amount_minor")[:1])),
        default=Value(0),
        output_field=_INTEGER,
    )
    found = rows.annotate(is_stray=Exists(stray), known=ours)
    return found.annotate(ours=Case(When(known=None, then=Value(0)), default=F("known"), output_field=_INTEGER))


def _lines(rows: QuerySet[Any]) -> list[Line]:
    sums = rows.order_by().values("category", "currency")
    sums = sums.annotate(n=Count("pk"), theirs=Sum("amount_minor"), here=Sum("ours")).order_by("currency")
    found = [row for category in _NAMES for row in sums if row["category"] == category]
    return [Line(str(_NAMES[row["category"]]), row["n"], row["theirs"], row["here"], row["currency"]) for row in found]


def _named(row: Any) -> Difference:
    """A movement for which our books have nothing, or another amount."""
    what = gettext("%(movement)s: at Stripe and not here") % {"movement": _NAMES[row.category]}
    if row.ours:
        what = gettext("%(movement)s: another amount here") % {"movement": _NAMES[row.category]}
    gift = Donation.objects.filter(charge=row.charge).exclude(charge="").first()
    url = reverse("staff-gift", args=[gift.pk]) if gift else ""
    name = f"{gift.reference}, {row.source}" if gift else row.source
    return Difference(what, name, row.amount_minor, row.ours, url)


def _gifts_missing(*, start: datetime, end: datetime) -> QuerySet[Donation]:
    """Gifts that our books have as charged in that time, and of which no movement of Stripe's balance is."""
    of_charge = StripeMovement.objects.filter(source=OuterRef("charge"), category="charge")
    paid = Donation.objects.filter(state=Donation.State.PAID, payment_intent__isnull=False)
    when = Q(charged_at__gte=start, charged_at__lt=end) | Q(charged_at=None, paid_at__gte=start, paid_at__lt=end)
    return paid.filter(when, ~Exists(of_charge))


def _reversals_missing(*, start: datetime, end: datetime) -> QuerySet[Reversal]:
    """The same of refunds and disputes, but those that never moved money."""
    moved = StripeMovement.objects.filter(source=OuterRef("stripe_id"))
    back = Reversal.objects.filter(~Exists(moved), created_at__gte=start, created_at__lt=end)
    gone = Q(status__in=GONE_REFUND) | Q(status__startswith="warning") | Q(status="prevented")
    return back.filter(kind__in=(Reversal.Kind.REFUND, Reversal.Kind.DISPUTE)).exclude(gone)


def _gift_named(gift: Donation) -> Difference:
    url = reverse("staff-gift", args=[gift.pk])
    return Difference(gettext("Gifts: here and not at Stripe"), gift.reference, 0, gift.total_minor, url)


def _reversal_named(row: Reversal) -> Difference:
    if row.kind == Reversal.Kind.REFUND:
        what = gettext("Refunds: here and not at Stripe")
    else:
        what = gettext("Disputes: here and not at Stripe")
    name, url = f"{row.donation.reference}, {row.stripe_id}", reverse("staff-gift", args=[row.donation_id])
    return Difference(what, name, 0, -row.amount_minor, url)
