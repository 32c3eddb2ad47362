"""What the tests of the public ledger share: the site's files, a verifier run, a long ledger in no time."""

import hashlib
from contextlib import contextmanager
from pathlib import Path

from django.db import connection
from django.test import Client

from matching.models import GENESIS_HASH, MatchPool
from matching.verifier import verify_ledger

AT = "2026-12-01T15:00:00.000000Z"


def get(url, *, status=200, **headers):
    answer = Client(raise_request_exception=False).get(url, headers=headers)
    assert answer.status_code == status, (answer.status_code, url)
    return answer


def body(url, **options):
    answer = get(url, **options)
    return answer.getvalue() if answer.streaming else answer.content


def verify(*arguments):
    """The verifier's exit code for these files and options."""
    return verify_ledger.main([str(argument) for argument in arguments])


def chain(pool_id, count, *, currency="USD"):
    """`count` entries of a pool, each a pledge of one cent, as the rows of a CSV."""
    before = GENESIS_HASH
    for seq in range(1, count + 1):
        row = (pool_id, seq, "pledged", "free", 1, currency, "pledge", "", "system", AT, before)
        before = hashlib.sha256("|".join(map(str, row)).encode()).hexdigest()
        yield (*row, before)


@contextmanager
def triggers_asleep():
    """What whoever owns the tables can do, and the tests of what it would lead to."""
    tables = [f"matching_{name}" for name in ("ledgerentry", "matchpool", "signedhead")]
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with something pending cannot be altered
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield cursor
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def fill(pool, count):
    """Give an empty pool a chain of this length past its triggers, which would take a minute."""
    columns = "pool_id, seq, from_account, to_account, amount_minor, currency, reason, reference, actor"
    columns += ", recorded_at, prev_hash, entry_hash"
    with triggers_asleep() as cursor:
        with cursor.copy(f"COPY matching_ledgerentry ({columns}) FROM STDIN") as copy:
            for row in chain(pool.pk, count):
                copy.write_row(row)
        MatchPool.objects.filter(pk=pool.pk).update(
            limit_minor=count, free_minor=count, head_seq=count, head_hash=row[-1]
        )


def lines_of(path: Path):
    return path.read_bytes().splitlines(keepends=True)
