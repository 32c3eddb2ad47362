"""A campaign's books for tests: gifts of every kind, made by the site's own functions, with Stripe's answers given.

What Stripe would have moved is written down as its balance has it, so that a day can be compared.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from campaign.models import Campaign
from donations import follow_ups, freed_match, gateway, giving, payments, renewals, scheduling, strays, subscriptions
from donations.gateway import ChargeDetails, Payment
from donations.models import Donation, FollowUp, MonthlyGift, StrayPayment, StripeMovement, StripeRun
from donations.subscriptions import Invoice, SavedCard
from matching import challenges
from tests import factories
from tests.factories import GIFT_AT, OPENS_AT
from tests.paying import gift_request

MINUTE = timedelta(minutes=1)
CARD_FEE, DISPUTE_FEE = 59, 1_500  # made-up round figures


class Books:
    """One campaign whose moments are given; `at` moves on a minute with each gift."""

    def __init__(self, campaign: Campaign, monkeypatch: Any) -> None:
        factories.organization_is_there()
        self.campaign, self.patch, self.at = campaign, monkeypatch, GIFT_AT
        self.meanwhile: Callable[[], Any] = lambda: None  # before the last state of each refund or dispute
        self._serial = count(1)

    def give(
        self, *parts: tuple[Any, int], fee_minor: int = 0, method: str = "card", days: int = 0, **k: Any
    ) -> Donation:
        """A gift online; days: after how many its bank paid."""
        self.at += MINUTE
        donation = self.form(*parts, fee_minor=fee_minor, now=self.at, **k)
        payment = self.payment(donation, method=method, charged_at=self.at)
        if days:
            processing = Payment(**{**_fields(payment), "status": "processing"})
            payments.settle(donation_id=donation.pk, payment=processing, now=self.at)
        self.pay(donation, payment, now=self.at + timedelta(days=days))
        return donation

    def form(self, *parts: tuple[Any, int], now: datetime, **changes: Any) -> Donation:
        named = tuple((fund.pk, part_minor) for fund, part_minor in parts)
        return giving.start_gift(
            campaign=self.campaign, request=gift_request(self.campaign, parts=named, **changes), now=now
        )

    def payment(self, donation: Donation, *, charged_at: datetime, method: str = "card", **changes: Any) -> Payment:
        serial = next(self._serial)
        charge = ChargeDetails(f"ch_{serial}", method, "Visa", "4242", charged_at)
        said = {
            "payment_intent": f"pi_{serial}",
            "status": "succeeded",
            "amount_minor": donation.total_minor,
            "currency": "USD",
            "gift_key": str(donation.match_key),
            "charge_id": charge.charge,
            "charge": charge,
            "created_at": charged_at,
        }
        return Payment(**said | changes)

    def pay(self, donation: Donation, payment: Payment, *, now: datetime) -> None:
        payments.settle(donation_id=donation.pk, payment=payment, now=now)
        self.move("charge", payment.charge_id, payment.amount_minor, fee=CARD_FEE, now=now)

    def move(
        self, category: str, source: str, amount_minor: int, *, now: datetime, fee: int = 0, charge: str = ""
    ) -> None:
        StripeMovement.objects.create(
            stripe_id=f"txn_{next(self._serial)}", category=category, source=source, charge=charge or source,
            amount_minor=amount_minor, fee_minor=fee, currency="USD", moved_at=now,
        )  # fmt: skip

    def back(self, donation: Donation, kind: str, amount_minor: int, *course: str, now: datetime) -> None:
        """A refund or dispute, made at `now`, that goes through these states a minute apart."""
        stripe_id = f"{kind}_{next(self._serial)}"
        charge = Donation.objects.get(pk=donation.pk).charge
        dispute_fee = DISPUTE_FEE if kind == "dispute" else 0
        self.move(kind, stripe_id, -amount_minor, now=now, charge=charge, fee=dispute_fee)
        for minute, status in enumerate(course):
            payments.record_reversal(
                donation_id=donation.pk, kind=kind, stripe_id=stripe_id, amount_minor=amount_minor, status=status,
                created_at=now, reported_at=now + MINUTE * minute, now=now + MINUTE * minute,
            )  # fmt: skip
            self.make_receipts(now=now + MINUTE * minute)
            if minute == len(course) - 2:
                self.meanwhile()
        returned = {"failed": "refund_failure", "won": "dispute_reversal"}.get(course[-1])
        if returned:
            self.move(returned, stripe_id, amount_minor, now=now + MINUTE * len(course), charge=charge)

    def monthly(self, *parts: tuple[Any, int], fee_minor: int = 0) -> Donation:
        """A monthly gift's first payment."""
        first = self.give(*parts, fee_minor=fee_minor, way="monthly")
        MonthlyGift.objects.filter(pk=Donation.objects.get(pk=first.pk).monthly_id).update(
            subscription=f"sub_{first.pk}", customer=f"cus_{first.pk}"
        )
        return first

    def renew(self, first: Donation, *, now: datetime) -> Donation:
        """The next month's payment, as an event leads to it."""
        payment = self.payment(first, charged_at=now, gift_key="")
        bill = Invoice(
            invoice=f"in_{payment.payment_intent}", subscription=f"sub_{first.pk}", status="paid",
            reason="subscription_cycle", amount_minor=first.total_minor, attempts=1, retry_at=None, made_at=now,
            payment_intent=payment.payment_intent,
        )  # fmt: skip
        self.patch.setattr(subscriptions, "retrieve_invoice", lambda _: bill)
        self.patch.setattr(gateway, "retrieve_payment", lambda _: payment)
        made = renewals.invoice_moved(bill.invoice, now=now)
        self.move("charge", payment.charge_id, payment.amount_minor, fee=CARD_FEE, now=now)
        assert made is not None
        return made

    def schedule(self, *parts: tuple[Any, int]) -> Donation:
        """A gift whose card is saved the day before."""
        saved_at = OPENS_AT - timedelta(days=1)
        donation = self.form(*parts, now=saved_at, way="scheduled")
        Donation.objects.filter(pk=donation.pk).update(
            setup_intent=f"seti_{donation.pk}", customer=f"cus_{donation.pk}"
        )
        saved = SavedCard(
            setup_intent=f"seti_{donation.pk}", status="succeeded", client_secret="", customer=f"cus_{donation.pk}",
            payment_method="pm_1", label="Visa", last4="4242", gift_key=str(donation.match_key),
        )  # fmt: skip
        assert scheduling.settle(donation_id=donation.pk, saved=saved, now=saved_at)
        return donation

    def charge(self, donation: Donation) -> None:
        payment = self.payment(donation, charged_at=OPENS_AT + MINUTE)
        self.patch.setattr(gateway, "charge_saved", lambda **_: payment)
        scheduling.charge(donation_id=donation.pk, now=OPENS_AT + MINUTE)
        self.move("charge", payment.charge_id, payment.amount_minor, fee=CARD_FEE, now=OPENS_AT + MINUTE)

    def stray(self, meant: Donation, *, amount_minor: int) -> StrayPayment:
        """A payment of another sum than its gift's."""
        self.at += MINUTE
        payment = self.payment(meant, charged_at=self.at, amount_minor=amount_minor)
        strays.settle_or_set_aside(donation_id=meant.pk, payment=payment, now=self.at)
        self.move("charge", payment.charge_id, amount_minor, fee=CARD_FEE, now=self.at)
        self.patch.setattr(gateway, "retrieve_payment", lambda _: payment)
        return StrayPayment.objects.get(payment_intent=payment.payment_intent)

    def catch_up(self, *, now: datetime) -> None:
        """What workers and timers would have done by now: receipts, challenges, free match money."""
        self.make_receipts(now=now)
        challenges.settle_challenges(campaign=self.campaign, now=now)
        freed_match.offer(campaign_id=self.campaign.pk, now=now)

    def make_receipts(self, *, now: datetime) -> None:
        for row in FollowUp.objects.filter(kind=FollowUp.Kind.RECEIPT, state=FollowUp.State.DUE, due_at__lte=now):
            assert follow_ups.run(follow_up_id=row.pk, now=now), FollowUp.objects.get(pk=row.pk).last_error

    def compared(self, *, now: datetime) -> None:
        """Stripe's lists were gone through."""
        StripeRun.objects.create(started_at=now, started_by="system", since=OPENS_AT, step="days", finished_at=now)


def _fields(payment: Payment) -> dict[str, Any]:
    return {name: getattr(payment, name) for name in payment.__slots__}
