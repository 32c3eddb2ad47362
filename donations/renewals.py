"""Later payments of monthly gifts: each month Stripe makes an invoice and charges the saved card.

An event only says that something happened to an invoice or a subscription; what is applied is how it stands at Stripe
when we ask. So events may come in any order and any number of copies, and a missed one is made good by asking
(ask_about_due). Each paid invoice becomes one gift, without a match: only a first payment is matched.
"""

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from campaign.money import format_amount
from donations import gateway, payments, strays, subscriptions, work
from donations.gateway import Payment
from donations.models import Designation, Donation, FollowUp, MonthlyChange, MonthlyGift
from donations.monthly_start import first_gift, note
from donations.subscriptions import Invoice, Subscription
from matching.ledger import DONOR, STRIPE, PoolsBusy

logger = logging.getLogger(__name__)
LATE = timedelta(hours=3)  # Stripe charges about an hour after it makes an invoice
ASK_AGAIN = timedelta(hours=6)
_RUNS, _FAILS = ("active", "trialing"), ("past_due", "unpaid")
_ENDED = ("canceled", "incomplete_expired")
_COPIED = (
    "campaign",
    "donor",
    "currency",
    *Donation.OF_DONOR_ONLINE,
    *Donation.SOURCE_CODES,
    *("way", "team", "names_hidden_at"),
)
_FAILED = {
    "expired_card": _("The payment of %(amount)s did not go through: the card has expired. Nothing was charged."),
    "insufficient_funds": _(
        "The payment of %(amount)s did not go through: there was not enough money in the account. Nothing was charged."
    ),
    "authentication_required": _(
        "The payment of %(amount)s did not go through: your bank wants you to confirm it yourself. Nothing was charged."
    ),
}
_FAILED_SOMEHOW = _("The payment of %(amount)s did not go through. Nothing was charged.")


def invoice_moved(invoice_id: str, *, now: datetime) -> Donation | None:
    """Apply an invoice as it stands at Stripe; the gift that it is about, None when it is of no monthly gift of ours.

    Paid: the gift of that month is written down and settled, once. Tried in vain: noted, and the donor told, once for
    each try. Two calls to Stripe, outside any transaction. Raises the gateway's errors, PoolsBusy,
    payments.PaymentMismatch when no payment stands behind a paid invoice.
    """
    return _apply(subscriptions.retrieve_invoice(invoice_id), now=now)


def subscription_moved(subscription_id: str, *, now: datetime) -> Donation | None:
    """Bring a monthly gift up to date with its subscription; its first gift, None when it is none of ours.

    One call to Stripe, three when a payment failed.
    """
    monthly = _monthly(subscription_id)
    if monthly is None:
        return None
    found = subscriptions.retrieve(subscription_id)
    keep(monthly_id=monthly.pk, found=found, asked_at=now, now=now)
    if found.status in _FAILS and found.latest_invoice:
        invoice_moved(found.latest_invoice, now=now)  # which month, why, and when it is tried again
    return first_gift(monthly)


@transaction.atomic
def keep(*, monthly_id: int, found: Subscription, asked_at: datetime, now: datetime, actor: str = STRIPE) -> bool:
    """Write down how a subscription stands; False when an answer to a later question is here already.

    asked_at: by our clock, before the question. Locks the monthly gift. What the donor must hear is owed with it.
    """
    monthly = locked_monthly(monthly_id)
    if monthly.asked_at is not None and asked_at < monthly.asked_at:
        return False
    monthly.asked_at = asked_at
    if found.status in _ENDED:
        stop(monthly, actor=actor, because=found.ended_because, now=now)
    elif monthly.state != MonthlyGift.State.STOPPED:
        if monthly.state == MonthlyGift.State.UNPAID and found.status in _RUNS:
            monthly.state, monthly.retry_at = MonthlyGift.State.ACTIVE, None
        monthly.next_at, monthly.item = found.next_at, found.item
        if found.sums is not None and sum(found.sums) == found.amount_minor:  # its answer may have been lost
            set_amount(monthly, amount_minor=found.sums[0], fee_minor=found.sums[1], now=now)
    monthly.save()
    return True


