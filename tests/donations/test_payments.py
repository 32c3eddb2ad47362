"""A gift's life from Give to paid, against the Stripe sandbox: one payment, one match, one receipt, in any order."""

import itertools
from datetime import timedelta

import pytest
import stripe
import time_machine
from django.utils import timezone

from donations import events, follow_ups, gateway, payments, reconciliation
from donations.gateway import Payment
from donations.giving import (
    GiftAlreadyPaid,
    abandon_gift,
    accept_lower_match,
    match_is_lower,
    renew_hold,
    start_gift,
)
from donations.models import Donation, FollowUp, Receipt, StrayPayment, StripeEvent
from matching.checking import check_campaigns
from matching.models import Reservation
from matching.queries import gift_match
from tests import factories
from tests.beside import eventually
from tests.fault_table import charged_once, outcome_of
from tests.paying import client, confirm, deliver, events_of, finish, gift_request, started_gift
from tests.site import request_json

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("stripe_sandbox")]


@pytest.fixture
def campaign():
    factories.organization()
    return factories.open_campaign()


@pytest.fixture
def pool(campaign):
    return factories.pool(campaign=campaign, limit_minor=1_000_000)


def knobs(site, **changes):
    request_json("POST", f"{site.sandbox_url}/_sandbox/knobs", changes)


def story(donation):
    """Everything that must be the same, whatever the events did on the way."""
    donation.refresh_from_db()
    match = gift_match(key=donation.match_key)
    return {
        "state": donation.state,
        "method": donation.method_text,
        "refunded": donation.refunded_minor,
        "disputed": donation.disputed_at is not None,
        "match": match and (match.state, match.match_minor),
        "owed": sorted(donation.follow_ups.values_list("kind", flat=True)),
        "reservations": Reservation.objects.filter(key=donation.match_key).count(),
    }


PAID = {
    "state": "paid",
    "method": "Visa ending in 4242",
    "refunded": 0,
    "disputed": False,
    "match": ("committed", 10_000),
    "owed": ["receipt"],
    "reservations": 1,
}


class TestStarting:
    def test_it_writes_gift_designations_and_hold_together(self, campaign, pool):
        donation = started_gift(campaign, fee_minor=331)
        match = gift_match(key=donation.match_key)
        assert (donation.state, donation.total_minor, donation.payment_intent) == ("started", 10_331, None)
        assert [row.amount_minor for row in donation.designations.all()] == [10_000]
        assert (match.state, match.match_minor, match.sponsor_names) == ("held", 10_000, ["The Harbor Family"])

    def test_the_same_form_again_is_the_same_gift(self, campaign, pool):
        request = gift_request(campaign)
        first, again = (start_gift(campaign=campaign, request=request, now=timezone.now()) for _ in range(2))
        assert (first.pk, Donation.objects.count(), Reservation.objects.count()) == (again.pk, 1, 1)

    def test_a_changed_form_replaces_the_unpaid_gift_and_frees_its_match(self, campaign, pool):
        request = gift_request(campaign)
        first = start_gift(campaign=campaign, request=request, now=timezone.now())
        changed = gift_request(campaign, form_key=request.form_key, amount_minor=25_000)
        second = start_gift(campaign=campaign, request=changed, now=timezone.now())
        first.refresh_from_db()
        pool.refresh_from_db()
        assert (first.state, second.state, second.amount_minor) == ("abandoned", "started", 25_000)
        assert (pool.held_minor, gift_match(key=first.match_key).state) == (25_000, "released")

    def test_a_changed_form_cancels_the_payment_that_was_opened(self, campaign, pool):
        request = gift_request(campaign)
        first = start_gift(campaign=campaign, request=request, now=timezone.now())
        payments.open_payment(donation_id=first.pk, now=timezone.now())
        first.refresh_from_db()
        start_gift(
            campaign=campaign,
            request=gift_request(campaign, form_key=request.form_key, amount_minor=2_000),
            now=timezone.now(),
        )
        assert gateway.retrieve_payment(first.payment_intent).status == "canceled"

    def test_a_form_whose_gift_is_paid_names_that_gift(self, campaign, pool):
        request = gift_request(campaign)
        donation = start_gift(campaign=campaign, request=request, now=timezone.now())
        confirm(donation)
        [deliver(event) for event in events_of(donation)]
        with pytest.raises(GiftAlreadyPaid) as caught:
            start_gift(campaign=campaign, request=request, now=timezone.now())
        assert caught.value.donation.pk == donation.pk

    def test_a_lower_match_than_the_page_promised_is_asked_about_once(self, campaign):
        factories.pool(campaign=campaign, limit_minor=735)
        donation = started_gift(campaign, promised_match_minor=10_000)
        assert match_is_lower(donation, gift_match(key=donation.match_key))
        accept_lower_match(donation_id=donation.pk, now=timezone.now())
        donation.refresh_from_db()
        assert not match_is_lower(donation, gift_match(key=donation.match_key))

    def test_a_lapsed_hold_is_renewed_with_what_is_there_then(self, campaign):
        pool = factories.pool(campaign=campaign, limit_minor=10_000)
        donation = started_gift(campaign)
        Reservation.objects.update(held_until=timezone.now() - timedelta(seconds=1))
        with pytest.raises(payments.HoldLapsed):
            payments.open_payment(donation_id=donation.pk, now=timezone.now())
        started_gift(campaign, amount_minor=6_000)
        match = renew_hold(donation_id=donation.pk, now=timezone.now())
        donation.refresh_from_db()
        pool.refresh_from_db()
        assert (match.match_minor, donation.promised_match_minor, pool.free_minor) == (4_000, 10_000, 0)
        assert match_is_lower(donation, match)


