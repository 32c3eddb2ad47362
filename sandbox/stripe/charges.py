"""Charges: one attempt to move the money of a PaymentIntent."""

from __future__ import annotations

from . import balance
from .account import Account, Object, listed
from .cards import Decline
from .parameters import merged_metadata

STATEMENT = "TWOFOLD DEMO"
APPROVED = {
    "advice_code": None,
    "network_advice_code": None,
    "network_decline_code": None,
    "network_status": "approved_by_network",
    "reason": None,
    "risk_level": "normal",
    "risk_score": 12,
    "seller_message": "Payment complete.",
    "type": "authorized",
}
NO_RISK_ASKED = {**APPROVED, "risk_level": "not_assessed"}


def declined_outcome(decline: Decline) -> Object:
    blocked = decline.decline_code == "fraudulent"
    return {
        **APPROVED,
        "advice_code": "do_not_try_again" if blocked else "try_again_later",
        "network_decline_code": None if blocked else "01",
        "network_status": "not_sent_to_network" if blocked else "declined_by_network",
        "reason": "highest_risk_level" if blocked else (decline.decline_code or decline.code),
        "risk_level": "highest" if blocked else "normal",
        "risk_score": 75 if blocked else 12,
        "seller_message": "Stripe blocked this payment as too risky."
        if blocked
        else "The bank did not return any further details with this decline.",
        "type": "blocked" if blocked else "issuer_declined",
    }


def make(account: Account, intent: Object, method: Object, *, authenticated: bool = False) -> Object:
    """A charge of the intent's whole amount, in state pending, stored; `succeed` or `fail` it."""
    bank = method["type"] == "us_bank_account"
    charge: Object = {
        "id": account.make_id("py" if bank else "ch"),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": method["billing_details"],
        "calculated_statement_descriptor": intent["statement_descriptor"] or STATEMENT,
        "captured": False,
        "created": account.now(),
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": False,
        "metadata": dict(intent["metadata"]),
        "on_behalf_of": None,
        "outcome": None,
        "paid": False,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": _bank_details(account, method) if bank else _card_details(method, authenticated),
        "radar_options": {},
        "receipt_email": intent["receipt_email"],
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": intent["shipping"],
        "source_transfer": None,
        "statement_descriptor": intent["statement_descriptor"],
        "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
        "status": "pending",
        "transfer_data": None,
        "transfer_group": intent["transfer_group"],
    }
    account.charges.add(charge)
    return charge


def _card_details(method: Object, authenticated: bool) -> Object:
    card = method["card"]
    checked = card["checks"]["cvc_check"] is not None
    secure = {
        "authentication_flow": "challenge",
        "electronic_commerce_indicator": "05",
        "exemption_indicator": None,
        "result": "authenticated",
        "result_reason": None,
        "transaction_id": "0e3b0a5e-7d1c-4c0a-9f0e-000000000000",
        "version": "2.2.0",
    }
    return {
        "card": {
            "amount_authorized": None,
            "authorization_code": None,
            "brand": card["brand"],
            "checks": {**card["checks"], "cvc_check": "pass" if checked else None},
            "country": "US",
            "exp_month": card["exp_month"],
            "exp_year": card["exp_year"],
            "fingerprint": card["fingerprint"],
            "funding": card["funding"],
            "installments": None,
            "last4": card["last4"],
            "mandate": None,
            "network": card["brand"],
            "network_token": {"used": False},
            "network_transaction_id": "104557651805572",
            "regulated_status": "unregulated",
            "three_d_secure": secure if authenticated else None,
            "wallet": card["wallet"],
        },
        "type": "card",
    }


def _bank_details(account: Account, method: Object) -> Object:
    bank = method["us_bank_account"]
    return {
        "type": "us_bank_account",
        "us_bank_account": {
            "account_holder_type": bank["account_holder_type"],
            "account_type": bank["account_type"],
            "bank_name": bank["bank_name"],
            "fingerprint": bank["fingerprint"],
            "last4": bank["last4"],
            "mandate": account.make_id("mandate"),
            "payment_reference": None,
            "routing_number": bank["routing_number"],
        },
    }


def is_bank(charge: Object) -> bool:
    return bool(charge["payment_method_details"]["type"] == "us_bank_account")


def succeed(account: Account, charge: Object) -> None:
    """The money is taken. The balance transaction follows a moment later, as at Stripe (charge.updated)."""
    charge.update(
        status="succeeded",
        paid=True,
        captured=True,
        amount_captured=charge["amount"],
        outcome=NO_RISK_ASKED if is_bank(charge) else APPROVED,
    )
    account.events.emit("charge.succeeded", charge)
    account.later(account.knobs.balance_delay_ms, know_balance, account, charge)


def know_balance(account: Account, charge: Object) -> None:
    """Make the charge's balance transaction, once; harmless when repeated."""
    if charge["balance_transaction"] is not None:
        return
    bank = is_bank(charge)
    row = balance.record(
        account,
        kind="payment" if bank else "charge",
        category="charge",
        source=charge,
        amount_minor=charge["amount"],
        fee=balance.fee_minor(charge["amount"], bank=bank),
        description=charge["description"],
    )
    charge["balance_transaction"] = row["id"]
    account.events.emit("charge.updated", charge, {"balance_transaction": None})


def fail(account: Account, charge: Object, decline: Decline) -> None:
    charge.update(
        status="failed",
        failure_code=decline.decline_code if is_bank(charge) else decline.code,
        failure_message=decline.message,
        outcome=declined_outcome(decline),
    )
    checks = charge["payment_method_details"].get("card", {}).get("checks")
    if checks and decline.code == "incorrect_cvc":
        checks["cvc_check"] = "fail"
    account.events.emit("charge.failed", charge)


def retrieve(account: Account, params: Object, charge_id: str) -> Object:
    return account.charges.get(charge_id, "id")


def update(account: Account, params: Object, charge_id: str) -> Object:
    charge = account.charges.get(charge_id, "id")
    changed: Object = {name: params[name] for name in ("description", "receipt_email", "customer") if name in params}
    changed["metadata"] = merged_metadata(charge["metadata"], params.get("metadata"))
    previous = {name: charge[name] for name, value in changed.items() if charge[name] != value}
    charge.update(changed)
    if previous:
        account.events.emit("charge.updated", charge, previous)
    return charge


def list_charges(account: Account, params: Object) -> Object:
    return listed(
        account.charges,
        params,
        "/v1/charges",
        payment_intent=params.get("payment_intent"),
        customer=params.get("customer"),
    )
