"""PaymentMethods: what a donor pays with. The number itself is never kept, only which test number it was."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib

from .account import Account, Object, listed
from .cards import (
    ACCOUNTS_BY_NUMBER,
    ACCOUNTS_BY_TOKEN,
    BANK_NAME,
    CARDS_BY_NUMBER,
    CARDS_BY_TOKEN,
    NOT_A_TEST_CARD,
    ROUTING_NUMBER,
    Decline,
    TestBankAccount,
    TestCard,
    luhn_valid,
)
from .errors import StripeError, missing, missing_param, missing_reference
from .parameters import merged_metadata

NO_ADDRESS = {"city": None, "country": None, "line1": None, "line2": None, "postal_code": None, "state": None}
NO_NUMBER = Decline("incorrect_number", "Your card number is incorrect.", param="number")


def billing_details(given: Object | None) -> Object:
    given = given or {}
    return {
        "address": {**NO_ADDRESS, **(given.get("address") or {})},
        "email": given.get("email"),
        "name": given.get("name"),
        "phone": given.get("phone"),
        "tax_id": None,
    }


def card_error(decline: Decline) -> StripeError:
    return StripeError(
        decline.message,
        status=402,
        kind="card_error",
        code=decline.code,
        param=decline.param,
        decline_code=decline.decline_code,
        remembered=True,
    )


def create(account: Account, params: Object) -> Object:
    """From a test card number, a test bank account, or (type card) a card token such as tok_visa."""
    kind = params.get("type")
    if kind is None:
        raise missing_param("type")
    if kind not in params:
        raise missing_param(kind)
    if kind == "card":
        method = _from_card(account, params["card"])
    else:
        method = _from_bank_account(account, params["us_bank_account"])
    method["billing_details"] = billing_details(params.get("billing_details"))
    method["metadata"] = merged_metadata({}, params.get("metadata"))
    return method


def _from_card(account: Account, given: Object) -> Object:
    if "token" in given:
        return _from_card_token(account, given["token"])
    for name in ("number", "exp_month", "exp_year"):
        if name not in given:
            raise missing_param(f"card[{name}]")
    number = "".join(given["number"].split())
    card = CARDS_BY_NUMBER.get(number)
    if card is None:
        luhn = number.isdecimal() and 12 <= len(number) <= 19 and luhn_valid(number)
        raise card_error(NOT_A_TEST_CARD if luhn else NO_NUMBER)
    _check_expiry(account, given["exp_month"], given["exp_year"])
    return card_method(
        account,
        card,
        exp_month=given["exp_month"],
        exp_year=given["exp_year"] % 100 + 2000,
        cvc="cvc" in given,
    )


def _from_card_token(account: Account, token: str) -> Object:
    """tok_visa and its like; tok_wallet_visa stands for the same card held in the browser's wallet."""
    name = token.removeprefix("tok_").removeprefix("wallet_")
    card = CARDS_BY_TOKEN.get(f"pm_card_{name}")
    if card is None or not token.startswith("tok_"):
        raise missing_reference("token", token, "card[token]")
    return card_method(account, card, wallet=token.startswith("tok_wallet_"))


def _check_expiry(account: Account, month: int, year: int) -> None:
    today = dt.datetime.fromtimestamp(account.now(), tz=dt.UTC)
    full_year = year % 100 + 2000
    if not 1 <= month <= 12:
        raise card_error(Decline("invalid_expiry_month", "Your card's expiration month is invalid.", param="exp_month"))
    if (full_year, month) < (today.year, today.month):
        raise card_error(Decline("invalid_expiry_year", "Your card's expiration year is invalid.", param="exp_year"))


def _fingerprint(number: str) -> str:
    """Sixteen letters and digits: the same for the same number, in every account and every run."""
    return base64.b32encode(hashlib.sha256(number.encode()).digest()).decode()[:16]


