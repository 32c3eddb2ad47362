"""Stripe's own errors while a payment is opened, and answers that are lost: one payment, whatever was said."""

from datetime import timedelta

import pytest
from django.utils import timezone

from donations import gateway, giving, outage, payments
from donations.models import Donation
from matching.queries import gift_match
from tests import factories
from tests.paying import client, confirm, deliver, events_of, gift_request, started_gift
from tests.site import request_json

pytestmark = [pytest.mark.django_db(transaction=True)]
CREATE = {"method": "POST", "path": "^/v1/payment_intents$"}


@pytest.fixture
def campaign():
    factories.organization()
    made = factories.open_campaign()
    factories.pool(campaign=made, limit_minor=1_000_000)
    return made


@pytest.fixture(autouse=True)
def _never_down(monkeypatch):
    """So many errors in a row would count as an outage, which is another test's."""
    monkeypatch.setattr(outage, "MOST_FAILURES", 1000)


@pytest.fixture
def fault(stripe_sandbox):
    def add(**rule):
        request_json("POST", f"{stripe_sandbox.sandbox_url}/_sandbox/faults", [CREATE | rule])

    return add


@pytest.fixture
def keys(stripe_sandbox):
    """The idempotency keys under which payments were asked for, each once, in order."""

    def read():
        asked = request_json("GET", f"{stripe_sandbox.sandbox_url}/_sandbox/log")["requests"]
        found = [
            row["idempotency_key"] for row in asked if (row["method"], row["path"]) == ("POST", "/v1/payment_intents")
        ]
        return list(dict.fromkeys(found))

    return read


def press_give(donation):
    payments.open_payment(donation_id=donation.pk, now=timezone.now())


def finish(donation):
    confirm(donation)
    [deliver(event) for event in events_of(donation)]
    donation.refresh_from_db()
    return donation.state, gift_match(key=donation.match_key).match_minor, len(client().v1.payment_intents.list().data)


def test_an_error_that_stripe_remembers_is_got_past_by_the_next_press(campaign, fault, keys):
    donation = started_gift(campaign)
    fault(answer="500", when="before", remember=True)
    with pytest.raises(payments.PaymentUnavailable):
        press_give(donation)
    assert finish(donation) == ("paid", 10_000, 1)
    assert keys() == [f"gift-{donation.match_key}", f"gift-{donation.match_key}-1"]


def test_without_a_new_round_the_error_comes_again_for_ever(campaign, fault):
    """The control: Stripe answers the same key with the same error, though nothing is wrong any more."""
    donation = started_gift(campaign)
    fault(answer="500", when="before", remember=True)
    for _ in range(2):
        with pytest.raises(payments.PaymentUnavailable):
            press_give(donation)
        Donation.objects.update(payment_round=0, payment_failed_at=None)


def test_an_error_after_the_work_was_done_leads_to_the_payment_that_was_made(campaign, fault, keys):
    donation = started_gift(campaign)
    fault(answer="500", when="after", remember=True)
    with pytest.raises(payments.PaymentUnavailable):
        press_give(donation)
    made = client().v1.payment_intents.list().data[0].id
    assert finish(donation) == ("paid", 10_000, 1)
    assert (donation.payment_intent, len(keys())) == (made, 1)


def test_a_search_that_fails_is_made_again_before_anything_is_asked_for(campaign, fault, stripe_sandbox, keys):
    donation = started_gift(campaign)
    fault(answer="500", when="after", remember=True)
    fault(answer="500", method="GET", times=3)
    for _ in range(2):
        with pytest.raises(payments.PaymentUnavailable):
            press_give(donation)
    assert finish(donation) == ("paid", 10_000, 1)
    assert keys() == [f"gift-{donation.match_key}"]


def test_round_after_round_each_has_a_key_of_its_own(campaign, fault, keys):
    donation = started_gift(campaign)
    fault(answer="503", when="before", remember=True, times=9)
    for _ in range(3):
        with pytest.raises(payments.PaymentUnavailable):
            press_give(donation)
    assert keys() == [f"gift-{donation.match_key}{tail}" for tail in ("", "-1", "-2")]


@pytest.mark.parametrize("answer", ["reset", "429", "lock_timeout"])
def test_no_answer_and_a_refusal_for_now_keep_the_key(campaign, fault, keys, answer):
    donation = started_gift(campaign)
    fault(answer=answer, when="after" if answer == "reset" else "before", times=3)
    with pytest.raises(payments.PaymentUnavailable):
        press_give(donation)
    donation.refresh_from_db()
    assert donation.payment_round == 0
    assert finish(donation) == ("paid", 10_000, 1)
    assert keys() == [f"gift-{donation.match_key}"]


def test_too_many_payments_to_look_through_is_no_answer(campaign, fault, monkeypatch):
    donation = started_gift(campaign)
    press_give(started_gift(campaign))
    fault(answer="500", when="before", remember=True)
    with pytest.raises(payments.PaymentUnavailable):
        press_give(donation)
    monkeypatch.setattr(gateway.calls, "_MOST_SEARCHED", 0)
    with pytest.raises(payments.PaymentUnavailable):
        press_give(donation)
    assert len(client().v1.payment_intents.list().data) == 1


def test_a_gift_left_while_stripe_tells_of_it_first_gives_its_form_back(campaign, stripe_sandbox, monkeypatch):
    """Stripe's event comes between our cancelling the payment and our writing down that the gift was left."""
    request = gift_request(campaign)
    donation = giving.start_gift(campaign=campaign, request=request, now=timezone.now())
    press_give(donation)
    donation.refresh_from_db()
    cancel = gateway.cancel_payment

    def cancel_and_be_overtaken(payment_intent):
        payment = cancel(payment_intent)
        [deliver(event) for event in events_of(donation)]
        return payment

    monkeypatch.setattr(gateway, "cancel_payment", cancel_and_be_overtaken)
    changed = gift_request(campaign, form_key=request.form_key, amount_minor=2_500)
    second = giving.start_gift(campaign=campaign, request=changed, now=timezone.now())
    donation.refresh_from_db()
    match = gift_match(key=donation.match_key)
    assert (donation.state, match.state, second.state, second.amount_minor) == (
        "abandoned", "released", "started", 2_500,
    )  # fmt: skip
    assert donation.notes.filter(text="Left without paying.").count() == 1


def test_a_payment_cancelled_at_stripe_ends_the_gift(campaign, stripe_sandbox):
    donation = started_gift(campaign)
    press_give(donation)
    donation.refresh_from_db()
    client().v1.payment_intents.cancel(donation.payment_intent, {"cancellation_reason": "fraudulent"})
    [deliver(event) for event in events_of(donation)]
    donation.refresh_from_db()
    assert (donation.state, gift_match(key=donation.match_key).state) == ("failed", "released")


def test_the_stretch_searched_for_a_payment_covers_a_slow_answer(settings):
    longest = timedelta(seconds=3 * settings.STRIPE_TIMEOUT_SECONDS + 10)
    assert longest < payments.AFTER_FAILING
