"""Part 1: gifts held and committed on one hot pool, by our own functions and as bare SQL.

Every client is a process: Python's threads would share one interpreter and measure that instead. All clients of both
kinds run on the same cores as the server, in turns, on the same pool.
"""

import multiprocessing
import statistics
import time
from multiprocessing.synchronize import Barrier
from typing import Any
from uuid import uuid4

from django.db import connection, connections
from django.utils import timezone

from matching import holds
from matching.allocation import Part
from matching.checking import check_pool
from matching.models import LedgerEntry, MatchPool
from tests import factories
from tests.benchmarks import bare_sql, tables
from tests.benchmarks.processor import postgres_pid, tree_seconds

GIFTS = {1: 300, 8: 800, 32: 960, 100: 1_000}  # by clients, in each round
_ROUNDS = 3  # ours and bare in turns, the median counts: what else runs here changes from minute to minute
_AMOUNT_MINOR = 1_000
_WARMING = 5
_PATIENCE_SECONDS = 180  # a client that failed has written why, and never answers
_PROCESSES = multiprocessing.get_context("fork")


def show() -> None:
    campaign = factories.open_campaign(is_current=False)
    pool = factories.pool(campaign=campaign, limit_minor=_AMOUNT_MINOR * 1_000_000)
    fund_id = campaign.funds.get().pk
    server = postgres_pid()
    rows = []
    _run_ours(campaign.pk, fund_id, clients=1, gifts=50)
    script = bare_sql.record_gift(campaign_id=campaign.pk, fund_id=fund_id, amount_minor=_AMOUNT_MINOR)
    for clients, gifts in GIFTS.items():
        rounds = [_round(script, campaign.pk, fund_id, clients=clients, server=server) for _ in range(_ROUNDS)]
        ours, bare, own_ms, ours_ms, bare_ms = (statistics.median(values) for values in zip(*rounds, strict=True))
        rows.append(
            [
                f"{clients} at once" if clients > 1 else "1 alone",
                f"{_ROUNDS} x {gifts:,}",
                tables.rate(ours),
                tables.rate(bare),
                f"{statistics.median(row[0] / row[1] for row in rounds):.2f}",
                tables.ms(own_ms),
                tables.ms(ours_ms),
                tables.ms(bare_ms),
            ]
        )
    entries = _check(pool)
    tables.show(
        "1. Gifts held and committed on one hot pool",
        heads=[
            "clients (processes)",
            "gifts",
            "ours",
            "bare SQL",
            "ratio",
            "Python a gift",
            "PostgreSQL a gift, ours",
            "PostgreSQL a gift, bare",
        ],
        rows=rows,
        notes=[
            f"Bare: the same {script.count(chr(10)) - 2} round trips, recorded from one gift of ours, sent by pgbench.",
            f"Checked afterwards: {entries:,} entries, the chain and every balance whole.",
        ],
    )


def _round(
    script: str, campaign_id: int, fund_id: int, *, clients: int, server: int
) -> tuple[float, float, float, float, float]:
    """Gifts a second, ours and bare; then milliseconds of processor a gift: Python, PostgreSQL for ours, for bare."""
    gifts, before = GIFTS[clients], tree_seconds(server)
    ours, own = _run_ours(campaign_id, fund_id, clients=clients, gifts=gifts)
    between = tree_seconds(server)
    bare = bare_sql.run_script(script, clients=clients, gifts=gifts)
    after = tree_seconds(server)
    return ours, bare, *(seconds * 1000 / gifts for seconds in (own, between - before, after - between))


def _run_ours(campaign_id: int, fund_id: int, *, clients: int, gifts: int) -> tuple[float, float]:
    """Gifts a second from the first start to the last end, and the clients' processor seconds together."""
    connections.close_all()  # a connection must not be shared by a fork
    barrier, answers = _PROCESSES.Barrier(clients), _PROCESSES.Queue()
    donors = [
        _PROCESSES.Process(target=_give, args=(campaign_id, fund_id, gifts // clients, barrier, answers))
        for _ in range(clients)
    ]
    for donor in donors:
        donor.start()
    spans = [answers.get(timeout=_PATIENCE_SECONDS) for _ in donors]
    for donor in donors:
        donor.join()
    took = max(ended for _, ended, _ in spans) - min(began for began, _, _ in spans)
    return gifts / took, sum(used for _, _, used in spans)


def _give(campaign_id: int, fund_id: int, gifts: int, barrier: Barrier, answers: Any) -> None:
    """One client. A gift here is two transactions: the hold, and the commit of it."""
    for _ in range(_WARMING):
        _one_gift(campaign_id, fund_id)
    barrier.wait(60)
    began, used = time.monotonic(), time.process_time()
    for _ in range(gifts):
        _one_gift(campaign_id, fund_id)
    answers.put((began, time.monotonic(), time.process_time() - used))
    connection.close()


def _one_gift(campaign_id: int, fund_id: int) -> None:
    gift = holds.Gift(uuid4(), "1", (Part(fund_id, _AMOUNT_MINOR),), timezone.now())
    holds.hold(campaign_id=campaign_id, gift=gift, now=timezone.now())
    holds.commit(key=gift.key, now=timezone.now())


def _check(pool: MatchPool) -> int:
    """The pool's entries. RuntimeError if a gift is missing or the ledger is not whole: then no rate counts."""
    checked = check_pool(pool)
    given = sum(2 * _ROUNDS * gifts for gifts in GIFTS.values())  # ours and bare
    commits = LedgerEntry.objects.filter(pool=pool, reason="commit").count()
    if checked.findings or commits < given:
        raise RuntimeError(f"{commits} commits of at least {given}; {checked.findings}")
    return checked.entries
