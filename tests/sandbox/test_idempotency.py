"""Idempotency keys: a repeat never does the work twice."""

import threading

import pytest
import stripe

PARAMS = {"amount": 5_000, "currency": "usd", "automatic_payment_methods": {"enabled": True}}


def create(client, key, **changes):
    return client.v1.payment_intents.create(params={**PARAMS, **changes}, options={"idempotency_key": key})


def test_the_same_key_and_parameters_replay_the_first_answer(sandbox, stripe_client):
    first, second = create(stripe_client, "k1"), create(stripe_client, "k1")
    assert first.id == second.id
    assert "Idempotent-Replayed" not in first.last_response.headers
    assert second.last_response.headers["Idempotent-Replayed"] == "true"
    assert second.last_response.headers["Original-Request"] == first.last_response.request_id
    assert sandbox.state()["objects"]["payment_intents"] == 1


def test_the_same_key_with_other_parameters_is_refused(sandbox, stripe_client):
    create(stripe_client, "k1")
    with pytest.raises(stripe.IdempotencyError) as refused:
        create(stripe_client, "k1", amount=6_000)
    assert refused.value.http_status == 400
    assert sandbox.state()["objects"]["payment_intents"] == 1


def test_a_declined_payment_is_replayed_too(payments, stripe_client):
    intent = payments.create()
    params = {"payment_method": "pm_card_visa_chargeDeclined", "return_url": "http://127.0.0.1/"}
    for _ in range(2):
        with pytest.raises(stripe.CardError) as refused:
            stripe_client.v1.payment_intents.confirm(intent.id, params=params, options={"idempotency_key": "k1"})
    assert refused.value.headers["Idempotent-Replayed"] == "true"
    assert len(stripe_client.v1.charges.list(params={"payment_intent": intent.id}).data) == 1


def test_a_request_refused_for_its_form_frees_the_key(stripe_client):
    with pytest.raises(stripe.InvalidRequestError):
        create(stripe_client, "k1", amount="much")
    assert create(stripe_client, "k1").status == "requires_payment_method"


def test_a_key_in_use_is_a_409_and_one_object(sandbox, stripe_client):
    sandbox.knobs(latency_ms=300)
    answers: list[str] = []

    def attempt():
        try:
            answers.append(create(stripe_client, "k1").id)
        except stripe.StripeError as error:
            answers.append(f"{error.http_status} {error.error.code}")

    threads = [threading.Thread(target=attempt) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers)[:4] == ["409 idempotency_key_in_use"] * 4
    assert sandbox.state()["objects"]["payment_intents"] == 1
