"""Signed heads: what they say, when one is made, who may change one, and what becomes of a key that is replaced."""

import hashlib
from datetime import timedelta
from io import StringIO

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from matching import heads, pools, signing
from matching.checking import check_pool
from matching.checks import heads_are_signed, signing_key_can_be_read
from matching.models import LedgerEntry, LedgerKey, MatchPool, SignedHead
from matching.tasks import publish_ledger_head
from tests import factories
from tests.factories import GIFT_AT
from tests.matching.public_ledger import triggers_asleep

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
OLD_KEY, NEW_KEY = "11" * 32, "22" * 32


@pytest.fixture(autouse=True)
def key(settings):
    settings.LEDGER_SIGNING_KEY = OLD_KEY
    settings.SITE_URL = "https://give.example.org"


@pytest.fixture
def pool():
    return factories.pool(campaign=factories.campaign(), limit_minor=50_000)


def give(pool, amount_minor=10_000):
    return factories.match(factories.donation(campaign=pool.campaign, amount_minor=amount_minor))


def test_it_says_where_every_chain_stands_and_its_signature_is_good(pool):
    give(pool)
    head = heads.publish_head(now=GIFT_AT)
    pool.refresh_from_db()
    assert head.text == (
        f"twofold-ledger-head|1|https://give.example.org|1|2026-12-01T15:30:00.000000Z|{'0' * 64}\n"
        f"{pool.pk}|USD|3|{pool.head_hash}|50000|40000|0|10000"
    )
    assert head.sha256 == hashlib.sha256(head.text.encode()).hexdigest()
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(head.key.public_key))
    public.verify(bytes.fromhex(head.signature), head.text.encode())
    with pytest.raises(InvalidSignature):
        public.verify(bytes.fromhex(head.signature), head.text.replace("10000", "10001").encode())


def test_it_says_what_the_entries_say_and_not_what_a_pools_row_does(pool):
    """A row that is a cent off is found and mended; what was once signed of it could never be."""
    other = factories.pool(campaign=pool.campaign, limit_minor=7_000)
    give(pool)
    first = heads.publish_head(now=GIFT_AT)
    with triggers_asleep():
        MatchPool.objects.filter(pk=pool.pk).update(free_minor=40_001, limit_minor=50_001)
    second = heads.publish_head(now=GIFT_AT + MINUTE)
    assert second.text.split("\n")[1:] == first.text.split("\n")[1:]
    with triggers_asleep():
        MatchPool.objects.filter(pk=pool.pk).update(free_minor=40_000, limit_minor=50_000)
    give(pool)
    pools.change_limit(pool_id=pool.pk, limit_minor=60_000, actor="staff:1", now=GIFT_AT)
    pool.refresh_from_db()
    other.refresh_from_db()
    assert heads.publish_head(now=GIFT_AT + 2 * MINUTE).text.split("\n")[1:] == [
        f"{pool.pk}|USD|6|{pool.head_hash}|60000|40000|0|20000",
        f"{other.pk}|USD|1|{other.head_hash}|7000|7000|0|0",
    ]


def test_each_head_carries_the_hash_of_the_one_before(pool):
    first = heads.publish_head(now=GIFT_AT)
    give(pool)
    second = heads.publish_head(now=GIFT_AT + MINUTE)
    assert second.number == 2
    assert second.text.split("\n")[0].endswith(f"|2|2026-12-01T15:31:00.000000Z|{first.sha256}")


def test_while_a_campaign_is_open_there_is_one_each_minute_though_nothing_moves(pool):
    first = heads.publish_head(now=GIFT_AT)
    assert heads.publish_head(now=GIFT_AT + MINUTE / 2) == first
    assert heads.publish_head(now=GIFT_AT + MINUTE).number == 2


def test_while_nothing_is_open_and_nothing_moves_there_is_one_an_hour(pool):
    closed = pool.campaign.closes_at
    first = heads.publish_head(now=closed)
    assert heads.publish_head(now=closed + 59 * MINUTE) == first
    assert heads.publish_head(now=closed + 60 * MINUTE).number == 2
    assert SignedHead.objects.count() == 2


def test_a_new_key_signs_at_once_though_nothing_moves(pool, settings):
    """Its first head ends the old key's time: a key that may have been seen must not stay good for an hour."""
    closed = pool.campaign.closes_at
    old = heads.publish_head(now=closed)
    settings.LEDGER_SIGNING_KEY = NEW_KEY
    new = heads.publish_head(now=closed + MINUTE)
    assert (new.number, new.key == old.key) == (2, False)
    assert heads.publish_head(now=closed + 2 * MINUTE) == new
    assert [key["until"] for key in heads.key_records()] == [heads.moment_text(closed), None]


