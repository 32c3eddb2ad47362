"""The check of a ledger of a million entries: every chain, every balance, every gift.

The entries are copies of one true gift's, written by SQL with the guards asleep, in valid chains: a million through
the trigger would take an hour. Measured is the check alone, as the timer and check_match_ledger run it.
"""

import resource
import time
from uuid import uuid4

from django.db import connection, transaction
from django.utils import timezone

from campaign.models import Campaign
from matching import holds
from matching.allocation import Part
from matching.checking import check_pool
from matching.models import MatchPool
from tests import factories
from tests.benchmarks import tables
from tests.benchmarks.processor import postgres_pid, tree_seconds

ENTRIES = (10_000, 100_000, 1_000_000)
_AMOUNT_MINOR = 1_000
_GUARDED = ("matching_reservation", "matching_allocation", "matching_ledgerentry", "matching_matchpool")
_COPY_RESERVATION = """
    INSERT INTO matching_reservation SELECT copy.* FROM matching_reservation template, generate_series(1, %(gifts)s) n,
        LATERAL jsonb_populate_record(template, jsonb_build_object('id', %(reservations)s + n, 'key', gen_random_uuid(),
            'reference', 'M-' || lpad((%(reservations)s + n)::text, 10, '0'))) copy
    WHERE template.id = %(reservation)s
"""
_COPY_ALLOCATION = """
    INSERT INTO matching_allocation SELECT copy.* FROM matching_allocation template, generate_series(1, %(gifts)s) n,
        LATERAL jsonb_populate_record(template, jsonb_build_object('id', %(allocations)s + n,
            'reservation_id', %(reservations)s + n)) copy
    WHERE template.id = %(allocation)s
"""
# A hold and a commit in turn, each carrying the hash of the one before.
_CONTINUE_CHAIN = """
    WITH RECURSIVE chain AS (
        SELECT head_seq AS seq, 0::bigint AS gift, true AS is_commit, ''::text AS prev_hash,
            head_hash::text AS entry_hash FROM matching_matchpool WHERE id = %(pool)s
        UNION ALL
        SELECT next.seq, next.gift, next.is_commit, chain.entry_hash, encode(sha256(convert_to(concat_ws('|',
            %(pool)s, next.seq, CASE WHEN next.is_commit THEN 'held|matched' ELSE 'free|held' END, %(amount)s, 'USD',
            CASE WHEN next.is_commit THEN 'commit' ELSE 'hold' END,
            'M-' || lpad((%(reservations)s + next.gift)::text, 10, '0'), 'donor',
            to_char(%(now)s::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), chain.entry_hash),
            'UTF8')), 'hex')
        FROM chain, LATERAL (SELECT chain.seq + 1 AS seq, NOT chain.is_commit AS is_commit,
            chain.gift + chain.is_commit::int AS gift) next
        WHERE next.gift <= %(gifts)s
    )
    INSERT INTO matching_ledgerentry (pool_id, seq, from_account, to_account, amount_minor, currency, reason,
        allocation_id, reference, actor, recorded_at, prev_hash, entry_hash)
    SELECT %(pool)s, seq, CASE WHEN is_commit THEN 'held' ELSE 'free' END,
        CASE WHEN is_commit THEN 'matched' ELSE 'held' END, %(amount)s, 'USD',
        CASE WHEN is_commit THEN 'commit' ELSE 'hold' END, %(allocations)s + gift,
        'M-' || lpad((%(reservations)s + gift)::text, 10, '0'), 'donor', %(now)s, prev_hash, entry_hash
    FROM chain WHERE gift > 0 ORDER BY seq
"""
_MOVE_BALANCES = """
    UPDATE matching_matchpool pool SET free_minor = free_minor - %(gifts)s::bigint * %(amount)s,
        matched_minor = matched_minor + %(gifts)s::bigint * %(amount)s, head_seq = last.seq, head_hash = last.entry_hash
    FROM (SELECT seq, entry_hash FROM matching_ledgerentry WHERE pool_id = %(pool)s ORDER BY seq DESC LIMIT 1) last
    WHERE pool.id = %(pool)s
"""


def show() -> None:
    campaign = factories.campaign(is_current=False)
    server, rows = postgres_pid(), []
    for entries in ENTRIES:
        pool = _pool_with(entries, campaign=campaign)
        before, began = tree_seconds(server), time.monotonic()
        checked = check_pool(pool)
        took = time.monotonic() - began
        if checked.findings:
            raise RuntimeError(f"the ledger is not whole: {checked.findings}")
        used = tree_seconds(server) - before
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        rows.append([f"{checked.entries:,}", f"{took:.2f} s", f"{used:.2f} s", f"{memory} MB"])
    tables.show(
        "The ledger checked: one pool's whole chain, its balances and its gifts",
        heads=["entries", "took", "PostgreSQL", "most memory of this process"],
        rows=rows,
        notes=["PostgreSQL computes every hash and every sum; only what is off would come back."],
    )


def _pool_with(entries: int, *, campaign: Campaign) -> MatchPool:
    """A pool with this many entries and its pledge: gifts held and committed."""
    gifts = entries // 2
    pool = factories.pool(campaign=campaign, limit_minor=_AMOUNT_MINOR * gifts * 2, now=campaign.opens_at)
    gift = holds.Gift(uuid4(), "1", (Part(campaign.funds.get().pk, _AMOUNT_MINOR),), campaign.opens_at)
    holds.hold(campaign_id=campaign.pk, gift=gift, now=campaign.opens_at)
    reservation = holds.commit(key=gift.key, now=campaign.opens_at)
    values = {
        "pool": pool.pk,
        "gifts": gifts - 1,
        "amount": _AMOUNT_MINOR,
        "now": timezone.now(),
        "reservation": reservation.pk,
        "allocation": reservation.allocations.get().pk,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        for table in _GUARDED:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for name, table in (("reservations", "matching_reservation"), ("allocations", "matching_allocation")):
            cursor.execute(f"SELECT max(id) FROM {table}")
            values[name] = cursor.fetchone()[0]
            cursor.execute(
                "SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", [table, values[name] + values["gifts"]]
            )
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for statement in (_COPY_RESERVATION, _COPY_ALLOCATION, _CONTINUE_CHAIN, _MOVE_BALANCES):
            cursor.execute(statement, values)
        for table in _GUARDED:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    MatchPool.objects.filter(pk=pool.pk).update(is_paused=True)  # the next pool's gift is to come from that one
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return pool