def card_method(
    account: Account,
    card: TestCard,
    *,
    exp_month: int = 12,
    exp_year: int = 2034,
    cvc: bool = True,
    wallet: bool = False,
) -> Object:
    """A PaymentMethod of type card, stored. wallet: paid through the Test Pay button, which stands for Google Pay."""
    method = _method(account, "card")
    method["card"] = {
        "brand": card.brand,
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": None},
        "country": "US",
        "display_brand": "american_express" if card.brand == "amex" else card.brand,
        "exp_month": exp_month,
        "exp_year": exp_year,
        "fingerprint": _fingerprint(card.number),
        "funding": card.funding,
        "generated_from": None,
        "last4": card.last4,
        "networks": {"available": [card.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": {"dynamic_last4": None, "google_pay": {}, "type": "google_pay"} if wallet else None,
    }
    if cvc:
        method["card"]["checks"]["cvc_check"] = "unchecked"
    account.backing[method["id"]] = card
    account.methods.add(method)
    return method


def _from_bank_account(account: Account, given: Object) -> Object:
    for name in ("account_holder_type", "account_number", "routing_number"):
        if name not in given:
            raise missing_param(f"us_bank_account[{name}]")
    if given["routing_number"] != ROUTING_NUMBER:
        raise StripeError(
            "Invalid US routing number. The sandbox takes 110000000 only.",
            code="routing_number_invalid",
            param="us_bank_account[routing_number]",
        )
    backing = ACCOUNTS_BY_NUMBER.get(given["account_number"])
    if backing is None:
        raise StripeError(
            "You must use a test bank account number in test mode. Try 000123456789 or see more options at "
            "https://stripe.com/docs/testing.",
            code="account_number_invalid",
            param="us_bank_account[account_number]",
        )
    return bank_method(account, backing, given["account_holder_type"], given.get("account_type", "checking"))


def bank_method(
    account: Account, backing: TestBankAccount, holder: str = "individual", kind: str = "checking"
) -> Object:
    method = _method(account, "us_bank_account")
    method["us_bank_account"] = {
        "account_holder_type": holder,
        "account_type": kind,
        "bank_name": BANK_NAME,
        "financial_connections_account": None,
        "fingerprint": _fingerprint(backing.number),
        "last4": backing.last4,
        "networks": {"preferred": "ach", "supported": ["ach"]},
        "routing_number": ROUTING_NUMBER,
        "status_details": {},
    }
    account.backing[method["id"]] = backing
    account.methods.add(method)
    return method


def _method(account: Account, kind: str) -> Object:
    return {
        "id": account.make_id("pm"),
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": billing_details(None),
        "created": account.now(),
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": {},
        "type": kind,
    }


def from_token(account: Account, token: str, *, param: str = "payment_method") -> Object:
    """The PaymentMethod that an id or a ready-made token (`pm_card_visa`) names; a token makes a new one each time."""
    if token in account.methods.rows:
        return account.methods.rows[token]
    if token in CARDS_BY_TOKEN:
        return card_method(account, CARDS_BY_TOKEN[token])
    if token in ACCOUNTS_BY_TOKEN:
        return bank_method(account, ACCOUNTS_BY_TOKEN[token])
    raise missing_reference("PaymentMethod", token, param)


def retrieve(account: Account, params: Object, method_id: str) -> Object:
    if method_id in CARDS_BY_TOKEN or method_id in ACCOUNTS_BY_TOKEN:
        return from_token(account, method_id)
    return account.methods.get(method_id, "payment_method")


def update(account: Account, params: Object, method_id: str) -> Object:
    method = account.methods.get(method_id, "payment_method")
    if method["customer"] is None:
        raise StripeError("You must save this PaymentMethod to a customer before you can update it.", remembered=True)
    if "billing_details" in params:
        merged = {**method["billing_details"], **params["billing_details"]}
        method["billing_details"] = billing_details(merged)
    method["metadata"] = merged_metadata(method["metadata"], params.get("metadata"))
    account.events.emit("payment_method.updated", method)
    return method


def list_methods(account: Account, params: Object) -> Object:
    return listed(
        account.methods,
        params,
        "/v1/payment_methods",
        customer=params.get("customer"),
        type=params.get("type"),
    )


def attach(account: Account, params: Object, method_id: str) -> Object:
    method = from_token(account, method_id)
    if params["customer"] not in account.customers.rows:
        raise missing("customer", params["customer"], "customer")
    method["customer"] = params["customer"]
    account.events.emit("payment_method.attached", method)
    return method


def detach(account: Account, params: Object, method_id: str) -> Object:
    method = account.methods.get(method_id, "payment_method")
    if method["customer"] is None:
        raise StripeError(
            "The payment method you provided is not attached to a customer so detachment is impossible.",
            remembered=True,
        )
    previous = {"customer": method["customer"]}
    method["customer"] = None
    account.events.emit("payment_method.detached", method, previous)
    return method
