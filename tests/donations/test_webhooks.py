"""/webhooks/stripe/: what is truly from Stripe is stored and answered 200, everything else is refused."""

import json
from datetime import timedelta

import pytest
import stripe
import time_machine
from django.utils import timezone
from kombu.exceptions import OperationalError

from donations import events, tasks
from donations.models import StripeEvent

pytestmark = pytest.mark.django_db
URL = "/webhooks/stripe/"
EVENT = {
    "id": "evt_1",
    "object": "event",
    "type": "payment_intent.succeeded",
    "api_version": "2026-08-26.dahlia",
    "livemode": False,
    "created": 1_796_137_200,
    "data": {"object": {"id": "pi_1", "object": "payment_intent"}},
}


@pytest.fixture(autouse=True)
def woken(monkeypatch, settings):
    settings.STRIPE_WEBHOOK_SECRETS = ["whsec_new", "whsec_old"]
    ids = []
    monkeypatch.setattr(tasks.apply_event, "apply_async", ids.extend)
    return ids


@pytest.fixture
def refusal(request, caplog, fault_table):
    """Note in the fault table what became of a webhook."""

    def note(answer):
        outcome = f"answered {answer.status_code}, {StripeEvent.objects.count()} rows stored"
        fault_table(f"webhook {request.node.callspec.id}", outcome, f"{len(caplog.records)} line in the log")

    return note


def post(client, event=EVENT, *, secret="whsec_new", at=None, body=None, header=None):
    payload = json.dumps(event)
    signed = stripe.WebhookSignature.generate_signature_header(payload, secret, at)
    return client.post(
        URL,
        data=body or payload,
        content_type="application/json",
        headers={"Stripe-Signature": signed if header is None else header},
    )


@pytest.mark.parametrize("secret", ["whsec_new", "whsec_old"])
def test_it_stores_the_event_raw_and_wakes_a_worker(client, woken, secret):
    answer = post(client, secret=secret)
    row = StripeEvent.objects.get()
    assert (answer.status_code, row.event_id, row.type, row.payload) == (200, "evt_1", EVENT["type"], EVENT)
    assert (row.state, row.attempts, row.payment_intent, woken) == ("received", 0, "pi_1", [row.pk])


def test_it_costs_two_statements_so_that_stripe_is_answered_at_once(client, django_assert_num_queries):
    with django_assert_num_queries(2):  # the clock, the row
        post(client)


def test_the_secret_that_makes_payments_is_not_kept(client):
    post(client, {**EVENT, "data": {"object": {"id": "pi_1", "client_secret": "pi_1_secret_x"}}})
    assert StripeEvent.objects.get().payload["data"]["object"] == {"id": "pi_1"}


def test_what_the_database_cannot_store_does_not_lose_the_event(client):
    answer = post(client, {**EVENT, "data": {"object": {"id": "pi_1", "name": "Ma\x00rta \\ Reyes"}}})
    assert answer.status_code == 200
    assert StripeEvent.objects.get().payload["data"]["object"]["name"] == "Ma\ufffdrta \\ Reyes"


def test_a_copy_is_answered_and_stored_once(client):
    assert [post(client).status_code for _ in range(3)] == [200, 200, 200]
    assert StripeEvent.objects.count() == 1


def test_a_type_that_we_do_not_know_is_stored_answered_and_ignored(client, fault_table):
    assert post(client, {**EVENT, "type": "tax.settings.updated", "data": {"object": {}}}).status_code == 200
    row = StripeEvent.objects.get()
    events.apply(row_id=row.pk, now=row.due_at)
    row.refresh_from_db()
    fault_table("an event of a type that we do not know", f"stored, {row.state}", "listed under Stripe for staff")
    assert (row.type, row.state, row.why_ignored) == ("tax.settings.updated", "ignored", "type")


def test_a_broker_that_is_down_loses_nothing(client, monkeypatch):
    def down(args):
        raise OperationalError("no broker")

    monkeypatch.setattr(tasks.apply_event, "apply_async", down)
    assert post(client).status_code == 200
    assert StripeEvent.objects.get().state == "received"


@pytest.mark.parametrize(
    "forged",
    [
        {"secret": "whsec_thief"},
        {"header": ""},
        {"header": "t=1,v1=00"},
        {"body": json.dumps({**EVENT, "id": "evt_2"})},
        {"at": int((timezone.now() - timedelta(minutes=6)).timestamp())},
        {"body": b"\xff\xfe"},
    ],
    ids=["forged", "without a signature", "with a bad signature", "tampered with", "six minutes old", "not text"],
)
def test_what_is_not_from_stripe_is_refused_without_a_trace_and_logged_once(client, woken, refusal, caplog, forged):
    answer = post(client, **forged)
    refusal(answer)
    assert (answer.status_code, StripeEvent.objects.count(), woken) == (400, 0, [])
    assert answer.content == b"The signature does not fit."
    assert [record.getMessage() for record in caplog.records] == [
        "refused a webhook from 127.0.0.1: no secret of ours made this signature"
    ]


@pytest.mark.parametrize(
    "mode",
    [("sk_live_x", False), ("rk_live_x", False), ("sk_test_x", True)],
    ids=["of test mode, live key", "of test mode, live restricted key", "of live mode, test key"],
)
def test_a_webhook_of_the_other_mode_is_refused_and_logged_once(client, settings, refusal, caplog, mode):
    settings.STRIPE_SECRET_KEY, livemode = mode
    answer = post(client, {**EVENT, "livemode": livemode})
    refusal(answer)
    assert (answer.status_code, StripeEvent.objects.count(), len(caplog.records)) == (400, 0, 1)
    assert post(client, {**EVENT, "livemode": not livemode}).status_code == 200


def test_while_a_secret_is_rotated_stripe_signs_with_both_and_either_is_enough(client, settings, fault_table):
    payload = json.dumps(EVENT)
    old, new = (stripe.WebhookSignature.generate_signature_header(payload, secret) for secret in ("whsec_a", "whsec_b"))
    both = f"{old},{new.partition(',')[2]}"
    for known in (["whsec_a"], ["whsec_b"], ["whsec_b", "whsec_a"]):
        settings.STRIPE_WEBHOOK_SECRETS = known
        assert post(client, header=both).status_code == 200
    settings.STRIPE_WEBHOOK_SECRETS = ["whsec_c"]
    assert post(client, header=both).status_code == 400
    fault_table("the webhook's secret is rotated", "answered 200 while either secret is known", "2 live secrets")


@pytest.mark.parametrize("days", [3, 29])
def test_a_copy_after_days_is_answered_and_changes_nothing(client, woken, days, fault_table):
    post(client)
    StripeEvent.objects.update(state="applied", attempts=1)
    with time_machine.travel(timezone.now() + timedelta(days=days), tick=False):
        assert post(client).status_code == 200
    fault_table(f"a copy of an event {days} days later", "answered 200, nothing moved", f"{len(woken)} wake-up in all")
    assert (list(StripeEvent.objects.values_list("state", "attempts")), len(woken)) == ([("applied", 1)], 1)


@pytest.mark.parametrize("method", ["get", "put", "delete"])
def test_it_takes_posts_only(client, method):
    assert getattr(client, method)(URL).status_code == 405
