"""Stripe's subscriptions, invoices and saved cards, through the gateway's client: plain values in and out.

Every function is one call to Stripe unless it says otherwise, raises gateway.GatewayUnavailable or
gateway.GatewayRefused, and must run outside any transaction.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext

from donations import gateway
from donations.gateway import Payment, payment_from
from donations.models import Donation

_WITH_PAYMENT = ["latest_invoice.confirmation_secret", "latest_invoice.payments"]
_MOST_INVOICES = 24
_MOST_CARDS = 100
_GIFT, _FEE = "gift_minor", "fee_minor"


@dataclass(frozen=True, slots=True)
class Subscription:
    """status: Stripe's word. next_at: when the next payment is due. ended_because: `cancellation_requested`,
    `payment_failed`, ... or empty. payment_method: the card that is charged; empty before the first payment. sums: gift
    and covered fee as the donor last asked for them, in minor units; None when nobody has."""

    subscription: str
    status: str
    item: str
    amount_minor: int
    next_at: datetime
    latest_invoice: str
    ended_because: str
    payment_method: str = ""
    sums: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Invoice:
    """One month's bill. reason: `subscription_create` for the first. payment_intent: empty when paid some other way."""

    invoice: str
    subscription: str
    status: str
    reason: str
    amount_minor: int
    attempts: int
    retry_at: datetime | None
    made_at: datetime
    payment_intent: str


@dataclass(frozen=True, slots=True)
class SavedCard:
    """A SetupIntent. payment_method, label, last4 and fingerprint are empty until it succeeded; the same card or
    account has the same fingerprint, whoever saves it."""

    setup_intent: str
    status: str
    client_secret: str
    customer: str
    payment_method: str
    label: str
    last4: str
    gift_key: str
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class RefusedCard:
    """A card that could not be saved. attempt: Stripe's id of this one try."""

    setup_intent: str
    customer: str
    attempt: str
    decline_code: str
    fingerprint: str

    def as_payment(self, donation: Donation) -> Payment:
        """The same as of a payment whose card was declined: limits.py counts both alike."""
        return Payment(
            self.setup_intent,
            "requires_payment_method",
            donation.total_minor,
            donation.currency,
            str(donation.match_key),
            decline_code=self.decline_code,
            failed_charge=self.attempt,
            fingerprint=self.fingerprint,
        )


def create_customer(*, idempotency_key: str, name: str, email: str, reference: str) -> str:
    """A customer of this one gift: whoever types a known e-mail address must not reach another's saved card."""
    with gateway.plain_errors():
        made = gateway.client().v1.customers.create(
            {"name": name, "email": email, "metadata": {"reference": reference}}, {"idempotency_key": idempotency_key}
        )
    return made.id


def create_product(*, idempotency_key: str, name: str) -> str:
    with gateway.plain_errors():
        return gateway.client().v1.products.create({"name": name}, {"idempotency_key": idempotency_key}).id


def create(
    *,
    idempotency_key: str,
    customer: str,
    product: str,
    amount_minor: int,
    currency: str,
    description: str,
    metadata: dict[str, str],
) -> tuple[Subscription, Payment]:
    """A subscription that waits for its first payment, and that payment, with the secret to make it."""
    asked: Any = {
        "customer": customer,
        "items": [{"price_data": _price(product=product, amount_minor=amount_minor, currency=currency)}],
        "payment_behavior": "default_incomplete",
        "payment_settings": {"save_default_payment_method": "on_subscription"},
        "description": description,
        "metadata": metadata,
        "expand": _WITH_PAYMENT,
    }
    with gateway.plain_errors():
        made = gateway.client().v1.subscriptions.create(asked, {"idempotency_key": idempotency_key}).to_dict()
    return subscription_from(made), _first_payment(made)


def find(*, customer: str) -> tuple[Subscription, Payment] | None:
    """The customer's subscription that waits for its first payment, made by a call whose answer was lost; or None."""
    asked: Any = {
        "customer": customer,
        "status": "incomplete",
        "limit": 1,
        "expand": [f"data.{one}" for one in _WITH_PAYMENT],
    }
    with gateway.plain_errors():
        rows = gateway.client().v1.subscriptions.list(asked).to_dict()["data"]
    return (subscription_from(rows[0]), _first_payment(rows[0])) if rows else None


def retrieve(subscription: str) -> Subscription:
    with gateway.plain_errors():
        return subscription_from(gateway.client().v1.subscriptions.retrieve(subscription).to_dict())