class TestPaying:
    def test_a_card_that_works_is_one_payment_one_match_one_receipt(self, campaign, pool):
        donation = started_gift(campaign)
        confirm(donation)
        [deliver(event) for event in events_of(donation)]
        assert story(donation) == PAID
        assert check_campaigns() == []

    def test_pressing_give_twice_opens_one_payment(self, campaign, pool):
        donation = started_gift(campaign)
        secrets = [payments.open_payment(donation_id=donation.pk, now=timezone.now()) for _ in range(2)]
        assert secrets[0] == secrets[1]
        assert len(client().v1.payment_intents.list().data) == 1

    def test_an_answer_lost_on_the_way_leads_to_the_same_payment(self, campaign, pool, stripe_sandbox):
        donation = started_gift(campaign)
        fault = {"method": "POST", "path": "^/v1/payment_intents$", "answer": "reset", "when": "after", "times": 3}
        request_json("POST", f"{stripe_sandbox.sandbox_url}/_sandbox/faults", [fault])
        with pytest.raises(payments.PaymentUnavailable):
            payments.open_payment(donation_id=donation.pk, now=timezone.now())
        assert len(client().v1.payment_intents.list().data) == 1
        confirm(donation)
        [deliver(event) for event in events_of(donation)]
        assert (story(donation), len(client().v1.payment_intents.list().data)) == (PAID, 1)

    def test_a_declined_card_charges_nothing_and_another_one_may_follow(self, campaign, pool):
        donation = started_gift(campaign)
        assert confirm(donation, method="pm_card_visa_chargeDeclined").code == "card_declined"
        [deliver(event) for event in events_of(donation)]
        assert (story(donation)["state"], story(donation)["match"]) == ("started", ("held", 10_000))
        confirm(donation)
        [deliver(event) for event in events_of(donation)]
        assert story(donation) == PAID

    def test_five_tries_are_enough(self, campaign, pool):
        donation = started_gift(campaign)
        for _ in range(payments.MOST_TRIES):
            payments.open_payment(donation_id=donation.pk, now=timezone.now())
        with pytest.raises(payments.TooManyTries):
            payments.open_payment(donation_id=donation.pk, now=timezone.now())

    def test_cards_tried_at_stripe_behind_our_back_end_with_the_payment(self, campaign, pool):
        """One press of Give, then card after card with the same secret: no try of ours is counted."""
        donation = started_gift(campaign)
        payments.open_payment(donation_id=donation.pk, now=timezone.now())
        donation.refresh_from_db()
        for _ in range(3):
            with pytest.raises(stripe.CardError):
                client().v1.payment_intents.confirm(
                    donation.payment_intent,
                    {"payment_method": "pm_card_visa_chargeDeclined", "return_url": "http://127.0.0.1/back"},
                )
        [deliver(event) for event in events_of(donation)]
        assert gateway.retrieve_payment(donation.payment_intent).status == "canceled"
        assert (story(donation)["state"], story(donation)["match"]) == ("abandoned", ("released", 0))

    def test_a_gift_left_in_another_tab_cannot_be_paid(self, campaign, pool):
        donation = started_gift(campaign)
        payments.open_payment(donation_id=donation.pk, now=timezone.now())
        assert abandon_gift(donation_id=donation.pk, now=timezone.now(), actor="donor")
        with pytest.raises(GiftAlreadyPaid):
            payments.open_payment(donation_id=donation.pk, now=timezone.now())
        assert story(donation)["match"] == ("released", 0)

    def test_a_paid_gift_cannot_be_left(self, campaign, pool):
        donation = started_gift(campaign)
        confirm(donation)
        assert not abandon_gift(donation_id=donation.pk, now=timezone.now(), actor="donor")
        [deliver(event) for event in events_of(donation)]
        assert story(donation) == PAID

    def test_a_payment_of_another_amount_moves_nothing_and_waits_for_a_person(self, campaign, pool):
        donation = started_gift(campaign)
        confirm(donation)
        event = next(event for event in events_of(donation) if event["type"] == "payment_intent.succeeded")
        event["data"]["object"]["amount"] += 1
        donation.charge = event["data"]["object"]["latest_charge"]
        donation.save(update_fields=["charge"])
        row = deliver(event)
        assert (row.state, story(donation)["state"]) == ("applied", "started")
        stray = StrayPayment.objects.get()
        assert (stray.why, stray.amount_minor, stray.donation, stray.decision) == ("amount", 10_001, donation, "open")

    def test_a_payment_that_comes_after_the_hold_lapsed_is_matched_again(self, campaign):
        factories.pool(campaign=campaign, limit_minor=10_000)
        donation = started_gift(campaign)
        confirm(donation)
        Reservation.objects.update(held_until=timezone.now() - timedelta(seconds=1))
        started_gift(campaign, amount_minor=6_000)
        [deliver(event) for event in events_of(donation)]
        assert story(donation) == PAID | {"match": ("committed", 4_000), "reservations": 2}
        assert donation.match_shortfall_minor == 6_000
        assert check_campaigns() == []

    def test_the_bank_says_no_after_days(self, campaign, pool, stripe_sandbox, mailoutbox):
        knobs(stripe_sandbox, bank_delay_ms=-1)
        donation = started_gift(campaign)
        confirm(donation, method="pm_usBankAccount_accountClosed")
        [deliver(event) for event in events_of(donation)]
        assert (story(donation)["state"], story(donation)["match"]) == ("processing", ("held", 10_000))
        body = {"what": "fail_debit", "payment_intent": donation.payment_intent}
        request_json("POST", f"{stripe_sandbox.sandbox_url}/_sandbox/trigger", body)
        [deliver(event) for event in events_of(donation)]
        assert (story(donation)["state"], story(donation)["match"]) == ("failed", ("released", 0))
        told = donation.follow_ups.get()
        for _ in range(2):
            follow_ups.run(follow_up_id=told.pk, now=timezone.now())
        [message] = mailoutbox
        assert message.subject == "Your payment did not go through: Harborview Hospital"
        for text in (
            "with Stripe Test Bank ending in 1113, and your bank did not pay it. Nothing was charged.",
            "The match of $100.00 that we held for you was let go",
            f"/gifts/{donation.token}/finish/",
        ):
            assert text in " ".join(message.body.split())
            assert text in message.alternatives[0][0]

    def test_money_that_comes_after_all_takes_the_bad_news_back(self, campaign, pool, mailoutbox):
        donation = started_gift(campaign)
        Donation.objects.filter(pk=donation.pk).update(state="processing", payment_intent="pi_1")
        said = {"payment_intent": "pi_1", "amount_minor": 10_000, "currency": "USD"}
        for status in ("canceled", "succeeded"):
            payment = Payment(status=status, gift_key=str(donation.match_key), **said)
            payments.settle(donation_id=donation.pk, payment=payment, now=timezone.now())
        follow_ups.run(follow_up_id=donation.follow_ups.get(kind="refused").pk, now=timezone.now())
        assert (story(donation)["state"], mailoutbox) == ("paid", [])


