"""Many donors at once on the same pools: never a cent over, never a deadlock, the ledger whole."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier
from uuid import uuid4

import pytest
from django.db import close_old_connections, connection, transaction
from django.utils import timezone

from matching import challenges, holds, late_gifts, ledger, pools, refunds
from matching.allocation import Part
from matching.checking import check_campaigns
from matching.ledger import PoolsBusy
from matching.models import Allocation, Reservation
from matching.offers import offer_batch
from tests import factories
from tests.beside import PATIENCE_SECONDS
from tests.concurrency.unlocked import functions_without_lock
from tests.database import deadlocks

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

    def test_control_without_lock_and_guards_the_pool_promises_what_it_has_not(self, campaign):
        """The race is there: read the free money, compute, write. Sixty donors of $10 on $100."""
        pool = factories.pool(campaign=campaign, limit_minor=10_000)
        fund = campaign.funds.get()
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE matching_matchpool DROP CONSTRAINT pool_free_is_not_negative")
        try:
            with functions_without_lock():
                at_once(60, lambda _: holds.hold(campaign_id=campaign.pk, gift=gift(fund), now=timezone.now()))
            promised = self.promised(pool)
        finally:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(
                    "ALTER TABLE matching_matchpool ADD CONSTRAINT pool_free_is_not_negative "
                    "CHECK (free_minor >= 0) NOT VALID"
                )
        assert promised > 10_000

    def test_without_the_lock_the_database_still_refuses_to_promise_more(self, campaign):
        pool = factories.pool(campaign=campaign, limit_minor=10_000)
        fund = campaign.funds.get()
        with functions_without_lock():
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


class Donor:
    """One client: gifts over three pools, each resolved in its own way, and beside them what the site does itself."""

    def __init__(self, campaign, number):
        self.campaign, self.number = campaign, number
        self.parts = tuple(Part(fund.pk, 700 + number) for fund in campaign.funds.order_by("pk"))

    def give(self, turn):
        """Hold, then one of: release, pay, pay and be refunded; or a check, and its correction."""
        now = timezone.now()
        asked = holds.Gift(uuid4(), str(self.number % 5), self.parts, now, offline=turn % 5 == 3)
        if asked.offline:
            late_gifts.match_offline(campaign_id=self.campaign.pk, gift=asked, now=now, actor="staff:1")
            right = replace(asked, key=uuid4(), parts=self.parts[:1])
            late_gifts.correct(key=asked.key, gift=right, now=timezone.now(), actor="staff:1")
            return
        holds.hold(campaign_id=self.campaign.pk, gift=asked, now=now)
        if turn % 5 == 0:
            holds.release(key=asked.key, now=timezone.now())
            return
        holds.commit(key=asked.key, now=timezone.now())
        if turn % 5 == 1:
            refunds.settle_refund(key=asked.key, refunded_minor=500 + turn, now=timezone.now())
            refunds.settle_refund(key=asked.key, refunded_minor=0, now=timezone.now())

    def look_after(self, pool_ids):
        """What timers and staff do meanwhile."""
        now, which = timezone.now(), self.number % 4
        if which == 0:
            offer_batch(campaign_id=self.campaign.pk, now=now)
        elif which == 1:
            challenges.settle_challenges(campaign=self.campaign, now=now)
        elif which == 2:
            holds.expire_lapsed(now=now + timedelta(hours=1), limit=10)
        else:
            pool_id = pool_ids[self.number % len(pool_ids)]
            pools.change_limit(pool_id=pool_id, limit_minor=200_000 + self.number, actor="staff:1", now=now)


def let_all_give(campaign, clients):
    """Every client's own errors but those that the site answers by itself: busy, or another was quicker."""
    pool_ids = list(campaign.match_pools.order_by("pk").values_list("pk", flat=True))
    answered = (PoolsBusy, holds.HoldResolved, holds.NoReservation, pools.LimitBelowPromises)

    def act(number):
        donor, errors = Donor(campaign, number), []
        for turn in range(6):
            for step in (lambda turn=turn: donor.give(turn), lambda: donor.look_after(pool_ids)):
                try:
                    step()
                except answered:
                    continue
                except Exception as error:
                    errors.append(repr(error))
        return errors

    return [error for errors in at_once(clients, act) for error in (errors if isinstance(errors, list) else [errors])]


@pytest.mark.parametrize("clients", [8, 32, 100] if CHAOS else [8, 32])
def test_gifts_over_three_pools_never_deadlock(campaign, clients):
    """Gifts, refunds, checks, corrections, offers, challenges, lapses and new limits, over the same pools at once."""
    campaign.funds.add(factories.fund("Research"))
    factories.pool(campaign=campaign, limit_minor=30_000, priority=3)
    factories.pool(campaign=campaign, limit_minor=30_000, priority=1, cap_per_donor_minor=9_000)
    factories.pool(campaign=campaign, limit_minor=30_000, priority=2, unlock_donors=3, reaches_back=True)
    factories.pool(campaign=campaign, layer="award", unlock_raised_minor=5_000, award_minor=100, award_every=True)
    before = deadlocks()
    assert let_all_give(campaign, clients) == []
    assert deadlocks() == before
    assert check_campaigns() == []
    for pool in campaign.match_pools.all():
        assert pool.free_minor + pool.held_minor + pool.matched_minor == pool.limit_minor


def test_control_pools_locked_in_the_order_of_asking_deadlock(campaign):
    """What the order of primary keys is for: the count that the test above asks for does count."""
    ids = [factories.pool(campaign=campaign).pk for _ in range(2)]
    before, barrier = deadlocks(), Barrier(2)

    def act(number):
        with transaction.atomic():
            ledger.lock_pools([ids[number]])
            barrier.wait(PATIENCE_SECONDS)
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = 0")
            ledger.lock_pools([ids[1 - number]])

    results = at_once(2, act)
    assert [type(result).__name__ for result in results if result] == ["OperationalError"]
    assert deadlocks() == before + 1


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
            threads.submit(hold_elsewhere).result(PATIENCE_SECONDS)
    assert Reservation.objects.count() == 0
