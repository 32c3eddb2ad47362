"""Receipt numbers under real concurrency: no gap, none twice."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import IntegrityError, connection

from donations import receipts
from donations.models import FollowUp, Receipt, ReceiptCounter
from tests import factories
from tests.beside import PATIENCE_SECONDS
from tests.factories import GIFT_AT

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 8


def all_at_once(work, arguments):
    """Run `work` for each argument, THREADS at a time, all starting together; results, or the errors raised."""
    start = threading.Barrier(THREADS)
    waits = iter([True] * THREADS)

    def one(argument):
        try:
            if next(waits, False):
                start.wait(PATIENCE_SECONDS)
            return work(argument)
        except (IntegrityError, RuntimeError) as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(one, arguments))


def issue(donation):
    return receipts.issue_receipt(donation_id=donation.pk, now=GIFT_AT)


def expected_numbers(count):
    return [f"2026-{number:06d}" for number in range(1, count + 1)]


def number_without_a_lock(year):
    """What the counter would be without its lock: read, add one, write back."""
    counter, _ = ReceiptCounter.objects.get_or_create(year=year)
    number = counter.last_number + 1
    time.sleep(0.01)
    ReceiptCounter.objects.filter(year=year).update(last_number=number)
    return number


def test_control_without_the_lock_numbers_come_twice(monkeypatch):
    ReceiptCounter.objects.create(year=2026)
    monkeypatch.setattr(receipts, "_next_number", number_without_a_lock)
    results = all_at_once(issue, [factories.donation() for _ in range(THREADS)])
    refused = [result for result in results if isinstance(result, IntegrityError)]
    assert refused, "with the lock off the race must show"
    assert Receipt.objects.count() < THREADS


def test_numbers_have_no_gap_and_none_comes_twice():
    donations = [factories.donation() for _ in range(5 * THREADS)]
    results = all_at_once(issue, donations)
    assert sorted(receipt.number for receipt in results) == expected_numbers(len(donations))
    assert ReceiptCounter.objects.get().last_number == len(donations)


def test_no_gap_when_every_second_one_fails(monkeypatch):
    """A number whose transaction fails is the next one's."""
    donations = [factories.donation() for _ in range(4 * THREADS)]
    doomed = {donation.pk for donation in donations[::2]}
    note = receipts._note

    def failing_note(donation, **more):
        if donation.pk in doomed:
            raise RuntimeError("the disk is full")
        note(donation, **more)

    monkeypatch.setattr(receipts, "_note", failing_note)
    results = all_at_once(issue, donations)
    assert sum(isinstance(result, RuntimeError) for result in results) == len(doomed)
    numbers = sorted(Receipt.objects.values_list("number", flat=True))
    assert numbers == expected_numbers(len(donations) - len(doomed))


def test_one_gift_asked_for_many_times_at_once_gets_one_receipt():
    donation = factories.donation()
    results = all_at_once(issue, [donation] * (3 * THREADS))
    assert {result.number for result in results} == {"2026-000001"}
    assert (Receipt.objects.count(), FollowUp.objects.count()) == (1, 1)


def test_one_refund_settled_many_times_at_once_makes_one_replacement():
    donation = factories.donation()
    issue(donation)
    donation.refunded_minor = 4_000
    donation.save(update_fields=["refunded_minor"])

    def replace(_):
        return receipts.replace_receipt(donation_id=donation.pk, reason="Refunded $40.00.", now=GIFT_AT)

    results = all_at_once(replace, range(2 * THREADS))
    assert {result.number for result in results} == {"2026-000002"}
    assert Receipt.objects.count() == 2
