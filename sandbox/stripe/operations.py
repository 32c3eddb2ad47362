"""Every API call that the sandbox answers: its parameters, who may make it, and the function that does it.

Only the parameters that this project needs are known; what Stripe knows besides is refused too, as unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from . import (
    balance,
    charges,
    confirmation,
    customers,
    disputes,
    events,
    fraud_warnings,
    invoices,
    methods,
    payments,
    payouts,
    products,
    refunds,
    setup_intents,
    subscriptions,
)
from .account import Object
from .errors import unknown_url
from .parameters import Clearable, Spec

ADDRESS = {name: Clearable("str") for name in ("city", "country", "line1", "line2", "postal_code", "state")}
BILLING = {"address": ADDRESS, "email": Clearable("str"), "name": Clearable("str"), "phone": Clearable("str")}
SHIPPING = {"address!": ADDRESS, "name!": "str", "phone": "str", "carrier": "str", "tracking_number": "str"}
EXPAND = {"expand": "list"}
PAGING = {"limit": "int", "starting_after": "str", "ending_before": "str", "created": "range", **EXPAND}
REDISPLAY = ("always", "limited", "unspecified")
BANK = {
    "account_holder_type": ("company", "individual"),
    "account_number": "str",
    "account_type": ("checking", "savings"),
    "financial_connections_account": "str",
    "routing_number": "str",
}
CARD = {"number": "str", "exp_month": "int", "exp_year": "int", "cvc": "str", "token": "str", "networks": "any"}
FUTURE = ("off_session", "on_session")

INTENT = {
    "description": "str",
    "receipt_email": "str",
    "customer": "str",
    "shipping": Clearable(SHIPPING),
    "metadata": "map",
    "payment_method": "str",
    "payment_method_data": {
        "type!": payments.METHOD_TYPES,
        "us_bank_account": BANK,
        "billing_details": BILLING,
        "allow_redisplay": REDISPLAY,
        "metadata": "map",
        "radar_options": "any",
    },
    "payment_method_options": "any",
    "payment_method_types": "list",
    "setup_future_usage": FUTURE,
    "statement_descriptor": "str",
    "statement_descriptor_suffix": "str",
    "transfer_group": "str",
    **EXPAND,
}
CONFIRMING: dict[str, Spec] = {
    "return_url": "str",
    "mandate_data": "any",
    "off_session": "bool",
    "use_stripe_sdk": "bool",
    "error_on_requires_action": "bool",
    "radar_options": "any",
}
EVIDENCE = {name: Clearable("str") for name in disputes.EVIDENCE_TEXTS + disputes.EVIDENCE_FILES}
CUSTOMER = {
    "address": Clearable(ADDRESS),
    "description": Clearable("str"),
    "email": Clearable("str"),
    "name": Clearable("str"),
    "phone": Clearable("str"),
    "shipping": Clearable({"address!": ADDRESS, "name!": "str", "phone": "str"}),
    "metadata": "map",
    "preferred_locales": "list",
    **EXPAND,
}


@dataclass(frozen=True)
class Operation:
    """One API call. publishable: a browser may make it with the publishable key; secret_of: with the client secret
    of that PaymentIntent ("intents") or SetupIntent ("setups")."""

    act: Callable[..., Object]
    spec: dict[str, Spec]
    publishable: bool = False
    secret_of: str = ""


ONE = "*"
SECRET = {"client_secret": "str"}
BY_CHARGE = {"charge": "str", "payment_intent": "str"}
Table: TypeAlias = dict[tuple[str, ...], Operation]


def _intents() -> Table:
    create = {
        "amount!": "int",
        "currency!": "str",
        "automatic_payment_methods": {"enabled!": "bool", "allow_redirects": ("always", "never")},
        "capture_method": ("automatic", "automatic_async"),
        "confirm": "bool",
        "confirmation_method": ("automatic",),
        **INTENT,
        **CONFIRMING,
    }
    update = {"amount": "int", **INTENT, "description": Clearable("str"), "receipt_email": Clearable("str")}
    confirm = {
        **{name: INTENT[name] for name in ("payment_method", "payment_method_data", "payment_method_options")},
        **{name: INTENT[name] for name in ("receipt_email", "shipping", "setup_future_usage", "expand")},
        **CONFIRMING,
        **SECRET,
    }
    reason = ("abandoned", "duplicate", "fraudulent", "requested_by_customer")
    listing = {"customer": "str", **PAGING}
    retrieve = Operation(payments.retrieve, {**SECRET, **EXPAND}, publishable=True, secret_of="intents")
    return {
        ("POST", "payment_intents"): Operation(payments.create, create),
        ("GET", "payment_intents"): Operation(payments.list_intents, listing),
        ("GET", "payment_intents", ONE): retrieve,
        ("POST", "payment_intents", ONE): Operation(payments.update, update),
        ("POST", "payment_intents", ONE, "confirm"): Operation(
            confirmation.confirm, confirm, publishable=True, secret_of="intents"
        ),
        ("POST", "payment_intents", ONE, "cancel"): Operation(
            payments.cancel, {"cancellation_reason": reason, **EXPAND}
        ),
    }


def _money() -> Table:
    update_charge = {"metadata": "map", "description": "str", "receipt_email": "str", "customer": "str", **EXPAND}
    rows = {"type": "str", "source": "str", "payout": "str", "currency": "str", **PAGING}
    reason = ("duplicate", "fraudulent", "requested_by_customer")
    refund = {**BY_CHARGE, "amount": "int", "reason": reason, "metadata": "map", **EXPAND}
    payout_filters = {"status": "str", "arrival_date": "range", **PAGING}
    return {
        ("GET", "charges"): Operation(charges.list_charges, {"payment_intent": "str", "customer": "str", **PAGING}),
        ("GET", "charges", ONE): Operation(charges.retrieve, EXPAND),
        ("POST", "charges", ONE): Operation(charges.update, update_charge),
        ("GET", "balance"): Operation(balance.retrieve_balance, EXPAND),
        ("GET", "balance_transactions"): Operation(balance.list_transactions, rows),
        ("GET", "balance_transactions", ONE): Operation(balance.retrieve_transaction, EXPAND),
        ("POST", "refunds"): Operation(refunds.create, refund),
        ("GET", "refunds"): Operation(refunds.list_refunds, {**BY_CHARGE, **PAGING}),
        ("GET", "refunds", ONE): Operation(refunds.retrieve, EXPAND),
        ("POST", "refunds", ONE): Operation(refunds.update, {"metadata": "map", **EXPAND}),
        ("POST", "refunds", ONE, "cancel"): Operation(refunds.cancel, EXPAND),
        ("GET", "payouts"): Operation(payouts.list_payouts, payout_filters),
        ("GET", "payouts", ONE): Operation(payouts.retrieve, EXPAND),
    }


def _disputes_and_events() -> Table:
    answer = {"evidence": EVIDENCE, "metadata": "map", "submit": "bool", **EXPAND}
    event_filters = {"type": "str", "types": "list", "delivery_success": "bool", **PAGING}
    return {
        ("GET", "disputes"): Operation(disputes.list_disputes, {**BY_CHARGE, **PAGING}),
        ("GET", "disputes", ONE): Operation(disputes.retrieve, EXPAND),
        ("POST", "disputes", ONE): Operation(disputes.update, answer),
        ("POST", "disputes", ONE, "close"): Operation(disputes.concede, EXPAND),
        ("GET", "radar", "early_fraud_warnings"): Operation(fraud_warnings.list_warnings, {**BY_CHARGE, **PAGING}),
        ("GET", "events"): Operation(events.list_events, event_filters),
        ("GET", "events", ONE): Operation(events.retrieve, EXPAND),
    }


def _donors() -> Table:
    method = {
        "type": payments.METHOD_TYPES,
        "card": CARD,
        "us_bank_account": BANK,
        "billing_details": BILLING,
        "allow_redisplay": REDISPLAY,
        "metadata": "map",
        **EXPAND,
    }
    update_method = {"billing_details": BILLING, "metadata": "map", **EXPAND}
    return {
        ("POST", "customers"): Operation(customers.create, CUSTOMER),
        ("GET", "customers"): Operation(customers.list_customers, {"email": "str", **PAGING}),
        ("GET", "customers", ONE): Operation(customers.retrieve, EXPAND),
        ("POST", "customers", ONE): Operation(customers.update, CUSTOMER),
        ("DELETE", "customers", ONE): Operation(customers.delete, {}),
        ("POST", "payment_methods"): Operation(methods.create, method, publishable=True),
        ("GET", "payment_methods"): Operation(methods.list_methods, {"customer": "str", "type": "str", **PAGING}),
        ("GET", "payment_methods", ONE): Operation(methods.retrieve, EXPAND),
        ("POST", "payment_methods", ONE): Operation(methods.update, update_method),
        ("POST", "payment_methods", ONE, "attach"): Operation(methods.attach, {"customer!": "str", **EXPAND}),
        ("POST", "payment_methods", ONE, "detach"): Operation(methods.detach, EXPAND),
    }


def _monthly() -> Table:
    recurring = {"interval!": products.INTERVALS, "interval_count": "int"}
    product = {"id": "str", "name!": "str", "description": "str", "metadata": "map", **EXPAND}
    price = {"currency!": "str", "product": "str", "unit_amount": "int", "recurring": recurring, "metadata": "map"}
    subscription = {
        "customer!": "str",
        "items": "any",
        "payment_behavior": ("default_incomplete", "allow_incomplete", "error_if_incomplete", "pending_if_incomplete"),
        "payment_settings": {"save_default_payment_method": ("off", "on_subscription")},
        "description": "str",
        "metadata": "map",
        **EXPAND,
    }
    change = {
        "items": "any",
        "proration_behavior": ("always_invoice", "create_prorations", "none"),
        "default_payment_method": "str",
        "trial_end": "int",
        "metadata": "map",
        **EXPAND,
    }
    cancel = {"cancellation_details": {"comment": "str", "feedback": "str"}, **EXPAND}
    return {
        ("POST", "products"): Operation(products.create, product),
        ("GET", "products", ONE): Operation(products.retrieve, EXPAND),
        ("POST", "prices"): Operation(products.create_price, {**price, **EXPAND}),
        ("GET", "prices", ONE): Operation(products.retrieve_price, EXPAND),
        ("POST", "subscriptions"): Operation(subscriptions.create, subscription),
        ("GET", "subscriptions"): Operation(
            subscriptions.list_subscriptions, {"customer": "str", "status": "str", **PAGING}
        ),
        ("GET", "subscriptions", ONE): Operation(subscriptions.retrieve, EXPAND),
        ("POST", "subscriptions", ONE): Operation(subscriptions.update, change),
        ("DELETE", "subscriptions", ONE): Operation(subscriptions.cancel, cancel),
        ("GET", "invoices"): Operation(
            invoices.list_invoices, {"subscription": "str", "customer": "str", "status": "str", **PAGING}
        ),
        ("GET", "invoices", ONE): Operation(invoices.retrieve, EXPAND),
    }


def _setups() -> Table:
    create = {
        "customer": "str",
        "description": "str",
        "metadata": "map",
        "payment_method_types": "list",
        "usage": FUTURE,
        "automatic_payment_methods": {"enabled!": "bool", "allow_redirects": ("always", "never")},
        **EXPAND,
    }
    confirm = {"payment_method": "str", "return_url": "str", "use_stripe_sdk": "bool", **SECRET, **EXPAND}
    reason = ("abandoned", "duplicate", "requested_by_customer")
    retrieve = Operation(setup_intents.retrieve, {**SECRET, **EXPAND}, publishable=True, secret_of="setups")
    return {
        ("POST", "setup_intents"): Operation(setup_intents.create, create),
        ("GET", "setup_intents"): Operation(setup_intents.list_setups, {"customer": "str", **PAGING}),
        ("GET", "setup_intents", ONE): retrieve,
        ("POST", "setup_intents", ONE, "confirm"): Operation(
            setup_intents.confirm, confirm, publishable=True, secret_of="setups"
        ),
        ("POST", "setup_intents", ONE, "cancel"): Operation(
            setup_intents.cancel, {"cancellation_reason": reason, **EXPAND}
        ),
    }


OPERATIONS = _intents() | _money() | _disputes_and_events() | _donors() | _setups() | _monthly()


def find(method: str, path: str) -> tuple[Operation, list[Any]]:
    """The operation for a path such as /v1/charges/ch_1, with the ids in it; StripeError 404 when there is none."""
    steps = path.strip("/").split("/")[1:]
    ids = [] if steps[:1] == ["radar"] else steps[1:2]
    if ids:
        steps[1] = ONE
    operation = OPERATIONS.get((method, *steps))
    if operation is None:
        raise unknown_url(method, path)
    return operation, ids
