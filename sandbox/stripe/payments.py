"""PaymentIntents: made, changed, cancelled; `confirmation` has what happens when they are paid.

States: requires_payment_method -> requires_confirmation -> (requires_action) -> processing -> succeeded, and back to
requires_payment_method when an attempt fails; canceled from any state before the money moves.
"""

from __future__ import annotations

from . import invoices
from .account import Account, Object, listed
from .confirmation import chosen_method, confirm, shipping_of
from .errors import StripeError, missing_reference, unexpected_state
from .parameters import merged_metadata

AMOUNT_LEAST_MINOR = 50
AMOUNT_MOST_MINOR = 99_999_999
CURRENCIES = ("usd", "eur")
METHOD_TYPES = ("card", "us_bank_account")
CANCELABLE = ("requires_payment_method", "requires_capture", "requires_confirmation", "requires_action")
CHANGEABLE = ("requires_payment_method", "requires_confirmation", "requires_action")

# What a browser may read with the publishable key and the client secret.
CLIENT_FIELDS = (
    "id", "object", "amount", "amount_details", "automatic_payment_methods", "canceled_at", "cancellation_reason",
    "capture_method", "client_secret", "confirmation_method", "created", "currency", "description",
    "last_payment_error", "livemode", "next_action", "payment_method", "payment_method_configuration_details",
    "payment_method_types", "processing", "receipt_email", "setup_future_usage", "shipping", "status",
)  # fmt: skip


def check_amount(amount_minor: int, currency: str) -> None:
    """Stripe's limits for a charge in US dollars."""
    if amount_minor < 1:
        raise StripeError(
            "This value must be greater than or equal to 1.", code="parameter_invalid_integer", param="amount"
        )
    if amount_minor < AMOUNT_LEAST_MINOR:
        raise StripeError(
            f"Amount must be at least $0.50 {currency}", code="amount_too_small", param="amount", remembered=True
        )
    if amount_minor > AMOUNT_MOST_MINOR:
        raise StripeError(
            f"Amount must be no more than $999,999.99 {currency}",
            code="amount_too_large",
            param="amount",
            remembered=True,
        )


def _check_currency(currency: str) -> str:
    if currency.lower() not in CURRENCIES:
        raise StripeError(f"Invalid currency: {currency}. The sandbox knows: {', '.join(CURRENCIES)}", param="currency")
    return currency.lower()


def _check_customer(account: Account, customer: str | None) -> str | None:
    if customer is not None and customer not in account.customers.rows:
        raise missing_reference("customer", customer, "customer")
    return customer


def create(account: Account, params: Object) -> Object:
    """A new intent; confirmed at once with confirm=true."""
    currency = _check_currency(params["currency"])
    check_amount(params["amount"], currency)
    automatic, types = _method_choice(params)
    _check_customer(account, params.get("customer"))
    intent = _new(account, params, currency, automatic, types)
    if "payment_method" in params or "payment_method_data" in params:
        intent["payment_method"] = chosen_method(account, intent, params)["id"]
        intent["status"] = "requires_confirmation"
    account.intents.add(intent)
    account.events.emit("payment_intent.created", intent)
    if params.get("confirm"):
        return confirm(account, {name: params[name] for name in CONFIRM_ON_CREATE if name in params}, intent["id"])
    return intent


CONFIRM_ON_CREATE = ("return_url", "mandate_data", "off_session", "use_stripe_sdk", "error_on_requires_action")


def _method_choice(params: Object) -> tuple[Object | None, list[str]]:
    given_types = params.get("payment_method_types")
    automatic = params.get("automatic_payment_methods")
    if given_types and automatic:
        raise StripeError(
            "You may only specify one of these parameters: automatic_payment_methods, payment_method_types.",
        )
    if given_types:
        unknown = [kind for kind in given_types if kind not in METHOD_TYPES]
        if unknown:
            raise StripeError(
                f'The payment method type "{unknown[0]}" is invalid. The sandbox knows: {", ".join(METHOD_TYPES)}',
                code="payment_intent_invalid_parameter",
                param="payment_method_types",
            )
        return None, given_types
    if automatic is not None and not automatic["enabled"]:
        return None, ["card"]
    chosen = {"allow_redirects": (automatic or {}).get("allow_redirects", "always"), "enabled": True}
    return chosen, list(METHOD_TYPES)


