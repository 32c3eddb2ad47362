"""Payouts: what Stripe sends to the organization's bank, and which balance transactions are in it."""

from __future__ import annotations

from .account import Account, Object, in_range, page
from .balance import record
from .errors import StripeError

HIDDEN = "_rows"  # the balance transactions inside; not part of Stripe's object


def shown(payout: Object) -> Object:
    return {name: value for name, value in payout.items() if name != HIDDEN}


def pay_out(account: Account) -> Object:
    """Pay out all that is in the balance and in no payout yet, as Stripe's daily automatic payout does, at once.

    Raises StripeError when that is nothing or less.
    """
    paid = {row_id for payout in account.payouts.rows.values() for row_id in payout[HIDDEN]}
    rows = [row for row in account.balance.rows.values() if row["id"] not in paid and row["type"] != "payout"]
    amount = sum(row["net"] for row in rows)
    if amount <= 0:
        raise StripeError(f"There is nothing to pay out: the balance is {amount}.")
    payout = _new(account, amount)
    out = record(
        account, kind="payout", category="payout", source=payout, amount_minor=-amount, description="STRIPE PAYOUT"
    )
    payout["balance_transaction"] = out["id"]
    payout[HIDDEN] = {row["id"] for row in rows} | {out["id"]}
    account.payouts.add(payout)
    account.events.emit("payout.created", shown(payout))
    payout.update(status="paid", reconciliation_status="completed")
    account.events.emit("payout.paid", shown(payout), {"status": "in_transit"})
    account.events.emit("payout.reconciliation_completed", shown(payout))
    return shown(payout)


def _new(account: Account, amount_minor: int) -> Object:
    now = account.now()
    return {
        "id": account.make_id("po"),
        "object": "payout",
        "amount": amount_minor,
        "application_fee": None,
        "application_fee_amount": None,
        "arrival_date": now - now % 86_400,
        "automatic": True,
        "balance_transaction": None,
        "created": now,
        "currency": "usd",
        "description": "STRIPE PAYOUT",
        "destination": "ba_twofoldsandbox",
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": {},
        "method": "standard",
        "original_payout": None,
        "payout_method": None,
        "reconciliation_status": "in_progress",
        "reversed_by": None,
        "source_type": "card",
        "statement_descriptor": None,
        "status": "in_transit",
        "trace_id": None,
        "type": "bank_account",
    }


def retrieve(account: Account, params: Object, payout_id: str) -> Object:
    return shown(account.payouts.get(payout_id, "payout"))


def list_payouts(account: Account, params: Object) -> Object:
    created, arrival, status = params.get("created"), params.get("arrival_date"), params.get("status")

    def wanted(row: Object) -> bool:
        return (
            in_range(row["created"], created)
            and in_range(row["arrival_date"], arrival)
            and status in (None, row["status"])
        )

    rows = account.payouts.newest_first(
        after=params.get("starting_after"), before=params.get("ending_before"), created=created
    )
    answer = page(rows, params, wanted, "/v1/payouts")
    answer["data"] = [shown(row) for row in answer["data"]]
    return answer