def set_amount(monthly: MonthlyGift, *, amount_minor: int, fee_minor: int, now: datetime) -> None:
    """Write down another amount and owe the donor the news; nothing when it is so. Locked; the caller saves it."""
    if (monthly.amount_minor, monthly.fee_minor) == (amount_minor, fee_minor):
        return
    before = format_amount(monthly.total_minor, currency=monthly.currency)
    monthly.parts = [list(part) for part in scaled(monthly.parts, amount_minor=amount_minor)]
    monthly.amount_minor, monthly.fee_minor = amount_minor, fee_minor
    after = format_amount(monthly.total_minor, currency=monthly.currency)
    words = gettext("The monthly amount was %(before)s and is %(after)s, from the next payment on.")
    text = words % {"before": before, "after": after}
    tell(monthly, note(monthly, kind=MonthlyChange.Kind.AMOUNT, text=text, actor=DONOR, now=now), now=now)


def stop(monthly: MonthlyGift, *, actor: str, because: str, now: datetime) -> None:
    """End a monthly gift, once, and owe its donor the news. The row is locked; the caller saves it."""
    if monthly.state in (MonthlyGift.State.STARTED, MonthlyGift.State.NEVER):
        monthly.state, monthly.next_at = MonthlyGift.State.NEVER, None
        return
    if monthly.state == MonthlyGift.State.STOPPED:
        return
    monthly.state, monthly.stopped_at = MonthlyGift.State.STOPPED, now
    monthly.next_at, monthly.retry_at = None, None
    texts = {"payment_failed": gettext("Stopped: the last try to charge it failed too.")}
    change = note(
        monthly,
        kind=MonthlyChange.Kind.STOPPED,
        text=texts.get(because, gettext("The monthly gift was stopped.")),
        actor=actor,
        now=now,
        key=because or "stopped",
    )
    tell(monthly, change, now=now)
    work.owe(donation=first_gift(monthly), kind=FollowUp.Kind.CARD, now=now)


def tell(monthly: MonthlyGift, change: MonthlyChange | None, *, now: datetime) -> None:
    """Owe the donor an e-mail about one line of the history; nothing when there is no new line."""
    if change is not None:
        work.owe(donation=first_gift(monthly), kind=FollowUp.Kind.MONTHLY, subject_id=change.pk, now=now)


def ask_about_due(*, now: datetime, limit: int = 100) -> list[int]:
    """Ask about monthly gifts whose payment should have come; ids of the gifts that were found or moved.

    For events that never came. Two calls for each and two for each payment found; each is asked about once in
    ASK_AGAIN. Stops when Stripe does not answer: the next round goes on.
    """
    rested = Q(asked_at=None) | Q(asked_at__lte=now - ASK_AGAIN)
    due = MonthlyGift.objects.filter(rested, state__in=MonthlyGift.RUNNING, next_at__lte=now - LATE)
    moved: list[int] = []
    for monthly in due.order_by("next_at")[:limit]:
        try:
            moved += _ask(monthly, now=now)
        except gateway.GatewayUnavailable:
            logger.warning("Stripe does not answer; %s and others wait for the next round", monthly.reference)
            break
        except (gateway.GatewayRefused, payments.PaymentMismatch, PoolsBusy) as error:
            logger.error("%s needs a person: %s", monthly.reference, error)
            MonthlyGift.objects.filter(pk=monthly.pk).update(asked_at=now)
    return moved


def is_of_monthly_gift(customer: str) -> bool:
    """Whether this customer at Stripe pays a monthly gift of ours."""
    return bool(customer) and MonthlyGift.objects.filter(customer=customer).exists()


