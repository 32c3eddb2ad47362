"""What a month books, added up: by fund with its general-ledger code, by way of paying, and by deposit at the bank."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.db.models import Count, F, Sum
from django.utils.translation import gettext, gettext_lazy

from donations.models import Donation, Period, PeriodLine, StripeMovement
from donations.periods.lines import SUMMED, would_be
from donations.periods.lines import adjustments as adjustments_now
from donations.periods.months import Month

# Translators: how gifts came, over sums of money
_OFFLINE_WAYS = {Donation.Method.CHEQUE: gettext_lazy("Checks"), Donation.Method.CASH: gettext_lazy("Cash")}


@dataclass
class Sums:
    """Signed minor units. name: of what, such as a fund; gl_code: its own, or empty."""

    name: str
    gl_code: str = ""
    gift_minor: int = 0
    refund_minor: int = 0
    adjustment_minor: int = 0

    @property
    def net_minor(self) -> int:
        return self.gift_minor + self.refund_minor + self.adjustment_minor

    def add(self, kind: str, minor: int) -> None:
        name = f"{kind}_minor"
        setattr(self, name, getattr(self, name) + minor)


@dataclass(frozen=True)
class Deposit:
    """A payout of Stripe's. booked_minor: of the month's lines; arrived_minor: at the bank, None while unknown."""

    payout: str
    booked_minor: int
    arrived_minor: int | None


@dataclass(frozen=True)
class Adjustment:
    """One line of a gift whose own month, the one of `day`, is closed. minor: with the covered fee, signed."""

    gift_id: int
    day: date
    fund_name: str
    minor: int
    currency: str


@dataclass
class Booked:
    """One currency of a month. Covered fees are in `fees`, `ways`, `deposits` and `total`, and in no fund."""

    currency: str
    line_count: int = 0
    adjustment_count: int = 0
    funds: list[Sums] = field(default_factory=list)
    fees: Sums = field(default_factory=lambda: Sums(gettext("Covered fees")))
    total: Sums = field(default_factory=lambda: Sums(gettext("Total")))
    ways: list[Sums] = field(default_factory=list)
    is_through_stripe: bool = False
    deposits: list[Deposit] = field(default_factory=list)
    not_deposited_minor: int = 0


def of_open(first_day: date) -> list[Booked]:
    """What closing this month now would book, a part for each currency. Reads every gift: one query and one more."""
    return _added(would_be(first_day))


def of_closed(period: Period) -> list[Booked]:
    """What was booked in a closed month, a part for each currency. Two queries."""
    lines = period.lines.order_by().values_list(*SUMMED)
    return _added(lines.annotate(Count("pk"), Sum("amount_minor"), Sum("fee_minor")))


def adjustments(month: Month, *, limit: int = 50) -> list[Adjustment]:
    """The first adjustments that were, or now would be, booked in the month, in the order of its lines; 0..limit."""
    if month.period is None:
        return [Adjustment(*row) for row in adjustments_now(month.first_day, limit=limit)]
    lines = month.period.lines.filter(kind=PeriodLine.Kind.ADJUSTMENT).order_by("number")
    values = lines.values_list("donation_id", "day", "fund_name", F("amount_minor") + F("fee_minor"), "currency")
    return [Adjustment(*row) for row in values[:limit]]


def of_every_closed() -> dict[int, list[Booked]]:
    """The totals alone, of each closed month by its id. One query."""
    found = PeriodLine.objects.order_by().values_list("period_id", "currency", "kind")
    rows = defaultdict(list)
    for period_id, currency, kind, *sums in found.annotate(Count("pk"), Sum("amount_minor"), Sum("fee_minor")):
        rows[period_id].append((currency, "", "", "", "", kind, *sums))
    return {period_id: _added(of_one) for period_id, of_one in rows.items()}


def _added(rows: Iterable[tuple[Any, ...]]) -> list[Booked]:
    by_currency: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for currency, *rest in rows:
        by_currency[currency].append(tuple(rest))
    return [_booked(currency, by_currency[currency]) for currency in sorted(by_currency)]


def _booked(currency: str, rows: list[tuple[Any, ...]]) -> Booked:
    booked = Booked(currency)
    deposits: dict[str, int] = defaultdict(int)
    funds, ways, through_stripe = _Named(), _Named(), gettext("Through Stripe")
    for method, payout, gl_code, fund_name, kind, count, amount_minor, fee_minor in rows:
        booked.line_count += count
        booked.adjustment_count += count if kind == PeriodLine.Kind.ADJUSTMENT else 0
        funds(fund_name, gl_code).add(kind, amount_minor)
        booked.fees.add(kind, fee_minor)
        booked.total.add(kind, amount_minor + fee_minor)
        ways(str(_OFFLINE_WAYS.get(method, through_stripe))).add(kind, amount_minor + fee_minor)
        if method not in _OFFLINE_WAYS:
            booked.is_through_stripe = True
            deposits[payout] += amount_minor + fee_minor
    booked.funds = sorted(funds.values(), key=lambda sums: (sums.gl_code, sums.name))
    booked.ways = sorted(ways.values(), key=lambda sums: (sums.name != through_stripe, sums.name))
    booked.not_deposited_minor = deposits.pop("", 0)
    booked.deposits = _deposits(deposits)
    return booked


class _Named(dict[tuple[str, str], Sums]):
    """Sums by name and code, made when they are first asked for."""

    def __call__(self, name: str, gl_code: str = "") -> Sums:
        return self.setdefault((name, gl_code), Sums(name, gl_code))


def _deposits(booked_minor: dict[str, int]) -> list[Deposit]:
    """In the order in which they went to the bank. One query."""
    moved = StripeMovement.objects.filter(category="payout", source__in=list(booked_minor)).order_by("moved_at", "pk")
    arrived = {row.source: -row.amount_minor for row in moved}
    unknown = sorted(booked_minor.keys() - arrived.keys())
    return [Deposit(payout, booked_minor[payout], arrived.get(payout)) for payout in [*arrived, *unknown]]
