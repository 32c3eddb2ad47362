"""When what pages say of the campaign and its match changes though nobody writes anything."""

from datetime import datetime, timedelta

from django.db import connection

from campaign.stamps import quarter_end

# With each whether pages count down to it in words ("Opens in 12 minutes").
_MOMENTS = """
    WITH terms AS (
        SELECT t.opens_at, t.closes_at FROM matching_poolterms t JOIN matching_matchpool p ON p.current_terms_id = t.id
    )
    SELECT opens_at, true FROM terms
    UNION SELECT closes_at, false FROM terms
    UNION SELECT unnest(ARRAY[opens_at, closes_at, closes_at - interval '1 hour']), false FROM campaign_campaign
    UNION SELECT publish_at, false FROM campaign_fund
    UNION SELECT min(held_until), false FROM matching_reservation WHERE state = 'held' AND held_until > %(now)s
"""
_IN_MINUTES, _MINUTE, _HALF_HOUR = timedelta(minutes=91), timedelta(minutes=1), timedelta(minutes=30)


def next_change(*, now: datetime) -> datetime:
    """The first moment after `now` (aware) at which figures, a match line or the giving form may be others.

    A campaign or a pool opens or closes, a hold lapses, a fund appears, the wait for an opening is another number, a
    quarter of an hour (and with it a day) begins. May come too early, never too late. One query.
    """
    with connection.cursor() as cursor:
        cursor.execute(_MOMENTS, {"now": now})
        found = [(moment, is_awaited) for moment, is_awaited in cursor.fetchall() if moment and moment > now]
    return min(
        [quarter_end(now), *(_first_change(moment, now=now) if awaited else moment for moment, awaited in found)]
    )


def _first_change(moment: datetime, *, now: datetime) -> datetime:
    """When the words of the wait for a moment to come change next: at whole minutes before it, later at half hours."""
    wait = moment - now
    step = _MINUTE if wait <= _IN_MINUTES else _HALF_HOUR
    return moment - step * ((wait - timedelta.resolution) // step)
