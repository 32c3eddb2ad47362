"""Tables are emptied after a test with real transactions, and guarded again for the next one."""

import pytest
from django.db import connection
from django.db.utils import DatabaseError

from campaign.models import Campaign
from matching.models import MatchPool
from tests import factories


def guarded_tables():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, t.tgname, t.tgenabled FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
            " WHERE NOT t.tgisinternal ORDER BY 1, 2"
        )
        return cursor.fetchall()


@pytest.mark.parametrize("turn", [1, 2])
def test_a_ledger_written_by_one_test_is_gone_in_the_next(transactional_db, turn):
    assert not MatchPool.objects.exists()
    assert not Campaign.objects.exists()
    pool = factories.pool(campaign=factories.campaign())
    with pytest.raises(DatabaseError, match="ledger: entries are never truncated"), connection.cursor() as cursor:
        cursor.execute("TRUNCATE matching_ledgerentry CASCADE")
    assert MatchPool.objects.get() == pool


def test_after_a_flush_every_trigger_is_awake(transactional_db):
    rows = guarded_tables()
    assert len(rows) > 5
    assert {enabled for _, _, enabled in rows} == {"O"}
