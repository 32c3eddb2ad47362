"""Refunds: whole or in part, of a charge or of a PaymentIntent's charge; some succeed later, some fail later."""

from __future__ import annotations

from . import balance
from .account import Account, Object, dollars, listed
from .cards import TestCard
from .charges import is_bank, know_balance
from .errors import StripeError, missing_param, missing_reference
from .parameters import merged_metadata


def create(account: Account, params: Object) -> Object:
    """amount: minor units, all that is left when absent. Refused when more, or when the charge is disputed."""
    charge = _charge(account, params)
    _check_refundable(account, charge)
    left = charge["amount_captured"] - charge["amount_refunded"]
    amount = params.get("amount", left)
    if amount < 1:
        raise StripeError("Invalid positive integer", code="parameter_invalid_integer", param="amount")
    if amount > left:
        raise StripeError(
            f"Refund amount ({dollars(amount)}) is greater than unrefunded amount on charge ({dollars(left)})",
            param="amount",
            remembered=True,
        )
    know_balance(account, charge)
    refund = _new(account, charge, amount, params)
    account.refunds.add(refund)
    _give_back(account, refund, charge)
    if refund["status"] == "pending":
        account.later(account.knobs.refund_delay_ms, settle, account, refund["id"])
    elif _backing(account, charge, "fails_later"):
        account.later(account.knobs.refund_delay_ms, fail, account, refund["id"])
    return refund


def _charge(account: Account, params: Object) -> Object:
    if "charge" in params:
        if params["charge"] not in account.charges.rows:
            raise missing_reference("charge", params["charge"], "charge")
        return account.charges.rows[params["charge"]]
    if "payment_intent" not in params:
        raise missing_param("payment_intent")
    intent = account.intents.rows.get(params["payment_intent"])
    if intent is None:
        raise missing_reference("payment_intent", params["payment_intent"], "payment_intent")
    if intent["status"] != "succeeded":
        raise StripeError(
            f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.", remembered=True
        )
    return account.charges.get(intent["latest_charge"])


def _check_refundable(account: Account, charge: Object) -> None:
    if charge["status"] != "succeeded":
        raise StripeError(
            f"Charge {charge['id']} is {charge['status']} and cannot be refunded.",
            code="charge_not_refundable",
            remembered=True,
        )
    if any(not dispute["is_charge_refundable"] for dispute in account.disputes.of("charge", charge["id"])):
        raise StripeError(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.",
            code="charge_disputed",
            remembered=True,
        )
    if charge["refunded"]:
        raise StripeError(
            f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded", remembered=True
        )


def _backing(account: Account, charge: Object, behaviour: str) -> bool:
    card = account.backing[charge["payment_method"]]
    return isinstance(card, TestCard) and card.refund == behaviour


def _new(account: Account, charge: Object, amount_minor: int, params: Object) -> Object:
    bank = is_bank(charge)
    pending = bank or _backing(account, charge, "pending_first")
    refund: Object = {
        "id": account.make_id("pyr" if bank else "re"),
        "object": "refund",
        "amount": amount_minor,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": account.now(),
        "currency": charge["currency"],
        "destination_details": _destination(bank),
        "metadata": merged_metadata({}, params.get("metadata")),
        "payment_intent": charge["payment_intent"],
        "reason": params.get("reason"),
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "pending" if pending else "succeeded",
        "transfer_reversal": None,
    }
    if pending:
        refund["pending_reason"] = "processing"
    return refund


def _destination(bank: bool) -> Object:
    if bank:
        return {"type": "us_bank_transfer", "us_bank_transfer": {"reference": None, "reference_status": "pending"}}
    card = {"reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund"}
    return {"card": card, "type": "card"}


def _give_back(account: Account, refund: Object, charge: Object) -> None:
    """Take the amount out of the balance and count it on the charge, for a pending refund too, as Stripe does."""
    row = balance.record(
        account,
        kind="payment_refund" if is_bank(charge) else "refund",
        category="refund",
        source=refund,
        amount_minor=-refund["amount"],
        description="REFUND FOR CHARGE",
    )
    refund["balance_transaction"] = row["id"]
    previous = {name: charge[name] for name in ("amount_refunded", "refunded")}
    charge["amount_refunded"] += refund["amount"]
    charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
    account.events.emit("refund.created", refund)
    account.events.emit("charge.refunded", charge, previous)


def settle(account: Account, refund_id: str) -> None:
    refund = account.refunds.get(refund_id)
    if refund["status"] != "pending":
        return
    refund["status"] = "succeeded"
    refund.pop("pending_reason", None)
    account.events.emit("refund.updated", refund, {"status": "pending"})
    account.events.emit("charge.refund.updated", refund, {"status": "pending"})


def fail(account: Account, refund_id: str) -> Object:
    """The donor's bank will not take the money back: it returns to the balance and to the charge. Once."""
    refund = account.refunds.get(refund_id)
    if refund["status"] == "failed":
        return refund
    charge = account.charges.get(refund["charge"])
    row = balance.record(
        account,
        kind="refund_failure",
        category="refund_failure",
        source=refund,
        amount_minor=refund["amount"],
        description="REFUND FAILURE",
    )
    previous = {"status": refund["status"]}
    refund.update(status="failed", failure_reason="expired_or_canceled_card", failure_balance_transaction=row["id"])
    refund.pop("pending_reason", None)
    charge["amount_refunded"] -= refund["amount"]
    charge["refunded"] = False
    account.events.emit("refund.updated", refund, previous)
    account.events.emit("refund.failed", refund)
    account.events.emit("charge.refund.updated", refund, previous)
    return refund


def retrieve(account: Account, params: Object, refund_id: str) -> Object:
    return account.refunds.get(refund_id, "refund")


def update(account: Account, params: Object, refund_id: str) -> Object:
    refund = account.refunds.get(refund_id, "refund")
    previous = {"metadata": refund["metadata"]}
    refund["metadata"] = merged_metadata(refund["metadata"], params.get("metadata"))
    account.events.emit("refund.updated", refund, previous)
    return refund


def cancel(account: Account, params: Object, refund_id: str) -> Object:
    """Only a refund that waits for the donor's bank details can be cancelled; card and bank refunds never wait so."""
    refund = account.refunds.get(refund_id, "refund")
    raise StripeError(
        f"You cannot cancel this refund because it has a status of {refund['status']}. Only refunds with status "
        "requires_action can be canceled.",
        remembered=True,
    )


def list_refunds(account: Account, params: Object) -> Object:
    return listed(
        account.refunds,
        params,
        "/v1/refunds",
        charge=params.get("charge"),
        payment_intent=params.get("payment_intent"),
    )
