"""Subscriptions: a payment a month, from one customer and one saved card or bank account.

States: incomplete -> active (trialing while the next date was moved) -> past_due -> canceled; incomplete_expired when
the first payment never came. The sandbox has no billing clock: control calls renew a subscription, and try again.
"""

from __future__ import annotations

import calendar
import datetime as dt

from . import confirmation, invoices, payments, products
from .account import Account, Object, listed
from .cards import Decline
from .errors import StripeError, missing, missing_param, missing_reference
from .methods import from_token
from .parameters import merged_metadata

LIVE = ("incomplete", "trialing", "active", "past_due", "unpaid")
_NONE = (
    "application", "application_fee_percent", "billing_cycle_anchor_config", "billing_thresholds", "cancel_at",
    "canceled_at", "customer_account", "days_until_due", "default_source", "discount", "ended_at",
    "next_pending_invoice_item_invoice", "on_behalf_of", "pause_collection", "pending_invoice_item_interval",
    "pending_setup_intent", "pending_update", "schedule", "test_clock", "transfer_data", "trial_end", "trial_start",
)  # fmt: skip


def a_month_after(moment: int, *, day: int) -> int:
    """The same time of day a month later, on `day` or the month's last day. Unix seconds, UTC."""
    at = dt.datetime.fromtimestamp(moment, tz=dt.UTC)
    year, month = at.year + at.month // 12, at.month % 12 + 1
    last = calendar.monthrange(year, month)[1]
    return int(at.replace(year=year, month=month, day=min(day, last)).timestamp())


def create(account: Account, params: Object) -> Object:
    """A subscription with its first invoice, which waits to be paid (payment_behavior=default_incomplete)."""
    if params.get("payment_behavior") != "default_incomplete":
        raise StripeError("The sandbox makes subscriptions with payment_behavior=default_incomplete only.")
    if params["customer"] not in account.customers.rows:
        raise missing_reference("customer", params["customer"], "customer")
    now = account.now()
    subscription_id = account.make_id("sub")
    item = _item(account, subscription_id, _only_item(params), start=now)
    settings = params.get("payment_settings") or {}
    subscription: Object = {
        **dict.fromkeys(name for name in _NONE if name != "discount"),
        "id": subscription_id,
        "object": "subscription",
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": now,
        "billing_mode": {"flexible": {"proration_discounts": "included"}, "type": "flexible"},
        "billing_schedules": [],
        "cancel_at_period_end": False,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": "charge_automatically",
        "created": now,
        "currency": item["price"]["currency"],
        "customer": params["customer"],
        "default_payment_method": None,
        "default_tax_rates": [],
        "description": params.get("description"),
        "discounts": [],
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "items": {
            "object": "list",
            "data": [item],
            "has_more": False,
            "url": f"/v1/subscription_items?subscription={subscription_id}",
        },
        "latest_invoice": None,
        "livemode": False,
        "metadata": merged_metadata({}, params.get("metadata")),
        "payment_settings": {
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": settings.get("save_default_payment_method", "off"),
        },
        "start_date": now,
        "status": "incomplete",
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
    }
    account.subscriptions.add(subscription)
    account.events.emit("customer.subscription.created", subscription)
    _bill(account, subscription, reason="subscription_create")
    return subscription


def _only_item(params: Object) -> Object:
    items = params.get("items")
    found = list(items.values()) if isinstance(items, dict) else items
    if not found:
        raise missing_param("items")
    if len(found) != 1:
        raise StripeError("A subscription in the sandbox has one item.", param="items")
    return dict(found[0])


def _price(account: Account, given: Object) -> Object:
    if "price" in given:
        return account.prices.get(given["price"], "items[0][price]")
    data = given.get("price_data")
    if data is None:
        raise missing_param("items[0][price]")
    return products.make_price(account, _typed(data))


