"""The site as processes, with workers stopped, the endpoint blocked, or the mail server swallowing connections."""

import json
import os
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from urllib.request import Request, urlopen

import pytest
import stripe
from django.db import connection, transaction
from django.utils import timezone

from donations import work
from donations.models import Donation, FollowUp, Receipt, ReceiptSend, StripeEvent, StripeRun
from matching.checking import check_campaigns
from sandbox.stack.environment import TEST_STRIPE
from tests import factories
from tests.beside import eventually
from tests.concurrency.test_lost_and_killed import SWIFT, describe_work, unfinished
from tests.fault_table import charged_once, outcome_of
from tests.paying import confirm, started_gift
from tests.site import request_json

pytestmark = pytest.mark.django_db(transaction=True)
INBOX_LISTS = 1_000
GIFTS = int(os.environ.get("BLOCKED_GIFTS") or (10_000 if os.environ.get("CHAOS") else 40))


def body(number, **changes):
    made = {
        "id": f"evt_{number}",
        "object": "event",
        "type": "customer.updated",
        "api_version": "2026-08-26.dahlia",
        "livemode": False,
        "created": int(time.time()),
        "data": {"object": {"id": f"cus_{number}", "object": "customer"}},
    }
    return json.dumps(made | changes)


def tell(site, payload):
    """Post one event as Stripe does; the status and how long the answer took, in seconds."""
    signature = stripe.WebhookSignature.generate_signature_header(payload, TEST_STRIPE["STRIPE_WEBHOOK_SECRET"])
    headers = {"Content-Type": "application/json", "Stripe-Signature": signature}
    began = time.monotonic()
    with urlopen(Request(f"{site.url}/webhooks/stripe/", payload.encode(), headers), timeout=20) as answer:
        return answer.status, time.monotonic() - began


def test_five_hundred_events_in_ten_seconds_with_every_worker_stopped(site, fault_table):
    site.stop("worker")
    began = time.monotonic()
    with ThreadPoolExecutor(8) as stripes:
        told = list(stripes.map(lambda number: tell(site, body(number)), range(500)))
    took = time.monotonic() - began
    assert Counter(status for status, _ in told) == {200: 500}
    assert dict(Counter(StripeEvent.objects.values_list("state", "attempts"))) == {("received", 0): 500}
    assert took < 10, f"500 events were stored in {took:.1f} s"
    site.empty_broker()
    site.start("worker", environment=SWIFT, waits=False)
    site.start("beat", environment=SWIFT)
    waiting = StripeEvent.objects.filter(state="received")
    eventually(lambda: not waiting.exists(), why=describe_work)
    assert set(StripeEvent.objects.values_list("state", "why_ignored", "attempts")) == {("ignored", "type", 1)}
    slowest = sorted(seconds for _, seconds in told)
    figure = f"stored in {took:.1f} s; median {slowest[250] * 1000:.0f} ms, 99 of 100 {slowest[495] * 1000:.0f} ms"
    fault_table("workers stopped, 500 events at once", "500 answered 200, each dealt with once, later", figure)


@pytest.mark.usefixtures("stripe_sandbox")
def test_fifty_copies_at_once_make_one_row_one_match_and_one_receipt(site, fault_table):
    request_json("POST", f"{site.sandbox_url}/_sandbox/knobs", {"paused": True})
    factories.organization()
    campaign = factories.open_campaign()
    pool = factories.pool(campaign=campaign)
    gift = started_gift(campaign)
    confirm(gift)
    listed = request_json("GET", f"{site.sandbox_url}/_sandbox/log?events=50")["events"]
    [name] = [event["id"] for event in listed if event["type"] == "payment_intent.succeeded"]
    asked = Request(f"{site.sandbox_url}/v1/events/{name}", headers={"Authorization": "Bearer sk_test_twofold_demo"})
    payload = urlopen(asked, timeout=10).read().decode()
    with ThreadPoolExecutor(16) as stripes:
        told = list(stripes.map(lambda _: tell(site, payload)[0], range(50)))
    assert Counter(told) == {200: 50}
    eventually(lambda: Receipt.objects.exists() and unfinished() == 0, why=describe_work)
    pool.refresh_from_db()
    counts = (StripeEvent.objects.count(), Receipt.objects.count(), len(site.messages()), pool.matched_minor)
    assert counts == (1, 1, 1, 10_000)
    assert StripeEvent.objects.get().attempts == 1
    ended = outcome_of([gift])
    fault_table("50 copies of an event at once", ended, "1 row, applied once, 1 mail")
    assert ended == charged_once(1)


