"""A monthly gift's first payment: opened as a subscription at Stripe, begun when it is paid, let go when it is not.

The first payment is a gift like any other, with its hold, its payment step and its receipt (giving.py, payments/);
this module is what they ask when the gift is monthly.
"""

from datetime import datetime

from django.db.models import Max
from django.utils.translation import gettext

from donations import gateway, subscriptions
from donations.gateway import Payment
from donations.models import Donation, MonthlyChange, MonthlyGift, MonthlyProduct
from matching.ledger import DONOR

VOIDED = "void_invoice"  # Stripe's word when the subscription of an unpaid first payment ends


def write(donation: Donation, *, now: datetime) -> MonthlyGift:
    """Write down what is given each month, for a gift that is being written down itself. In its transaction."""
    parts = donation.designations.order_by("position").values_list("fund_id", "amount_minor")
    monthly = MonthlyGift.objects.create(
        campaign=donation.campaign,
        donor=donation.donor,
        amount_minor=donation.amount_minor,
        fee_minor=donation.fee_minor,
        currency=donation.currency,
        parts=[list(part) for part in parts],
        created_at=now,
    )
    donation.monthly = monthly
    donation.save(update_fields=["monthly"])
    return monthly


def open_at_stripe(donation: Donation, *, attempt: str) -> Payment:
    """Make the subscription, or get the same one again, and return the payment of its first month.

    attempt: the end of the idempotency keys; empty at first, another after Stripe failed by itself, and then a
    subscription that was made all the same is looked for. Two calls to Stripe, three for a campaign's first.
    Raises gateway.GatewayUnavailable, GatewayFailed, GatewayRefused.
    """
    monthly = donation.monthly
    if monthly is None:
        raise ValueError(f"{donation.reference} is not monthly")
    if not monthly.customer:
        monthly.customer = subscriptions.create_customer(
            idempotency_key=f"customer-{donation.match_key}{attempt}",
            name=donation.donor_name,
            email=donation.donor_email,
            reference=monthly.reference,
        )
        MonthlyGift.objects.filter(pk=monthly.pk).update(customer=monthly.customer)
    made = subscriptions.find(customer=monthly.customer) if attempt else None
    subscription, payment = made or subscriptions.create(
        idempotency_key=f"monthly-{donation.match_key}{attempt}",
        customer=monthly.customer,
        product=product_of(monthly),
        amount_minor=monthly.total_minor,
        currency=monthly.currency,
        description=f"Monthly gift {monthly.reference}, {donation.campaign.name}",
        metadata={"gift": str(donation.match_key), "reference": monthly.reference},
    )
    MonthlyGift.objects.filter(pk=monthly.pk).update(
        subscription=subscription.subscription, item=subscription.item, next_at=subscription.next_at
    )
    return payment


def product_of(monthly: MonthlyGift) -> str:
    """The campaign's product at Stripe, made the first time. At most one call."""
    known = MonthlyProduct.objects.filter(campaign=monthly.campaign_id).first()
    if known is None:
        name = f"Monthly gift, {monthly.campaign.name}"
        product = subscriptions.create_product(idempotency_key=f"product-{monthly.campaign.slug}", name=name)
        known, _ = MonthlyProduct.objects.get_or_create(campaign=monthly.campaign, defaults={"product": product})
    return known.product


def cancel_at_stripe(donation: Donation) -> None:
    """Let the first payment go: Stripe cancels it with its subscription, and in no other way.

    Raises gateway.PaymentUnderWay when it is being made or was made, GatewayUnavailable. At most three calls.
    """
    payment_intent = donation.payment_intent or ""
    payment = gateway.retrieve_payment(payment_intent)
    if payment.status in ("processing", "succeeded"):
        raise gateway.PaymentUnderWay(payment.status)
    if payment.status == "canceled":
        return
    if donation.monthly is not None and donation.monthly.subscription:
        subscriptions.cancel(donation.monthly.subscription)
    payment = gateway.retrieve_payment(payment_intent)  # it may have been made in between
    if payment.status != "canceled":
        raise gateway.PaymentUnderWay(payment.status)


def begin(donation: Donation, *, now: datetime) -> None:
    """The first payment is made: from now on it comes each month. Safe to repeat. In the gift's transaction."""
    if donation.monthly_id is None:
        return
    waiting = [MonthlyGift.State.STARTED, MonthlyGift.State.NEVER]
    begun = MonthlyGift.objects.filter(pk=donation.monthly_id, state__in=waiting).update(
        state=MonthlyGift.State.ACTIVE,
        method_label=donation.method_label or donation.get_method_display(),
        method_last4=donation.method_last4,
    )
    if begun:
        monthly = MonthlyGift.objects.get(pk=donation.monthly_id)
        text = gettext("The monthly gift began.")
        note(monthly, kind=MonthlyChange.Kind.BEGAN, text=text, actor=DONOR, now=now, key="began")


def end(donation: Donation) -> None:
    """The first payment was never made. In the gift's transaction."""
    if donation.monthly_id is None:
        return
    never = MonthlyGift.objects.filter(pk=donation.monthly_id, state=MonthlyGift.State.STARTED)
    never.update(state=MonthlyGift.State.NEVER, next_at=None)


def first_gift(monthly: MonthlyGift) -> Donation:
    """The gift with which it began."""
    return monthly.donations.filter(renews=False).earliest("pk")


def note(
    monthly: MonthlyGift,
    *,
    kind: MonthlyChange.Kind,
    text: str,
    actor: str,
    now: datetime,
    key: str = "",
    retry_at: datetime | None = None,
) -> MonthlyChange | None:
    """One line of the history; None when this report is in it already. The monthly gift must be locked, or new."""
    if key and monthly.changes.filter(kind=kind, key=key).exists():
        return None
    return MonthlyChange.objects.create(
        monthly=monthly,
        kind=kind,
        key=key,
        at=now,
        actor=actor,
        text=text[:300],
        amount_minor=monthly.amount_minor,
        fee_minor=monthly.fee_minor,
        retry_at=retry_at,
    )


def newest_change(monthly: MonthlyGift) -> int:
    """The history's newest row: part of an idempotency key that is the same for a double click and new after it."""
    return MonthlyChange.objects.filter(monthly=monthly).aggregate(newest=Max("pk"))["newest"] or 0
