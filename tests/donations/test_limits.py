"""Who may try to pay again: failures and presses without an end are counted, and what was paid weighs against them."""

import itertools
from datetime import timedelta

import pytest
from django.test import RequestFactory
from django.utils import timezone

from donations import limits, payments
from donations.gateway import Payment
from donations.models import Donation, FailedTry
from donations.sources import source_of
from tests import factories

pytestmark = pytest.mark.django_db
_serial = itertools.count(1)


def fresh(**changes):
    return factories.donation(state="started", at=timezone.now(), payment_intent=None, **changes)


def failed(gift, count=1, *, at=None, card=""):
    """So many declined cards of this gift, as Stripe's answers report them; with no card named, each another."""
    for _ in range(count):
        serial = next(_serial)
        payment = Payment(
            gift.payment_intent or "pi_1",
            "requires_payment_method",
            gift.total_minor,
            gift.currency,
            str(gift.match_key),
            decline_code="generic_decline",
            failed_charge=f"ch_failed_{serial}",
            fingerprint=card or f"card-{serial}",
        )
        limits.note_failure(gift, payment=payment, now=at or timezone.now())


def paid(count, **changes):
    for _ in range(count):
        factories.donation(at=timezone.now(), **changes)


def verdict(gift):
    try:
        found = limits.judge(gift, now=timezone.now())
    except limits.TooManyAttempts:
        return "refused"
    except limits.SourceCrowded:
        return "waits"
    return "proves" if found.is_suspicious else "goes on"


@pytest.mark.parametrize(
    ("failures", "payments_made", "expected"),
    [
        (4, 0, "goes on"),
        (5, 0, "proves"),
        (9, 0, "proves"),
        (10, 0, "refused"),
        (9, 20, "goes on"),
        (10, 20, "proves"),
        (19, 20, "proves"),
        (20, 20, "refused"),
        (8, 92, "goes on"),
    ],
)
def test_failures_of_one_source_weigh_against_what_it_paid(failures, payments_made, expected):
    campaign = factories.open_campaign()
    for _ in range(failures):
        failed(fresh(source="place", campaign=campaign))
    paid(payments_made, source="place", campaign=campaign)
    assert verdict(fresh(source="place")) == expected
    assert verdict(fresh(source="elsewhere")) == "goes on"


def test_what_was_an_hour_ago_is_forgotten():
    failed(fresh(source="thief"), 10, at=timezone.now() - timedelta(minutes=61))
    assert verdict(fresh(source="thief")) == "goes on"


def test_presses_without_an_end_make_the_next_one_wait_until_some_are_paid():
    pressed = [fresh(source="hospital", pressed_at=timezone.now()) for _ in range(10)]
    assert verdict(fresh(source="hospital")) == "waits"
    assert verdict(fresh(source="")) == "goes on"
    Donation.objects.filter(pk=pressed[0].pk).update(state="paid", paid_at=timezone.now())
    assert verdict(fresh(source="hospital")) == "goes on"


def test_a_press_that_was_declined_counts_once_and_an_old_one_no_more():
    now = timezone.now()
    for _ in range(9):
        fresh(source="hospital", pressed_at=now - timedelta(seconds=61))
    failed(fresh(source="hospital", pressed_at=now - timedelta(seconds=3)))
    assert verdict(fresh(source="hospital")) == "goes on"


def test_an_opened_payment_counts_until_it_ends_and_what_was_forgotten_ends_where_others_wait(monkeypatch):
    now, cancelled = timezone.now(), []
    monkeypatch.setattr("donations.gateway.cancel_payment", cancelled.append)
    minutes = (300, 90, 11, 9, *[2] * 6)
    for number, ago in enumerate(minutes):
        at = now - timedelta(minutes=ago)
        factories.donation(state="started", at=at, payment_intent=f"pi_{number}", pressed_at=at, source="hospital")
    last = fresh(source="hospital")
    with pytest.raises(limits.SourceCrowded):
        payments.open_payment(donation_id=last.pk, now=now)
    assert (cancelled, verdict(last)) == (["pi_0", "pi_1", "pi_2"], "goes on")


