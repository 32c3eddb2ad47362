"""One Stripe account in memory: its tables, clock, identifiers, knobs and timers."""

from __future__ import annotations

import asyncio
import random
import string
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any, TypeAlias

from .errors import StripeError, missing
from .knobs import Fault, Knobs

if TYPE_CHECKING:
    from .cards import TestBankAccount, TestCard
    from .delivery import Deliveries
    from .events import Events

API_VERSION = "2026-08-26.dahlia"
ALPHABET = string.ascii_letters + string.digits
ROWS_LIMIT = 400_000
PAGE_LIMIT_DEFAULT = 10
PAGE_LIMIT_MOST = 100

Object: TypeAlias = dict[str, Any]


class Table:
    """Objects of one kind, oldest first. Bounded: the oldest goes when `limit` is passed."""

    def __init__(self, resource: str, *, indexed: tuple[str, ...] = (), limit: int = ROWS_LIMIT) -> None:
        self.resource = resource
        self.rows: dict[str, Object] = {}
        self.limit = limit
        self._indexed = indexed
        self._index: dict[tuple[str, str], list[str]] = {}
        self._serials: dict[str, int] = {}
        self._order: list[str] = []

    def add(self, row: Object) -> None:
        object_id = row["id"]
        self.rows[object_id] = row
        self._serials[object_id] = len(self._order)
        self._order.append(object_id)
        for field in self._indexed:
            if row.get(field):
                self._index.setdefault((field, row[field]), []).append(object_id)
        if len(self.rows) > self.limit:
            oldest = next(iter(self.rows))
            del self.rows[oldest], self._serials[oldest]

    def get(self, object_id: str, param: str = "id") -> Object:
        """The object, or Stripe's 404."""
        row = self.rows.get(object_id)
        if row is None:
            raise missing(self.resource, object_id, param)
        return row

    def of(self, field: str, value: str) -> list[Object]:
        """Objects whose indexed field has the value, oldest first."""
        return [self.rows[one] for one in self._index.get((field, value), ()) if one in self.rows]

    def newest_first(
        self, *, after: str | None = None, before: str | None = None, created: dict[str, int] | None = None
    ) -> Iterator[Object]:
        """All objects from the newest; `after`: only older ones; `before`: only newer ones, from the nearest up.

        created: the bounds asked for; walking back stops at the lower one.
        """
        if before is not None:
            places = range(self._serial(before, "ending_before") + 1, len(self._order))
        else:
            start = len(self._order) if after is None else self._serial(after, "starting_after")
            places = range(start - 1, -1, -1)
        rows = (self.rows[self._order[place]] for place in places if self._order[place] in self.rows)
        oldest = max((created or {}).get("gte", 0), (created or {}).get("gt", 0))
        return rows if before is not None else takewhile(lambda row: row["created"] >= oldest, rows)

    def _serial(self, object_id: str, param: str) -> int:
        if object_id not in self._serials:
            raise StripeError(f"No such {self.resource}: '{object_id}'", code="resource_missing", param=param)
        return self._serials[object_id]


@dataclass(frozen=True)
class Cause:
    """The API request that an event is the result of; both None for what happened by itself."""

    request_id: str | None = None
    idempotency_key: str | None = None


BY_ITSELF = Cause()


class Account:
    """The state of one run. `events` and `deliveries` are set by the server that owns the account."""

    events: Events
    deliveries: Deliveries

    def __init__(self, *, knobs: Knobs | None = None, seed: int | None = None, public_url: str = "") -> None:
        self.seed = seed
        self.public_url = public_url  # where a browser finds the sandbox's pages
        self.knobs = knobs or Knobs()
        self.initial_knobs = self.knobs.as_dict()
        self.reset()

    def reset(self) -> None:
        """Forget every object, event, fault and timer, and turn the knobs back to how the run began."""
        for timer in getattr(self, "timers", ()):
            timer.cancel()
        self.timers: set[asyncio.TimerHandle] = set()
        self.knobs = Knobs(**self.initial_knobs)
        self.faults: list[Fault] = []
        self.random = random.Random(self.seed)
        self.chance = random.Random(self.random.random())  # apart from identifiers: one does not shift the other
        self.cause = BY_ITSELF
        self.intents = Table("payment_intent")
        self.charges = Table("charge", indexed=("payment_intent",))
        self.refunds = Table("refund", indexed=("charge", "payment_intent"))
        self.disputes = Table("dispute", indexed=("charge", "payment_intent"))
        self.warnings = Table("radar.early_fraud_warning", indexed=("charge", "payment_intent"))
        self.customers = Table("customer")
        self.methods = Table("PaymentMethod")
        self.balance = Table("balance_transaction", indexed=("source",))
        self.payouts = Table("payout")
        self.setups = Table("setupintent")
        self.products = Table("product")
        self.prices = Table("price")
        self.subscriptions = Table("subscription")
        self.invoices = Table("invoice")
        self.invoice_payments = Table("invoice_payment", indexed=("invoice", "payment_intent"))
        self.backing: dict[str, TestCard | TestBankAccount] = {}

    def make_id(self, prefix: str) -> str:
        return f"{prefix}_{self.token(24)}"

    def token(self, characters: int) -> str:
        return "".join(self.random.choices(ALPHABET, k=characters))

    def now(self) -> int:
        return int(time.time())

    def later(self, delay_ms: int, act: Callable[..., Any], *args: Any) -> None:
        """Call `act(*args)` after the delay, as something that happens by itself."""

        def run() -> None:
            self.timers.discard(timer)
            act(*args)

        timer = asyncio.get_running_loop().call_later(delay_ms / 1_000, run)
        self.timers.add(timer)


def in_range(moment: int, bounds: dict[str, int] | None) -> bool:
    if not bounds:
        return True
    return (
        moment >= bounds.get("gte", moment)
        and moment > bounds.get("gt", moment - 1)
        and moment <= bounds.get("lte", moment)
        and moment < bounds.get("lt", moment + 1)
    )


def page(rows: Iterator[Object], params: Object, wanted: Callable[[Object], bool], url: str) -> Object:
    """One page of a list as Stripe answers it; `rows` come from Table.newest_first with the same params."""
    limit = params.get("limit", PAGE_LIMIT_DEFAULT)
    if not 1 <= limit <= PAGE_LIMIT_MOST:
        edge, word = (1, "greater") if limit < 1 else (PAGE_LIMIT_MOST, "less")
        raise StripeError(
            f"This value must be {word} than or equal to {edge}.",
            code="parameter_invalid_integer",
            param="limit",
        )
    found: list[Object] = []
    for row in rows:
        if wanted(row):
            found.append(row)
            if len(found) > limit:
                break
    data = found[:limit]
    if "ending_before" in params:
        data.reverse()
    return {"object": "list", "data": data, "has_more": len(found) > limit, "url": url}


def listed(table: Table, params: Object, url: str, **equal: str | None) -> Object:
    """The usual list: filtered by `created` and by fields that must equal what was asked for."""
    asked = {field: value for field, value in equal.items() if value is not None}
    created = params.get("created")

    def wanted(row: Object) -> bool:
        return all(row.get(field) == value for field, value in asked.items()) and in_range(row["created"], created)

    rows = table.newest_first(after=params.get("starting_after"), before=params.get("ending_before"), created=created)
    return page(rows, params, wanted, url)


def dollars(amount_minor: int) -> str:
    """For Stripe's error messages only."""
    return f"${amount_minor // 100:,}.{amount_minor % 100:02d}"