class TestEvents:
    def test_every_order_of_the_events_of_a_payment_ends_the_same(self, campaign, pool, fault_table):
        """All orders of created, charge succeeded, succeeded, a partial refund and its charge."""
        ends, gifts, orders = [], [], 0
        for order in itertools.permutations(range(5)):
            donation = started_gift(campaign)
            confirm(donation)
            client().v1.refunds.create({"payment_intent": donation.payment_intent, "amount": 2_500})
            wanted = (
                "payment_intent.created",
                "charge.succeeded",
                "payment_intent.succeeded",
                "refund.created",
                "charge.refunded",
            )
            by_type = {event["type"]: event for event in events_of(donation)}
            for place in order:
                deliver(by_type[wanted[place]])
            ends.append(story(donation))
            gifts.append(donation)
            orders += 1
        expected = PAID | {"refunded": 2_500, "match": ("committed", 7_500)}
        assert (orders, [end for end in ends if end != expected]) == (120, [])
        assert check_campaigns() == []
        finish(*gifts)
        ended = outcome_of(gifts)
        fault_table("events in every order, with a refund of $25", ended, "120 orders of 5 events")
        assert (ended, Receipt.objects.count()) == (charged_once(120, match_minor=7_500), 120)

    def test_fifty_copies_of_each_event_count_once(self, campaign, pool, fault_table):
        donation = started_gift(campaign)
        confirm(donation)
        for _ in range(50):
            [deliver(event) for event in events_of(donation)]
        assert story(donation) == PAID
        assert FollowUp.objects.count() == 1
        finish(donation)
        ended = outcome_of([donation])
        fault_table("events doubled, one after the other", ended, f"50 copies of {StripeEvent.objects.count()} events")
        assert (ended, Receipt.objects.count()) == (charged_once(1), 1)

    @pytest.mark.parametrize("days", [3, 29])
    def test_events_that_come_after_days_and_again_later_find_one_gift(self, campaign, pool, fault_table, days):
        """Stripe was asked meanwhile; its events come at last, then once more."""
        donation = started_gift(campaign)
        confirm(donation)
        told = events_of(donation)
        assert reconciliation.ask_about_late_payments(now=timezone.now() + timedelta(minutes=3)) == [donation.pk]
        finish(donation)
        for later in (days, days + 1):
            with time_machine.travel(timezone.now() + timedelta(days=later), tick=False):
                rows = [deliver(event) for event in told]
        assert {row.state for row in rows} == {"applied", "ignored"}
        finish(donation)
        ended = outcome_of([donation])
        fault_table(f"events {days} days late", ended, f"{len(told)} events, each twice")
        assert (ended, story(donation)["state"], Receipt.objects.count()) == (charged_once(1), "paid", 1)

    def test_an_event_of_someone_elses_payment_is_kept_and_ignored(self, campaign):
        other = client().v1.payment_intents.create({"amount": 5_000, "currency": "usd"})
        event = client().v1.events.list({"limit": 1}).data[0].to_dict()
        assert event["data"]["object"]["id"] == other.id
        assert deliver(event).state == StripeEvent.State.IGNORED

    def test_another_shops_mark_on_a_payment_is_no_key_of_ours(self, campaign, pool):
        """The account may sell gift cards, too: its payments stop no timer and wait for no person."""
        donation = started_gift(campaign)
        confirm(donation)
        made = client().v1.payment_intents.create(
            {"amount": 5_000, "currency": "usd", "metadata": {"gift": "card for Ana"}, "confirm": True}
            | {"payment_method": "pm_card_visa", "automatic_payment_methods": {"enabled": True}}
            | {"return_url": "http://127.0.0.1/back"}
        )
        told = {event["type"]: deliver(event) for event in events_of(Donation(payment_intent=made.id))}
        assert {name: (row.state, row.why_ignored) for name, row in told.items()} == {
            "payment_intent.created": ("ignored", "type"),
            "payment_intent.succeeded": ("ignored", "no_gift"),
            "charge.succeeded": ("ignored", "no_gift"),
        }
        now = timezone.now()
        assert reconciliation.adopt_unknown_payments(since=now - timedelta(hours=1), now=now) == [donation.pk]

    def test_a_failure_stays_on_the_row_and_is_tried_again_later(self, campaign, pool, monkeypatch):
        donation = started_gift(campaign)
        confirm(donation)
        event = next(event for event in events_of(donation) if event["type"] == "payment_intent.succeeded")
        with monkeypatch.context() as patch:
            patch.setattr(payments, "settle", lambda **_: 1 / 0)
            row = deliver(event)
        assert (row.state, row.attempts, "ZeroDivisionError" in row.last_error) == ("received", 1, True)
        assert row.due_at > timezone.now()
        events.apply(row_id=row.pk, now=row.due_at)
        assert story(donation) == PAID

    def test_a_lost_event_is_made_good_by_asking(self, campaign, pool, fault_table):
        donation = started_gift(campaign)
        confirm(donation)
        soon = timezone.now() + timedelta(minutes=1)
        assert reconciliation.ask_about_late_payments(now=soon) == []
        later = timezone.now() + timedelta(minutes=3)
        assert reconciliation.ask_about_late_payments(now=later) == [donation.pk]
        assert story(donation) == PAID
        finish(donation)
        ended = outcome_of([donation])
        fault_table("every event dropped", ended, "found by asking after two minutes")
        assert ended == charged_once(1)

    def test_a_payment_that_we_never_heard_of_is_found_by_its_key(self, campaign, pool):
        donation = started_gift(campaign)
        confirm(donation)
        Donation.objects.filter(pk=donation.pk).update(payment_intent=None)
        now = timezone.now()
        assert reconciliation.adopt_unknown_payments(since=now - timedelta(hours=1), now=now) == [donation.pk]
        assert story(donation) == PAID
        assert reconciliation.adopt_unknown_payments(since=now - timedelta(hours=1), now=now) == []

    def test_a_gift_that_nobody_paid_in_a_day_is_closed(self, campaign, pool):
        donation = started_gift(campaign)
        Donation.objects.update(submitted_at=timezone.now() - timedelta(hours=25))
        assert reconciliation.ask_about_late_payments(now=timezone.now()) == [donation.pk]
        assert story(donation)["state"] == "abandoned"

    def test_the_page_asks_at_most_once_in_a_while(self, campaign, pool, stripe_sandbox):
        donation = started_gift(campaign)
        confirm(donation)
        first = payments.ask_stripe(donation_id=donation.pk, now=timezone.now())
        assert first.state == "paid"
        asked = len(request_json("GET", f"{stripe_sandbox.sandbox_url}/_sandbox/log")["requests"])
        payments.ask_stripe(donation_id=donation.pk, now=timezone.now())
        assert len(request_json("GET", f"{stripe_sandbox.sandbox_url}/_sandbox/log")["requests"]) == asked

    def test_a_question_without_an_answer_is_no_answer(self, campaign, pool, stripe_sandbox):
        donation = started_gift(campaign)
        confirm(donation)
        fault = {"method": "GET", "path": "^/v1/payment_intents/", "answer": "reset", "times": 3}
        request_json("POST", f"{stripe_sandbox.sandbox_url}/_sandbox/faults", [fault])
        with pytest.raises(gateway.GatewayUnavailable):
            payments.ask_stripe(donation_id=donation.pk, now=timezone.now())
        donation.refresh_from_db()
        assert (donation.asked_stripe_at is not None, donation.stripe_answered_at) == (True, None)


