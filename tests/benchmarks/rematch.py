"""Money that comes free given to 10,000 gifts that wait for it, and how long a donor waits for the same pool meanwhile.

The gifts are written in bulk: paid, nothing held, waiting for a pool that was dry. Then the pool grows, and the timer's
own function runs until nobody waits, while another process holds and pays gifts on that pool, one after the other.
"""

import multiprocessing
import statistics
import time
from multiprocessing.synchronize import Event
from typing import Any
from uuid import uuid4

from django.db import connection, connections, transaction
from django.utils import timezone

from campaign.models import Campaign
from donations import freed_match
from donations.models import Designation, Donation
from matching import holds, pools
from matching.allocation import Part
from matching.checking import check_pool
from matching.models import MatchPool, Reservation, WaitingGift
from tests import factories
from tests.benchmarks import tables
from tests.benchmarks.processor import postgres_pid, tree_seconds

GIFTS = 10_000
_AMOUNT_MINOR = 5_000
_DRY_MINOR = 1
_PLENTY_MINOR = 10**10
_ALONE_SECONDS = 5
_PROCESSES = multiprocessing.get_context("fork")


def show() -> None:
    campaign = factories.open_campaign(is_current=False)
    pool = factories.pool(campaign=campaign, limit_minor=_DRY_MINOR)
    _wait(campaign, pool)
    pools.change_limit(pool_id=pool.pk, limit_minor=_PLENTY_MINOR, actor="system", now=timezone.now())
    fund_id = campaign.funds.get().pk
    alone = _Donor(campaign.pk, fund_id)
    time.sleep(_ALONE_SECONDS)
    alone_ms = alone.stop()
    donor, server = _Donor(campaign.pk, fund_id), postgres_pid()
    began, own, elsewhere = time.monotonic(), time.process_time(), tree_seconds(server)
    count = freed_match.offer(campaign_id=campaign.pk, now=timezone.now())
    took, own = time.monotonic() - began, time.process_time() - own
    elsewhere = tree_seconds(server) - elsewhere
    beside_ms = donor.stop()
    _check(pool, count)
    tables.show(
        f"Freed money given to {GIFTS:,} waiting gifts, beside a donor on the same pool",
        heads=["", "gifts", "took", "gifts a second", "Python a gift", "PostgreSQL a gift, all"],
        rows=[
            [
                "in batches of 50",
                f"{count:,}",
                f"{took:.1f} s",
                tables.rate(count / took),
                tables.ms(own * 1000 / count),
                tables.ms(elsewhere * 1000 / count),
            ]
        ],
        notes=[_waits("A donor's hold alone", alone_ms), _waits("A donor's hold beside it", beside_ms)],
    )


def _waits(what: str, times_ms: list[float]) -> str:
    ordered = sorted(times_ms)
    tail = ordered[int(len(ordered) * 0.99)]
    return (
        f"{what}: median {statistics.median(ordered):.0f} ms, 99 in 100 within {tail:.0f} ms, longest"
        f" {ordered[-1]:.0f} ms, of {len(ordered):,}."
    )


class _Donor:
    """A process that holds and pays one gift after the other until it is stopped."""

    def __init__(self, campaign_id: int, fund_id: int) -> None:
        connections.close_all()  # a connection must not be shared by a fork
        self._over, self._answer = _PROCESSES.Event(), _PROCESSES.Queue()
        ready = _PROCESSES.Event()
        arguments = (campaign_id, fund_id, ready, self._over, self._answer)
        self._process = _PROCESSES.Process(target=_give, args=arguments, daemon=True)
        self._process.start()
        ready.wait(30)

    def stop(self) -> list[float]:
        """How long each hold took, in milliseconds."""
        self._over.set()
        times_ms: list[float] = self._answer.get(timeout=60)
        self._process.join()
        return times_ms


def _give(campaign_id: int, fund_id: int, ready: Event, over: Event, answer: Any) -> None:
    times_ms = []
    while not over.is_set():
        gift = holds.Gift(uuid4(), "", (Part(fund_id, _AMOUNT_MINOR),), timezone.now())
        began = time.monotonic()
        holds.hold(campaign_id=campaign_id, gift=gift, now=timezone.now())
        times_ms.append((time.monotonic() - began) * 1000)
        holds.commit(key=gift.key, now=timezone.now())
        ready.set()
    answer.put(times_ms)
    connection.close()


@transaction.atomic
def _wait(campaign: Campaign, pool: MatchPool) -> None:
    """GIFTS paid gifts of as many donors' keys, that found the pool dry."""
    now, fund = timezone.now(), campaign.funds.get()
    donor = factories.donor()
    gifts = Donation.objects.bulk_create(
        [
            Donation(
                campaign=campaign,
                donor=donor,
                form_key=f"rematch-{number}",
                state=Donation.State.PAID,
                amount_minor=_AMOUNT_MINOR,
                currency=campaign.currency,
                donor_name=donor.name,
                donor_email=donor.email,
                submitted_at=now,
                paid_at=now,
            )
            for number in range(GIFTS)
        ],
        batch_size=1_000,
    )
    Designation.objects.bulk_create(
        (Designation(donation=gift, fund=fund, amount_minor=_AMOUNT_MINOR, position=0) for gift in gifts),
        batch_size=1_000,
    )
    held = Reservation.objects.bulk_create(
        [
            Reservation(
                campaign=campaign,
                key=gift.match_key,
                donor_key=f"{number}",
                amount_minor=_AMOUNT_MINOR,
                parts=[[fund.pk, _AMOUNT_MINOR]],
                submitted_at=now,
                held_until=now,
                explanation=[[0, pool.pk, 1, 0, "ran_out"]],
            )
            for number, gift in enumerate(gifts)
        ],
        batch_size=1_000,
    )
    Reservation.objects.filter(campaign=campaign).update(state=Reservation.State.COMMITTED, resolved_at=now)
    WaitingGift.objects.bulk_create(
        (
            WaitingGift(
                reservation=row, pool=pool, waits_for="money", donor_key=row.donor_key, submitted_at=row.submitted_at
            )
            for row in held
        ),
        batch_size=1_000,
    )


def _check(pool: MatchPool, count: int) -> None:
    """RuntimeError if a gift was left out or the ledger is not whole: then no figure counts."""
    checked = check_pool(pool)
    if checked.findings or count != GIFTS or WaitingGift.objects.filter(pool=pool).exists():
        raise RuntimeError(f"{count} of {GIFTS} gifts were served; {checked.findings}")
