"""Whether Stripe counts as down: after several unanswered calls nobody waits for one more, until a probe is answered.

One row for all processes. A call that is not answered adds one to a count, an answered one takes one away; at
MOST_FAILURES within WINDOW Stripe is down. While it is, calls fail at once, and one in PROBE_EVERY goes out to see.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import F

from campaign.clock import database_now
from donations.models import StripeHealth

MOST_FAILURES = 5
WINDOW = timedelta(seconds=60)
PROBE_EVERY = timedelta(seconds=5)
_PROBED_BY_ANYBODY_AFTER = timedelta(seconds=20)  # the timer is away: then a donor's call finds out

_COUNT = """
    INSERT INTO donations_stripehealth AS health (id, failures, counting_since, probe_at, last_error)
    VALUES (1, 1, clock_timestamp(), clock_timestamp() + %(probe)s, %(error)s)
    ON CONFLICT (id) DO UPDATE SET
        failures = CASE WHEN health.counting_since < clock_timestamp() - %(window)s THEN 1 ELSE health.failures + 1 END,
        counting_since = CASE WHEN health.counting_since < clock_timestamp() - %(window)s
                              THEN clock_timestamp() ELSE health.counting_since END,
        down_since = CASE WHEN health.down_since IS NOT NULL THEN health.down_since
                          WHEN health.failures + 1 >= %(most)s
                               AND health.counting_since >= clock_timestamp() - %(window)s THEN clock_timestamp() END,
        probe_at = clock_timestamp() + %(probe)s,
        last_error = %(error)s
"""


class StripeIsDown(Exception):
    """No call was made: the last ones were not answered."""


def health() -> StripeHealth | None:
    """The row as it stands; None when no call ever went unanswered. One query."""
    return StripeHealth.objects.filter(pk=1).first()


def down_since() -> datetime | None:
    found = health()
    return found.down_since if found else None


def refuse_while_down(*, is_probe: bool = False) -> StripeHealth | None:
    """Raise StripeIsDown while it is, except for the call whose turn it is to probe; the row for note_answer()."""
    found = health()
    if found is None or found.down_since is None:
        return found
    now = database_now()
    due = now if is_probe else now - _PROBED_BY_ANYBODY_AFTER
    mine = StripeHealth.objects.filter(pk=1, down_since__isnull=False, probe_at__lte=due)
    if not mine.update(probe_at=now + PROBE_EVERY):
        raise StripeIsDown(f"since {found.down_since}: {found.last_error}")
    return found


def note_failure(error: str) -> None:
    """A call was not answered, or with an error of Stripe's own. One statement."""
    values: dict[str, Any] = {"window": WINDOW, "probe": PROBE_EVERY, "most": MOST_FAILURES, "error": error[:200]}
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, values)


def note_answer(found: StripeHealth | None) -> None:
    """A call was answered. found: what refuse_while_down() gave; on a good day nothing is written."""
    if found is None or (found.down_since is None and not found.failures):
        return
    if found.down_since is not None:
        StripeHealth.objects.filter(pk=1).update(down_since=None, failures=0)
    else:
        StripeHealth.objects.filter(pk=1, failures__gt=0).update(failures=F("failures") - 1)
