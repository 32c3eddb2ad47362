"""How fast we call Stripe: every web process and worker takes turns from one row for each endpoint, in PostgreSQL.

Each call gets the next free moment, 1/rate after the one before it. A moment that is near is slept for; one that is
farther off is a place in line: its caller comes back then and goes on, first come, first served. Nothing depends on
Redis. Stripe's limits: 25 requests a second for each endpoint and 100 in all; ours are below (settings).
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from celery import current_task
from django.conf import settings
from django.db import connection

IN_ALL = "all"
LONGEST_LINE = timedelta(minutes=8)
PATIENCE = timedelta(milliseconds=250)  # a web thread sleeps so long at most: pages need it
PATIENCE_OF_TASKS = timedelta(seconds=5)
KEPT_FOR = timedelta(minutes=2)  # a place in line is good for so long after its moment
_LATE = timedelta(seconds=2)

_TAKE = """
    INSERT INTO donations_stripepace AS pace (endpoint, next_at) VALUES (%(endpoint)s, clock_timestamp() + %(step)s)
    ON CONFLICT (endpoint) DO UPDATE SET next_at = greatest(pace.next_at, clock_timestamp()) + %(step)s
    WHERE pace.next_at <= clock_timestamp() + %(longest)s
    RETURNING next_at - %(step)s, clock_timestamp()
"""


class NotYet(Exception):
    """The call may not go out now. turn_at: the moment that is kept for it, or None when none is."""

    def __init__(self, turn_at: datetime | None) -> None:
        super().__init__(f"not before {turn_at}" if turn_at else "no moment is near enough")
        self.turn_at = turn_at


@dataclass(slots=True)
class Place:
    """A caller that can wait in line. turn_at: the moment kept for it earlier, None when it comes first."""

    turn_at: datetime | None


_place: ContextVar[Place | None] = ContextVar("place", default=None)


@contextmanager
def in_line(turn_at: datetime | None) -> Iterator[None]:
    """Let the first call inside take this place in line, or a new one: NotYet then names the moment that is kept."""
    token = _place.set(Place(turn_at))
    try:
        yield
    finally:
        _place.reset(token)


def is_in_line() -> bool:
    return _place.get() is not None


def patience() -> timedelta:
    """How long a call may sleep for its turn: tasks have time, a page has not."""
    return PATIENCE_OF_TASKS if current_task else PATIENCE


def take_turn(endpoint: str) -> None:
    """Wait for the next free moment of this endpoint and of Stripe in all, or raise NotYet.

    endpoint: such as `POST payment_intents`. One or two statements, each locking one row for itself alone; sleeps for
    patience() at most. Must not be called in a transaction: the rows would stay locked for everybody.
    """
    at, now = _own_turn(endpoint)
    if at - now > patience():
        raise NotYet(at if is_in_line() else None)
    in_all = _take(IN_ALL, rate=settings.STRIPE_REQUESTS_A_SECOND_IN_ALL, longest=timedelta(seconds=1))
    if in_all is None:
        raise NotYet(now + timedelta(seconds=1) if is_in_line() else None)
    time.sleep(max(0.0, (max(at, in_all[0]) - now).total_seconds()))


def waiting(endpoint: str, *, now: datetime) -> int:
    """About how many calls stand in line for an endpoint. One query."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT next_at FROM donations_stripepace WHERE endpoint = %s", [endpoint])
        row = cursor.fetchone()
    return ahead(row[0], now=now) if row else 0


def ahead(turn_at: datetime, *, now: datetime) -> int:
    """About how many calls come before the one whose turn is at that moment."""
    return max(0, round((turn_at - now).total_seconds() * settings.STRIPE_REQUESTS_A_SECOND))


def _own_turn(endpoint: str) -> tuple[datetime, datetime]:
    """The caller's moment at this endpoint, and the database's now. Raises NotYet when the line is full."""
    place = _place.get()
    rate = settings.STRIPE_REQUESTS_A_SECOND
    if place is not None and place.turn_at is not None:
        kept, place.turn_at = place.turn_at, None
        now = _now()
        if kept + _LATE > now:
            return kept, now
        if kept + KEPT_FOR > now:  # its own moment went by unused; those behind move back by one
            _take(endpoint, rate=rate, longest=LONGEST_LINE)
            return now, now
    taken = _take(endpoint, rate=rate, longest=LONGEST_LINE if place else patience())
    if taken is None:
        raise NotYet(None)
    return taken


def _take(endpoint: str, *, rate: float, longest: timedelta) -> tuple[datetime, datetime] | None:
    """The next free moment and the database's now; None, with nothing taken, when it is farther off than longest."""
    values: dict[str, Any] = {"endpoint": endpoint, "step": timedelta(seconds=1 / rate), "longest": longest}
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, values)
        row: tuple[datetime, datetime] | None = cursor.fetchone()
    return row


def _now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment
