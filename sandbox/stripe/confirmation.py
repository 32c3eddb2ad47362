"""Confirming a PaymentIntent: a card charged, challenged or declined, a bank debit begun and settled."""

from __future__ import annotations

from . import charges, disputes, invoices
from .account import Account, Object
from .cards import GENERIC, Decline, TestBankAccount, TestCard
from .errors import StripeError, unexpected_state, wrong_client_secret
from .methods import NO_ADDRESS, card_error, from_token
from .methods import create as create_method

CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")

AUTHENTICATION_FAILED = Decline(
    "payment_intent_authentication_failure",
    "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
)

NEEDS_OWNER = Decline(
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
    "authentication_required",
)


def chosen_method(account: Account, intent: Object, params: Object) -> Object:
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


def shipping_of(given: Object | None) -> Object | None:
    if given is None:
        return None
    blank = dict.fromkeys(("carrier", "phone", "tracking_number"))
    return {**blank, **given, "address": {**NO_ADDRESS, **given["address"]}}


def secret_checked(intent: Object, params: Object, *, publishable: bool) -> None:
    """A browser must show the client secret; a server may, and then it must be right."""
    given = params.get("client_secret")
    if (publishable or given is not None) and given != intent["client_secret"]:
        raise wrong_client_secret()


def confirm(account: Account, params: Object, intent_id: str) -> Object:
    """Try to pay. A declined card is a 402 that carries the intent, back in requires_payment_method."""
    intent = account.intents.get(intent_id, "intent")
    _check_confirmable(intent)
    if "payment_method" in params or "payment_method_data" in params:
        method = chosen_method(account, intent, params)
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
            intent[name] = shipping_of(params[name]) if name == "shipping" else params[name]
    intent.update(payment_method=method["id"], last_payment_error=None, next_action=None)
    backing = account.backing[method["id"]]
    if isinstance(backing, TestBankAccount):
        _begin_debit(account, intent, method, backing)
    elif backing.challenge and not params.get("off_session"):
        _ask_for_challenge(account, intent, params)
    else:
        declined = (
            charge_off_session(account, intent, method["id"])
            if params.get("off_session")
            else (_charge_card(account, intent, method, backing))
        )
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


def charge_off_session(
    account: Account, intent: Object, method_id: str, *, decline: Decline | None = None, gives_up: bool = False
) -> bool:
    """Charge a saved card or debit a saved account while its owner is away; True when it was declined.

    A card that asks for 3-D Secure each time is declined: its owner must come. `decline`: whatever the card says.
    """
    method = account.methods.get(method_id)
    backing = account.backing[method_id]
    intent.update(payment_method=method_id, last_payment_error=None, next_action=None)
    if decline is None and isinstance(backing, TestBankAccount):
        _begin_debit(account, intent, method, backing)
        return False
    if isinstance(backing, TestCard):
        asks_again = backing.challenge and backing.token != "pm_card_authenticationRequiredOnSetup"
        decline = decline or (NEEDS_OWNER if asks_again else backing.decline)
        if decline is None:
            return _charge_card(account, intent, method, backing, authenticated=backing.challenge)
    decline = decline or GENERIC
    charge = charges.make(account, intent, method)
    intent["latest_charge"] = charge["id"]
    charges.fail(account, charge, decline)
    _attempt_failed(account, intent, method, decline, kind="card_error", charge=charge, gives_up=gives_up)
    if decline is NEEDS_OWNER:
        invoices.action_required(account, intent)
    return True


def _dispute(account: Account, charge: Object, backing: TestCard | TestBankAccount) -> None:
    inquiry = isinstance(backing, TestCard) and backing.inquiry
    disputes.open_dispute(account, charge, str(backing.dispute_reason), inquiry=inquiry)


def _succeeded(account: Account, intent: Object) -> None:
    intent.update(status="succeeded", amount_received=intent["amount"], next_action=None, last_payment_error=None)
    account.events.emit("payment_intent.succeeded", intent)
    invoices.payment_succeeded(account, intent)


def _attempt_failed(
    account: Account,
    intent: Object,
    method: Object,
    decline: Decline,
    *,
    kind: str,
    charge: Object | None = None,
    gives_up: bool = False,
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
    invoices.payment_failed(account, intent, gives_up=gives_up)


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