def test_an_empty_ledger_has_a_head_too(db):
    assert "\n" not in heads.publish_head(now=GIFT_AT).text


def test_without_a_key_none_is_made(pool, settings):
    settings.LEDGER_SIGNING_KEY = ""
    assert heads.publish_head(now=GIFT_AT) is None
    assert not SignedHead.objects.exists()
    assert [warning.id for warning in heads_are_signed(None)] == ["matching.W001"]


@pytest.mark.parametrize("typed", ["x", "11" * 31, "zz" * 32, "11" * 33])
def test_a_key_that_is_none_is_named_without_being_shown(settings, typed):
    settings.LEDGER_SIGNING_KEY = typed
    (error,) = signing_key_can_be_read(None)
    assert error.id == "matching.E001"
    assert "64 hexadecimal digits" in error.msg
    assert typed not in error.msg.replace("hexadecimal", "")
    assert heads_are_signed(None) == []


def test_a_good_key_is_nothing_to_speak_of():
    assert (signing_key_can_be_read(None), heads_are_signed(None)) == ([], [])


def test_the_command_makes_a_key_that_signs(pool, settings):
    told, aside = StringIO(), StringIO()
    call_command("make_ledger_key", stdout=told, stderr=aside)
    name, _, settings.LEDGER_SIGNING_KEY = told.getvalue().strip().partition("=")
    assert name == "LEDGER_SIGNING_KEY"
    head = heads.publish_head(now=GIFT_AT)
    assert f"{head.key.public_key} (key {head.key.key_id})" in aside.getvalue()


def test_a_key_that_is_replaced_stays_published_with_its_time(pool, settings):
    heads.publish_head(now=GIFT_AT)
    give(pool)
    heads.publish_head(now=GIFT_AT + MINUTE)
    settings.LEDGER_SIGNING_KEY = NEW_KEY
    give(pool)
    heads.publish_head(now=GIFT_AT + 2 * MINUTE)
    old, new = (signing.public_key_of(signing.read_key(key)) for key in (OLD_KEY, NEW_KEY))
    assert heads.key_records() == [
        {
            "key": signing.key_id_of(old),
            "public_key": old,
            "from": "2026-12-01T15:30:00.000000Z",
            "until": "2026-12-01T15:31:00.000000Z",
        },
        {
            "key": signing.key_id_of(new),
            "public_key": new,
            "from": "2026-12-01T15:32:00.000000Z",
            "until": None,
        },
    ]


def test_it_signs_no_ledger_that_contradicts_the_last_head(pool):
    give(pool)
    head = heads.publish_head(now=GIFT_AT)
    entry = LedgerEntry.objects.filter(pool=pool).last()
    with triggers_asleep():
        LedgerEntry.objects.filter(pk=entry.pk).update(entry_hash="ab" * 32)
    give(pool)
    with pytest.raises(heads.HistoryRewritten, match=f"head 1 has entry 3 of pool {pool.pk} with another hash"):
        heads.publish_head(now=GIFT_AT + MINUTE)
    assert heads.latest_head() == head
    other = factories.pool(campaign=pool.campaign)
    assert check_pool(other).findings == []
    assert (
        f"head 1 has entry 3 of pool {pool.pk} with another hash than the ledger has now" in check_pool(pool).findings
    )


@pytest.mark.parametrize("bad", ["UPDATE {} SET id = id", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
@pytest.mark.parametrize("model", [SignedHead, LedgerKey])
def test_the_database_refuses_to_change_one(pool, bad, model):
    heads.publish_head(now=GIFT_AT)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        with pytest.raises(DatabaseError, match=r"ledger: (heads|keys) are never"), transaction.atomic():
            cursor.execute(bad.format(model._meta.db_table))


def test_the_timer_makes_one(pool):
    publish_ledger_head()
    publish_ledger_head()
    assert [head.number for head in SignedHead.objects.all()] == [1]


def test_it_is_found_by_the_beginning_of_its_hash(pool):
    head = heads.publish_head(now=GIFT_AT)
    assert heads.find_head(head.sha256[:16].upper()) == head
    assert heads.find_head("0" * 16) is None
