"""Cards saved for scheduled and monthly gifts: tries to save one are counted, and none stays at Stripe for good."""

from datetime import timedelta

import pytest
import stripe
from django.test import Client
from django.utils import timezone

from donations import follow_ups, giving, limits, monthly, payer_check, payments, scheduling, work
from donations.models import Donation, FailedTry, FollowUp
from tests import factories
from tests.donations.give_form import open_campaign
from tests.donations.monthly_gifts import begun_monthly, control, deliver_all
from tests.paying import client, solved, started_gift

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("stripe_sandbox")]

OPENS = timezone.now().replace(microsecond=0) + timedelta(days=9)
ON_THE_DAY = OPENS + timedelta(seconds=1)
BAD, GOOD = "pm_card_visa_chargeDeclined", "pm_card_visa"


@pytest.fixture
def campaign():
    made = open_campaign(opens_at=OPENS, closes_at=OPENS + timedelta(days=1))
    factories.pool(campaign=made, limit_minor=1_000_000, opens_at=OPENS)
    return made


@pytest.fixture
def open_now():
    factories.organization()
    return factories.open_campaign()


def try_to_save(secret, method):
    """What a browser does with the secret; whether Stripe still took a card."""
    try:
        client().v1.setup_intents.confirm(
            secret.partition("_secret_")[0], {"payment_method": method, "return_url": "http://127.0.0.1/"}
        )
    except stripe.CardError:
        return True
    except stripe.InvalidRequestError:
        return False
    return True


def opened(campaign, **changes):
    donation = started_gift(campaign, way="scheduled", **changes)
    return donation, scheduling.open_card(donation_id=donation.pk, now=timezone.now())


def scheduled(campaign, method=GOOD, **changes):
    donation, secret = opened(campaign, **changes)
    try_to_save(secret, method)
    deliver_all()
    donation.refresh_from_db()
    assert donation.state == "scheduled"
    return donation


def cards_at_stripe(customer):
    return [method.card.last4 for method in client().v1.payment_methods.list({"customer": customer}).data]


def do_what_is_owed(kind="card"):
    rows = FollowUp.objects.filter(kind=kind, state="due").values_list("pk", flat=True)
    return [follow_ups.run(follow_up_id=pk, now=ON_THE_DAY + timedelta(days=3)) for pk in list(rows)]


class TestTries:
    def test_a_card_that_cannot_be_saved_counts_as_one_that_was_declined(self, campaign):
        donation, secret = opened(campaign, source="thief", form_session="browser")
        try_to_save(secret, BAD)
        for _ in range(2):
            deliver_all()
        row = FailedTry.objects.get()
        assert (row.donation_id, row.source, row.session) == (donation.pk, "thief", "browser")
        assert (row.stripe_id[:7], bool(row.fingerprint)) == ("setatt_", True)
        assert try_to_save(secret, GOOD), "one refusal does not keep the donor from another card"

    def test_a_list_of_cards_on_one_secret_ends_it(self, campaign, say):
        donation, secret = opened(campaign, source="thief")
        reached = 0
        for _ in range(40):
            if not try_to_save(secret, BAD):
                break
            reached += 1
            deliver_all()
        say("one scheduled gift, 1,000 cards to save", f"{reached} reached Stripe, then the saving was cancelled")
        donation.refresh_from_db()
        assert (reached, donation.state) == (3, "abandoned")

    def test_ten_refusals_from_one_address_refuse_the_next(self, campaign):
        for _ in range(10):
            donation = started_gift(campaign, way="scheduled", source="thief")
            Donation.objects.filter(pk=donation.pk).update(proved_at=timezone.now())
            try_to_save(scheduling.open_card(donation_id=donation.pk, now=timezone.now()), BAD)
            deliver_all("setup_intent.setup_failed")
        with pytest.raises(limits.TooManyAttempts):
            opened(campaign, source="thief")

    def test_a_list_of_cards_on_a_monthly_gifts_card_page_ends_too(self, open_now, say):
        given = begun_monthly(open_now)
        reached = 0
        for _ in range(40):
            try:
                secret = monthly.begin_card_change(monthly_id=given.pk, now=timezone.now())
            except limits.TooManyAttempts:
                break
            reached += try_to_save(secret, BAD)
            deliver_all()
        say("the card page of one monthly gift, 1,000 cards", f"{reached} reached Stripe within the hour")
        assert reached == monthly.MOST_CARDS
        assert not try_to_save(secret, GOOD), "the secret that is out is of no more use"
        later = timezone.now() + timedelta(minutes=61)
        assert try_to_save(monthly.begin_card_change(monthly_id=given.pk, now=later), GOOD)

    def test_the_card_page_of_a_monthly_gift_opens_one_saving_at_a_time(self, open_now):
        given = begun_monthly(open_now)
        now = timezone.now()
        secrets = {monthly.begin_card_change(monthly_id=given.pk, now=now + timedelta(minutes=n)) for n in range(3)}
        assert len(secrets) == 1

    def test_cards_that_can_be_saved_there_are_as_few(self, open_now, say):
        given, now = begun_monthly(open_now), timezone.now()
        for _ in range(monthly.MOST_CARDS):  # never coming back to say that it was saved
            assert try_to_save(monthly.begin_card_change(monthly_id=given.pk, now=now), GOOD)
        with pytest.raises(limits.TooManyAttempts):
            monthly.begin_card_change(monthly_id=given.pk, now=now)
        saved = given.changes.filter(kind="card").count()
        say("the card page of one monthly gift, good cards", f"{saved} saved within the hour")
        assert saved == monthly.MOST_CARDS

    def test_while_payers_are_checked_the_card_page_asks_for_a_proof(self, open_now, settings):
        settings.CHECK_WORK, page = 300, Client()
        given = begun_monthly(open_now)
        payer_check.switch(mode="on", actor="staff:1", now=timezone.now())
        answer = page.post(f"/monthly/{given.token}/card/intent/")
        assert (answer.status_code, answer.json()["code"]) == (202, "check")
        given.refresh_from_db()
        assert given.setup_intent == ""
        proof = solved(answer.json()["challenge"])
        assert "client_secret" in page.post(f"/monthly/{given.token}/card/intent/", {"proof": proof}).json()

    def test_a_source_that_may_not_try_again_loses_the_savings_it_has_opened(self, campaign):
        made = [opened(campaign, source="thief") for _ in range(10)]
        for _gift, secret in made[:4]:
            for _ in range(3):
                try_to_save(secret, BAD)
        deliver_all("setup_intent.setup_failed")
        assert not try_to_save(made[-1][1], GOOD)

    def test_a_gift_that_is_left_takes_its_secret_with_it(self, campaign):
        donation, secret = opened(campaign)
        giving.abandon_gift(donation_id=donation.pk, now=timezone.now(), actor="donor")
        assert not try_to_save(secret, GOOD)

    def test_a_gift_left_while_its_saving_is_opened_gives_no_secret(self, campaign, monkeypatch):
        donation = started_gift(campaign, way="scheduled")
        save, made = scheduling.subscriptions.save_card, []

        def left_meanwhile(**asked):
            giving.abandon_gift(donation_id=donation.pk, now=timezone.now(), actor="donor")
            made.append(save(**asked))
            return made[0]

        monkeypatch.setattr(scheduling.subscriptions, "save_card", left_meanwhile)
        with pytest.raises(giving.GiftAlreadyPaid):
            scheduling.open_card(donation_id=donation.pk, now=timezone.now())
        assert not try_to_save(made[0].client_secret, GOOD)


