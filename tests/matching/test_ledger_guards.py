"""What PostgreSQL refuses when the application's own role writes the ledger by hand, and what it lets pass."""

from uuid import uuid4

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from matching import holds
from matching.allocation import Part
from matching.models import LedgerEntry
from tests import factories
from tests.factories import GIFT_AT

pytestmark = pytest.mark.django_db

ENTRY = (
    "INSERT INTO matching_ledgerentry (pool_id, from_account, to_account, amount_minor, currency, reason, "
    "allocation_id, reference, actor, recorded_at) VALUES "
)
NOW = "'2026-12-01T15:00:00Z'"
BAD_WRITES = {
    "single sided": ENTRY + f"({{pool}}, 'free', NULL, 100, 'USD', 'hold', {{allocation}}, '', 'system', {NOW})",
    "an unknown move": ENTRY + f"({{pool}}, 'free', 'matched', 9, 'USD', 'hold', {{other}}, '', 'system', {NOW})",
    "zero": ENTRY + f"({{pool}}, 'pledged', 'free', 0, 'USD', 'pledge', NULL, '', 'system', {NOW})",
    "negative": ENTRY + f"({{pool}}, 'pledged', 'free', -5, 'USD', 'pledge', NULL, '', 'system', {NOW})",
    "mixed currency": ENTRY + f"({{pool}}, 'pledged', 'free', 5, 'EUR', 'pledge', NULL, '', 'system', {NOW})",
    "over the limit": ENTRY + f"({{pool}}, 'free', 'pledged', 99999, 'USD', 'unpledge', NULL, '', 'system', {NOW})",
    "held twice": ENTRY + f"({{pool}}, 'free', 'held', 10000, 'USD', 'hold', {{allocation}}, '', 'system', {NOW})",
    "another amount than was held": ENTRY
    + f"({{pool}}, 'held', 'matched', 9999, 'USD', 'commit', {{allocation}}, '', 'system', {NOW})",
    "reversed before it was matched": ENTRY
    + f"({{pool}}, 'matched', 'free', 5, 'USD', 'reverse', {{allocation}}, '', 'system', {NOW})",
    "another pool's allocation": ENTRY
    + f"({{pool}}, 'held', 'free', 10000, 'USD', 'release', {{other}}, '', 'system', {NOW})",
    "a resolution without its reservation": ENTRY
    + f"({{pool}}, 'held', 'free', 10000, 'USD', 'release', {{allocation}}, '', 'system', {NOW})",
    "an entry changed": "UPDATE matching_ledgerentry SET amount_minor = amount_minor + 1 WHERE pool_id = {pool}",
    "an entry deleted": "DELETE FROM matching_ledgerentry WHERE pool_id = {pool}",
    "entries truncated": "TRUNCATE matching_ledgerentry CASCADE",
    "a balance set": "UPDATE matching_matchpool SET free_minor = free_minor - 1, held_minor = held_minor + 1",
    "a limit raised": "UPDATE matching_matchpool SET limit_minor = limit_minor + 5, free_minor = free_minor + 5",
    "a pool that starts with money": "INSERT INTO matching_matchpool (campaign_id, sponsor_id, name, currency, "
    "is_paused, halted_reason, leftover, created_at, limit_minor, free_minor, held_minor, matched_minor, head_seq, "
    f"head_hash) SELECT campaign_id, sponsor_id, 'x', 'USD', false, '', 'given', {NOW}, 5, 5, 0, 0, 0, '0' "
    "FROM matching_matchpool LIMIT 1",
    "an allocation without its entry": "INSERT INTO matching_allocation (reservation_id, pool_id, terms_id, "
    "part_index, fund_id, amount_minor, reversed_minor) SELECT reservation_id, pool_id, terms_id, 7, fund_id, 5, 0 "
    "FROM matching_allocation WHERE id = {allocation}",
    "an allocation changed": "UPDATE matching_allocation SET amount_minor = 1 WHERE id = {allocation}",
    "an allocation reversed by hand": "UPDATE matching_allocation SET reversed_minor = 1 WHERE id = {allocation}",
    "an allocation deleted": "DELETE FROM matching_allocation WHERE id = {other}",
    "a hold resolved without entries": "UPDATE matching_reservation SET state = 'committed', resolved_at = now()",
    "a hold deleted": "DELETE FROM matching_reservation",
    "a reservation's gift changed": "UPDATE matching_reservation SET amount_minor = 1",
    "terms changed": "UPDATE matching_poolterms SET cap_per_gift_minor = 1",
    "terms deleted": "DELETE FROM matching_poolterms",
    "a broken chain": "INSERT INTO matching_ledgerentry (pool_id, seq, prev_hash, from_account, to_account, "
    "amount_minor, currency, reason, reference, actor, recorded_at) VALUES "
    f"({{pool}}, 3, repeat('f', 64), 'pledged', 'free', 5, 'USD', 'pledge', '', 'system', {NOW})",
    "a gap in the chain": "INSERT INTO matching_ledgerentry (pool_id, seq, from_account, to_account, "
    "amount_minor, currency, reason, reference, actor, recorded_at) VALUES "
    f"({{pool}}, 9, 'pledged', 'free', 5, 'USD', 'pledge', '', 'system', {NOW})",
}


