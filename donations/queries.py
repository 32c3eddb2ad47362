"""Figures about gifts: each has one query, for public pages and for staff alike.

Raised is the donors' own money that came in and stayed: paid gifts, without covered fees, less what was refunded of
the gift itself (a refund takes the gift first and the covered fee last, design 3.6). Match money is never in it. A
gift refunded in full is no longer counted as a gift. A refund lowers the figures of the day on which the gift was paid.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import (
    BigIntegerField,
    Case,
    Count,
    DateTimeField,
    DecimalField,
    F,
    Func,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, Coalesce, Floor, Greatest

from donations import public_messages, tributes
from donations.models import Designation, Donation
from matching.models import Allocation, Reservation
from matching.queries import MatchLine, PoolFigures, gift_matches

HOUR = timedelta(hours=1)
RATE_WINDOW = timedelta(minutes=30)
_FEWEST_FOR_A_RATE = 5
_WIDE = DecimalField(max_digits=40, decimal_places=0)
_REACHED = """
    SELECT {wanted} FROM (
        SELECT paid_at, sum(greatest(amount_minor - refunded_minor, 0)) OVER (ORDER BY paid_at, id) AS so_far
        FROM donations_donation WHERE campaign_id = %s AND state = 'paid'
    ) AS gifts
"""


@dataclass(frozen=True)
class Totals:
    raised_minor: int = 0
    gift_count: int = 0
    donor_count: int = 0


@dataclass(frozen=True)
class PublicGift:
    """A paid gift as the public may see it. amount_minor and match_minor: None when the donor hides the amount.

    sponsor_names: who matched it, as pages name them, 0..n; none when the amount is hidden. message: the donor's words,
    if staff show them. tribute: `in memory of Ana Ruiz`, if the donor lets everybody see it.
    """

    name: str
    amount_minor: int | None
    match_minor: int | None
    sponsor_names: tuple[str, ...]
    currency: str
    fund_names: tuple[str, ...]
    paid_at: datetime | None
    message: str = ""
    tribute: str = ""


def gift_left_minor(prefix: str = "") -> Combinable:
    """The part of the gift itself that was not refunded: amount less refunds, never below zero."""
    return Greatest(F(f"{prefix}amount_minor") - F(f"{prefix}refunded_minor"), 0)


def split_left(*, parts_minor: Sequence[int], refunded_minor: int) -> list[int]:
    """What each designation keeps after refunds of `refunded_minor` in total on the gift.

    In proportion, in whole minor units, by running totals in the order of the designations, so that the parts add up
    exactly to what is left of the gift. Refunds beyond the gift itself took the covered fee and change nothing here.
    """
    amount_minor = sum(parts_minor)
    left_minor = max(amount_minor - refunded_minor, 0)
    shares, so_far = [], 0
    for part_minor in parts_minor:
        before = so_far * left_minor // amount_minor
        so_far += part_minor
        shares.append(so_far * left_minor // amount_minor - before)
    return shares


def _paid(*, campaign_id: int, start: datetime | None, end: datetime | None, prefix: str = "") -> Q:
    wanted = Q((f"{prefix}campaign_id", campaign_id), (f"{prefix}state", Donation.State.PAID))
    if start is not None:
        wanted &= Q((f"{prefix}paid_at__gte", start))
    if end is not None:
        wanted &= Q((f"{prefix}paid_at__lt", end))
    return wanted


def totals(*, campaign_id: int, start: datetime | None = None, end: datetime | None = None) -> Totals:
    """Raised, gifts and donors of a campaign; of those paid in `[start, end)` when given. One query."""
    standing = Q(refunded_minor__lt=F("amount_minor"))
    row = Donation.objects.filter(_paid(campaign_id=campaign_id, start=start, end=end)).aggregate(
        raised_minor=Coalesce(Sum(gift_left_minor()), 0, output_field=BigIntegerField()),
        gift_count=Count("amount_minor", filter=standing),  # a column that the index has
        donor_count=Count("donor_id", filter=standing, distinct=True),
    )
    return Totals(**{name: int(value) for name, value in row.items()})


def reached_at(*, campaign_id: int, amounts: Sequence[int]) -> dict[int, datetime]:
    """When the gifts that stand now had come to each of these amounts, in minor units; those not reached are absent.

    One query, over every paid gift.
    """
    if not amounts:
        return {}
    wanted = ", ".join("min(paid_at) FILTER (WHERE so_far >= %s)" for _ in amounts)
    with connection.cursor() as cursor:
        cursor.execute(_REACHED.format(wanted=wanted), [*amounts, campaign_id])
        found = cursor.fetchone()
    return {amount_minor: moment for amount_minor, moment in zip(amounts, found, strict=True) if moment}


def _designation_left_minor() -> Case:
    """split_left() in SQL; the running total is looked up only for gifts with refunds."""
    until_here = (
        Designation.objects.filter(
            Q(position__lt=OuterRef("position")) | Q(position=OuterRef("position"), pk__lt=OuterRef("pk")),
            donation_id=OuterRef("donation_id"),
        )
        .order_by()
        .values("donation_id")
        .annotate(sum_minor=Sum("amount_minor"))
        .values("sum_minor")
    )
    before = Coalesce(Subquery(until_here), 0, output_field=BigIntegerField())
    left, amount = Cast(gift_left_minor("donation__"), _WIDE), Cast(F("donation__amount_minor"), _WIDE)
    share = Floor((before + F("amount_minor")) * left / amount) - Floor(before * left / amount)
    return Case(
        When(donation__refunded_minor=0, then=F("amount_minor")),
        default=Cast(share, BigIntegerField()),
        output_field=BigIntegerField(),
    )


def fund_totals(*, campaign_id: int, start: datetime | None = None, end: datetime | None = None) -> dict[int, Totals]:
    """Raised, gifts and donors for each fund that got any, by fund id; they add up to totals().raised_minor.

    A gift for two funds counts as a gift for each. One query.
    """
    rows = (
        Designation.objects.filter(
            _paid(campaign_id=campaign_id, start=start, end=end, prefix="donation__"),
            donation__refunded_minor__lt=F("donation__amount_minor"),
        )
        .order_by()
        .annotate(left_minor=_designation_left_minor())
        .values("fund_id")
        .annotate(
            raised_minor=Sum("left_minor"),
            gift_count=Count("donation_id"),
            donor_count=Count("donation__donor_id", distinct=True),
        )
        .values_list("fund_id", "raised_minor", "gift_count", "donor_count")
    )
    return {fund_id: Totals(int(raised), gifts, donors) for fund_id, raised, gifts, donors in rows}


def recent_public_gifts(*, campaign_id: int, fund_id: int | None = None, limit: int = 12) -> list[PublicGift]:
    """The newest paid gifts, newest first, 0..limit, as their donors let the public see them.

    With fund_id only gifts for that fund, and of each only the part for it. Gifts refunded in full are left out.
    A donor who hides the amount hides the match too, since one tells the other. Two queries and the match's.
    """
    found = (
        Donation.objects.filter(_paid(campaign_id=campaign_id, start=None, end=None))
        .filter(refunded_minor__lt=F("amount_minor"))
        .select_related("message", "tribute")
        .prefetch_related("designations__fund")
        .order_by("-paid_at", "-pk")
    )
    if fund_id is not None:
        found = found.filter(designations__fund_id=fund_id)
    gifts = list(found[:limit])
    lines = _match_lines(gifts, fund_id=fund_id)
    return [_public_gift(gift, lines=lines.get(gift.pk, []), fund_id=fund_id) for gift in gifts]


def _match_lines(gifts: Iterable[Donation], *, fund_id: int | None) -> dict[int, list[MatchLine]]:
    by_key = {gift.match_key: gift.pk for gift in gifts if not gift.hides_amount}
    return {
        by_key[key]: [line for line in match.lines if fund_id in (None, line.fund_id) and line.amount_minor]
        for key, match in gift_matches(keys=by_key).items()
        if match.state == "committed"
    }


def _public_gift(gift: Donation, *, lines: Sequence[MatchLine], fund_id: int | None) -> PublicGift:
    parts = sorted(gift.designations.all(), key=lambda part: (part.position, part.pk))
    left = split_left(parts_minor=[part.amount_minor for part in parts], refunded_minor=gift.refunded_minor)
    shown = [
        (part.fund.name, left_minor)
        for part, left_minor in zip(parts, left, strict=True)
        if fund_id in (None, part.fund_id)
    ]
    return PublicGift(
        name=gift.public_name,
        amount_minor=None if gift.hides_amount else sum(left_minor for _, left_minor in shown),
        match_minor=None if gift.hides_amount else sum(line.amount_minor for line in lines),
        sponsor_names=tuple(dict.fromkeys(line.sponsor_name for line in lines)),
        currency=gift.currency,
        fund_names=tuple(name for name, _ in shown),
        paid_at=gift.paid_at,
        message=public_messages.shown_text(gift),
        tribute=tributes.shown_text(gift),
    )


@dataclass(frozen=True)
class HourFigures:
    """One hour from starts_at. raised_minor: of gifts paid in it; matched_minor: committed in it and not reversed, and
    of checks and cash received in it."""

    starts_at: datetime
    gift_count: int = 0
    raised_minor: int = 0
    matched_minor: int = 0


def _hour_of(moment: str, *, start: datetime) -> Func:
    return Func(Value(HOUR), F(moment), Value(start), function="date_bin", output_field=DateTimeField())


def gifts_by_hour(*, campaign_id: int, start: datetime, end: datetime) -> list[HourFigures]:
    """Every hour of `[start, end)` in order, empty ones too: three queries.

    The match of a check or cash stands in the hour in which the gift was received, whenever it was entered. start and
    end in UTC. Hours are counted from start, so that a day on which the clocks change has the 23 or 25
    hours it had.
    """
    paid = Donation.objects.filter(_paid(campaign_id=campaign_id, start=start, end=end)).order_by()
    standing = Count("amount_minor", filter=Q(refunded_minor__lt=F("amount_minor")))
    raised = {
        at: (count, int(minor))
        for at, count, minor in paid.annotate(hour=_hour_of("paid_at", start=start))
        .values("hour")
        .annotate(gifts=standing, minor=Sum(gift_left_minor()))
        .values_list("hour", "gifts", "minor")
    }
    committed = _committed(campaign_id=campaign_id)
    online = committed.filter(
        reservation__is_offline=False, reservation__resolved_at__gte=start, reservation__resolved_at__lt=end
    )
    received = paid.filter(method__in=Donation.OFFLINE)
    offline = committed.filter(reservation__key__in=received.values("match_key"))
    matched = Counter(_match_by_hour(online, moment="reservation__resolved_at", start=start))
    matched.update(_match_by_hour(offline, moment="reservation__submitted_at", start=start))
    hours = [start + HOUR * index for index in range(-((start - end) // HOUR))]
    return [HourFigures(hour, *raised.get(hour, (0, 0)), matched[hour]) for hour in hours]


def _match_by_hour(found: QuerySet[Allocation], *, moment: str, start: datetime) -> dict[datetime, int]:
    rows = found.order_by().annotate(hour=_hour_of(moment, start=start)).values("hour")
    sums = rows.annotate(minor=Sum(F("amount_minor") - F("reversed_minor"))).values_list("hour", "minor")
    return {hour: int(minor) for hour, minor in sums}


def _committed(*, campaign_id: int) -> QuerySet[Allocation]:
    return Allocation.objects.filter(
        reservation__campaign_id=campaign_id, reservation__state=Reservation.State.COMMITTED
    )


def donors_at_checkout(*, campaign_id: int, now: datetime) -> int:
    """Donors whose hold stands at this moment, without those who scheduled a gift for a day to come. One query."""
    found = Reservation.objects.filter(
        campaign_id=campaign_id, state=Reservation.State.HELD, held_until__gt=now, submitted_at__lte=now
    ).aggregate(donors=Count("donor_key", distinct=True))
    return int(found["donors"])


def time_to_last(*, campaign_id: int, pools: Sequence[PoolFigures], now: datetime) -> timedelta | None:
    """How long the free money of the open pools would last at the rate of the last half hour.

    None when that cannot be said honestly: no open pool with free money, fewer than five gifts matched in the half
    hour, or an answer beyond a day. One query.
    """
    free_minor = sum(pool.free_minor for pool in pools if pool.state == "open")
    lately = _committed(campaign_id=campaign_id).filter(reservation__resolved_at__gt=now - RATE_WINDOW)
    rate = lately.aggregate(
        minor=Sum(F("amount_minor") - F("reversed_minor")), gifts=Count("reservation_id", distinct=True)
    )
    if not free_minor or not rate["minor"] or rate["gifts"] < _FEWEST_FOR_A_RATE:
        return None
    left = RATE_WINDOW * free_minor / int(rate["minor"])
    return left if left <= timedelta(days=1) else None
