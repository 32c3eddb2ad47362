"""Faults of the API: a wrong answer, no answer, an answer lost after the work was done."""

import time

import pytest
import stripe

from sandbox.stripe.control import SandboxRefused
from tests.sandbox.conftest import Payments, client_for

PARAMS = {"amount": 5_000, "currency": "usd", "automatic_payment_methods": {"enabled": True}}


def create(client, key="k1"):
    return client.v1.payment_intents.create(params=PARAMS, options={"idempotency_key": key})


def intents(sandbox) -> int:
    return sandbox.state()["objects"]["payment_intents"]


@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        ("429", (stripe.RateLimitError, 429, "rate_limit")),
        ("lock_timeout", (stripe.RateLimitError, 429, "lock_timeout")),
        ("500", (stripe.APIError, 500, None)),
        ("503", (stripe.APIError, 503, None)),
    ],
)
def test_it_answers_an_error_before_the_work(sandbox, stripe_client, answer, raised):
    sandbox.faults(answer=answer, method="POST", path="/v1/payment_intents$")
    with pytest.raises(stripe.StripeError) as failed:
        create(stripe_client)
    assert (type(failed.value), failed.value.http_status, failed.value.error.code) == raised
    assert intents(sandbox) == 0
    assert create(stripe_client).status == "requires_payment_method"
    assert intents(sandbox) == 1


def test_a_lock_timeout_asks_for_a_retry(sandbox):
    client = client_for(sandbox, max_network_retries=2)
    sandbox.faults(answer="lock_timeout", method="POST")
    assert Payments(client).create().status == "requires_payment_method"
    assert [one["status"] for one in sandbox.log()["requests"]] == [429, 200]


def test_after_a_lost_answer_the_same_key_finds_the_first_object(sandbox, stripe_client):
    for answer in ("500", "reset"):
        sandbox.reset()
        sandbox.faults(answer=answer, method="POST", when="after")
        with pytest.raises((stripe.APIError, stripe.APIConnectionError)):
            create(stripe_client)
        assert intents(sandbox) == 1
        assert create(stripe_client).last_response.headers["Idempotent-Replayed"] == "true"
        assert intents(sandbox) == 1


def test_a_remembered_500_is_replayed_as_at_stripe(sandbox, stripe_client):
    sandbox.faults(answer="500", method="POST", remember=True)
    for _ in range(2):
        with pytest.raises(stripe.APIError) as failed:
            create(stripe_client)
    assert failed.value.headers["Idempotent-Replayed"] == "true"
    assert create(stripe_client, "k2").status == "requires_payment_method"


def test_a_reset_connection_is_a_connection_error(sandbox, stripe_client):
    sandbox.faults(answer="reset")
    with pytest.raises(stripe.APIConnectionError):
        create(stripe_client)
    assert intents(sandbox) == 0


@pytest.mark.parametrize(("when", "made"), [("before", 0), ("after", 1)])
def test_a_hanging_request_is_never_answered(sandbox, when, made):
    client = client_for(sandbox, http_client=stripe.RequestsClient(timeout=0.4))
    sandbox.faults(answer="hang", when=when)
    began = time.monotonic()
    with pytest.raises(stripe.APIConnectionError):
        create(client)
    assert time.monotonic() - began >= 0.4
    assert intents(sandbox) == made
    assert create(client).status == "requires_payment_method"
    assert intents(sandbox) == 1


def test_a_rule_hits_only_its_calls_and_only_so_often(sandbox, stripe_client, payments):
    sandbox.faults(answer="500", method="POST", path="/confirm$", skip=1, times=2)
    first = payments.create()
    assert payments.confirm(first).status == "succeeded"
    second = payments.create()
    for _ in range(2):
        with pytest.raises(stripe.APIError):
            payments.confirm(second)
    assert payments.confirm(second).status == "succeeded"
    assert stripe_client.v1.payment_intents.retrieve(second.id).status == "succeeded"


def test_rules_without_end_go_when_taken_away(sandbox, stripe_client):
    sandbox.faults({"answer": "503", "times": 0})
    for _ in range(3):
        with pytest.raises(stripe.APIError):
            stripe_client.v1.charges.list()
    sandbox.clear_faults()
    assert stripe_client.v1.charges.list().data == []


def test_a_rule_that_cannot_be_is_refused(sandbox):
    for rule in ({"answer": "418"}, {"answer": "500", "when": "during"}, {"answer": "500", "path": "("}, {"path": "x"}):
        with pytest.raises(SandboxRefused):
            sandbox.faults(rule)
    assert sandbox.faults() == []


def often(*calls):
    """So often that three are within a second, however busy the machine."""
    for call in calls * 50:
        call()


def test_the_account_is_capped(sandbox, stripe_client):
    sandbox.knobs(requests_per_second=2)
    with pytest.raises(stripe.RateLimitError) as refused:
        often(stripe_client.v1.charges.list, stripe_client.v1.refunds.list)
    assert refused.value.headers["Stripe-Rate-Limited-Reason"] == "global-rate"
    time.sleep(1.05)
    assert stripe_client.v1.charges.list().data == []


def test_one_endpoint_is_capped_apart_from_the_others(sandbox, stripe_client):
    sandbox.knobs(requests_per_second_per_endpoint=2)
    with pytest.raises(stripe.RateLimitError) as refused:
        often(stripe_client.v1.charges.list)
    assert refused.value.headers["Stripe-Rate-Limited-Reason"] == "endpoint-rate"
    assert stripe_client.v1.refunds.list().data == []


def test_latency_slows_every_answer(sandbox, stripe_client):
    sandbox.knobs(latency_ms=120)
    began = time.monotonic()
    stripe_client.v1.charges.list()
    assert time.monotonic() - began >= 0.12


def test_the_log_tells_what_was_asked_and_answered(sandbox, stripe_client, payments):
    create(stripe_client, "k9")
    with pytest.raises(stripe.InvalidRequestError):
        payments.create(1)
    first, second = sandbox.log()["requests"]
    assert first["params"] == {
        "amount": "5000",
        "currency": "usd",
        "automatic_payment_methods": {"enabled": "true"},
    }
    assert (first["method"], first["path"], first["idempotency_key"]) == ("POST", "/v1/payment_intents", "k9")
    assert (first["status"], first["key"], second["status"]) == (200, "secret", 400)


def test_a_card_number_never_comes_into_the_log(sandbox, stripe_client):
    card = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2034, "cvc": "987"}
    stripe_client.v1.payment_methods.create(params={"type": "card", "card": card})
    said = str(sandbox.log())
    assert "4242424242424242" not in said
    assert "'987'" not in said  # as a value: numbers and marks may hold these digits by chance
