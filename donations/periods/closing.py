"""Closing a month of the books: once, in order, for good (docs/books.md, docs/decisions/0015)."""

import json
from collections.abc import Sequence
from datetime import date, datetime

import psycopg
from django.db import OperationalError, connection, transaction

from donations.models import Period
from donations.periods import lines
from donations.periods.months import month_called

_ONE_AT_A_TIME = 7_330_332  # the key of an advisory lock, ours alone


class MonthNotOver(Exception):
    """The month is not over in every campaign's time zone."""


class EarlierMonthOpen(Exception):
    """Months close in order, and an earlier one is open."""


class MonthClosed(Exception):
    """It is closed already; nothing was written."""

    def __init__(self, period: Period) -> None:
        super().__init__(str(period))
        self.period = period


class ClosingUnderWay(Exception):
    """Somebody else is closing a month at this moment; nothing was written."""


def close(*, first_day: date, warnings: Sequence[str] = (), actor: str, now: datetime) -> Period:
    """Close a month of the books for good: write what each gift differs by from what was booked so far.

    first_day: the month's first; warnings: what stands open, kept with it; actor: `staff:7`; now: aware.
    Raises MonthNotOver, EarlierMonthOpen, MonthClosed (with the closing that there is), ClosingUnderWay, NoSuchMonth:
    then nothing was written. One transaction; an advisory lock keeps two closings apart, and no row that giving needs
    is locked: what a gift in mid-flight does after this moment is of the next closing. No network.
    """
    with transaction.atomic():
        _take_turn()
        month = month_called(f"{first_day:%Y-%m}", now=now)
        if month.period is not None:
            raise MonthClosed(month.period)
        if not month.is_next:
            raise EarlierMonthOpen(str(month))
        if not month.is_over:
            raise MonthNotOver(str(month))
        period = {"closed_at": now, "closed_by": actor, "warnings": json.dumps(list(warnings))}
        lines.write(month.first_day, period=period)
        return Period.objects.get(first_day=month.first_day)


def _take_turn() -> None:
    """One closing at a time, each after the one before is seen: the next statement sees what that one wrote."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_ONE_AT_A_TIME])
    except OperationalError as error:
        if isinstance(error.__cause__, psycopg.errors.LockNotAvailable):
            raise ClosingUnderWay from error
        raise
