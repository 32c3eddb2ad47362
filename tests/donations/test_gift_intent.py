"""`/gifts/<token>/intent/`: what pay.js is answered when Give is pressed."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from donations import gateway, giving, limits, payments
from donations.models import Donation, FailedTry
from matching.ledger import PoolsBusy
from matching.queries import gift_match
from tests import factories
from tests.donations.give_form import give, lapsed, lower_match, open_campaign, post, words

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign():
    return open_campaign()


@pytest.fixture
def pool(campaign):
    return factories.pool(campaign=campaign)


def test_it_hands_the_secret_to_the_page_and_says_where_to_return(client, campaign, pool, monkeypatch):
    gift = give(client)
    monkeypatch.setattr(payments, "open_payment", lambda **_: "pi_1_secret_2")
    answer = post(client, gift, "intent/")
    match = gift_match(key=gift.match_key)
    sent = answer.json()
    assert answer.status_code == 200
    assert sent.pop("clock")["until"] == int(match.held_until.timestamp() * 1000)
    assert sent == {"client_secret": "pi_1_secret_2", "return_url": f"http://testserver/gifts/{gift.token}/"}


@pytest.mark.parametrize(
    ("error", "refusal"),
    [
        (payments.PaymentUnavailable("The card company cannot be reached."), (503, "unavailable")),
        (payments.HoldLapsed("G-1"), (409, "hold_lapsed")),
        (payments.TooManyTries("G-1"), (429, "too_many_tries")),
        (giving.GiftAlreadyPaid(Donation()), (409, "not_open")),
        (giving.GiftInFlight(Donation()), (409, "not_open")),
        (gateway.PaymentUnderWay("succeeded"), (409, "not_open")),
        (PoolsBusy(), (503, "busy")),
        (gateway.GatewayUnavailable("no answer"), (503, "unavailable")),
        (gateway.GatewayRefused("401 bad key sk_test_secret"), (502, "broken")),
        (payments.PaymentMismatch("amount"), (502, "broken")),
    ],
)
def test_what_stops_a_payment_is_one_sentence(client, campaign, monkeypatch, error, refusal):
    def stopped(**_):
        raise error

    gift = give(client)
    monkeypatch.setattr(payments, "open_payment", stopped)
    answer = post(client, gift, "intent/")
    assert (answer.status_code, answer.json()["code"]) == refusal
    assert answer.json()["error"].endswith(".")
    assert "sk_test" not in answer.json()["error"]


def test_a_lapsed_hold_stops_the_payment(client, campaign, pool, settings):
    answer = post(client, lapsed(client, settings), "intent/")
    assert (answer.status_code, answer.json()["code"]) == (409, "hold_lapsed")


@pytest.mark.parametrize("state", ["paid", "processing", "failed", "abandoned"])
def test_only_a_started_gift_can_be_paid(client, campaign, state):
    answer = post(client, factories.donation(campaign=campaign, state=state), "intent/")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_open")


def test_a_hold_of_nothing_never_lapses(client, campaign, settings, monkeypatch):
    gift = lapsed(client, settings)
    Donation.objects.update(submitted_at=datetime.now(UTC) - timedelta(hours=1))
    monkeypatch.setattr(payments, "open_payment", lambda **_: "pi_1_secret_2")
    assert "Your payment" in words(client.get(f"/gifts/{gift.token}/pay/").content.decode())
    assert post(client, gift, "intent/").status_code == 200


def test_the_card_cannot_be_reached_before_the_choice(client, campaign):
    answer = post(client, lower_match(client, campaign), "intent/")
    assert (answer.status_code, answer.json()["code"]) == (409, "match_is_lower")


def test_a_press_reads_the_match_twice(client, campaign, pool, monkeypatch):
    """Under the gift's lock, to judge it, and once more for the page's clock."""
    gift = give(client)
    made = gateway.Payment("pi_1", "requires_payment_method", 10_000, "USD", str(gift.match_key), client_secret="s")
    monkeypatch.setattr(payments.opening, "_payment_at_stripe", lambda *_, **__: made)
    with CaptureQueriesContext(connection) as seen:
        assert post(client, gift, "intent/").status_code == 200
    reads = [query["sql"] for query in seen if query["sql"].startswith("SELECT DISTINCT ON")]
    assert len([sql for sql in reads if '"matching_reservation"' in sql]) == 2


def test_with_redis_gone_the_limits_hold(client, campaign, pool, settings, fault_table):
    gift = give(client)
    FailedTry.objects.bulk_create(
        FailedTry(donation=gift, stripe_id=f"ch_{number}", at=gift.submitted_at, donor_id=1, source=gift.source)
        for number in range(limits.MOST_FAILURES)
    )
    settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": "redis://127.0.0.1:9/1"}}
    answer = post(client, gift, "intent/")
    fault_table("Redis gone, and a thief at work", "refused from the database", f"answered {answer.status_code}")
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_tries")
