"""The fault table: what became of the gifts that a fault met, by Stripe's stand-in and by our own books."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from campaign.money import format_amount
from donations.models import Donation, Receipt
from matching.queries import gift_match
from tests.paying import client

_WIDTHS = (48, 70)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """charged: payments that succeeded at Stripe; twice: gifts with more than one. receipts: valid ones."""

    gifts: int
    charged: int
    twice: int
    paid: int
    matched_minor: int
    receipts: int

    def __str__(self) -> str:
        twice = f"{self.twice} TWICE" if self.twice else "none twice"
        matched = format_amount(self.matched_minor, currency="USD")
        return f"{self.charged} of {self.gifts} charged, {twice}; {matched} matched, receipts: {self.receipts}"


def charged_once(gifts: int, *, match_minor: int = 10_000) -> Outcome:
    """What must have become of so many gifts, each with the same match."""
    return Outcome(
        gifts=gifts, charged=gifts, twice=0, paid=gifts, matched_minor=gifts * match_minor, receipts=gifts
    )  # fmt: skip


def outcome_of(gifts: Iterable[Donation]) -> Outcome:
    """Counted at Stripe and in the database, not by what a test believes."""
    ids = [gift.pk for gift in gifts]
    rows = list(Donation.objects.filter(pk__in=ids))
    keys = {str(gift.match_key) for gift in rows}
    every = client().v1.payment_intents.list({"limit": 100}).auto_paging_iter()
    paid_for = Counter(one.metadata["gift"] for one in every if one.status == "succeeded" and "gift" in one.metadata)
    matches = [gift_match(key=gift.match_key) for gift in rows]
    return Outcome(
        gifts=len(ids),
        charged=sum(paid_for[key] for key in keys),
        twice=sum(paid_for[key] > 1 for key in keys),
        paid=sum(gift.state == Donation.State.PAID for gift in rows),
        matched_minor=sum(match.match_minor for match in matches if match is not None and match.state == "committed"),
        receipts=Receipt.objects.filter(donation__in=ids, voided_at=None).count(),
    )


@dataclass
class FaultTable:
    """Called by tests with each fault; printed at the end of the run."""

    rows: list[tuple[str, str, str]] = field(default_factory=list)

    def __call__(self, fault: str, outcome: object, figure: str = "") -> None:
        self.rows.append((fault, str(outcome), figure))

    def lines(self) -> list[str]:
        first, second = _WIDTHS
        return [f"{fault:<{first}} {outcome:<{second}} {figure}".rstrip() for fault, outcome, figure in self.rows]