@pytest.fixture
def ids():
    """Two pools with a hold of $100.00 each; the first pool's, and both allocations'."""
    campaign = factories.campaign()
    fund = campaign.funds.get()
    held = []
    for _ in range(2):
        pool = factories.pool(campaign=campaign, limit_minor=50_000)
        gift = holds.Gift(uuid4(), "1", (Part(fund.pk, 10_000),), GIFT_AT)
        reservation = holds.hold(campaign_id=campaign.pk, gift=gift, now=GIFT_AT)
        held.append((pool, reservation.allocations.first()))
        type(pool).objects.filter(pk=pool.pk).update(is_paused=True)
    with connection.cursor() as cursor:  # what waits for the commit would refuse a TRUNCATE by itself
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    return {"pool": held[0][0].pk, "allocation": held[0][1].pk, "other": held[1][1].pk}


def run(statement):
    """One statement as one transaction: what is checked at commit is checked here."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


@pytest.mark.parametrize("name", BAD_WRITES)
def test_the_database_refuses(ids, name):
    before = list(LedgerEntry.objects.values())
    with pytest.raises(IntegrityError):  # not a mistyped statement
        run(BAD_WRITES[name].format(**ids))
    assert list(LedgerEntry.objects.values()) == before


def test_the_same_hand_may_write_a_true_entry(ids):
    run(ENTRY + f"({ids['pool']}, 'pledged', 'free', 5, 'USD', 'pledge', NULL, '', 'system', {NOW})")
    last = LedgerEntry.objects.filter(pool_id=ids["pool"]).latest("seq")
    assert (last.seq, last.pool.free_minor, len(last.entry_hash)) == (3, 40_005, 64)


def test_a_second_resolution_by_hand_is_refused(ids):
    reservation = LedgerEntry.objects.get(allocation=ids["allocation"]).allocation.reservation
    holds.commit(key=reservation.key, now=GIFT_AT)
    with pytest.raises(DatabaseError, match="already resolved"):
        run(f"UPDATE matching_reservation SET state = 'released' WHERE id = {reservation.pk}")
    with pytest.raises(DatabaseError, match="whose reservation is committed"):
        run(
            ENTRY
            + f"({ids['pool']}, 'held', 'free', 10000, 'USD', 'release', {ids['allocation']}, '', 'system', {NOW})"
        )


def test_the_trigger_and_python_write_the_same_chain(ids):
    import hashlib

    for entry in LedgerEntry.objects.all():
        assert hashlib.sha256(entry.chain_text().encode()).hexdigest() == entry.entry_hash
