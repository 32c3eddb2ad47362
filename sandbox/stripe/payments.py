"""PaymentIntents: made, confirmed, challenged, charged, cancelled.

States: requires_payment_method -> requires_confirmation -> (requires_action) -> processing -> succeeded, and back to
requires_payment_method when an attempt fails; canceled from any state before the money moves.
"""

from __future__ import annotations

from . import charges, disputes
from .account import Account, Object, listed
from .cards import Decline, TestBankAccount, TestCard
from .errors import StripeError, missing_reference, unexpected_state, wrong_client_secret
from .methods import NO_ADDRESS, card_error, from_token
from .methods import create as create_method
from .parameters import merged_metadata

AMOUNT_LEAST_MINOR = 50
AMOUNT_MOST_MINOR = 99_999_999
CURRENCIES = ("usd",)
METHOD_TYPES = ("card", "us_bank_account")
CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
CANCELABLE = ("requires_payment_method", "requires_capture", "requires_confirmation", "requires_action")
CHANGEABLE = ("requires_payment_method", "requires_confirmation", "requires_action")

AUTHENTICATION_FAILED = Decline(
    "payment_intent_authentication_failure",
    "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
)

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
        intent["payment_method"] = _chosen_method(account, intent, params)["id"]
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
        "shipping": _shipping(params.get("shipping")),
        "statement_descriptor": params.get("statement_descriptor"),
        "statement_descriptor_suffix": params.get("statement_descriptor_suffix"),
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": params.get("transfer_group"),
    }


def _shipping(given: Object | None) -> Object | None:
    if given is None:
        return None
    blank = dict.fromkeys(("carrier", "phone", "tracking_number"))
    return {**blank, **given, "address": {**NO_ADDRESS, **given["address"]}}


def _chosen_method(account: Account, intent: Object, params: Object) -> Object:
    if "payment_method_data" in params:
        method = create_method(account, params["payment_method_data"])
    else:
        method = from_token(account, params["payment_method"])
    if method["type"] not in intent["payment_method_types"]:
        raise StripeError(
            f"The PaymentMethod provided ({method['type']}) is not allowed for this PaymentIntent. Please attach a "
            "PaymentMethod of one of the following types: " + ", ".join(intent["payment_method_types"]),
            code="payment_intent_incompatible_payment_method",
            param="payment_method",
        )
    return method


def secret_checked(intent: Object, params: Object, *, publishable: bool) -> None:
    """A browser must show the client secret; a server may, and then it must be right."""
    given = params.get("client_secret")
    if (publishable or given is not None) and given != intent["client_secret"]:
        raise wrong_client_secret()


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
        intent["payment_method"] = _chosen_method(account, intent, params)["id"]
        intent["status"] = "requires_confirmation"
    for name in UPDATABLE:
        if name in params:
            intent[name] = _shipping(params[name]) if name == "shipping" else params[name]
    intent["metadata"] = merged_metadata(intent["metadata"], params.get("metadata"))
    return intent


UPDATABLE = (
    "amount", "description", "receipt_email", "customer", "shipping", "statement_descriptor",
    "statement_descriptor_suffix", "setup_future_usage", "transfer_group",
)  # fmt: skip


def confirm(account: Account, params: Object, intent_id: str) -> Object:
    """Try to pay. A declined card is a 402 that carries the intent, back in requires_payment_method."""
    intent = account.intents.get(intent_id, "intent")
    _check_confirmable(intent)
    if "payment_method" in params or "payment_method_data" in params:
        method = _chosen_method(account, intent, params)
    elif intent["payment_method"] is not None:
        method = account.methods.get(intent["payment_method"])
    else:
        raise unexpected_state(
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the "
            "PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a "
            "payment method or ConfirmationToken.",
            intent,
        )
    _check_return_url(intent, params)
    for name in ("receipt_email", "shipping", "setup_future_usage"):
        if name in params:
            intent[name] = _shipping(params[name]) if name == "shipping" else params[name]
    intent.update(payment_method=method["id"], last_payment_error=None, next_action=None)
    backing = account.backing[method["id"]]
    if isinstance(backing, TestBankAccount):
        _begin_debit(account, intent, method, backing)
    elif backing.challenge:
        _ask_for_challenge(account, intent, params)
    else:
        declined = _charge_card(account, intent, method, backing)
        if declined:
            raise _declined(intent)
    return intent


def _check_confirmable(intent: Object) -> None:
    if intent["status"] in CONFIRMABLE:
        return
    if intent["status"] == "succeeded":
        raise unexpected_state(
            "You cannot confirm this PaymentIntent because it has already succeeded after being previously confirmed.",
            intent,
        )
    raise unexpected_state(
        f"You cannot confirm this PaymentIntent because it has a status of {intent['status']}. Only a PaymentIntent "
        "with one of the following statuses may be confirmed: requires_confirmation, requires_action.",
        intent,
    )


def _check_return_url(intent: Object, params: Object) -> None:
    automatic = intent["automatic_payment_methods"]
    if automatic and automatic["allow_redirects"] == "always" and not params.get("return_url"):
        raise StripeError(
            "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because some of "
            "these payment methods might redirect your customer off of your page, you must provide a `return_url`. If "
            "you don't want to accept redirect-based payment methods, set `automatic_payment_methods[enabled]` to "
            "`true` and `automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents and "
            "Payment Intents.",
            param="return_url",
        )


def _charge_card(
    account: Account, intent: Object, method: Object, card: TestCard, *, authenticated: bool = False
) -> bool:
    """Charge a card; True when it was declined, the intent then being back in requires_payment_method."""
    charge = charges.make(account, intent, method, authenticated=authenticated)
    intent["latest_charge"] = charge["id"]
    if card.decline:
        charges.fail(account, charge, card.decline)
        _attempt_failed(account, intent, method, card.decline, kind="card_error", charge=charge)
        return True
    charges.succeed(account, charge)
    _succeeded(account, intent)
    if card.dispute_reason:
        account.later(account.knobs.dispute_delay_ms, _dispute, account, charge, card)
    return False