def pay_with_the_endpoint_blocked(site, campaign):
    """GIFTS gifts are paid; every event is made and none arrives."""
    request_json("POST", f"{site.sandbox_url}/_sandbox/knobs", {"drop_fraction": 1.0, "balance_delay_ms": 0})

    def give(_number):
        """One after the other, however many: nobody's hold lapses before they pay."""
        try:
            gift = started_gift(campaign)
            confirm(gift)
        finally:
            connection.close()
        return gift

    with ThreadPoolExecutor(4) as donors:
        return list(donors.map(give, range(GIFTS)))


@pytest.mark.usefixtures("stripe_sandbox")
def test_an_endpoint_blocked_for_days_costs_time_and_no_gift(site, fault_table):
    """As on the fifth day: Stripe has given up delivering, the run through its lists completes every gift, once."""
    factories.organization()
    campaign = factories.open_campaign()
    pool = factories.pool(campaign=campaign, limit_minor=GIFTS * 10_000)
    gifts = pay_with_the_endpoint_blocked(site, campaign)
    assert (Donation.objects.filter(state="paid").count(), StripeEvent.objects.count()) == (0, 0)
    began = time.monotonic()
    site.start("beat", environment=SWIFT)  # the first run is due at once
    paid = Donation.objects.filter(state="paid")
    eventually(paid.exists, seconds=120, why=describe_work)
    until_begun = time.monotonic() - began
    done = lambda: paid.count() == GIFTS and unfinished() == 0 and StripeRun.objects.exclude(finished_at=None).exists()  # noqa: E731
    eventually(done, seconds=900, why=describe_work)
    took = time.monotonic() - began - until_begun
    pool.refresh_from_db()
    assert (pool.matched_minor, pool.held_minor, pool.free_minor) == (GIFTS * 10_000, 0, 0)
    assert (Receipt.objects.count(), ReceiptSend.objects.filter(outcome="sent").count()) == (GIFTS, GIFTS)
    assert len({message["message_id"] for message in site.messages()}) == min(GIFTS, INBOX_LISTS)
    assert FollowUp.objects.filter(kind="receipt").count() == GIFTS
    assert Donation.objects.filter(pk__in=[gift.pk for gift in gifts]).exclude(method_last4="4242").count() == 0
    assert (StripeRun.objects.first().found["payments"], check_campaigns()) == (GIFTS, [])
    ended = outcome_of(gifts)
    fault_table("the endpoint blocked for days", ended, f"{GIFTS / took:.0f} gifts a second, receipts mailed")
    assert ended == charged_once(GIFTS)


def swallowing_server():
    """A mail server that takes connections and never says a word."""
    server = socket.create_server(("127.0.0.1", 0), backlog=64)
    return server, server.getsockname()[1]


@pytest.mark.usefixtures("stripe_sandbox")
def test_a_mail_server_that_swallows_connections_holds_up_no_payment(site):
    server, port = swallowing_server()
    with server:
        changed = SWIFT | {"EMAIL_URL": f"smtp://127.0.0.1:{port}"}
        site.start("worker", environment=changed, queues="celery,runs", waits=False)
        site.start("mailer", environment=changed, concurrency=1)
        factories.organization()
        campaign = factories.open_campaign()
        factories.pool(campaign=campaign)
        with transaction.atomic():
            old = [factories.donation(campaign=campaign) for _ in range(3)]
        for gift in old:  # each mail waits for the server's word, and there is one hand for mail
            work.owe(donation=gift, kind=FollowUp.Kind.RECEIPT, now=timezone.now())
        site.start("beat", environment=SWIFT)
        mails = FollowUp.objects.filter(kind="email")
        eventually(lambda: mails.filter(attempts=1).exists(), why=describe_work)
        gift = started_gift(campaign)
        confirm(gift)
        eventually(lambda: Receipt.objects.filter(donation=gift).exists(), why=describe_work)
        eventually(lambda: Receipt.objects.count() == 4, why=describe_work)
        assert (mails.count(), set(mails.values_list("state", flat=True))) == (4, {"due"})
        site.kill("mailer")
    mails.update(due_at=timezone.now())  # while nobody works: it would end the lease of a mail that is being sent
    site.start("mailer")
    eventually(lambda: unfinished() == 0, why=describe_work)
    assert len(site.messages()) == 4
