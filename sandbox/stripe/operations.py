"""Every API call that the sandbox answers: its parameters, who may make it, and the function that does it.

Only the parameters that this project needs are known; what Stripe knows besides is refused too, as unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import balance, charges, customers, disputes, events, methods, payments, payouts, refunds
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
    """One API call. publishable: a browser may make it with the publishable key; of_intent: with the client secret."""

    act: Callable[..., Object]
    spec: dict[str, Spec]
    publishable: bool = False
    of_intent: bool = False


def _operations() -> dict[tuple[str, ...], Operation]:
    create_intent = {
        "amount!": "int",
        "currency!": "str",
        "automatic_payment_methods": {"enabled!": "bool", "allow_redirects": ("always", "never")},
        "capture_method": ("automatic", "automatic_async"),
        "confirm": "bool",
        "confirmation_method": ("automatic",),
        **INTENT,
        **CONFIRMING,
    }
    update_intent = {"amount": "int", **INTENT, "description": Clearable("str"), "receipt_email": Clearable("str")}
    confirm_intent = {
        **{name: INTENT[name] for name in ("payment_method", "payment_method_data", "payment_method_options")},
        **{name: INTENT[name] for name in ("receipt_email", "shipping", "expand")},
        **CONFIRMING,
        "setup_future_usage": FUTURE,
        "client_secret": "str",
    }
    reason = ("duplicate", "fraudulent", "requested_by_customer")
    cancel_reason = ("abandoned", "duplicate", "fraudulent", "requested_by_customer")
    new_refund = {"charge": "str", "payment_intent": "str", "amount": "int", "reason": reason, "metadata": "map"}
    new_method = {
        "type": payments.METHOD_TYPES,
        "card": CARD,
        "us_bank_account": BANK,
        "billing_details": BILLING,
        "allow_redisplay": REDISPLAY,
        "metadata": "map",
        **EXPAND,
    }
    event_filters = {"type": "str", "types": "list", "delivery_success": "bool"}
    by_charge = {"charge": "str", "payment_intent": "str"}
    update_charge = {"metadata": "map", "description": "str", "receipt_email": "str", "customer": "str", **EXPAND}
    secret = {"client_secret": "str"}
    one = "*"
    return {
        ("POST", "payment_intents"): Operation(payments.create, create_intent),
        ("GET", "payment_intents"): Operation(payments.list_intents, {"customer": "str", **PAGING}),
        ("GET", "payment_intents", one): Operation(
            payments.retrieve, {**secret, **EXPAND}, publishable=True, of_intent=True
        ),
        ("POST", "payment_intents", one): Operation(payments.update, update_intent),
        ("POST", "payment_intents", one, "confirm"): Operation(
            payments.confirm, confirm_intent, publishable=True, of_intent=True
        ),
        ("POST", "payment_intents", one, "cancel"): Operation(
            payments.cancel, {"cancellation_reason": cancel_reason, **EXPAND}
        ),
        ("GET", "charges"): Operation(charges.list_charges, {"payment_intent": "str", "customer": "str", **PAGING}),
        ("GET", "charges", one): Operation(charges.retrieve, EXPAND),
        ("POST", "charges", one): Operation(charges.update, update_charge),
        ("GET", "balance"): Operation(balance.retrieve_balance, EXPAND),
        ("GET", "balance_transactions"): Operation(
            balance.list_transactions, {"type": "str", "source": "str", "payout": "str", "currency": "str", **PAGING}
        ),
        ("GET", "balance_transactions", one): Operation(balance.retrieve_transaction, EXPAND),
        ("POST", "refunds"): Operation(refunds.create, {**new_refund, **EXPAND}),
        ("GET", "refunds"): Operation(refunds.list_refunds, {**by_charge, **PAGING}),
        ("GET", "refunds", one): Operation(refunds.retrieve, EXPAND),
        ("POST", "refunds", one): Operation(refunds.update, {"metadata": "map", **EXPAND}),
        ("POST", "refunds", one, "cancel"): Operation(refunds.cancel, EXPAND),
        ("GET", "disputes"): Operation(disputes.list_disputes, {**by_charge, **PAGING}),
        ("GET", "disputes", one): Operation(disputes.retrieve, EXPAND),
        ("POST", "disputes", one): Operation(
            disputes.update, {"evidence": EVIDENCE, "metadata": "map", "submit": "bool", **EXPAND}
        ),
        ("POST", "disputes", one, "close"): Operation(disputes.concede, EXPAND),
        ("GET", "events"): Operation(events.list_events, {**event_filters, **PAGING}),
        ("GET", "events", one): Operation(events.retrieve, EXPAND),
        ("POST", "customers"): Operation(customers.create, CUSTOMER),
        ("GET", "customers"): Operation(customers.list_customers, {"email": "str", **PAGING}),
        ("GET", "customers", one): Operation(customers.retrieve, EXPAND),
        ("POST", "customers", one): Operation(customers.update, CUSTOMER),
        ("DELETE", "customers", one): Operation(customers.delete, {}),
        ("POST", "payment_methods"): Operation(methods.create, new_method, publishable=True),
        ("GET", "payment_methods"): Operation(methods.list_methods, {"customer": "str", "type": "str", **PAGING}),
        ("GET", "payment_methods", one): Operation(methods.retrieve, EXPAND),
        ("POST", "payment_methods", one): Operation(
            methods.update, {"billing_details": BILLING, "metadata": "map", **EXPAND}
        ),
        ("POST", "payment_methods", one, "attach"): Operation(methods.attach, {"customer!": "str", **EXPAND}),
        ("POST", "payment_methods", one, "detach"): Operation(methods.detach, EXPAND),
        ("GET", "payouts"): Operation(payouts.list_payouts, {"status": "str", "arrival_date": "range", **PAGING}),
        ("GET", "payouts", one): Operation(payouts.retrieve, EXPAND),
    }


OPERATIONS = _operations()


def find(method: str, path: str) -> tuple[Operation, list[Any]]:
    """The operation for a path such as /v1/charges/ch_1, with the ids in it; StripeError 404 when there is none."""
    steps = path.strip("/").split("/")[1:]
    ids = steps[1:2]
    if ids:
        steps[1] = "*"
    operation = OPERATIONS.get((method, *steps))
    if operation is None:
        raise unknown_url(method, path)
    return operation, ids