def _new(account: Account, params: Object, currency: str, automatic: Object | None, types: list[str]) -> Object:
    intent_id = account.make_id("pi")
    options: Object = {}
    if "card" in types:
        options["card"] = {
            "installments": None,
            "mandate_options": None,
            "network": None,
            "request_three_d_secure": "automatic",
        }
    if "us_bank_account" in types:
        options["us_bank_account"] = {"verification_method": "automatic"}
    return {
        "id": intent_id,
        "object": "payment_intent",
        "amount": params["amount"],
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": automatic,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": params.get("capture_method", "automatic_async"),
        "client_secret": f"{intent_id}_secret_{account.token(25)}",
        "confirmation_method": params.get("confirmation_method", "automatic"),
        "created": account.now(),
        "currency": currency,
        "customer": params.get("customer"),
        "customer_account": None,
        "description": params.get("description"),
        "excluded_payment_method_types": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": merged_metadata({}, params.get("metadata")),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": {"id": "pmc_twofoldsandbox", "parent": None} if automatic else None,
        "payment_method_options": options,
        "payment_method_types": types,
        "processing": None,
        "receipt_email": params.get("receipt_email"),
        "review": None,
        "setup_future_usage": params.get("setup_future_usage"),
        "shipping": shipping_of(params.get("shipping")),
        "statement_descriptor": params.get("statement_descriptor"),
        "statement_descriptor_suffix": params.get("statement_descriptor_suffix"),
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": params.get("transfer_group"),
    }


def client_view(intent: Object) -> Object:
    return {name: intent[name] for name in CLIENT_FIELDS}


def retrieve(account: Account, params: Object, intent_id: str) -> Object:
    return account.intents.get(intent_id, "intent")


def list_intents(account: Account, params: Object) -> Object:
    return listed(account.intents, params, "/v1/payment_intents", customer=params.get("customer"))


def update(account: Account, params: Object, intent_id: str) -> Object:
    """Change what may still change; Stripe makes no event of it."""
    intent = account.intents.get(intent_id, "intent")
    for name in ("amount", "currency", "payment_method", "payment_method_types"):
        if name in params and intent["status"] not in CHANGEABLE:
            raise unexpected_state(
                f"This PaymentIntent's {name} could not be updated because it has a status of {intent['status']}. You "
                f"may only update the {name} of a PaymentIntent with one of the following statuses: "
                f"{', '.join(CHANGEABLE)}.",
                intent,
            )
    if "amount" in params:
        check_amount(params["amount"], intent["currency"])
    _check_customer(account, params.get("customer"))
    if "payment_method" in params:
        intent["payment_method"] = chosen_method(account, intent, params)["id"]
        intent["status"] = "requires_confirmation"
    for name in UPDATABLE:
        if name in params:
            intent[name] = shipping_of(params[name]) if name == "shipping" else params[name]
    intent["metadata"] = merged_metadata(intent["metadata"], params.get("metadata"))
    return intent


UPDATABLE = (
    "amount", "description", "receipt_email", "customer", "shipping", "statement_descriptor",
    "statement_descriptor_suffix", "setup_future_usage", "transfer_group",
)  # fmt: skip


def cancel(account: Account, params: Object, intent_id: str) -> Object:
    intent = account.intents.get(intent_id, "intent")
    if invoices.of_intent(account, intent):
        raise unexpected_state(
            "You cannot cancel this PaymentIntent because it was created by an Invoice. Void the Invoice, or cancel "
            "its Subscription.",
            intent,
        )
    if intent["status"] not in CANCELABLE:
        raise unexpected_state(
            f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}. Only a PaymentIntent "
            f"with one of the following statuses may be canceled: {', '.join(CANCELABLE)}, processing.",
            intent,
        )
    return _canceled(account, intent, reason=params.get("cancellation_reason"))


def cancel_for_invoice(account: Account, intent: Object) -> Object:
    """The payment of an invoice that is voided."""
    return _canceled(account, intent, reason="void_invoice")


def _canceled(account: Account, intent: Object, *, reason: str | None) -> Object:
    intent.update(status="canceled", canceled_at=account.now(), cancellation_reason=reason, next_action=None)
    account.events.emit("payment_intent.canceled", intent)
    return intent