def _dispute(account: Account, charge: Object, backing: TestCard | TestBankAccount) -> None:
    inquiry = isinstance(backing, TestCard) and backing.inquiry
    disputes.open_dispute(account, charge, str(backing.dispute_reason), inquiry=inquiry)


def _succeeded(account: Account, intent: Object) -> None:
    intent.update(status="succeeded", amount_received=intent["amount"], next_action=None, last_payment_error=None)
    account.events.emit("payment_intent.succeeded", intent)


def _attempt_failed(
    account: Account, intent: Object, method: Object, decline: Decline, *, kind: str, charge: Object | None = None
) -> None:
    error: Object = card_error(decline).fields | {"type": kind, "payment_method": method}
    if kind != "card_error":
        error.pop("decline_code", None)
    if charge is not None:
        error["charge"] = charge["id"]
        network = charge["outcome"]["network_decline_code"]
        if network:
            error["network_decline_code"] = network
    intent.update(
        status="requires_payment_method",
        last_payment_error=error,
        payment_method=None,
        next_action=None,
        processing=None,
    )
    account.events.emit("payment_intent.payment_failed", intent)


def _declined(intent: Object) -> StripeError:
    error = intent["last_payment_error"]
    fields = {
        name: value for name, value in error.items() if name not in ("message", "type", "code", "doc_url", "param")
    }
    return StripeError(
        error["message"],
        status=402,
        kind="card_error",
        code=error["code"],
        param=error.get("param"),
        remembered=True,
        payment_intent=intent,
        **fields,
    )


def _ask_for_challenge(account: Account, intent: Object, params: Object) -> None:
    if params.get("error_on_requires_action"):
        raise StripeError(
            "This payment required an authentication action to complete, but `error_on_requires_action` was set. When "
            "you're ready, you can upgrade your integration to handle actions at "
            "https://stripe.com/docs/payments/payment-intents/upgrade-to-handle-actions.",
            status=402,
            kind="card_error",
            code="authentication_required",
            remembered=True,
        )
    url = f"/challenge/{intent['id']}?client_secret={intent['client_secret']}"
    if params.get("use_stripe_sdk"):
        intent["next_action"] = {
            "type": "use_stripe_sdk",
            "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": url, "source": account.make_id("src")},
        }
    else:
        intent["next_action"] = {
            "type": "redirect_to_url",
            "redirect_to_url": {"return_url": params.get("return_url"), "url": account.public_url + url},
        }
    intent["status"] = "requires_action"
    account.events.emit("payment_intent.requires_action", intent)


def return_address(account: Account, intent_id: str) -> str | None:
    """Where the donor goes after a challenge that was a redirect; None for one in a frame."""
    action = account.intents.get(intent_id, "intent")["next_action"] or {}
    found: str | None = action.get("redirect_to_url", {}).get("return_url")
    return found


def answer_challenge(account: Account, intent_id: str, client_secret: str, *, passed: bool) -> Object:
    """What the donor did on the 3-D Secure page. A second answer changes nothing."""
    intent = account.intents.get(intent_id, "intent")
    secret_checked(intent, {"client_secret": client_secret}, publishable=True)
    if intent["status"] != "requires_action":
        return intent
    method = account.methods.get(intent["payment_method"])
    card = account.backing[method["id"]]
    if passed and isinstance(card, TestCard):
        _charge_card(account, intent, method, card, authenticated=True)
    else:
        _attempt_failed(account, intent, method, AUTHENTICATION_FAILED, kind="invalid_request_error")
    return intent


def _begin_debit(account: Account, intent: Object, method: Object, backing: TestBankAccount) -> None:
    charge = charges.make(account, intent, method)
    intent.update(latest_charge=charge["id"], status="processing")
    account.events.emit("charge.pending", charge)
    account.events.emit("payment_intent.processing", intent)
    if account.knobs.bank_delay_ms >= 0 and not backing.stuck:
        account.later(account.knobs.bank_delay_ms, settle_debit, account, intent["id"])


def settle_debit(account: Account, intent_id: str, *, failure: Decline | None = None) -> Object:
    """The bank's answer to a debit: by the test account's own rule, or `failure` whatever the account says.

    Nothing happens unless the debit is still in processing.
    """
    intent = account.intents.get(intent_id, "intent")
    if intent["status"] != "processing":
        return intent
    charge = account.charges.get(intent["latest_charge"])
    method = account.methods.get(intent["payment_method"])
    backing = account.backing[method["id"]]
    failure = failure or (backing.failure if isinstance(backing, TestBankAccount) else None)
    if failure:
        charges.fail(account, charge, failure)
        _attempt_failed(account, intent, method, failure, kind="invalid_request_error", charge=charge)
        return intent
    charges.succeed(account, charge)
    _succeeded(account, intent)
    if backing.dispute_reason:
        account.later(account.knobs.dispute_delay_ms, _dispute, account, charge, backing)
    return intent


def cancel(account: Account, params: Object, intent_id: str) -> Object:
    intent = account.intents.get(intent_id, "intent")
    if intent["status"] not in CANCELABLE:
        raise unexpected_state(
            f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}. Only a PaymentIntent "
            f"with one of the following statuses may be canceled: {', '.join(CANCELABLE)}, processing.",
            intent,
        )
    intent.update(
        status="canceled",
        canceled_at=account.now(),
        cancellation_reason=params.get("cancellation_reason"),
        next_action=None,
    )
    account.events.emit("payment_intent.canceled", intent)
    return intent
