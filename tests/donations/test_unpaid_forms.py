"""What somebody who never pays can do with the giving form, and what the form refuses them."""

from datetime import timedelta
from html import unescape

import pytest
from django.test import Client
from django.utils import timezone

from donations import giving, limits, payments
from donations.gateway import Payment
from donations.models import Donation, Donor
from matching.ledger import PoolsBusy
from matching.queries import gift_match
from tests import factories
from tests.donations.give_form import filled, give, open_campaign
from tests.paying import gift_request

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign():
    factories.organization()
    made = factories.open_campaign(max_gift_minor=25_000)
    factories.pool(campaign=made, limit_minor=10_000_000)
    return made


def start(campaign, form_key, *, source="thief", now=None, **changes):
    request = gift_request(campaign, form_key=form_key, source=source, **changes)
    return giving.start_gift(campaign=campaign, request=request, now=now or timezone.now())


def settled(gift, status, *, now):
    payment = Payment("pi_1", status, gift.total_minor, gift.currency, str(gift.match_key))
    return payments.settle(donation_id=gift.pk, payment=payment, now=now)


def test_one_source_holds_no_more_than_two_of_the_largest_gifts_without_paying(campaign):
    for number in range(5):
        start(campaign, f"form-{number}")
    with pytest.raises(limits.TooMuchHeld):
        start(campaign, "form-5")
    assert Donation.objects.count() == 5
    assert gift_match(key=start(campaign, "form-6", source="neighbour").match_key).match_minor == 10_000


def test_the_form_says_so_and_keeps_what_was_typed():
    campaign = open_campaign(max_gift_minor=10_000)
    factories.pool(campaign=campaign)
    for _ in range(2):
        give(Client())
    other = Client()
    answer = other.post("/give/", filled(other, donor_name="Another Donor"))
    page = unescape(answer.content.decode())
    assert answer.status_code == 429
    assert str(limits.HELD_SENTENCE) in page
    assert 'value="Another Donor"' in page


def test_what_is_paid_or_left_or_over_counts_no_more(campaign):
    now = timezone.now()
    paid, left, *_ = [start(campaign, f"form-{number}", now=now) for number in range(5)]
    settled(paid, "succeeded", now=now)
    start(campaign, "form-5", now=now)
    giving.abandon_gift(donation_id=left.pk, now=now, actor="donor")
    start(campaign, "form-6", now=now)
    start(campaign, "form-7", now=now + timedelta(minutes=16))


def test_the_gift_that_is_replaced_does_not_stand_in_its_own_way(campaign):
    for number in range(5):
        start(campaign, f"form-{number}")
    start(campaign, "form-4", donor_name="Marta Reyes-Lang")


def test_a_hold_is_not_taken_again_past_the_limit(campaign):
    now = timezone.now()
    late = start(campaign, "late", now=now)
    later = now + timedelta(minutes=16)
    for number in range(5):
        start(campaign, f"form-{number}", now=later)
    with pytest.raises(limits.TooMuchHeld):
        giving.renew_hold(donation_id=late.pk, now=later)


def test_a_page_of_3d_secure_left_open_holds_the_match_for_an_hour_and_no_longer(campaign):
    now = timezone.now()
    gift = start(campaign, "form", now=now)
    for minutes in range(1, 180, 5):
        settled(gift, "requires_action", now=now + timedelta(minutes=minutes))
    assert gift_match(key=gift.match_key).held_until == now + payments.LONGEST_PAYING


def test_only_who_paid_says_what_a_donor_is_called(campaign):
    start(campaign, "form-1", donor_email="marta@example.org", donor_name="Marta Reyes")
    other = start(campaign, "form-2", donor_email="marta@example.org", donor_name="Not Marta")
    assert Donor.objects.get(email="marta@example.org").name == "Marta Reyes"
    settled(other, "succeeded", now=timezone.now())
    assert Donor.objects.get(email="marta@example.org").name == "Not Marta"


def test_the_other_half_of_a_double_click_with_other_content_is_asked_to_send_again(campaign, monkeypatch):
    start(campaign, "form")
    found = giving._live_gift
    seen = []
    monkeypatch.setattr(giving, "_live_gift", lambda key: found(key) if seen else seen.append(key))
    with pytest.raises(PoolsBusy):
        start(campaign, "form", donor_name="Marta Reyes-Lang")
    assert Donation.objects.count() == 1