def change_amount(
    *, idempotency_key: str, subscription: str, item: str, product: str, sums: tuple[int, int], currency: str
) -> Subscription:
    """Another amount from the next payment on; nothing is charged or returned for the month that is paid.

    sums: gift and covered fee, which Stripe keeps for us too: should its answer be lost, they are found there.
    """
    price = _price(product=product, amount_minor=sum(sums), currency=currency)
    asked: Any = {
        "items": [{"id": item, "price_data": price}],
        "proration_behavior": "none",
        "metadata": {_GIFT: str(sums[0]), _FEE: str(sums[1])},
    }
    return _update(subscription, asked, idempotency_key=idempotency_key)


def change_date(*, idempotency_key: str, subscription: str, next_at: datetime) -> Subscription:
    """The next payment at this moment, and from then on each month on that day: Stripe calls the time until then a
    trial, which moves the date without charging."""
    asked: Any = {"trial_end": int(next_at.timestamp()), "proration_behavior": "none"}
    return _update(subscription, asked, idempotency_key=idempotency_key)


def change_card(*, idempotency_key: str, subscription: str, payment_method: str) -> Subscription:
    return _update(subscription, {"default_payment_method": payment_method}, idempotency_key=idempotency_key)


def cancel(subscription: str) -> None:
    """End it now; one that was never paid lets its first payment go too. One that ended before is left as it is."""
    try:
        with gateway.plain_errors():
            gateway.client().v1.subscriptions.cancel(subscription)
    except gateway.GatewayRefused:
        if retrieve(subscription).status not in ("canceled", "incomplete_expired"):
            raise


def retrieve_invoice(invoice: str) -> Invoice:
    with gateway.plain_errors():
        return _invoice_from(gateway.client().v1.invoices.retrieve(invoice, {"expand": ["payments"]}).to_dict())


def latest_invoices(subscription: str, *, since: datetime) -> list[Invoice]:
    """The subscription's invoices made since a moment, oldest first; at most two years of them."""
    asked: Any = {
        "subscription": subscription,
        "created": {"gte": int(since.timestamp())},
        "limit": _MOST_INVOICES,
        "expand": ["data.payments"],
    }
    with gateway.plain_errors():
        rows = gateway.client().v1.invoices.list(asked).to_dict()["data"]
    return [_invoice_from(row) for row in reversed(rows)]


def save_card(*, idempotency_key: str, customer: str, description: str, gift_key: str = "") -> SavedCard:
    """Begin to save a card or bank account with the customer, to be charged later; nothing is charged now."""
    asked: Any = {
        "customer": customer,
        "usage": "off_session",
        "description": description,
        "metadata": {"gift": gift_key} if gift_key else {},
        "automatic_payment_methods": {"enabled": True},
    }
    with gateway.plain_errors():
        return saved_card_from(
            gateway.client().v1.setup_intents.create(asked, {"idempotency_key": idempotency_key}).to_dict()
        )


def retrieve_saved_card(setup_intent: str) -> SavedCard:
    with gateway.plain_errors():
        found = gateway.client().v1.setup_intents.retrieve(setup_intent, {"expand": ["payment_method"]})
    return saved_card_from(found.to_dict())


def cancel_saving(setup_intent: str) -> None:
    """End the saving of a card, so that nobody tries cards on it. One that ended before, or has succeeded, stays so."""
    try:
        with gateway.plain_errors():
            gateway.client().v1.setup_intents.cancel(setup_intent)
    except gateway.GatewayRefused:
        if retrieve_saved_card(setup_intent).status not in ("canceled", "succeeded"):
            raise


def cards_of(customer: str) -> list[str]:
    """Every card and bank account that is saved with a customer."""
    listed: Any = {"customer": customer, "limit": _MOST_CARDS}
    with gateway.plain_errors():
        methods = gateway.client().v1.payment_methods.list(listed).to_dict()["data"]
    return [method["id"] for method in methods]


def forget_card(payment_method: str) -> None:
    """Stripe lets nobody charge a removed card again; payments that were made stay, and can be refunded."""
    with gateway.plain_errors():
        gateway.client().v1.payment_methods.detach(payment_method)


def pay_with(*, idempotency_key: str, payment_intent: str, payment_method: str) -> Payment | None:
    """Try an unpaid month with this card, its owner away. None when the bank refused; Stripe tries again later."""
    asked: Any = {"payment_method": payment_method, "off_session": True}
    try:
        with gateway.plain_errors():
            paid = gateway.client().v1.payment_intents.confirm(
                payment_intent, asked, {"idempotency_key": idempotency_key}
            )
    except gateway.GatewayRefused:
        return None
    return payment_from(paid.to_dict())


