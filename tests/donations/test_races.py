"""What two people do to one gift at the same moment: each race is forced, by holding one side at its weakest step."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from donations import follow_ups, gateway, payments, work
from donations.giving import abandon_gift, renew_hold
from donations.models import Donation, FollowUp, Receipt, Reversal
from matching import holds
from matching.checking import check_campaigns
from matching.ledger import lock_pools
from matching.models import Reservation
from matching.queries import gift_match
from tests import factories
from tests.beside import Beside, someone_waits_for_a_lock
from tests.paying import confirm, started_gift

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def campaign():
    factories.organization()
    return factories.open_campaign()


@pytest.fixture
def pool(campaign):
    return factories.pool(campaign=campaign, limit_minor=1_000_000)


def test_renewing_a_hold_takes_its_pools_in_the_order_of_every_other_gift(campaign):
    first = factories.pool(campaign=campaign, limit_minor=10_000)
    second = factories.pool(campaign=campaign, limit_minor=100_000)
    started_gift(campaign)
    donation = started_gift(campaign)
    assert [row.pool_id for row in Reservation.objects.get(key=donation.match_key).allocations.all()] == [second.pk]
    Reservation.objects.filter(key=donation.match_key).update(held_until=timezone.now() - timedelta(seconds=1))
    with transaction.atomic():
        lock_pools([first.pk])
        renewing = Beside(lambda: renew_hold(donation_id=donation.pk, now=timezone.now()))
        someone_waits_for_a_lock()
        lock_pools([first.pk, second.pk])
    assert renewing.finish().match_minor == 10_000
    assert check_campaigns() == []


def test_a_payment_that_was_refunded_before_we_knew_takes_its_pools_in_order_too(campaign):
    """Its match comes from the second pool, which has too little, and it waits for money of the first."""
    first = factories.pool(campaign=campaign, limit_minor=10_000)
    second = factories.pool(campaign=campaign, limit_minor=4_000)
    started_gift(campaign)
    donation = started_gift(campaign)
    now = timezone.now()
    payments.record_reversal(
        donation_id=donation.pk, kind=Reversal.Kind.REFUND, stripe_id="re_early", amount_minor=2_500,
        status="succeeded", created_at=now, reported_at=now, now=now,
    )  # fmt: skip
    charge = gateway.ChargeDetails("ch_early", "card", "Visa", "4242", now)
    payment = gateway.Payment("pi_early", "succeeded", 10_000, "USD", str(donation.match_key), charge=charge)
    with transaction.atomic():
        lock_pools([first.pk])
        settling = Beside(lambda: payments.settle(donation_id=donation.pk, payment=payment, now=now))
        someone_waits_for_a_lock()
        lock_pools([first.pk, second.pk])
    assert settling.finish().refunded_minor == 2_500
    assert gift_match(key=donation.match_key).match_minor == 3_000
    assert check_campaigns() == []


def test_a_hold_extended_while_it_is_being_expired_stays(campaign, pool):
    donation = started_gift(campaign)
    now = timezone.now()
    Reservation.objects.update(held_until=now - timedelta(seconds=1))
    with transaction.atomic():
        holds.extend(key=donation.match_key, until=now + timedelta(minutes=10))
        sweeping = Beside(lambda: holds.expire_lapsed(now=now))
        someone_waits_for_a_lock()
    assert sweeping.finish() == 0
    assert gift_match(key=donation.match_key).is_held_at(now)
    assert check_campaigns() == []


def test_a_payment_opened_while_the_gift_is_being_left_is_cancelled_too(campaign, pool, stripe_sandbox):
    donation = started_gift(campaign)
    payment = gateway.create_payment(
        idempotency_key=f"gift-{donation.match_key}",
        gift_key=str(donation.match_key),
        reference=donation.reference,
        amount_minor=donation.total_minor,
        currency="USD",
        description="Gift",
    )
    with transaction.atomic():
        Donation.objects.filter(pk=donation.pk).update(payment_intent=payment.payment_intent)
        leaving = Beside(lambda: abandon_gift(donation_id=donation.pk, now=timezone.now(), actor="donor"))
        someone_waits_for_a_lock()
    assert leaving.finish()
    assert gateway.retrieve_payment(payment.payment_intent).status == "canceled"
    donation.refresh_from_db()
    assert donation.state == "abandoned"


def test_a_refund_that_comes_while_the_receipt_is_being_issued_replaces_it(campaign, pool, monkeypatch):
    donation = factories.donation(campaign=campaign)
    row = work.owe(donation=donation, kind=FollowUp.Kind.RECEIPT, now=timezone.now())
    issue = follow_ups.receipts.issue_receipt

    def issue_and_be_refunded(**kwargs):
        receipt = issue(**kwargs)
        payments.record_reversal(
            donation_id=donation.pk,
            kind=Reversal.Kind.REFUND,
            stripe_id="re_1",
            amount_minor=2_500,
            status="succeeded",
            created_at=timezone.now(),
            reported_at=timezone.now(),
            now=timezone.now(),
        )
        return receipt

    monkeypatch.setattr(follow_ups.receipts, "issue_receipt", issue_and_be_refunded)
    follow_ups.run(follow_up_id=row.pk, now=timezone.now())
    follow_ups.run(follow_up_id=row.pk, now=timezone.now() + timedelta(hours=2))
    assert Receipt.objects.get(voided_at=None).amount_minor == 7_500


@pytest.mark.parametrize("page", ["", "status/"])
def test_a_gift_that_is_being_settled_for_long_still_has_its_page(campaign, pool, stripe_sandbox, client, page):
    donation = started_gift(campaign)
    confirm(donation)
    with transaction.atomic():
        Donation.objects.select_for_update(no_key=True).get(pk=donation.pk)
        looking = Beside(lambda: client.get(f"{donation.get_absolute_url()}{page}?look=1"))
        looking.join(10)
    assert looking.finish().status_code == 200
