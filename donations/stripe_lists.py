"""Stripe's lists, page by page: what there is at Stripe, whether or not an event ever spoke of it.

Every function is one call, answers a page of at most 100 with the newest first, and raises gateway.GatewayUnavailable
or gateway.GatewayRefused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from donations import gateway
from donations.gateway import Payment, Refund, VerifiedEvent

T = TypeVar("T")
_MOST_TYPES = 20


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """cursor: where the next page begins; empty after the last."""

    rows: list[T]
    cursor: str


@dataclass(frozen=True, slots=True)
class Warned:
    """An early fraud warning."""

    stripe_id: str
    payment_intent: str
    fraud_type: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Movement:
    """A balance transaction: what moved before the fee, signed. charge: that its source is, or is of; or empty."""

    stripe_id: str
    category: str
    source: str
    charge: str
    amount_minor: int
    fee_minor: int
    currency: str
    moved_at: datetime


def payments(*, since: datetime, cursor: str = "") -> Page[Payment]:
    """Payments made since a moment, with their charges."""
    things, after = gateway.listed(
        lambda client: client.v1.payment_intents, since=since, cursor=cursor, expand=["data.latest_charge"]
    )
    return Page([gateway.payment_from(thing) for thing in things], after)


def refunds(*, since: datetime, cursor: str = "") -> Page[Refund]:
    things, after = gateway.listed(lambda client: client.v1.refunds, since=since, cursor=cursor)
    return Page([gateway.refund_from(thing) for thing in things], after)


def disputes(*, since: datetime, cursor: str = "") -> Page[Refund]:
    things, after = gateway.listed(lambda client: client.v1.disputes, since=since, cursor=cursor)
    return Page([gateway.refund_from(thing) for thing in things], after)


def fraud_warnings(*, since: datetime, cursor: str = "") -> Page[Warned]:
    things, after = gateway.listed(lambda client: client.v1.radar.early_fraud_warnings, since=since, cursor=cursor)
    return Page([_warned(thing) for thing in things], after)


def movements(*, since: datetime, cursor: str = "") -> Page[Movement]:
    """Balance transactions, each with what it is of."""
    things, after = gateway.listed(
        lambda client: client.v1.balance_transactions, since=since, cursor=cursor, expand=["data.source"]
    )
    return Page([_movement(thing) for thing in things], after)


def paid_out(*, payout: str, cursor: str = "") -> Page[str]:
    """Ids of the movements that are in an automatic payout."""
    things, after = gateway.listed(
        lambda client: client.v1.balance_transactions, since=None, cursor=cursor, payout=payout
    )
    return Page([thing["id"] for thing in things], after)


def undelivered_events(*, since: datetime, types: Sequence[str], cursor: str = "") -> Page[VerifiedEvent]:
    """Events that our endpoint has not answered, of these types, or of all when Stripe would not take so many.

    Stripe keeps events for 30 days.
    """
    asked = {"types": list(types)} if len(types) <= _MOST_TYPES else {}
    things, after = gateway.listed(
        lambda client: client.v1.events, since=since, cursor=cursor, delivery_success=False, **asked
    )
    return Page([gateway.event_from(thing) for thing in things], after)


def _warned(thing: dict[str, Any]) -> Warned:
    created_at = datetime.fromtimestamp(thing["created"], tz=UTC)
    return Warned(thing["id"], thing.get("payment_intent") or "", thing["fraud_type"], created_at)


def _movement(row: dict[str, Any]) -> Movement:
    source = row.get("source") or {}
    named = {"id": source} if isinstance(source, str) else source
    is_charge = named.get("object") == "charge"
    return Movement(
        stripe_id=row["id"],
        category=row["reporting_category"],
        source=named.get("id") or "",
        charge=named.get("id", "") if is_charge else named.get("charge") or "",
        amount_minor=row["amount"],
        fee_minor=row["fee"],
        currency=row["currency"].upper(),
        moved_at=datetime.fromtimestamp(row["created"], tz=UTC),
    )