def subscription_from(thing: Mapping[str, Any]) -> Subscription:
    """A Subscription's JSON. Raises KeyError when it has no item, which ours always have."""
    item = thing["items"]["data"][0]
    latest = thing.get("latest_invoice") or ""
    return Subscription(
        subscription=thing["id"],
        status=thing["status"],
        item=item["id"],
        amount_minor=item["price"]["unit_amount"] * item.get("quantity", 1),
        next_at=datetime.fromtimestamp(item["current_period_end"], tz=UTC),
        latest_invoice=latest["id"] if isinstance(latest, Mapping) else latest,
        ended_because=(thing.get("cancellation_details") or {}).get("reason") or "",
        payment_method=thing.get("default_payment_method") or "",
        sums=_sums(thing.get("metadata") or {}),
    )


def _sums(metadata: Mapping[str, str]) -> tuple[int, int] | None:
    gift, fee = metadata.get(_GIFT, ""), metadata.get(_FEE, "")
    return (int(gift), int(fee)) if gift.isdecimal() and fee.isdecimal() else None


def saved_card_from(thing: Mapping[str, Any]) -> SavedCard:
    method = thing.get("payment_method") or ""
    details = method if isinstance(method, Mapping) else {}
    kind = details.get("type") or ""
    way = details.get(kind) or {}
    named = way.get("brand") or way.get("bank_name") or (gettext("Bank debit") if kind == "us_bank_account" else kind)
    return SavedCard(
        setup_intent=thing["id"],
        status=thing["status"],
        client_secret=thing.get("client_secret") or "",
        customer=thing.get("customer") or "",
        payment_method=details.get("id") or (method if isinstance(method, str) else ""),
        label=named.replace("_", " ").title()[:40],
        last4=(way.get("last4") or "")[:4],
        gift_key=gateway.gift_key_of(thing),
        fingerprint=str(way.get("fingerprint") or "")[:64],
    )


def refused_card_from(thing: Mapping[str, Any]) -> RefusedCard:
    """What a SetupIntent's JSON says of the card that its bank refused last."""
    error = thing.get("last_setup_error") or {}
    attempt = thing.get("latest_attempt") or ""
    return RefusedCard(
        setup_intent=thing["id"],
        customer=thing.get("customer") or "",
        attempt=(attempt["id"] if isinstance(attempt, Mapping) else attempt) or "",
        decline_code=error.get("decline_code") or error.get("code") or "",
        fingerprint=gateway.fingerprint_of(error.get("payment_method") or {}),
    )


def _price(*, product: str, amount_minor: int, currency: str) -> dict[str, Any]:
    return {
        "currency": currency.lower(),
        "product": product,
        "recurring": {"interval": "month"},
        "unit_amount": amount_minor,
    }


def _update(subscription: str, asked: Any, *, idempotency_key: str) -> Subscription:
    with gateway.plain_errors():
        changed = gateway.client().v1.subscriptions.update(subscription, asked, {"idempotency_key": idempotency_key})
    return subscription_from(changed.to_dict())


def _first_payment(thing: Mapping[str, Any]) -> Payment:
    """The payment of the first invoice, as it is before anybody tried to make it."""
    invoice = thing["latest_invoice"]
    return Payment(
        payment_intent=_payment_of(invoice),
        status="requires_payment_method",
        amount_minor=invoice["amount_due"],
        currency=invoice["currency"].upper(),
        gift_key=gateway.gift_key_of(thing),
        client_secret=invoice["confirmation_secret"]["client_secret"],
    )


def _invoice_from(thing: Mapping[str, Any]) -> Invoice:
    details = (thing.get("parent") or {}).get("subscription_details") or {}
    again = thing.get("next_payment_attempt")
    return Invoice(
        invoice=thing["id"],
        subscription=details.get("subscription") or "",
        status=thing.get("status") or "",
        reason=thing.get("billing_reason") or "",
        amount_minor=thing["amount_due"],
        attempts=thing["attempt_count"],
        retry_at=datetime.fromtimestamp(again, tz=UTC) if again else None,
        made_at=datetime.fromtimestamp(thing["created"], tz=UTC),
        payment_intent=_payment_of(thing),
    )


def _payment_of(invoice: Mapping[str, Any]) -> str:
    """The PaymentIntent of an invoice: the one that paid it, or the one that waits."""
    rows = (invoice.get("payments") or {}).get("data") or []
    best = sorted(rows, key=lambda row: row.get("status") != "paid")
    return str(best[0]["payment"].get("payment_intent") or "") if best else ""
