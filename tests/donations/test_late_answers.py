"""What is learned late, or in an unlucky order: payments that no event spoke of, a second card, the bank's refusal."""

from datetime import timedelta

import pytest
from django.utils import timezone

from donations import reconciliation, strays
from donations.models import Donation
from matching.ledger import PoolsBusy
from matching.queries import gift_match
from tests import factories
from tests.paying import client, confirm, deliver, events_of, started_gift
from tests.site import request_json

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def campaign():
    factories.organization()
    return factories.open_campaign()


@pytest.fixture
def pool(campaign):
    return factories.pool(campaign=campaign, limit_minor=1_000_000)


def test_a_payment_made_a_day_ago_that_no_event_spoke_of_is_found(campaign, pool, stripe_sandbox):
    donation = started_gift(campaign)
    confirm(donation)
    Donation.objects.update(submitted_at=timezone.now() - timedelta(hours=25))
    assert reconciliation.ask_about_late_payments(now=timezone.now()) == [donation.pk]
    donation.refresh_from_db()
    assert donation.state == "paid"


def test_gifts_that_stripe_does_not_know_do_not_keep_others_from_their_turn(campaign, pool, stripe_sandbox):
    unknown = started_gift(campaign)
    Donation.objects.filter(pk=unknown.pk).update(
        payment_intent="pi_of_other_keys", submitted_at=timezone.now() - timedelta(hours=30)
    )
    paid = started_gift(campaign)
    confirm(paid)
    now = timezone.now() + timedelta(minutes=3)
    assert reconciliation.ask_about_late_payments(now=now, limit=1) == []
    assert reconciliation.ask_about_late_payments(now=now, limit=1) == [paid.pk]


def test_the_card_of_a_receipt_is_the_one_that_paid(campaign, pool, stripe_sandbox):
    donation = started_gift(campaign)
    confirm(donation, method="pm_card_visa_chargeDeclined")
    [deliver(event) for event in events_of(donation)]
    confirm(donation, method="pm_card_mastercard")
    by_type = {event["type"]: event for event in events_of(donation)}
    deliver(by_type["payment_intent.succeeded"])
    deliver(by_type["charge.succeeded"])
    donation.refresh_from_db()
    paid = client().v1.payment_intents.retrieve(donation.payment_intent)
    assert (donation.charge, donation.method_text) == (paid.latest_charge, "Mastercard ending in 4444")


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_banks_refusal_counts_whichever_event_comes_first(campaign, pool, stripe_sandbox, order):
    request_json("POST", f"{stripe_sandbox.sandbox_url}/_sandbox/knobs", {"bank_delay_ms": -1})
    donation = started_gift(campaign)
    confirm(donation, method="pm_usBankAccount_accountClosed")
    body = {"what": "fail_debit", "payment_intent": donation.payment_intent}
    request_json("POST", f"{stripe_sandbox.sandbox_url}/_sandbox/trigger", body)
    by_type = {event["type"]: event for event in events_of(donation)}
    wanted = ("payment_intent.processing", "payment_intent.payment_failed")
    [deliver(by_type[wanted[place]]) for place in order]
    donation.refresh_from_db()
    assert (donation.state, gift_match(key=donation.match_key).state) == ("failed", "released")


def test_a_refund_of_a_payment_we_never_heard_of_finds_its_gift(campaign, pool, stripe_sandbox):
    donation = started_gift(campaign)
    confirm(donation)
    client().v1.refunds.create({"payment_intent": donation.payment_intent, "amount": 2_500})
    refund = next(event for event in events_of(donation) if event["type"] == "refund.created")
    Donation.objects.update(payment_intent=None)
    assert deliver(refund).state == "applied"
    now = timezone.now()
    assert reconciliation.adopt_unknown_payments(since=now - timedelta(hours=1), now=now) == [donation.pk]
    donation.refresh_from_db()
    match = gift_match(key=donation.match_key)
    assert (donation.state, donation.refunded_minor, match.match_minor) == ("paid", 2_500, 7_500)


def test_a_payment_whose_pools_are_busy_keeps_no_other_from_being_found(campaign, pool, stripe_sandbox, monkeypatch):
    first, second = started_gift(campaign), started_gift(campaign)
    for donation in (first, second):
        confirm(donation)
    settle = strays.settle_or_set_aside

    def busy_once(**given):
        if given["donation_id"] == second.pk:  # Stripe lists the newest first
            raise PoolsBusy
        return settle(**given)

    now = timezone.now()
    with monkeypatch.context() as patch:
        patch.setattr(strays, "settle_or_set_aside", busy_once)
        assert reconciliation.adopt_unknown_payments(since=now - timedelta(hours=1), now=now) == [first.pk]
    assert reconciliation.adopt_unknown_payments(since=now - timedelta(hours=1), now=now) == [second.pk]
