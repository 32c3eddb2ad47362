"""Many donors at once on the same pools: never a cent over, never a deadlock, the ledger whole."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import uuid4

import pytest
from django.db import close_old_connections, connection, transaction
from django.utils import timezone

from matching import holds, ledger, refunds
from matching.allocation import Part
from matching.checking import check_campaigns
from matching.ledger import PoolsBusy
from matching.models import Allocation, MatchPool, Reservation
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)
CHAOS = bool(os.environ.get("CHAOS"))


def at_once(count: int, act: Callable[[int], object]) -> list[object]:
    """Run act(0) ... act(count - 1) in threads that start together; results or exceptions, in order."""
    barrier = Barrier(count)

    def run(number: int) -> object:
        barrier.wait(30)
        try:
            return act(number)
        except Exception as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(run, range(count)))


def gift(fund, amount_minor=1_000, donor="1"):
    return holds.Gift(uuid4(), donor, (Part(fund.pk, amount_minor),), timezone.now())


@pytest.fixture
def campaign():
    close_old_connections()
    return factories.open_campaign()


class TestLastDollars:
    def promised(self, pool):
        return sum(Allocation.objects.filter(pool=pool).values_list("amount_minor", flat=True))

    def test_control_without_lock_and_guards_the_pool_promises_what_it_has_not(self, campaign, monkeypatch):
        """The race is there: read the free money, compute, write. Sixty donors of $10 on $100."""
        pool = factories.pool(campaign=campaign, limit_minor=10_000)
        fund = campaign.funds.get()
        monkeypatch.setattr("matching.holds.lock_pools", lambda ids: MatchPool.objects.in_bulk(list(ids)))
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE matching_matchpool DROP CONSTRAINT pool_free_is_not_negative")
        try:
            at_once(60, lambda _: holds.hold(campaign_id=campaign.pk, gift=gift(fund), now=timezone.now()))
            promised = self.promised(pool)
        finally:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(
                    "ALTER TABLE matching_matchpool ADD CONSTRAINT pool_free_is_not_negative "
                    "CHECK (free_minor >= 0) NOT VALID"
                )
        assert promised > 10_000

    def test_without_the_lock_the_database_still_refuses_to_promise_more(self, campaign, monkeypatch):
        pool = factories.pool(campaign=campaign, limit_minor=10_000)
        fund = campaign.funds.get()
        monkeypatch.setattr("matching.holds.lock_pools", lambda ids: MatchPool.objects.in_bulk(list(ids)))
        at_once(60, lambda _: holds.hold(campaign_id=campaign.pk, gift=gift(fund), now=timezone.now()))
        assert self.promised(pool) <= 10_000

    def test_with_the_lock_it_promises_exactly_what_it_has(self, campaign):
        pool = factories.pool(campaign=campaign, limit_minor=10_000)
        fund = campaign.funds.get()
        act = lambda _: holds.hold(campaign_id=campaign.pk, gift=gift(fund), now=timezone.now())  # noqa: E731
        results = at_once(60, act)
        assert [result for result in results if isinstance(result, Exception)] == []
        assert (self.promised(pool), Reservation.objects.count()) == (10_000, 60)
        assert check_campaigns() == []


@pytest.mark.parametrize("clients", [8, 32, 100] if CHAOS else [8, 32])
def test_gifts_over_three_pools_never_deadlock(campaign, clients):
    """Holds, commits, releases, refunds, pauses and limit changes over the same pools at the same time."""
    other = factories.fund("Research")
    funds = [campaign.funds.get(), other]
    pools = [factories.pool(campaign=campaign, limit_minor=200_000, priority=number) for number in (3, 1, 2)]

    def act(number):
        for turn in range(6):
            parts = tuple(Part(fund.pk, 700 + number) for fund in funds)
            asked = holds.Gift(uuid4(), str(number % 5), parts, timezone.now())
            holds.hold(campaign_id=campaign.pk, gift=asked, now=timezone.now())
            if turn % 3 == 0:
                holds.release(key=asked.key, now=timezone.now())
                continue
            holds.commit(key=asked.key, now=timezone.now())
            if turn % 3 == 1:
                refunds.settle_refund(key=asked.key, refunded_minor=500, now=timezone.now())
        return "done"

    results = at_once(clients, act)
    errors = [result for result in results if result != "done" and not isinstance(result, PoolsBusy)]
    assert errors == []
    assert check_campaigns() == []
    for pool in pools:
        pool.refresh_from_db()
        assert pool.free_minor + pool.held_minor + pool.matched_minor == 200_000


def test_one_hold_is_resolved_by_one_of_many(campaign):
    factories.pool(campaign=campaign, limit_minor=10_000)
    asked = gift(campaign.funds.get())
    holds.hold(campaign_id=campaign.pk, gift=asked, now=timezone.now())

    def act(number):
        resolve = holds.commit if number % 2 else holds.release
        return resolve(key=asked.key, now=timezone.now()).state

    results = at_once(12, act)
    won = [result for result in results if not isinstance(result, Exception)]
    assert len(won) == 1
    assert all(isinstance(result, holds.HoldResolved) for result in results if result not in won)
    assert check_campaigns() == []


def test_a_pool_locked_by_someone_else_is_an_error_in_time_and_writes_nothing(campaign):
    pool = factories.pool(campaign=campaign)
    fund = campaign.funds.get()

    def hold_elsewhere():
        try:
            return holds.hold(campaign_id=campaign.pk, gift=gift(fund), now=timezone.now())
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as threads, transaction.atomic():
        ledger.lock_pools([pool.pk])
        with pytest.raises(PoolsBusy):
            threads.submit(hold_elsewhere).result(timeout=10)
    assert Reservation.objects.count() == 0
