"""What a donor does with a monthly gift from its own page: another amount, day or card, or an end to it.

Stripe is asked first, then our rows follow: whatever is lost in between, Stripe's own report brings them together
(renewals.keep). Nothing here charges anything, except that a month that failed is tried with the new card.
"""

import calendar
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext

from campaign.moments import full_day_text
from donations import gateway, limits, payer_check, payments, proofs, renewals, subscriptions, work
from donations.giving import locked_gift
from donations.models import Donation, FollowUp, MonthlyChange, MonthlyGift
from donations.monthly_start import first_gift, newest_change, note, product_of
from donations.receipt_content import local_day
from donations.renewals import locked_monthly, tell
from donations.subscriptions import RefusedCard
from matching.ledger import DONOR

DAYS = range(1, 29)  # the days that every month has
MOST_CARDS = 5  # saved or refused within the hour: a card that is saved is proven for nothing
_SOONEST = timedelta(hours=12)


class NotRunning(Exception):
    """The monthly gift has not begun, or was stopped: there is nothing to change."""


class CardNotSaved(Exception):
    """Stripe has not saved the card: the donor must try again."""


def change_amount(*, monthly_id: int, amount_minor: int, fee_minor: int, now: datetime) -> MonthlyGift:
    """Give another amount from the next payment on. A repeat with the same sums changes nothing.

    amount_minor: > 0, within the campaign's limits, as its form checked. Raises NotRunning, the gateway's errors. Two
    calls to Stripe at most, outside any transaction; then one that locks the monthly gift.
    """
    monthly = _running(monthly_id)
    if (monthly.amount_minor, monthly.fee_minor) == (amount_minor, fee_minor):
        return monthly
    found = subscriptions.change_amount(
        idempotency_key=f"amount-{monthly.token}-{newest_change(monthly)}-{amount_minor + fee_minor}",
        subscription=monthly.subscription or "",
        item=monthly.item,
        product=product_of(monthly),
        sums=(amount_minor, fee_minor),
        currency=monthly.currency,
    )
    with transaction.atomic():
        monthly = locked_monthly(monthly_id)
        renewals.set_amount(monthly, amount_minor=amount_minor, fee_minor=fee_minor, now=now)
        monthly.next_at, monthly.asked_at = found.next_at, now
        monthly.save()
    return monthly


def change_day(*, monthly_id: int, day: int, now: datetime) -> MonthlyGift:
    """Pay on another day of the month, one of DAYS, in the campaign's time zone; from the next payment on.

    Raises NotRunning, ValueError for no such day, the gateway's errors. One call to Stripe, then one transaction.
    """
    if day not in DAYS:
        raise ValueError(f"{day} is not a day that every month has")
    monthly = _running(monthly_id)
    if monthly.state != MonthlyGift.State.ACTIVE:
        raise NotRunning(monthly.reference)  # a month is open: its payment comes first
    next_at = date_on(day, monthly=monthly, now=now)
    if next_at == monthly.next_at:
        return monthly
    found = subscriptions.change_date(
        idempotency_key=f"day-{monthly.token}-{newest_change(monthly)}-{int(next_at.timestamp())}",
        subscription=monthly.subscription or "",
        next_at=next_at,
    )
    with transaction.atomic():
        monthly = locked_monthly(monthly_id)
        monthly.next_at = found.next_at
        monthly.save(update_fields=["next_at"])
        when = full_day_text(local_day(found.next_at, campaign=monthly.campaign))
        text = gettext("The next payment is on %(day)s, and then on that day of each month.") % {"day": when}
        tell(monthly, note(monthly, kind=MonthlyChange.Kind.DAY, text=text, actor=DONOR, now=now), now=now)
    return monthly


def date_on(day: int, *, monthly: MonthlyGift, now: datetime) -> datetime:
    """The next payment's moment if it were on that day: in the month in which it is due, unless that is over.

    The hour stays, in the campaign's time zone.
    """
    due = (monthly.next_at or now).astimezone(monthly.campaign.tz).replace(day=day)
    while due <= now + _SOONEST:
        days = calendar.monthrange(due.year, due.month)[1]
        due = (due + timedelta(days=days)).replace(day=day)
    return due


def begin_card_change(*, monthly_id: int, now: datetime, proof: str = "") -> str:
    """Open the saving of another card, or go on with the one that is open; the secret with which the browser does it.

    A card that was saved, and whose browser did not come back to say so, is taken first. proof: of work, or empty.
    One call to Stripe, or two. Raises NotRunning, limits.TooManyAttempts, payments.ProofNeeded, the gateway's errors.
    """
    monthly = _running(monthly_id)
    open_one = subscriptions.retrieve_saved_card(monthly.setup_intent) if monthly.setup_intent else None
    if open_one is not None and open_one.status == "succeeded":
        monthly, open_one = finish_card_change(monthly_id=monthly_id, now=now), None
    first = first_gift(monthly)
    if _cards_tried(first, now=now) >= MOST_CARDS or limits.standing(first, now=now).is_refused:
        raise limits.TooManyAttempts(limits.SENTENCE)
    _refuse_robots(monthly, proof=proof, now=now)
    if open_one is not None and open_one.status != "canceled":
        return open_one.client_secret
    saved = subscriptions.save_card(
        idempotency_key=f"card-{monthly.token}-{newest_change(monthly)}-{int(now.timestamp()) // 60}",
        customer=monthly.customer,
        description=f"Another card for {monthly.reference}",
    )
    MonthlyGift.objects.filter(pk=monthly_id).update(setup_intent=saved.setup_intent)
    return saved.client_secret