def find_payments(*, customer: str, now: datetime) -> list[int]:
    """Ask about the monthly gift that this customer pays; ids of gifts that were not here or not paid before.

    Raises the gateway's errors. Two calls to Stripe, and two for each payment found.
    """
    monthly = MonthlyGift.objects.select_related("campaign").filter(customer=customer).first()
    if monthly is None or not monthly.subscription:
        return []
    paid = set(monthly.donations.filter(state=Donation.State.PAID).values_list("pk", flat=True))
    try:
        _ask(monthly, now=now)
    except (payments.PaymentMismatch, PoolsBusy) as error:
        logger.error("%s needs a person: %s", monthly.reference, error)
    now_paid = monthly.donations.filter(state=Donation.State.PAID).values_list("pk", flat=True)
    return [pk for pk in now_paid if pk not in paid]


def locked_monthly(monthly_id: int) -> MonthlyGift:
    found = MonthlyGift.objects.select_for_update(no_key=True, of=("self",)).select_related("campaign")
    return found.get(pk=monthly_id)


def _monthly(subscription_id: str) -> MonthlyGift | None:
    found = MonthlyGift.objects.select_related("campaign").filter(subscription=subscription_id)
    return found.first() if subscription_id else None


def _ask(monthly: MonthlyGift, *, now: datetime) -> list[int]:
    since = min(monthly.next_at or now, now) - timedelta(days=40)
    found = [
        _apply(invoice, now=now) for invoice in subscriptions.latest_invoices(monthly.subscription or "", since=since)
    ]
    subscription_moved(monthly.subscription or "", now=now)
    return [gift.pk for gift in found if gift is not None]


def _apply(invoice: Invoice, *, now: datetime) -> Donation | None:
    monthly = _monthly(invoice.subscription)
    if monthly is None:
        return None
    first = first_gift(monthly)
    if invoice.amount_minor == 0 or invoice.reason == "subscription_create":
        return _settle_first(first, invoice, now=now)
    if invoice.status == "paid":
        return _paid(monthly, invoice, now=now) or first
    if invoice.attempts and invoice.status == "open":
        _failed(monthly, invoice, now=now)
    return first


def _settle_first(first: Donation, invoice: Invoice, *, now: datetime) -> Donation:
    """The first month is paid through the payment step; should its own event be lost, this one will do."""
    if invoice.status == "paid" and first.state != Donation.State.PAID and invoice.payment_intent:
        payment = gateway.retrieve_payment(invoice.payment_intent)
        strays.settle_or_set_aside(donation_id=first.pk, payment=payment, now=now)
    return first


def _paid(monthly: MonthlyGift, invoice: Invoice, *, now: datetime) -> Donation | None:
    """The gift of a paid month, written down and settled; None when its sum is none of ours: then finance decides."""
    known = Donation.objects.filter(invoice=invoice.invoice).first()
    if known is None or known.state != Donation.State.PAID:
        if not invoice.payment_intent:
            raise payments.PaymentMismatch(f"{invoice.invoice} of {monthly.reference} is paid without a payment")
        payment = gateway.retrieve_payment(invoice.payment_intent)
        known = _write(monthly.pk, invoice, payment, now=now) or _write_anew(monthly, invoice, payment, now=now)
    if known is None:
        strays.set_aside(payment=payment, donation=first_gift(monthly), now=now)
    return known


def _write_anew(monthly: MonthlyGift, invoice: Invoice, payment: Payment, *, now: datetime) -> Donation | None:
    """For a sum that we do not know: perhaps the donor has asked for it and Stripe's answer was lost."""
    keep(monthly_id=monthly.pk, found=subscriptions.retrieve(invoice.subscription), asked_at=now, now=now)
    return _write(monthly.pk, invoice, payment, now=now)


