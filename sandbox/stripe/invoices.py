"""Invoices of subscriptions: made, paid, failed, voided; and what that does to their subscription.

Imports neither payments nor confirmation: those tell it what became of an invoice's payment.
"""

from __future__ import annotations

from . import methods
from .account import Account, Object, listed

RETRY_SECONDS = 3 * 86_400
_PAST_DUE = ("active", "trialing", "past_due")


def make(account: Account, subscription: Object, *, reason: str, start: int, end: int) -> Object:
    """An invoice of one period, finalized and open, without its payment."""
    item = subscription["items"]["data"][0]
    amount, invoice_id = item["price"]["unit_amount"], account.make_id("in")
    customer = account.customers.get(subscription["customer"])
    now = account.now()
    details = {"metadata": dict(subscription["metadata"]), "subscription": subscription["id"]}
    nothing = (
        "account_tax_ids", "application", "automatically_finalizes_at", "custom_fields", "customer_account",
        "customer_address", "customer_phone", "customer_shipping", "default_payment_method", "default_source",
        "description", "due_date", "footer", "from_invoice", "hosted_invoice_url", "invoice_pdf",
        "last_finalization_error", "latest_revision", "next_payment_attempt", "on_behalf_of", "receipt_number",
        "rendering", "shipping_cost", "shipping_details", "statement_descriptor", "test_clock",
    )  # fmt: skip
    invoice: Object = {
        **dict.fromkeys(nothing),
        "id": invoice_id,
        "object": "invoice",
        "account_country": "US",
        "account_name": "Twofold sandbox",
        "amount_due": amount,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_paid_off_stripe": 0,
        "amount_remaining": amount,
        "amount_shipping": 0,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": reason == "subscription_cycle",
        "automatic_tax": {
            "disabled_reason": None, "enabled": False, "liability": None, "provider": None, "status": None
        },
        "billing_reason": reason,
        "collection_method": "charge_automatically",
        "created": now,
        "currency": subscription["currency"],
        "customer": subscription["customer"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_tax_exempt": "none",
        "customer_tax_ids": [],
        "default_tax_rates": [],
        "discounts": [],
        "effective_at": now,
        "ending_balance": 0,
        "issuer": {"type": "self"},
        "lines": _lines(account, subscription, invoice_id, start=start, end=end),
        "livemode": False,
        "metadata": {},
        "number": f"TWO-{len(account.invoices.rows) + 1:04d}",
        "parent": {"quote_details": None, "subscription_details": details, "type": "subscription_details"},
        "payment_settings": {"default_mandate": None, "payment_method_options": None, "payment_method_types": None},
        "period_end": start,
        "period_start": start,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "starting_balance": 0,
        "status": "open",
        "status_transitions": {
            "finalized_at": now, "marked_uncollectible_at": None, "paid_at": None, "voided_at": None
        },
        "subtotal": amount,
        "subtotal_excluding_tax": amount,
        "total": amount,
        "total_discount_amounts": [],
        "total_excluding_tax": amount,
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "webhooks_delivered_at": now,
    }  # fmt: skip
    account.invoices.add({**invoice, "subscription": subscription["id"]})
    return account.invoices.rows[invoice_id]


def _lines(account: Account, subscription: Object, invoice_id: str, *, start: int, end: int) -> Object:
    item = subscription["items"]["data"][0]
    price = item["price"]
    parent = {
        "invoice_item": None,
        "proration": False,
        "proration_details": {"credited_items": None},
        "subscription": subscription["id"],
        "subscription_item": item["id"],
    }
    line = {
        "id": account.make_id("il"),
        "object": "line_item",
        "amount": price["unit_amount"],
        "currency": price["currency"],
        "description": f"1 x {account.products.rows[price['product']]['name']}",
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": invoice_id,
        "livemode": False,
        "metadata": dict(subscription["metadata"]),
        "parent": {
            "invoice_item_details": None,
            "subscription_item_details": parent,
            "type": "subscription_item_details",
        },
        "period": {"end": end, "start": start},
        "pretax_credit_amounts": [],
        "pricing": {
            "price_details": {"price": price["id"], "product": price["product"]},
            "type": "price_details",
            "unit_amount_decimal": price["unit_amount_decimal"],
        },
        "quantity": 1,
        "subtotal": price["unit_amount"],
        "taxes": [],
    }
    return {"object": "list", "data": [line], "has_more": False, "url": f"/v1/invoices/{invoice_id}/lines"}


def bind(account: Account, invoice: Object, intent: Object) -> None:
    """This payment pays this invoice."""
    payment: Object = {
        "id": account.make_id("inpay"),
        "object": "invoice_payment",
        "amount_paid": None,
        "amount_requested": invoice["amount_due"],
        "created": account.now(),
        "currency": invoice["currency"],
        "invoice": invoice["id"],
        "is_default": True,
        "livemode": False,
        "payment": {"payment_intent": intent["id"], "type": "payment_intent"},
        "status": "open",
        "status_transitions": {"canceled_at": None, "paid_at": None},
    }
    account.invoice_payments.add({**payment, "payment_intent": intent["id"]})


def of_intent(account: Account, intent: Object) -> Object | None:
    """The invoice that a payment pays; None for a payment of its own."""
    found = account.invoice_payments.of("payment_intent", intent["id"])
    return account.invoices.rows[found[0]["invoice"]] if found else None


def intent_of(account: Account, invoice: Object) -> Object:
    found = account.invoice_payments.of("invoice", invoice["id"])[0]
    return account.intents.get(found["payment"]["payment_intent"])


def view(row: Object) -> Object:
    """An invoice or its payment as Stripe shows it: without what the sandbox looks it up by."""
    hidden = "subscription" if row["object"] == "invoice" else "payment_intent"
    return {name: value for name, value in row.items() if name != hidden}


def payments_of(account: Account, invoice_id: str) -> Object:
    rows = [view(row) for row in account.invoice_payments.of("invoice", invoice_id)]
    url = f"/v1/invoices/{invoice_id}/payments"
    return {"object": "list", "data": rows, "has_more": False, "url": url}


def emit(account: Account, kind: str, invoice: Object, previous: Object | None = None) -> None:
    account.events.emit(kind, view(invoice), previous)


def payment_succeeded(account: Account, intent: Object) -> None:
    """The intent's invoice, if it has one, is paid: so its subscription is active, and keeps the card."""
    invoice = of_intent(account, intent)
    if invoice is None:
        return
    now = account.now()
    invoice.update(
        status="paid",
        amount_paid=invoice["amount_due"],
        amount_remaining=0,
        attempted=True,
        attempt_count=invoice["attempt_count"] + 1,
        auto_advance=False,
        next_payment_attempt=None,
    )
    invoice["status_transitions"]["paid_at"] = now
    payment = account.invoice_payments.of("invoice", invoice["id"])[0]
    payment.update(status="paid", amount_paid=invoice["amount_due"])
    payment["status_transitions"]["paid_at"] = now
    subscription = account.subscriptions.get(invoice["subscription"])
    _keep_card(account, subscription, intent)
    account.events.emit("invoice_payment.paid", view(payment))
    emit(account, "invoice.paid", invoice)
    emit(account, "invoice.payment_succeeded", invoice)
    if subscription["status"] in ("incomplete", "past_due", "unpaid"):
        _move(account, subscription, "active")


def payment_failed(account: Account, intent: Object, *, gives_up: bool = False) -> None:
    """An attempt failed. The first invoice's subscription goes on being incomplete; a later one is past due."""
    invoice = of_intent(account, intent)
    if invoice is None:
        return
    is_first = invoice["billing_reason"] == "subscription_create"
    again = None if is_first or gives_up else account.now() + RETRY_SECONDS
    invoice.update(attempted=True, attempt_count=invoice["attempt_count"] + 1, next_payment_attempt=again)
    emit(account, "invoice.payment_failed", invoice)
    subscription = account.subscriptions.get(invoice["subscription"])
    if not is_first and subscription["status"] in _PAST_DUE and subscription["status"] != "past_due":
        _move(account, subscription, "past_due")


def action_required(account: Account, intent: Object) -> None:
    invoice = of_intent(account, intent)
    if invoice is not None:
        emit(account, "invoice.payment_action_required", invoice)


def void(account: Account, invoice: Object) -> None:
    invoice.update(status="void", auto_advance=False, next_payment_attempt=None)
    invoice["status_transitions"]["voided_at"] = account.now()
    emit(account, "invoice.voided", invoice)


def _keep_card(account: Account, subscription: Object, intent: Object) -> None:
    settings = subscription["payment_settings"]
    method = account.methods.get(intent["payment_method"])
    if method["customer"] is None:
        methods.attach(account, {"customer": subscription["customer"]}, method["id"])
    if settings["save_default_payment_method"] == "on_subscription":
        subscription["default_payment_method"] = method["id"]


def _move(account: Account, subscription: Object, status: str) -> None:
    previous = {"status": subscription["status"]}
    subscription["status"] = status
    account.events.emit("customer.subscription.updated", subscription, previous)


def retrieve(account: Account, params: Object, invoice_id: str) -> Object:
    return view(account.invoices.get(invoice_id, "invoice"))


def list_invoices(account: Account, params: Object) -> Object:
    found = listed(
        account.invoices,
        params,
        "/v1/invoices",
        subscription=params.get("subscription"),
        customer=params.get("customer"),
        status=params.get("status"),
    )
    return {**found, "data": [view(row) for row in found["data"]]}
