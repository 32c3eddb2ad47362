"""Early fraud warnings: the card network takes a payment for fraud, before anybody disputes it."""

from __future__ import annotations

from .account import Account, Object, listed
from .errors import StripeError

FRAUD_TYPES = (
    "card_never_received", "fraudulent_card_application", "made_with_counterfeit_card", "made_with_lost_card",
    "made_with_stolen_card", "misc", "unauthorized_use_of_card",
)  # fmt: skip


def warn(account: Account, charge: Object, fraud_type: str = "made_with_stolen_card") -> Object:
    """The network's warning about a charge; nothing moves. Raises StripeError for an unknown type or no payment."""
    if charge["status"] != "succeeded" or fraud_type not in FRAUD_TYPES:
        raise StripeError(f"The sandbox warns of {', '.join(FRAUD_TYPES)}, of charges that succeeded.")
    warning: Object = {
        "id": account.make_id("issfr"),
        "object": "radar.early_fraud_warning",
        "actionable": not charge["refunded"] and not charge["disputed"],
        "charge": charge["id"],
        "created": account.now(),
        "fraud_type": fraud_type,
        "livemode": False,
        "payment_intent": charge["payment_intent"],
    }
    account.warnings.add(warning)
    account.events.emit("radar.early_fraud_warning.created", warning)
    return warning


def list_warnings(account: Account, params: Object) -> Object:
    return listed(
        account.warnings,
        params,
        "/v1/radar/early_fraud_warnings",
        charge=params.get("charge"),
        payment_intent=params.get("payment_intent"),
    )
