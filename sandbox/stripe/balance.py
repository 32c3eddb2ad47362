"""Balance transactions: what each payment, refund and dispute did to the account, and Stripe's fee."""

from __future__ import annotations

from .account import Account, Object, in_range, page

SETTLES_AFTER_SECONDS = 2 * 24 * 3600
CARD_FEE_PER_MILLE = 29
CARD_FEE_FIXED_MINOR = 30
BANK_FEE_PER_MILLE = 8
BANK_FEE_MOST_MINOR = 500
DISPUTE_FEE_MINOR = 1_500


def fee_minor(amount_minor: int, *, bank: bool) -> int:
    """Stripe's US price: 2.9% and 30 cents for a card; 0.8%, at most $5.00, for a bank debit. Half cents go up."""
    if bank:
        return min((amount_minor * BANK_FEE_PER_MILLE + 500) // 1_000, BANK_FEE_MOST_MINOR)
    return (amount_minor * CARD_FEE_PER_MILLE + 500) // 1_000 + CARD_FEE_FIXED_MINOR


def record(
    account: Account,
    *,
    kind: str,
    category: str,
    source: Object,
    amount_minor: int,
    fee: int = 0,
    fee_is: str = "Stripe processing fees",
    description: str | None = None,
) -> Object:
    """One balance transaction. amount_minor: signed, what moved before the fee; net is what is left of it."""
    now = account.now()
    row = {
        "id": account.make_id("txn"),
        "object": "balance_transaction",
        "amount": amount_minor,
        "available_on": now + SETTLES_AFTER_SECONDS,
        "balance_type": "payments",
        "created": now,
        "currency": source["currency"],
        "description": description,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": [],
        "net": amount_minor - fee,
        "reporting_category": category,
        "source": source["id"],
        "status": "pending",
        "type": kind,
    }
    if fee:
        row["fee_details"] = [
            {
                "amount": fee,
                "application": None,
                "currency": source["currency"],
                "description": fee_is,
                "type": "stripe_fee",
            }
        ]
    account.balance.add(row)
    return row


def _as_of_now(account: Account, row: Object) -> Object:
    if row["status"] == "pending" and row["available_on"] <= account.now():
        row["status"] = "available"
    return row


def retrieve_transaction(account: Account, params: Object, row_id: str) -> Object:
    return _as_of_now(account, account.balance.get(row_id))


def list_transactions(account: Account, params: Object) -> Object:
    created, payout = params.get("created"), params.get("payout")
    paid_out = account.payouts.get(payout, "payout")["_rows"] if payout else None
    asked = {name: params[name] for name in ("type", "source", "currency") if name in params}

    def wanted(row: Object) -> bool:
        if paid_out is not None and row["id"] not in paid_out:
            return False
        return in_range(row["created"], created) and all(row[name] == value for name, value in asked.items())

    rows = account.balance.newest_first(
        after=params.get("starting_after"), before=params.get("ending_before"), created=created
    )
    answer = page(rows, params, wanted, "/v1/balance_transactions")
    answer["data"] = [_as_of_now(account, row) for row in answer["data"]]
    return answer


def retrieve_balance(account: Account, params: Object) -> Object:
    """Available and pending, by currency, from all balance transactions."""
    sums: dict[str, dict[str, int]] = {"available": {"usd": 0}, "pending": {"usd": 0}}
    for row in account.balance.rows.values():
        side = sums[_as_of_now(account, row)["status"]]
        side[row["currency"]] = side.get(row["currency"], 0) + row["net"]
    answer: Object = {"object": "balance", "livemode": False}
    for side_name, by_currency in sums.items():
        answer[side_name] = [
            {"amount": amount, "currency": currency, "source_types": {"card": amount}}
            for currency, amount in by_currency.items()
        ]
    return answer