def _typed(data: Object) -> Object:
    """price_data as numbers; what it lacks is refused as Stripe refuses it."""
    for name in ("currency", "product", "recurring", "unit_amount"):
        if not data.get(name):
            raise missing_param(f"items[0][price_data][{name}]")
    if data["recurring"].get("interval") not in products.INTERVALS:
        raise missing_param("items[0][price_data][recurring][interval]")
    amount_minor = int(data["unit_amount"])
    payments.check_amount(amount_minor, data["currency"])
    return {**data, "unit_amount": amount_minor, "recurring": {"interval": data["recurring"]["interval"]}}


def _item(account: Account, subscription_id: str, given: Object, *, start: int) -> Object:
    day = dt.datetime.fromtimestamp(start, tz=dt.UTC).day
    return {
        "id": account.make_id("si"),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": start,
        "current_period_end": a_month_after(start, day=day),
        "current_period_start": start,
        "discounts": [],
        "metadata": {},
        "price": _price(account, given),
        "quantity": 1,
        "subscription": subscription_id,
        "tax_rates": [],
    }


def _bill(account: Account, subscription: Object, *, reason: str) -> Object:
    """The invoice of the item's period, with the payment that pays it."""
    item = subscription["items"]["data"][0]
    start, end = item["current_period_start"], item["current_period_end"]
    invoice = invoices.make(account, subscription, reason=reason, start=start, end=end)
    intent = payments.create(
        account,
        {
            "amount": invoice["amount_due"],
            "currency": invoice["currency"],
            "customer": subscription["customer"],
            "description": "Subscription creation" if reason == "subscription_create" else "Subscription update",
            "payment_method_types": list(payments.METHOD_TYPES),
            "setup_future_usage": "off_session",
            "capture_method": "automatic",
        },
    )
    invoices.bind(account, invoice, intent)
    subscription["latest_invoice"] = invoice["id"]
    invoices.emit(account, "invoice.created", invoice)
    invoices.emit(account, "invoice.finalized", invoice)
    return invoice


def retrieve(account: Account, params: Object, subscription_id: str) -> Object:
    return account.subscriptions.get(subscription_id, "subscription")


def list_subscriptions(account: Account, params: Object) -> Object:
    """Stripe leaves canceled ones out unless asked; `status=all` has every one."""
    status = params.get("status")
    found = listed(
        account.subscriptions,
        params,
        "/v1/subscriptions",
        customer=params.get("customer"),
        status=None if status in (None, "all") else status,
    )
    if status is None:
        found["data"] = [row for row in found["data"] if row["status"] != "canceled"]
    return found


def update(account: Account, params: Object, subscription_id: str) -> Object:
    """Another amount from the next invoice on, another card, another date of the next payment (trial_end)."""
    subscription = account.subscriptions.get(subscription_id, "subscription")
    if subscription["status"] not in LIVE:
        raise missing("subscription", subscription_id, "id")
    previous: Object = {}
    if "items" in params:
        previous |= _change_item(account, subscription, params)
    if "default_payment_method" in params:
        method = from_token(account, params["default_payment_method"], param="default_payment_method")
        if method["customer"] != subscription["customer"]:
            raise StripeError(
                f"The customer does not have a payment method with the ID {method['id']}. The payment method must be "
                "attached to the customer.",
                code="resource_missing",
                param="default_payment_method",
            )
        previous["default_payment_method"] = subscription["default_payment_method"]
        subscription["default_payment_method"] = method["id"]
    if "trial_end" in params:
        previous |= _move_date(account, subscription, params["trial_end"])
    if "metadata" in params:
        subscription["metadata"] = merged_metadata(subscription["metadata"], params["metadata"])
    account.events.emit("customer.subscription.updated", subscription, previous)
    return subscription


def _change_item(account: Account, subscription: Object, params: Object) -> Object:
    if params.get("proration_behavior") != "none":
        raise StripeError("The sandbox changes an item with proration_behavior=none only.", param="proration_behavior")
    given, item = _only_item(params), subscription["items"]["data"][0]
    if given.get("id") != item["id"]:
        raise StripeError("Name the subscription's item by its id.", param="items[0][id]")
    before = {"items": {**subscription["items"], "data": [dict(item)]}}
    item["price"] = _price(account, given)
    return before