@transaction.atomic
def _write(monthly_id: int, invoice: Invoice, payment: Payment, *, now: datetime) -> Donation | None:
    monthly = locked_monthly(monthly_id)
    sums = _sums(monthly, paid_minor=payment.amount_minor)
    if sums is None or payment.currency != monthly.currency:
        return None
    donation = Donation.objects.filter(invoice=invoice.invoice).first()
    donation = donation or _renewal(monthly, invoice, amount_minor=sums[0], fee_minor=sums[1])
    donation.payment_intent = payment.payment_intent
    donation.save(update_fields=["payment_intent"])
    donation = payments.settle(donation_id=donation.pk, payment=payment, now=now)
    if donation.state == Donation.State.PAID and monthly.state != MonthlyGift.State.STOPPED:
        monthly.state, monthly.retry_at = MonthlyGift.State.ACTIVE, None
        monthly.method_label = donation.method_label or donation.get_method_display()
        monthly.method_last4 = donation.method_last4
        monthly.save(update_fields=["state", "retry_at", "method_label", "method_last4"])
    return donation


def _sums(monthly: MonthlyGift, *, paid_minor: int) -> tuple[int, int] | None:
    """Gift and covered fee of a payment of this sum: as the monthly gift stands, or as it stood before."""
    stood = [(monthly.amount_minor, monthly.fee_minor)]
    stood += monthly.changes.order_by("-pk").values_list("amount_minor", "fee_minor")
    return next((sums for sums in stood if sum(sums) == paid_minor), None)


def _renewal(monthly: MonthlyGift, invoice: Invoice, *, amount_minor: int, fee_minor: int) -> Donation:
    first = first_gift(monthly)
    donation = Donation.objects.create(
        **{name: getattr(first, name) for name in _COPIED},
        monthly=monthly,
        renews=True,
        invoice=invoice.invoice,
        form_key=f"invoice-{invoice.invoice}"[:64],
        amount_minor=amount_minor,
        fee_minor=fee_minor,
        submitted_at=invoice.made_at,
    )
    Designation.objects.bulk_create(
        Designation(donation=donation, fund_id=fund_id, amount_minor=part_minor, position=position)
        for position, (fund_id, part_minor) in enumerate(scaled(monthly.parts, amount_minor=amount_minor))
    )
    return donation


def scaled(parts: list[list[int]], *, amount_minor: int) -> list[tuple[int, int]]:
    """The same funds in the same proportion for another sum, in whole minor units that add up; no part below one."""
    before, whole, shares, given = 0, sum(part for _, part in parts), [], 0
    for fund_id, part in parts:
        before += part
        until = before * amount_minor // whole
        if until > given:
            shares.append((fund_id, until - given))
        given = until
    return shares


@transaction.atomic
def _write_failure(monthly_id: int, invoice: Invoice, *, decline_code: str, now: datetime) -> None:
    monthly = locked_monthly(monthly_id)
    if monthly.state == MonthlyGift.State.STOPPED:
        return
    due = format_amount(invoice.amount_minor, currency=monthly.currency)
    change = note(
        monthly,
        kind=MonthlyChange.Kind.FAILED,
        text=_FAILED.get(decline_code, _FAILED_SOMEHOW) % {"amount": due},
        actor=STRIPE,
        now=now,
        key=f"{invoice.invoice}:{invoice.attempts}",
        retry_at=invoice.retry_at,
    )
    if change is not None:
        monthly.state, monthly.retry_at, monthly.asked_at = MonthlyGift.State.UNPAID, invoice.retry_at, now
        monthly.save(update_fields=["state", "retry_at", "asked_at"])
        tell(monthly, change, now=now)


def _failed(monthly: MonthlyGift, invoice: Invoice, *, now: datetime) -> None:
    key = f"{invoice.invoice}:{invoice.attempts}"
    if monthly.changes.filter(kind=MonthlyChange.Kind.FAILED, key=key).exists():
        return
    payment = gateway.retrieve_payment(invoice.payment_intent) if invoice.payment_intent else None
    _write_failure(monthly.pk, invoice, decline_code=payment.decline_code if payment else "", now=now)