def test_cards_saved_for_the_day_weigh_as_paid_ones_and_those_called_off_as_failures():
    """Nobody pays before the day; and who saves a card and calls the gift off has proven it for nothing."""
    now, campaign = timezone.now(), factories.open_campaign()
    saved = {"campaign": campaign, "payment_method": "pm_1", "scheduled_at": now, "charge_at": now, "way": "scheduled"}

    def schedule(source, *, state, card):
        factories.donation(at=now, state=state, card=card, closed_at=now, payment_intent=None, source=source, **saved)

    for number in range(10):
        failed(fresh(source="hospital", campaign=campaign))
        schedule("hospital", state="scheduled", card=f"card-{number}")
        schedule("thief", state="abandoned", card=f"card-{number}")
        schedule("one card", state="scheduled", card="the one")
        failed(fresh(source="one card", campaign=campaign))
    assert [verdict(fresh(source=one)) for one in ("hospital", "thief", "one card")] == ["proves", "refused", "refused"]


def test_nobody_can_lock_a_stranger_out_with_their_e_mail():
    marta = factories.donor(email="marta@example.org")
    for source in ("thief", "other"):
        for _ in range(9):
            failed(fresh(donor=marta, source=source))
    assert verdict(fresh(donor=marta, source="martas-home")) == "proves"
    paid(80, source="thief")
    failed(fresh(donor=marta, source="thief"))
    assert verdict(fresh(donor=marta, source="thief")) == "refused"


def test_one_browser_has_ten_failures_wherever_it_is():
    for number in range(10):
        failed(fresh(form_session="browser", source=f"source-{number}"))
    assert verdict(fresh(form_session="browser", source="another")) == "refused"
    assert verdict(fresh(form_session="", source="another")) == "goes on"


def test_a_failure_is_counted_once_however_often_it_is_read():
    gift = fresh(source="thief", tries=1)
    payment = Payment(
        "pi_9",
        "requires_payment_method",
        gift.total_minor,
        gift.currency,
        str(gift.match_key),
        decline_code="generic_decline",
        failed_charge="ch_9",
        fingerprint="card",
    )
    for _ in range(3):
        payments.settle(donation_id=gift.pk, payment=payment, now=timezone.now())
    row = FailedTry.objects.get()
    assert (row.stripe_id, row.fingerprint, row.source, row.donor_id) == ("ch_9", "card", "thief", gift.donor_id)


def test_a_card_that_failed_in_many_places_ends_the_next_payment():
    for number in range(5):
        failed(fresh(source=f"source-{number}"), card="stolen")
    gift = fresh(source="another", tries=1)
    failed(gift, card="stolen")
    assert limits.ends_payment(gift, now=timezone.now())
    other = fresh(source="another", tries=1)
    failed(other, card="own")
    assert not limits.ends_payment(other, now=timezone.now())


def test_one_donor_may_try_one_card_five_times():
    gift = fresh(source="home", tries=5)
    failed(gift, 5, card="own")
    assert not limits.ends_payment(gift, now=timezone.now())


def test_more_cards_than_presses_end_the_payment():
    gift = fresh(tries=1)
    failed(gift, 2)
    assert not limits.ends_payment(gift, now=timezone.now())
    failed(gift)
    assert limits.ends_payment(gift, now=timezone.now())


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("203.0.113.7", "203.0.113.8", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:203.0.113.7", "203.0.113.7", True),
    ],
)
def test_a_source_is_an_address_or_a_network_of_64_bits(one, other, same):
    request = RequestFactory()
    first, second = (source_of(request.get("/", REMOTE_ADDR=address)) for address in (one, other))
    assert (first == second, len(first)) == (same, 16)


def test_behind_a_proxy_it_is_what_the_proxy_saw_and_not_what_the_sender_wrote(settings):
    request = RequestFactory()
    direct = source_of(request.get("/", REMOTE_ADDR="203.0.113.7"))
    settings.TRUSTED_PROXIES = 1
    headers = {"X-Forwarded-For": "198.51.100.1, 203.0.113.7"}
    assert source_of(request.get("/", REMOTE_ADDR="127.0.0.1", headers=headers)) == direct


def test_no_address_is_no_source():
    assert source_of(RequestFactory().get("/", REMOTE_ADDR="")) == ""