class TestReversals:
    def test_refunds_in_any_order_with_repeats_end_the_same(self, campaign, pool):
        ends = []
        for order in itertools.permutations(range(3)):
            donation = started_gift(campaign, fee_minor=331)
            confirm(donation)
            [deliver(event) for event in events_of(donation)]
            for amount in (1_000, 2_000, 3_333):
                client().v1.refunds.create({"payment_intent": donation.payment_intent, "amount": amount})
            created = [event for event in events_of(donation) if event["type"] == "refund.created"]
            for place in (*order, *order):
                deliver(created[place])
            ends.append((story(donation)["refunded"], story(donation)["match"]))
        assert set(ends) == {(6_333, ("committed", 10_000 * (10_000 - 6_333) // 10_000))}
        assert check_campaigns() == []

    def test_a_refund_that_fails_later_restores_the_match(self, campaign, pool, stripe_sandbox):
        knobs(stripe_sandbox, refund_delay_ms=600_000)
        donation = started_gift(campaign)
        confirm(donation, method="pm_card_refundFail")
        refund = client().v1.refunds.create({"payment_intent": donation.payment_intent})
        [deliver(event) for event in events_of(donation)]
        assert (story(donation)["refunded"], story(donation)["match"]) == (10_000, ("committed", 0))
        body = {"what": "fail_refund", "refund": refund.id}
        request_json("POST", f"{stripe_sandbox.sandbox_url}/_sandbox/trigger", body)
        for event in reversed(events_of(donation)):
            deliver(event)
        assert (story(donation)["refunded"], story(donation)["match"]) == (0, ("committed", 10_000))

    def test_a_match_that_others_have_by_then_is_a_shortfall_that_staff_see(self, campaign, stripe_sandbox):
        factories.pool(campaign=campaign, limit_minor=10_000)
        knobs(stripe_sandbox, refund_delay_ms=600_000)
        donation = started_gift(campaign)
        confirm(donation, method="pm_card_refundFail")
        refund = client().v1.refunds.create({"payment_intent": donation.payment_intent})
        [deliver(event) for event in events_of(donation)]
        started_gift(campaign, amount_minor=7_000)
        body = {"what": "fail_refund", "refund": refund.id}
        request_json("POST", f"{stripe_sandbox.sandbox_url}/_sandbox/trigger", body)
        [deliver(event) for event in events_of(donation)]
        assert (story(donation)["match"], donation.match_shortfall_minor) == (("committed", 3_000), 7_000)
        assert donation.notes.filter(text__contains="$70.00 is missing").count() == 1

    @pytest.mark.parametrize(("won", "refunded"), [(True, 0), (False, 10_000)])
    def test_a_dispute_flags_the_gift_and_counts_only_when_lost(self, campaign, pool, stripe_sandbox, won, refunded):
        knobs(stripe_sandbox, dispute_delay_ms=0)
        donation = started_gift(campaign)
        confirm(donation, method="pm_card_createDispute")
        eventually(lambda: any(event["type"] == "charge.dispute.created" for event in events_of(donation)))
        [deliver(event) for event in events_of(donation)]
        assert (story(donation)["disputed"], story(donation)["refunded"]) == (True, 0)
        body = {"what": "close_dispute", "payment_intent": donation.payment_intent, "won": won}
        request_json("POST", f"{stripe_sandbox.sandbox_url}/_sandbox/trigger", body)
        for event in reversed(events_of(donation)):
            deliver(event)
        assert (story(donation)["disputed"], story(donation)["refunded"]) == (False, refunded)
        assert story(donation)["match"] == ("committed", 10_000 - refunded)
