"""The account's state on disk, so that the demo's payments are still known after a restart.

Written whole when the sandbox ends, and every few seconds while there is little of it. Not kept: knobs, faults,
idempotency keys and the log.
"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from . import charges, confirmation, refunds
from .account import API_VERSION, Account, Object, Table
from .cards import ACCOUNTS_BY_TOKEN, CARDS_BY_TOKEN, TestBankAccount, TestCard
from .events import Event, to_json

TABLES = (
    "intents", "charges", "refunds", "disputes", "customers", "methods", "balance", "payouts", "products", "prices",
    "setups", "subscriptions", "invoices", "invoice_payments",
)  # fmt: skip
EVERY_SECONDS = 5
SMALL_ROWS = 3_000  # beyond this it is a load test: writing would slow it, and only the end is kept
FORMAT = 1


def rows_of(account: Account) -> int:
    return sum(len(getattr(account, name).rows) for name in TABLES) + len(account.events.table.rows)


def save(account: Account, path: Path) -> None:
    """Write the whole state, or leave the old file as it is."""
    state = {
        "format": FORMAT,
        "api_version": API_VERSION,
        "tables": {name: [_plain(row) for row in getattr(account, name).rows.values()] for name in TABLES},
        "backing": {method_id: backing.token for method_id, backing in account.backing.items()},
        "events": [_event_state(row["event"]) for row in account.events.table.rows.values()],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}")
    unfinished.write_text(to_json(state), encoding="utf-8")
    os.replace(unfinished, path)


def _plain(row: Object) -> Object:
    return {name: sorted(value) if isinstance(value, set) else value for name, value in row.items()}


def _event_state(event: Event) -> list[Any]:
    return [event.event_id, event.kind, event.created, event.object_id, event.text, event.pending, event.delivered]


def load(account: Account, path: Path) -> None:
    """Take up a state that `save` wrote. Without a file, or with one of another version, the account starts empty."""
    if not path.exists():
        return
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        state = {}
    if (state.get("format"), state.get("api_version")) != (FORMAT, API_VERSION):
        print(f"The kept state in {path} is of another version or broken; starting without it.", flush=True)
        return
    for name, rows in state["tables"].items():
        table: Table = getattr(account, name)
        for row in rows:
            if "_rows" in row:
                row["_rows"] = set(row["_rows"])
            table.add(row)
    tokens: dict[str, TestCard | TestBankAccount] = {**CARDS_BY_TOKEN, **ACCOUNTS_BY_TOKEN}
    account.backing = {method_id: tokens[token] for method_id, token in state["backing"].items() if token in tokens}
    for *made, pending, delivered in state["events"]:
        event = Event(*made)
        event.pending, event.delivered = pending, delivered
        account.events.table.add({"id": event.event_id, "created": event.created, "event": event})


def take_up(account: Account) -> None:
    """Go on with what was under way: undelivered events, debits at the bank, refunds, balances not known yet."""
    for row in list(account.events.table.rows.values()):
        if row["event"].pending:
            account.deliveries.schedule(row["event"])
    for intent in account.intents.rows.values():
        backing = account.backing.get(str(intent["payment_method"]))
        stuck = isinstance(backing, TestBankAccount) and backing.stuck
        if intent["status"] == "processing" and not stuck and account.knobs.bank_delay_ms >= 0:
            account.later(account.knobs.bank_delay_ms, confirmation.settle_debit, account, intent["id"])
    for charge in list(account.charges.rows.values()):
        if charge["status"] == "succeeded" and charge["balance_transaction"] is None:
            charges.know_balance(account, charge)
    for refund in account.refunds.rows.values():
        if refund["status"] == "pending":
            account.later(account.knobs.refund_delay_ms, refunds.settle, account, refund["id"])


async def keep(account: Account, path: Path) -> None:
    """Save every few seconds while something changes and there is little of it. Runs until cancelled."""
    saved = ""
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        newest = f"{next(reversed(account.events.table.rows), '')} {rows_of(account)}"
        if newest != saved and rows_of(account) <= SMALL_ROWS:
            save(account, path)
            saved = newest
