"""What a month's closing writes: for each gift and fund, by how much the books so far are off at the month's end.

A gift *stands* at the end of a month as what was paid by then, less refunds, disputes lost and cancellations made by
then (a dispute is of the day on which it was opened, when Stripe took the money). What the closed lines say of it
already is taken off, and the rest is booked: as a gift when it was paid in this month and is new, as a refund what
went back in this month, as an adjustment all else. So whatever comes late turns up by itself.

In SQL, one statement, so that it is one moment of the database. The parts of a refund are those of
donations.queries.split_left(); what counts as refunded is payments.counts_as_refunded().
"""

from collections.abc import Sequence
from datetime import date
from typing import Any

from django.db import connection

from donations.payments import GONE_REFUND
from donations.periods.months import windows

_LINES = """
WITH bound(campaign_id, starts, ends) AS (
    SELECT * FROM unnest(%(campaigns)s::bigint[], %(starts)s::timestamptz[], %(ends)s::timestamptz[])
), gift AS (
    SELECT d.id, d.amount_minor, d.fee_minor, b.starts, b.ends, c.time_zone, d.paid_at >= b.starts AS is_new,
           (d.paid_at AT TIME ZONE c.time_zone)::date AS day
    FROM donations_donation d
    JOIN bound b ON b.campaign_id = d.campaign_id
    JOIN campaign_campaign c ON c.id = d.campaign_id
    WHERE d.state = 'paid' AND d.paid_at < b.ends
), gone AS (
    SELECT g.id, sum(r.amount_minor) AS by_end,
           coalesce(sum(r.amount_minor) FILTER (WHERE r.created_at < g.starts), 0) AS by_start,
           max((r.created_at AT TIME ZONE g.time_zone)::date) AS day,
           coalesce(array_agg(r.stripe_id ORDER BY r.created_at, r.id)
                    FILTER (WHERE r.created_at >= g.starts AND r.kind <> 'offline'), '{}') AS stripe_ids
    FROM donations_reversal r JOIN gift g ON g.id = r.donation_id
    WHERE r.created_at < g.ends AND (r.kind = 'offline' OR r.status = 'lost'
                                     OR r.kind = 'refund' AND r.status <> ALL(%(gone)s))
    GROUP BY g.id
), part AS (
    SELECT g.*, p.fund_id, p.amount_minor AS gross, sum(p.amount_minor) OVER own AS upto,
           row_number() OVER own = 1 AS has_fee, gone.day AS gone_day, gone.stripe_ids,
           coalesce(gone.by_start, 0) AS gone_before, coalesce(gone.by_end, 0) AS gone_after
    FROM gift g
    JOIN donations_designation p ON p.donation_id = g.id
    LEFT JOIN gone ON gone.id = g.id
    WINDOW own AS (PARTITION BY g.id ORDER BY p.position, p.id)
), stands AS (
    SELECT part.*, has_fee::int * (fee_minor - least(greatest(gone_before - amount_minor, 0), fee_minor)) AS fee_before,
           has_fee::int * (fee_minor - least(greatest(gone_after - amount_minor, 0), fee_minor)) AS fee_after,
           div(upto * greatest(amount_minor - gone_before, 0), amount_minor)
               - div((upto - gross) * greatest(amount_minor - gone_before, 0), amount_minor) AS before,
           div(upto * greatest(amount_minor - gone_after, 0), amount_minor)
               - div((upto - gross) * greatest(amount_minor - gone_after, 0), amount_minor) AS after
    FROM part
), booked AS (
    SELECT donation_id, fund_id, sum(amount_minor) AS amount_minor, sum(fee_minor) AS fee_minor
    FROM donations_periodline GROUP BY donation_id, fund_id
), known AS (
    SELECT donation_id, max(day) AS day, sum(amount_minor) + sum(fee_minor) AS sum_minor
    FROM donations_periodline GROUP BY donation_id
), found AS (
    SELECT coalesce(s.id, b.donation_id) AS donation_id, coalesce(s.fund_id, b.fund_id) AS fund_id,
           s.day, s.is_new, s.stripe_ids, s.gone_day, coalesce(s.upto, 0) AS place,
           coalesce(s.before, 0) - coalesce(b.amount_minor, 0) AS off_minor,
           coalesce(s.fee_before, 0) - coalesce(b.fee_minor, 0) AS fee_off_minor,
           s.after - s.before AS gone_minor, s.fee_after - s.fee_before AS fee_gone_minor
    FROM stands s FULL JOIN booked b ON b.donation_id = s.id AND b.fund_id = s.fund_id
), entry AS (
    SELECT f.donation_id, f.fund_id, f.place,
           CASE WHEN f.is_new AND coalesce(known.sum_minor, 0) = 0 THEN 'gift' ELSE 'adjustment' END AS kind,
           coalesce(f.day, known.day) AS day, f.off_minor AS amount_minor, f.fee_off_minor AS fee_minor,
           CASE WHEN coalesce(known.sum_minor, 0) = 0 THEN ARRAY[nullif(d.charge, '')] END AS sources
    FROM found f
    JOIN donations_donation d ON d.id = f.donation_id
    LEFT JOIN known ON known.donation_id = f.donation_id
    WHERE f.off_minor <> 0 OR f.fee_off_minor <> 0
    UNION ALL
    SELECT donation_id, fund_id, place, 'refund', gone_day, gone_minor, fee_gone_minor, stripe_ids::text[]
    FROM found WHERE gone_minor <> 0 OR fee_gone_minor <> 0
), line AS (
    SELECT row_number() OVER (ORDER BY e.day, e.donation_id, e.kind = 'refund', e.place, e.fund_id) AS number,
           e.donation_id, e.fund_id, e.kind, e.day,
           e.amount_minor::bigint AS amount_minor, e.fee_minor::bigint AS fee_minor,
           d.currency, f.name AS fund_name, f.gl_code, c.name AS campaign_name, d.method, d.cheque_number,
           coalesce(r.number, '') AS receipt, coalesce(d.payment_intent, '') AS payment_intent, d.charge,
           CASE WHEN e.kind = 'refund' THEN array_to_string(e.sources, ' ') ELSE '' END AS refunds,
           coalesce((SELECT string_agg(DISTINCT m.payout, ' ') FROM donations_stripemovement m
                     WHERE m.source = ANY(e.sources) AND m.payout <> ''), '') AS payout
    FROM entry e
    JOIN donations_donation d ON d.id = e.donation_id
    JOIN campaign_campaign c ON c.id = d.campaign_id
    JOIN campaign_fund f ON f.id = e.fund_id
    LEFT JOIN donations_receipt r ON r.donation_id = d.id AND r.voided_at IS NULL
)"""

