"""Disputes: a donor's bank takes the money back, and what becomes of it."""

from __future__ import annotations

from . import balance
from .account import Account, Object, listed
from .charges import is_bank, know_balance
from .errors import StripeError
from .parameters import merged_metadata

DUE_AFTER_SECONDS = 9 * 24 * 3600
CLOSED = ("won", "lost", "warning_closed")
WINNING, LOSING = "winning_evidence", "losing_evidence"
NETWORK_REASON = {"fraudulent": "10.4", "product_not_received": "13.1"}
EVIDENCE_TEXTS = (
    "access_activity_log", "billing_address", "cancellation_policy_disclosure", "cancellation_rebuttal",
    "customer_email_address", "customer_name", "customer_purchase_ip", "duplicate_charge_explanation",
    "duplicate_charge_id", "product_description", "refund_policy_disclosure", "refund_refusal_explanation",
    "service_date", "shipping_address", "shipping_carrier", "shipping_date", "shipping_tracking_number",
    "uncategorized_text",
)  # fmt: skip
EVIDENCE_FILES = (
    "cancellation_policy", "customer_communication", "customer_signature", "duplicate_charge_documentation", "receipt",
    "refund_policy", "service_documentation", "shipping_documentation", "uncategorized_file",
)  # fmt: skip


def open_dispute(
    account: Account,
    charge: Object,
    reason: str = "fraudulent",
    amount_minor: int | None = None,
    *,
    inquiry: bool = False,
) -> Object:
    """The bank takes `amount_minor` (all that is not refunded, when None) and Stripe a fee of $15.00.

    An inquiry only asks: nothing is taken and the charge may still be refunded. A disputed bank debit is final: it is
    lost at once. Raises StripeError when the charge cannot be disputed.
    """
    left = charge["amount_captured"] - charge["amount_refunded"]
    amount = left if amount_minor is None else amount_minor
    if charge["status"] != "succeeded" or charge["disputed"] or not 0 < amount <= left:
        raise StripeError(f"The sandbox cannot dispute {amount} of charge {charge['id']}: {left} are left of it.")
    know_balance(account, charge)
    dispute = _new(account, charge, reason, amount)
    if inquiry:
        dispute.update(status="warning_needs_response", is_charge_refundable=True)
        dispute["payment_method_details"]["card"]["case_type"] = "inquiry"
    account.disputes.add(dispute)
    charge["disputed"] = True
    account.events.emit("charge.dispute.created", dispute)
    account.events.emit("charge.updated", charge, {"disputed": False})
    if not inquiry:
        _move(account, dispute, -amount, fee=balance.DISPUTE_FEE_MINOR)
        account.events.emit("charge.dispute.funds_withdrawn", dispute)
    if is_bank(charge):
        close(account, dispute, won=False)
    return dispute


def _new(account: Account, charge: Object, reason: str, amount_minor: int) -> Object:
    dispute: Object = {
        "id": account.make_id("du"),
        "object": "dispute",
        "amount": amount_minor,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": account.now(),
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {
            **dict.fromkeys(EVIDENCE_TEXTS + EVIDENCE_FILES),
            "customer_email_address": charge["billing_details"]["email"],
            "customer_name": charge["billing_details"]["name"],
            "enhanced_evidence": {},
        },
        "evidence_details": {
            "due_by": account.now() + DUE_AFTER_SECONDS,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "reason": reason,
        "status": "needs_response",
    }
    if not is_bank(charge):
        brand = charge["payment_method_details"]["card"]["brand"]
        dispute["payment_method_details"] = {
            "card": {
                "brand": brand,
                "case_type": "chargeback",
                "network": brand,
                "network_reason_code": NETWORK_REASON.get(reason, "83"),
            },
            "type": "card",
        }
    return dispute


def _move(account: Account, dispute: Object, amount_minor: int, *, fee: int) -> None:
    row = balance.record(
        account,
        kind="adjustment",
        category="dispute" if amount_minor < 0 else "dispute_reversal",
        source=dispute,
        amount_minor=amount_minor,
        fee=fee,
        fee_is="Dispute fee",
        description=f"Chargeback {'withdrawal' if amount_minor < 0 else 'reversal'} for {dispute['charge']}",
    )
    dispute["balance_transactions"] = [*dispute["balance_transactions"], row]


def close(account: Account, dispute: Object, *, won: bool) -> Object:
    """The bank's verdict. A won dispute brings the money back, an inquiry just ends. A second changes nothing."""
    if dispute["status"] in CLOSED:
        return dispute
    previous = {"status": dispute["status"]}
    inquiry = dispute["status"].startswith("warning_")
    dispute["status"] = "warning_closed" if inquiry else "won" if won else "lost"
    account.events.emit("charge.dispute.updated", dispute, previous)
    if won and not inquiry:
        _move(account, dispute, dispute["amount"], fee=0)
        account.events.emit("charge.dispute.funds_reinstated", dispute)
    account.events.emit("charge.dispute.closed", dispute)
    return dispute


def retrieve(account: Account, params: Object, dispute_id: str) -> Object:
    return account.disputes.get(dispute_id, "dispute")


def list_disputes(account: Account, params: Object) -> Object:
    return listed(
        account.disputes,
        params,
        "/v1/disputes",
        charge=params.get("charge"),
        payment_intent=params.get("payment_intent"),
    )


def update(account: Account, params: Object, dispute_id: str) -> Object:
    """Evidence. As in Stripe's test mode, the text winning_evidence wins and losing_evidence loses."""
    dispute = account.disputes.get(dispute_id, "dispute")
    dispute["metadata"] = merged_metadata(dispute["metadata"], params.get("metadata"))
    evidence = params.get("evidence")
    if evidence is None:
        return dispute
    if dispute["status"] in CLOSED:
        raise StripeError("This dispute is already closed", code="dispute_already_closed", remembered=True)
    dispute["evidence"] = {**dispute["evidence"], **evidence}
    submitted = params.get("submit", True)
    details = dispute["evidence_details"]
    dispute["evidence_details"] = {
        **details,
        "has_evidence": True,
        "submission_count": details["submission_count"] + int(submitted),
    }
    previous = {"status": dispute["status"]}
    if submitted:
        dispute["status"] = "warning_under_review" if previous["status"].startswith("warning_") else "under_review"
    account.events.emit("charge.dispute.updated", dispute, previous)
    verdict = dispute["evidence"]["uncategorized_text"]
    if submitted and verdict in (WINNING, LOSING):
        account.later(account.knobs.dispute_delay_ms, _judge, account, dispute, verdict == WINNING)
    return dispute


def _judge(account: Account, dispute: Object, won: bool) -> None:
    close(account, dispute, won=won)


def concede(account: Account, params: Object, dispute_id: str) -> Object:
    """POST /v1/disputes/:id/close: the organization gives up."""
    dispute = account.disputes.get(dispute_id, "dispute")
    if dispute["status"] in CLOSED:
        raise StripeError("This dispute is already closed", code="dispute_already_closed", remembered=True)
    return close(account, dispute, won=False)
