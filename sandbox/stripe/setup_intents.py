"""SetupIntents: a card or bank account is saved with a customer, and nothing is charged.

States: requires_payment_method -> (requires_action) -> succeeded, and back when an attempt fails; canceled before.
"""

from __future__ import annotations

from .account import Account, Object, listed
from .cards import Decline, TestCard
from .confirmation import AUTHENTICATION_FAILED
from .errors import StripeError, missing_reference
from .methods import attach, card_error, from_token
from .parameters import merged_metadata

METHOD_TYPES = ("card", "us_bank_account")
CLIENT_FIELDS = (
    "id", "object", "automatic_payment_methods", "cancellation_reason", "client_secret", "created", "description",
    "last_setup_error", "livemode", "next_action", "payment_method", "payment_method_types", "status", "usage",
)  # fmt: skip


def create(account: Account, params: Object) -> Object:
    customer = params.get("customer")
    if customer is not None and customer not in account.customers.rows:
        raise missing_reference("customer", customer, "customer")
    setup_id = account.make_id("seti")
    types = params.get("payment_method_types")
    setup: Object = {
        "id": setup_id,
        "object": "setup_intent",
        "application": None,
        "automatic_payment_methods": None if types else {"allow_redirects": "always", "enabled": True},
        "cancellation_reason": None,
        "client_secret": f"{setup_id}_secret_{account.token(25)}",
        "created": account.now(),
        "customer": customer,
        "customer_account": None,
        "description": params.get("description"),
        "excluded_payment_method_types": None,
        "flow_directions": None,
        "last_setup_error": None,
        "latest_attempt": None,
        "livemode": False,
        "mandate": None,
        "metadata": merged_metadata({}, params.get("metadata")),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {
            "card": {"mandate_options": None, "network": None, "request_three_d_secure": "automatic"}
        },
        "payment_method_types": types or list(METHOD_TYPES),
        "single_use_mandate": None,
        "status": "requires_payment_method",
        "usage": params.get("usage", "off_session"),
    }
    account.setups.add(setup)
    account.events.emit("setup_intent.created", setup)
    return setup


def client_view(setup: Object) -> Object:
    return {name: setup[name] for name in CLIENT_FIELDS}


def retrieve(account: Account, params: Object, setup_id: str) -> Object:
    return account.setups.get(setup_id, "intent")


def list_setups(account: Account, params: Object) -> Object:
    return listed(account.setups, params, "/v1/setup_intents", customer=params.get("customer"))


def confirm(account: Account, params: Object, setup_id: str) -> Object:
    """Try to save the payment method. A card that the bank refuses is a 402 that carries the SetupIntent."""
    setup = account.setups.get(setup_id, "intent")
    if setup["status"] not in ("requires_payment_method", "requires_action"):
        raise StripeError(
            f"You cannot confirm this SetupIntent because it has a status of {setup['status']}.",
            code="setup_intent_unexpected_state",
            remembered=True,
            setup_intent=setup,
        )
    if "payment_method" not in params:
        raise StripeError("You cannot confirm this SetupIntent because it's missing a payment method.")
    method = from_token(account, params["payment_method"])
    setup.update(payment_method=method["id"], last_setup_error=None, next_action=None)
    backing = account.backing[method["id"]]
    if isinstance(backing, TestCard) and backing.decline and not backing.saves:
        _failed(account, setup, method, backing.decline, kind="card_error")
        raise StripeError(
            backing.decline.message,
            status=402,
            kind="card_error",
            code=backing.decline.code,
            decline_code=backing.decline.decline_code,
            remembered=True,
            setup_intent=setup,
        )
    if isinstance(backing, TestCard) and backing.challenge:
        _ask_for_challenge(account, setup, params)
    else:
        _succeeded(account, setup, method)
    return setup


def cancel(account: Account, params: Object, setup_id: str) -> Object:
    setup = account.setups.get(setup_id, "intent")
    if setup["status"] == "succeeded":
        raise StripeError(
            "You cannot cancel this SetupIntent because it has a status of succeeded.",
            code="setup_intent_unexpected_state",
            setup_intent=setup,
        )
    setup.update(status="canceled", cancellation_reason=params.get("cancellation_reason"), next_action=None)
    account.events.emit("setup_intent.canceled", setup)
    return setup


def answer_challenge(account: Account, setup: Object, *, passed: bool) -> Object:
    """What the donor did on the 3-D Secure page. A second answer changes nothing."""
    if setup["status"] != "requires_action":
        return setup
    method = account.methods.get(setup["payment_method"])
    if passed:
        _succeeded(account, setup, method)
    else:
        _failed(account, setup, method, AUTHENTICATION_FAILED, kind="invalid_request_error")
    return setup


def _ask_for_challenge(account: Account, setup: Object, params: Object) -> None:
    url = f"/challenge/{setup['id']}?client_secret={setup['client_secret']}"
    if params.get("use_stripe_sdk"):
        sdk = {"type": "three_d_secure_redirect", "stripe_js": url, "source": account.make_id("src")}
        setup["next_action"] = {"type": "use_stripe_sdk", "use_stripe_sdk": sdk}
    else:
        back = {"return_url": params.get("return_url"), "url": account.public_url + url}
        setup["next_action"] = {"type": "redirect_to_url", "redirect_to_url": back}
    setup["status"] = "requires_action"
    account.events.emit("setup_intent.requires_action", setup)


def _succeeded(account: Account, setup: Object, method: Object) -> None:
    setup.update(status="succeeded", next_action=None, latest_attempt=account.make_id("setatt"))
    if setup["customer"] and method["customer"] is None:
        attach(account, {"customer": setup["customer"]}, method["id"])
    account.events.emit("setup_intent.succeeded", setup)


def _failed(account: Account, setup: Object, method: Object, decline: Decline, *, kind: str) -> None:
    error = card_error(decline).fields | {"type": kind, "payment_method": method}
    if kind != "card_error":
        error |= {"code": "setup_intent_authentication_failure"}
        error.pop("decline_code", None)
    setup.update(status="requires_payment_method", last_setup_error=error, payment_method=None, next_action=None)
    setup["latest_attempt"] = account.make_id("setatt")
    account.events.emit("setup_intent.setup_failed", setup)