_WRITE = """, period AS (
    INSERT INTO donations_period (first_day, closed_at, closed_by, warnings, line_count)
    SELECT %(first_day)s, %(closed_at)s, %(closed_by)s, %(warnings)s::jsonb, (SELECT count(*) FROM line)
    RETURNING id
)
INSERT INTO donations_periodline (
    period_id, number, donation_id, fund_id, kind, day, amount_minor, fee_minor, currency, fund_name, gl_code,
    campaign_name, method, cheque_number, receipt, payment_intent, charge, refunds, payout
)
SELECT period.id, line.* FROM line, period ORDER BY line.number"""
# figures.py adds up the lines of a closed month under the same names.
SUMMED = ("currency", "method", "payout", "gl_code", "fund_name", "kind")
_SUM = """
SELECT currency, method, payout, gl_code, fund_name, kind, count(*), sum(amount_minor)::bigint, sum(fee_minor)::bigint
FROM line GROUP BY currency, method, payout, gl_code, fund_name, kind"""

_ADJUSTMENTS = """
SELECT donation_id, day, fund_name, amount_minor + fee_minor, currency
FROM line WHERE kind = 'adjustment' ORDER BY number LIMIT %(limit)s"""


def would_be(first_day: date) -> list[tuple[Any, ...]]:
    """The sums that closing this month now would book: SUMMED, lines, amount and fee in minor units."""
    with connection.cursor() as cursor:
        cursor.execute(_LINES + _SUM, _asked(first_day))
        return cursor.fetchall()


def adjustments(first_day: date, *, limit: int) -> list[tuple[Any, ...]]:
    """The first adjustments that closing this month now would book: gift, day, fund, sum with fee, currency."""
    with connection.cursor() as cursor:
        cursor.execute(_LINES + _ADJUSTMENTS, _asked(first_day) | {"limit": limit})
        return cursor.fetchall()


def write(first_day: date, *, period: dict[str, Any]) -> None:
    """Close the month: its period and all its lines in one statement. period: its other fields, warnings as JSON."""
    with connection.cursor() as cursor:
        cursor.execute(_LINES + _WRITE, _asked(first_day) | period)


def _asked(first_day: date) -> dict[str, Any]:
    every = windows(first_day)
    columns: dict[str, Sequence[Any]] = {
        "campaigns": [window.campaign.pk for window in every],
        "starts": [window.starts for window in every],
        "ends": [window.ends for window in every],
    }
    return {"first_day": first_day, "gone": list(GONE_REFUND), **columns}
