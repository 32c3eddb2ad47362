"""Webhooks: signed, retried, and bent by every knob."""

import json
from itertools import pairwise

import pytest
import stripe

from sandbox.stripe.control import SandboxRefused
from sandbox.stripe.testing import WEBHOOK_SECRET
from tests.beside import eventually

PAID = ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded", "charge.updated"]


def arrived(sink) -> list[str]:
    return [json.loads(one.payload)["type"] for one in sink.arrivals]


def test_events_arrive_signed_as_the_official_library_wants(sandbox, sink, payments):
    paid = payments.pay()
    sandbox.wait_idle()
    assert sorted(arrived(sink)) == sorted(PAID)
    for one in sink.arrivals:
        event = stripe.Webhook.construct_event(one.payload, one.signature, WEBHOOK_SECRET)
        assert event.api_version == "2026-08-26.dahlia"
        assert paid.id in one.payload
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(one.payload + " ", one.signature, WEBHOOK_SECRET)
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(one.payload, one.signature, "whsec_another")


def test_while_a_secret_is_replaced_both_sign(sandbox, sink, payments):
    sandbox.knobs(webhook_secrets=["whsec_old", "whsec_new"])
    payments.create()
    sandbox.wait_idle()
    one = sink.arrivals[0]
    assert one.signature.count("v1=") == 2
    for secret in ("whsec_old", "whsec_new"):
        stripe.Webhook.construct_event(one.payload, one.signature, secret)


def test_a_refused_event_is_retried_with_growing_pauses(sandbox, sink, payments):
    sink.answers.extend([500, 404, 302])
    payments.create()
    sandbox.wait_idle()
    assert arrived(sink) == ["payment_intent.created"] * 4
    notes = sandbox.log()["deliveries"]
    assert [(note["attempt"], note["outcome"]) for note in notes] == [(1, 500), (2, 404), (3, 302), (4, 200)]
    pauses = [later["at"] - earlier["at"] for earlier, later in pairwise(notes)]
    assert pauses == sorted(pauses)
    assert pauses[2] >= 0.07


def test_a_sink_that_is_too_slow_is_retried(sandbox, sink, payments):
    sandbox.knobs(webhook_timeout_ms=50)
    sink.hang_seconds = 0.3
    payments.create()
    eventually(lambda: sandbox.log()["deliveries"])
    sink.hang_seconds = 0
    sandbox.wait_idle()
    notes = sandbox.log()["deliveries"]
    assert "no answer within" in notes[0]["outcome"]
    assert notes[-1]["outcome"] == 200


def test_it_gives_up_after_the_limit_and_says_so(sandbox, stripe_client, payments):
    sandbox.knobs(webhook_url="http://127.0.0.1:9/", retry_limit=3, retry_base_ms=1)
    payments.create()
    sandbox.wait_idle()
    assert [note["attempt"] for note in sandbox.log()["deliveries"]] == [1, 2, 3]
    event = stripe_client.v1.events.list().data[0]
    assert event.pending_webhooks == 1


def test_delay_holds_only_the_named_types(sandbox, sink, payments):
    sandbox.knobs(delay_ms=150, delay_types=["payment_intent.*"])
    payments.pay()
    sandbox.wait_idle()
    assert sorted(arrived(sink)[:2]) == ["charge.succeeded", "charge.updated"]
    assert sorted(arrived(sink)) == sorted(PAID)


def test_drop_next_loses_so_many_that_stay_listed(sandbox, sink, stripe_client, payments):
    sandbox.knobs(drop_next=1, drop_types=["payment_intent.succeeded"])
    payments.pay()
    payments.pay()
    sandbox.wait_idle()
    assert arrived(sink).count("payment_intent.succeeded") == 1
    assert len(stripe_client.v1.events.list(params={"type": "payment_intent.succeeded"}).data) == 2


def test_drop_fraction_is_the_same_with_the_same_seed(sandbox, sink, payments):
    def lost() -> list[int]:
        sandbox.reset()
        sandbox.knobs(webhook_url=sink.url, drop_fraction=0.5)
        for _ in range(12):
            payments.create()
        sandbox.wait_idle()
        notes = sandbox.log()["deliveries"]
        sink.arrivals.clear()
        order = [event["id"] for event in sandbox.log()["events"]]
        return sorted(order.index(note["event"]) for note in notes if note["outcome"] == "dropped")

    first = lost()
    assert 0 < len(first) < 12
    assert lost() == first


