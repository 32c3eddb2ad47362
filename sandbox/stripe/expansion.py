"""expand[]: ids replaced by the objects that they name, four levels deep at most."""

from __future__ import annotations

from typing import Any

from . import invoices
from .account import Account, Object
from .errors import StripeError

DEPTH_LIMIT = 4

# Which fields of which object hold an id that can be expanded, and what kind of thing it names.
EXPANDABLE: dict[str, dict[str, str]] = {
    "payment_intent": {"latest_charge": "charges", "customer": "customers", "payment_method": "methods"},
    "charge": {
        "balance_transaction": "balance",
        "customer": "customers",
        "failure_balance_transaction": "balance",
        "payment_intent": "intents",
    },
    "refund": {
        "balance_transaction": "balance",
        "charge": "charges",
        "failure_balance_transaction": "balance",
        "payment_intent": "intents",
    },
    "balance_transaction": {"source": "source"},
    "dispute": {"charge": "charges", "payment_intent": "intents"},
    "payment_method": {"customer": "customers"},
    "payout": {"balance_transaction": "balance"},
    "subscription": {"customer": "customers", "default_payment_method": "methods", "latest_invoice": "invoices"},
    "invoice": {"customer": "customers"},
    "setup_intent": {"customer": "customers", "payment_method": "methods"},
}
SOURCES = {"ch": "charges", "py": "charges", "re": "refunds", "pyr": "refunds", "du": "disputes", "po": "payouts"}


def expand(account: Account, answer: Object, paths: list[str]) -> Object:
    """A copy of the answer with the named fields replaced; the stored objects stay as they are."""
    for path in paths:
        steps = path.split(".")
        if len(steps) > DEPTH_LIMIT:
            raise StripeError(f"You cannot expand more than 4 levels of a property. Property: {path}", param="expand")
        answer = _expanded(account, answer, steps, path)
    return answer


def _expanded(account: Account, thing: Object, steps: list[str], path: str) -> Object:
    field, rest = steps[0], steps[1:]
    if thing.get("object") == "list" and field == "data" and rest:
        return {**thing, "data": [_expanded(account, one, rest, path) for one in thing["data"]]}
    if thing.get("object") == "charge" and field == "refunds":
        return {**thing, "refunds": _refunds_of(account, thing)}
    if thing.get("object") == "invoice" and field in ("payments", "confirmation_secret"):
        return {**thing, field: _of_invoice(account, thing, field)}
    kind = EXPANDABLE.get(str(thing.get("object")), {}).get(field)
    if kind is None:
        raise StripeError(
            f"This property cannot be expanded ({field}). You may want to try expanding a different property, or "
            f"remove it from expand[]. Path: {path}",
            param="expand",
        )
    inner = thing.get(field)
    if isinstance(inner, str):
        inner = _named(account, kind, inner)
    if rest and isinstance(inner, dict):
        inner = _expanded(account, inner, rest, path)
    return {**thing, field: inner}


def _named(account: Account, kind: str, object_id: str) -> Any:
    table = getattr(account, SOURCES[object_id.partition("_")[0]] if kind == "source" else kind)
    found = table.rows.get(object_id, object_id)
    if isinstance(found, dict):
        if found.get("object") == "invoice":
            return invoices.view(found)
        hidden = ("created",) if found.get("deleted") else ("_rows",)
        return {name: value for name, value in found.items() if name not in hidden}
    return found


def _of_invoice(account: Account, invoice: Object, field: str) -> Object:
    if field == "payments":
        return invoices.payments_of(account, invoice["id"])
    secret = invoices.intent_of(account, invoice)["client_secret"]
    return {"client_secret": secret, "type": "payment_intent"}


def _refunds_of(account: Account, charge: Object) -> Object:
    newest = list(reversed(account.refunds.of("charge", charge["id"])))
    url = f"/v1/charges/{charge['id']}/refunds"
    return {"object": "list", "data": newest[:10], "has_more": len(newest) > 10, "url": url}
