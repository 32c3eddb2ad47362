"""Messages lost, workers killed between two lines, events that pile up: no gift, match or receipt lost or doubled."""

import os
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction
from django.utils import timezone

from config.celery import app as celery
from donations import tasks, work
from donations.models import Donation, FollowUp, Receipt, StripeEvent
from matching.checking import check_campaigns
from tests import factories
from tests.beside import eventually
from tests.fault_table import charged_once, outcome_of
from tests.paying import confirm, started_gift
from tests.site import request_json

pytestmark = pytest.mark.django_db(transaction=True)
CHAOS = bool(os.environ.get("CHAOS"))
RECEIPTS = 500 if CHAOS else 80
SWIFT = {"WORK_GRACE_SECONDS": "1", "SWEEP_SECONDS": "1", "RECONCILE_SECONDS": "1"}
# Where attempts die with their worker, their rows come due soon; a slow one may then be made twice, which is harmless.
QUICK = SWIFT | {"WORK_LEASE_SECONDS": "2"}


def unfinished():
    return FollowUp.objects.exclude(state="done").count()


def describe_work():
    counts = Counter(FollowUp.objects.values_list("kind", "state"))
    return f"follow-ups {dict(counts)}, events {dict(Counter(StripeEvent.objects.values_list('state', flat=True)))}"


def paid_gifts_with_receipts_due(count):
    factories.organization()
    campaign = factories.open_campaign()
    with transaction.atomic():
        gifts = [factories.donation(campaign=campaign) for _ in range(count)]
        now = timezone.now()
        return [work.owe(donation=gift, kind=FollowUp.Kind.RECEIPT, now=now).pk for gift in gifts]


def send(site, task, ids):
    with celery.connection_for_write(site.broker_url) as broker:
        for row_id in ids:
            task.apply_async((row_id,), connection=broker)


def everything_once(site, gifts):
    """One valid receipt and one mail for each gift; a further copy of a mail must carry the same Message-ID."""
    assert (Receipt.objects.count(), Receipt.objects.filter(voided_at=None).count()) == (gifts, gifts)
    numbers = sorted(Receipt.objects.values_list("number", flat=True))
    assert [int(number.rsplit("-", 1)[1]) for number in numbers] == list(range(1, gifts + 1))
    message_ids = Counter(message["message_id"] for message in site.messages())
    assert len(message_ids) == gifts
    assert sum(message_ids.values()) - gifts <= max(5, gifts // 10), "too many extra copies"


def test_redis_stopped_and_emptied_with_receipts_due(site, fault_table):
    """The worker has begun, then the broker goes, three times, with every message; the same worker does all rows."""
    site.stop("worker")
    ids = paid_gifts_with_receipts_due(RECEIPTS)
    send(site, tasks.run_follow_up, ids)
    site.start("worker", environment=SWIFT, waits=False)
    site.start("beat", environment=SWIFT)
    worker = site.pid("worker")
    for _ in range(3):
        made = Receipt.objects.count()
        eventually(lambda made=made: Receipt.objects.count() > made + 10, why=describe_work)
        site.stop("valkey")
        site.start("valkey")
    assert unfinished() > RECEIPTS // 5, "the broker went too late to show anything"
    eventually(lambda: unfinished() == 0, seconds=120, why=describe_work)
    assert (site.is_running("worker"), site.pid("worker")) == (True, worker)
    everything_once(site, RECEIPTS)
    made = f"receipts: {Receipt.objects.count()} of {RECEIPTS}, numbered without a gap"
    fault_table("Redis stopped and emptied three times", made, f"{len(site.messages())} mails, the same worker")


def test_a_worker_killed_again_and_again_between_two_lines(site, fault_table):
    count, kills = (400, 12) if CHAOS else (40, 2)
    site.stop("worker")
    ids = paid_gifts_with_receipts_due(count)
    send(site, tasks.run_follow_up, ids)
    site.start("beat", environment=QUICK)
    for number in range(kills):
        site.start("worker", environment=QUICK)
        time.sleep(0.7 + 0.11 * (number % 5))
        site.kill("worker")
    site.start("worker", environment=QUICK)
    eventually(lambda: unfinished() == 0, seconds=120, why=describe_work)
    everything_once(site, count)
    made = f"receipts: {Receipt.objects.count()} of {count}, numbered without a gap"
    fault_table(f"a worker killed {kills} times", made, f"{len(site.messages())} mails")


@pytest.mark.usefixtures("stripe_sandbox")
def test_events_that_come_while_every_worker_is_stopped_are_applied_later(site, fault_table):
    factories.organization()
    campaign = factories.open_campaign()
    pool = factories.pool(campaign=campaign, limit_minor=10_000_000)
    site.stop("worker")
    gifts = [started_gift(campaign) for _ in range(40)]

    def pay(gift):
        try:
            confirm(gift)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as donors:
        list(donors.map(pay, gifts))
    wanted = StripeEvent.objects.filter(type="payment_intent.succeeded")
    eventually(lambda: wanted.count() == 40, why=describe_work)
    assert Donation.objects.filter(state="paid").count() == 0
    site.empty_broker()
    site.start("worker", environment=QUICK, waits=False)
    site.start("beat", environment=QUICK)
    killer = threading.Timer(4.0, lambda: site.kill("worker"))
    killer.start()
    eventually(lambda: Donation.objects.filter(state="paid").exists(), why=describe_work)
    killer.cancel()
    site.kill("worker")
    site.start("worker", environment=QUICK)
    done = lambda: Donation.objects.filter(state="paid").count() == 40 and unfinished() == 0  # noqa: E731
    eventually(done, seconds=90, why=describe_work)
    pool.refresh_from_db()
    assert (pool.matched_minor, pool.held_minor) == (40 * 10_000, 0)
    assert check_campaigns() == []
    everything_once(site, 40)
    ended = outcome_of(gifts)
    fault_table("workers stopped, then killed, the broker emptied", ended, "40 mails")
    assert ended == charged_once(40)
    asked = request_json("GET", f"{site.sandbox_url}/_sandbox/log?requests=1000")["requests"]
    assert Counter(request["method"] for request in asked if request["path"] == "/v1/payment_intents")["POST"] == 40