class TestForgetting:
    def test_a_scheduled_gift_that_is_cancelled(self, campaign):
        donation = scheduled(campaign)
        assert (cards_at_stripe(donation.customer), do_what_is_owed()) == (["4242"], [])
        scheduling.cancel(donation_id=donation.pk, now=timezone.now())
        assert (do_what_is_owed(), cards_at_stripe(donation.customer)) == ([True], [])

    def test_a_scheduled_gift_that_is_paid(self, campaign):
        donation = scheduled(campaign)
        scheduling.charge(donation_id=donation.pk, now=ON_THE_DAY)
        assert (do_what_is_owed(), cards_at_stripe(donation.customer)) == ([True], [])

    def test_a_refused_one_keeps_it_until_its_time_is_over(self, campaign):
        donation = scheduled(campaign, "pm_card_chargeCustomerFail")
        scheduling.charge(donation_id=donation.pk, now=ON_THE_DAY)
        assert (do_what_is_owed(), cards_at_stripe(donation.customer)) == ([], ["0341"])
        giving.abandon_gift(donation_id=donation.pk, now=ON_THE_DAY + scheduling.GRACE, actor="stripe")
        assert (do_what_is_owed(), cards_at_stripe(donation.customer)) == ([True], [])

    def test_a_card_saved_in_the_moment_in_which_the_gift_was_left(self, campaign):
        donation, secret = opened(campaign)
        try_to_save(secret, GOOD)
        giving.abandon_gift(donation_id=donation.pk, now=timezone.now(), actor="donor")
        deliver_all()
        donation.refresh_from_db()
        assert (donation.state, do_what_is_owed(), cards_at_stripe(donation.customer)) == ("abandoned", [True], [])

    def test_a_monthly_gifts_card_in_whose_place_another_was_given_and_at_the_end_all(self, open_now):
        given = begun_monthly(open_now)

        def another(card):
            try_to_save(monthly.begin_card_change(monthly_id=given.pk, now=timezone.now()), card)

        another("pm_card_mastercard")
        monthly.finish_card_change(monthly_id=given.pk, now=timezone.now())
        assert sorted(cards_at_stripe(given.customer)) == ["4242", "4444"]
        another("pm_card_discover")  # saved, and its donor has not come back yet
        assert (do_what_is_owed(), sorted(cards_at_stripe(given.customer))) == ([True], ["1117", "4444"])
        monthly.finish_card_change(monthly_id=given.pk, now=timezone.now())
        assert (do_what_is_owed(), cards_at_stripe(given.customer)) == ([True], ["1117"])
        monthly.stop(monthly_id=given.pk, now=timezone.now())
        assert (do_what_is_owed(), cards_at_stripe(given.customer)) == ([True], [])

    def test_a_silence_of_stripe_is_tried_again_and_a_second_time_does_no_harm(self, campaign, stripe_sandbox):
        donation = scheduled(campaign)
        scheduling.cancel(donation_id=donation.pk, now=timezone.now())
        control(stripe_sandbox).faults(answer="500", path="/detach$", method="POST", times=3)
        assert (do_what_is_owed(), FollowUp.objects.get(kind="card").state) == ([False], "due")
        FollowUp.objects.filter(kind="card").update(due_at=timezone.now())
        assert (do_what_is_owed(), cards_at_stripe(donation.customer)) == ([True], [])
        work.owe(donation=donation, kind=FollowUp.Kind.CARD, now=timezone.now())
        assert do_what_is_owed() == [True]


def test_a_payment_can_still_be_refunded_when_its_card_is_forgotten(campaign):
    donation = scheduled(campaign)
    scheduling.charge(donation_id=donation.pk, now=ON_THE_DAY)
    do_what_is_owed()
    donation.refresh_from_db()
    client().v1.refunds.create({"payment_intent": donation.payment_intent})
    deliver_all()
    assert payments.refunded_total(Donation.objects.get(pk=donation.pk)) == 10_000