def _move_date(account: Account, subscription: Object, trial_end: int) -> Object:
    if trial_end <= account.now():
        raise StripeError("Trial end must be in the future.", param="trial_end")
    item = subscription["items"]["data"][0]
    names = ("status", "trial_end", "trial_start", "billing_cycle_anchor")
    before = {name: subscription[name] for name in names}
    item.update(current_period_start=account.now(), current_period_end=trial_end)
    subscription.update(trial_start=account.now(), trial_end=trial_end, billing_cycle_anchor=trial_end)
    if subscription["status"] == "active":
        subscription["status"] = "trialing"
    return before


def cancel(account: Account, params: Object, subscription_id: str) -> Object:
    """Nothing more is billed. One that was never paid expires, and its invoice and payment are void."""
    subscription = account.subscriptions.get(subscription_id, "subscription")
    if subscription["status"] not in LIVE:
        raise missing("subscription", subscription_id, "id")
    end(account, subscription, reason="cancellation_requested", comment=params.get("cancellation_details", {}))
    return subscription


def end(account: Account, subscription: Object, *, reason: str, comment: Object) -> None:
    was_incomplete = subscription["status"] == "incomplete"
    now = account.now()
    invoice = account.invoices.rows[subscription["latest_invoice"]]
    if was_incomplete and invoice["status"] == "open":
        intent = invoices.intent_of(account, invoice)
        if intent["status"] in payments.CANCELABLE:
            payments.cancel_for_invoice(account, intent)
            invoices.void(account, invoice)
    else:
        invoice.update(auto_advance=False, next_payment_attempt=None)
    subscription.update(
        status="incomplete_expired" if was_incomplete else "canceled",
        canceled_at=None if was_incomplete else now,
        ended_at=now,
    )
    subscription["cancellation_details"] = {
        "comment": comment.get("comment"),
        "feedback": comment.get("feedback"),
        "reason": None if was_incomplete else reason,
    }
    kind = "customer.subscription.updated" if was_incomplete else "customer.subscription.deleted"
    account.events.emit(kind, subscription, {"status": "incomplete"} if was_incomplete else None)


def renew(account: Account, subscription_id: str, *, decline: Decline | None = None) -> Object:
    """The next month has come: bill it and charge the saved card; `decline`: the bank refuses, whatever the card."""
    subscription = account.subscriptions.get(subscription_id, "subscription")
    if subscription["status"] not in ("active", "trialing", "past_due"):
        raise StripeError(f"This subscription is {subscription['status']}: nothing is billed any more.")
    item = subscription["items"]["data"][0]
    start = item["current_period_end"]
    day = dt.datetime.fromtimestamp(subscription["billing_cycle_anchor"], tz=dt.UTC).day
    previous = {"items": {**subscription["items"], "data": [dict(item)]}, "status": subscription["status"]}
    item.update(current_period_start=start, current_period_end=a_month_after(start, day=day))
    if subscription["status"] == "trialing":
        subscription["status"] = "active"
    invoice = _bill(account, subscription, reason="subscription_cycle")
    account.events.emit("customer.subscription.updated", subscription, previous)
    _charge(account, subscription, invoice, decline=decline)
    return subscription


def retry(account: Account, subscription_id: str, *, decline: Decline | None = None, gives_up: bool = False) -> Object:
    """Stripe tries the unpaid invoice again; with `gives_up` it is the last time, and a failure ends it all."""
    subscription = account.subscriptions.get(subscription_id, "subscription")
    invoice = account.invoices.rows[subscription["latest_invoice"]]
    if subscription["status"] != "past_due" or invoice["status"] != "open":
        raise StripeError("This subscription has no invoice that waits to be tried again.")
    _charge(account, subscription, invoice, decline=decline, gives_up=gives_up)
    if gives_up and invoice["status"] == "open":
        end(account, subscription, reason="payment_failed", comment={})
    return subscription


def _charge(
    account: Account, subscription: Object, invoice: Object, *, decline: Decline | None, gives_up: bool = False
) -> None:
    intent = invoices.intent_of(account, invoice)
    method_id = subscription["default_payment_method"]
    confirmation.charge_off_session(account, intent, method_id, decline=decline, gives_up=gives_up)