def _refuse_robots(monthly: MonthlyGift, *, proof: str, now: datetime) -> None:
    """While all payers are checked, those who save another card are too. A proof is good for one press."""
    if not payer_check.read(now=now).is_on:
        return
    try:
        proofs.accept(proof, subject=monthly.token)
    except proofs.BadProof as error:
        raise payments.ProofNeeded(str(error)) from error


def count_refusal(*, refused: RefusedCard, now: datetime) -> Donation | None:
    """Count a card that could not be saved, on the gift with which the monthly gift began; None when it is not ours.

    After MOST_CARDS within the hour this saving ends, and no other begins: nobody is to try a list of cards here.
    One short transaction, then at most one call to Stripe. Raises PoolsBusy, the gateway's errors.
    """
    monthly = MonthlyGift.objects.filter(customer=refused.customer).first() if refused.customer else None
    if monthly is None:
        return None
    with transaction.atomic():
        first = locked_gift(first_gift(monthly).pk)
        if limits.note_failure(first, payment=refused.as_payment(first), now=now):
            payer_check.weigh(campaign_id=first.campaign_id, now=now)
        is_over = _cards_tried(first, now=now) >= MOST_CARDS
    if is_over:
        subscriptions.cancel_saving(refused.setup_intent)
    return first


def _cards_tried(first: Donation, *, now: datetime) -> int:
    since = now - limits.WINDOW
    saved = MonthlyChange.objects.filter(monthly=first.monthly_id, kind=MonthlyChange.Kind.CARD, at__gt=since)
    return first.failed_tries.filter(at__gt=since).count() + saved.count()


def finish_card_change(*, monthly_id: int, now: datetime) -> MonthlyGift:
    """The card was saved: pay with it from now on, and try the month that failed, if one did. Safe to repeat.

    Raises CardNotSaved, NotRunning, the gateway's errors. Two calls to Stripe, four with a failed month.
    """
    monthly = _running(monthly_id)
    if not monthly.setup_intent:
        return monthly
    saved = subscriptions.retrieve_saved_card(monthly.setup_intent)
    if saved.status != "succeeded" or saved.customer != monthly.customer:
        raise CardNotSaved(saved.status)
    found = subscriptions.change_card(
        idempotency_key=f"use-{saved.setup_intent}",
        subscription=monthly.subscription or "",
        payment_method=saved.payment_method,
    )
    with transaction.atomic():
        monthly = locked_monthly(monthly_id)
        if monthly.setup_intent == saved.setup_intent:
            monthly.setup_intent, monthly.method_label, monthly.method_last4 = "", saved.label, saved.last4
            monthly.save(update_fields=["setup_intent", "method_label", "method_last4"])
            text = gettext("From now on it is paid with %(method)s.") % {"method": monthly.method_text}
            change = note(
                monthly, kind=MonthlyChange.Kind.CARD, text=text, actor=DONOR, now=now, key=saved.setup_intent
            )
            tell(monthly, change, now=now)
            work.owe(donation=first_gift(monthly), kind=FollowUp.Kind.CARD, now=now)  # the one before is to go
    if monthly.state == MonthlyGift.State.UNPAID:
        _try_open_month(found.latest_invoice, payment_method=saved.payment_method, now=now)
    return MonthlyGift.objects.select_related("campaign").get(pk=monthly_id)


def stop(*, monthly_id: int, now: datetime, actor: str = DONOR) -> MonthlyGift:
    """End it: nothing more is charged. Payments that were made stay. A repeat changes nothing.

    Raises NotRunning when it never began, the gateway's errors: then nothing was changed. One call, one transaction.
    """
    monthly = MonthlyGift.objects.get(pk=monthly_id)
    if monthly.state == MonthlyGift.State.STOPPED:
        return monthly
    if not monthly.is_running or not monthly.subscription:
        raise NotRunning(monthly.reference)
    subscriptions.cancel(monthly.subscription)
    with transaction.atomic():
        monthly = locked_monthly(monthly_id)
        renewals.stop(monthly, actor=actor, because="", now=now)
        monthly.save()
    return monthly


def payments_of(monthly: MonthlyGift) -> list[Donation]:
    """Its payments that came in, newest first, each with its receipt at hand."""
    paid = monthly.donations.filter(state=Donation.State.PAID).order_by("-paid_at", "-pk")
    return list(paid.prefetch_related("receipts"))


def _running(monthly_id: int) -> MonthlyGift:
    monthly = MonthlyGift.objects.select_related("campaign").get(pk=monthly_id)
    if not monthly.is_running:
        raise NotRunning(monthly.reference)
    return monthly


def _try_open_month(invoice_id: str, *, payment_method: str, now: datetime) -> None:
    """Charge the month that failed with the new card. A refusal is told as any other; Stripe tries again by itself."""
    invoice = subscriptions.retrieve_invoice(invoice_id)
    if invoice.status == "open" and invoice.payment_intent:
        key = f"retry-{invoice.invoice}-{payment_method}"
        try:
            subscriptions.pay_with(
                idempotency_key=key, payment_intent=invoice.payment_intent, payment_method=payment_method
            )
        except gateway.GatewayUnavailable:
            return  # Stripe tries the month again by itself, with the new card
    renewals.invoice_moved(invoice_id, now=now)