def test_duplicates_arrive_with_one_id(sandbox, sink, payments):
    sandbox.knobs(duplicates=2, duplicate_types=["payment_intent.succeeded"])
    payments.pay()
    sandbox.wait_idle()
    ids = [json.loads(one.payload)["id"] for one in sink.arrivals if "intent.succeeded" in one.payload]
    assert (len(ids), len(set(ids))) == (3, 1)
    assert len(sink.arrivals) == 6


def test_an_unmade_event_is_not_even_listed(sandbox, sink, stripe_client, payments):
    sandbox.knobs(unmade_types=["payment_intent.succeeded"])
    assert payments.pay().status == "succeeded"
    sandbox.wait_idle()
    assert "payment_intent.succeeded" not in arrived(sink)
    assert stripe_client.v1.events.list(params={"type": "payment_intent.succeeded"}).data == []


def test_only_enabled_events_are_sent(sandbox, sink, payments):
    sandbox.knobs(enabled_events=["payment_intent.succeeded", "charge.dispute.*"])
    payments.pay()
    sandbox.wait_idle()
    assert arrived(sink) == ["payment_intent.succeeded"]


def test_paused_events_are_released_in_any_order_wanted(sandbox, sink, payments):
    sandbox.pause()
    payments.pay()
    sandbox.wait_idle()
    assert sandbox.state()["held"] == 4
    assert sink.arrivals == []
    order = [event["id"] for event in sandbox.log()["events"]]
    wanted = [order[2], order[0], order[2]]
    results = sandbox.release_events(wanted)
    assert [json.loads(one.payload)["id"] for one in sink.arrivals] == wanted
    assert [one["outcome"] for one in results] == [200, 200, 200]
    assert sandbox.state()["held"] == 2
    sandbox.release_events(["charge.updated", "charge.succeeded"])
    assert arrived(sink)[3:] == ["charge.updated", "charge.succeeded"]


def test_held_events_are_shuffled_by_seed(sandbox, sink, payments):
    def released(seed):
        sandbox.pause()
        payments.pay()
        payments.pay()
        sandbox.wait_idle()
        return [one["type"] for one in sandbox.release_events(seed=seed)]

    first, again, other = released(1), released(1), released(2)
    assert first == again
    assert first != other
    assert sorted(first) == sorted(PAID * 2)


def test_resume_delivers_what_was_held(sandbox, sink, payments):
    sandbox.pause()
    payments.pay()
    sandbox.resume()
    sandbox.wait_idle()
    assert sorted(arrived(sink)) == sorted(PAID)


def test_reorder_shuffles_batches_and_lets_a_part_of_one_go(sandbox, sink, payments):
    sandbox.knobs(reorder_batch=8, reorder_wait_ms=100)
    payments.pay()
    payments.pay()
    payments.create()
    sandbox.wait_idle()
    assert sorted(arrived(sink)) == sorted([*PAID, *PAID, "payment_intent.created"])
    assert arrived(sink)[:8] != [*PAID, *PAID]


def test_one_event_is_delivered_again_by_hand(sandbox, sink, payments):
    payments.create()
    sandbox.wait_idle()
    event = sandbox.log()["events"][0]
    assert event["delivered"] is True
    results = sandbox.deliver_event(event["id"], copies=2)
    assert [one["outcome"] for one in results] == [200, 200]
    assert arrived(sink) == ["payment_intent.created"] * 3


def test_a_knob_that_is_not_there_is_refused_by_name(sandbox):
    with pytest.raises(SandboxRefused, match="no knob 'dely_ms'"):
        sandbox.knobs(dely_ms=5)
    with pytest.raises(SandboxRefused, match="takes int, not 'long'"):
        sandbox.knobs(delay_ms="long", duplicates=1)
    assert sandbox.knobs()["duplicates"] == 0


def test_reset_ends_what_is_under_way_and_turns_the_knobs_back(sandbox, sink, payments):
    sandbox.knobs(delay_ms=60_000, duplicates=3)
    payments.pay()
    sandbox.reset()
    state = sandbox.state()
    assert (state["timed"], state["objects"]["events"], state["requests"]) == (0, 0, 0)
    assert (sandbox.knobs()["delay_ms"], sandbox.knobs()["webhook_url"]) == (0, "")
    assert sink.arrivals == []
