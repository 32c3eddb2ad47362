"""Gifts scheduled for the day, against the Stripe sandbox: saved, held in order, charged once, refused, cancelled."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from donations import follow_ups, gateway, payments, reconciliation, schedule_mail, scheduling
from donations.models import Donation, FollowUp
from matching.models import Reservation
from matching.queries import gift_match
from tests import factories
from tests.donations.give_form import filled, give, open_campaign, words
from tests.donations.monthly_gifts import all_events, control, deliver_all
from tests.paying import client as stripe_client
from tests.paying import deliver, started_gift

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("stripe_sandbox")]

OPENS = timezone.now().replace(microsecond=0) + timedelta(days=9)
ON_THE_DAY = OPENS + timedelta(seconds=1)


@pytest.fixture
def campaign():
    return open_campaign(opens_at=OPENS, closes_at=OPENS + timedelta(days=1))


@pytest.fixture
def pool(campaign):
    return factories.pool(campaign=campaign, limit_minor=25_000, opens_at=OPENS)


@pytest.fixture
def sandbox(stripe_sandbox):
    return control(stripe_sandbox)


def save_card(donation, method="pm_card_visa"):
    secret = scheduling.open_card(donation_id=donation.pk, now=timezone.now())
    stripe_client().v1.setup_intents.confirm(
        secret.partition("_secret_")[0], {"payment_method": method, "return_url": "http://127.0.0.1/"}
    )


def scheduled(campaign, method="pm_card_visa", **changes):
    donation = started_gift(campaign, way="scheduled", **changes)
    save_card(donation, method)
    deliver_all()
    donation.refresh_from_db()
    return donation


def standing(donation):
    donation.refresh_from_db()
    match = gift_match(key=donation.match_key)
    owed = list(donation.follow_ups.order_by("pk").values_list("kind", "subject_id"))
    return {"state": donation.state, "match": (match.state, match.match_minor), "owed": owed}


def payments_made(donation):
    listed = stripe_client().v1.payment_intents.list({"limit": 100}).to_dict()["data"]
    return [payment["status"] for payment in listed if payment["metadata"].get("gift") == str(donation.match_key)]


SAVED = {"state": "scheduled", "match": ("held", 10_000), "owed": [("schedule", 0)]}


def test_the_card_is_saved_and_the_match_is_held_for_the_day(campaign, pool):
    donation = scheduled(campaign)
    assert standing(donation) == SAVED
    assert (donation.charge_at, donation.method_text, donation.payment_intent) == (
        OPENS,
        "Visa ending in 4242",
        None,
    )
    held = Reservation.objects.get(key=donation.match_key)
    assert (held.submitted_at, held.held_until) == (OPENS, OPENS + scheduling.GRACE)
    assert payments_made(donation) == []


def test_a_gift_made_now_has_no_match_where_a_scheduled_one_has(campaign, pool):
    now = started_gift(campaign)
    assert (gift_match(key=now.match_key).match_minor, standing(scheduled(campaign))) == (0, SAVED)


def test_the_match_goes_in_the_order_of_scheduling(campaign, pool):
    gifts = [scheduled(campaign) for _ in range(3)]
    assert [gift_match(key=gift.match_key).match_minor for gift in gifts] == [10_000, 10_000, 5_000]
    assert scheduling.due(now=ON_THE_DAY, limit=10) == [gift.pk for gift in gifts]
    assert scheduling.due(now=OPENS - timedelta(seconds=1), limit=10) == []


def test_on_the_day_it_is_charged_once_however_often_it_is_asked_for(campaign, pool, sandbox):
    donation = scheduled(campaign)
    assert scheduling.charge(donation_id=donation.pk, now=OPENS - timedelta(seconds=1)) is None
    assert scheduling.charge(donation_id=donation.pk, now=ON_THE_DAY).state == "paid"
    assert scheduling.charge(donation_id=donation.pk, now=ON_THE_DAY) is None
    deliver_all()
    assert standing(donation) == {
        "state": "paid",
        "match": ("committed", 10_000),
        "owed": [("schedule", 0), ("receipt", 0), ("card", 0)],
    }
    assert payments_made(donation) == ["succeeded"]


def test_an_answer_that_is_lost_never_charges_twice(campaign, pool, sandbox):
    donation = scheduled(campaign)
    sandbox.faults(answer="500", path="/payment_intents$", method="POST", when="after", remember=True, times=1)
    with pytest.raises(gateway.GatewayUnavailable):
        scheduling.charge(donation_id=donation.pk, now=ON_THE_DAY)
    assert scheduling.charge(donation_id=donation.pk, now=ON_THE_DAY) is None  # somebody may still be at it
    Donation.objects.filter(pk=donation.pk).update(payment_failed_at=timezone.now())
    assert scheduling.charge(donation_id=donation.pk, now=ON_THE_DAY + timedelta(minutes=3)).state == "paid"
    assert payments_made(donation) == ["succeeded"]


def test_the_event_alone_makes_it_paid_when_the_worker_dies(campaign, pool, sandbox, monkeypatch):
    donation = scheduled(campaign)
    with monkeypatch.context() as dying:
        dying.setattr(scheduling.strays, "settle_or_set_aside", lambda **_: (_ for _ in ()).throw(MemoryError))
        with pytest.raises(MemoryError):
            scheduling.charge(donation_id=donation.pk, now=ON_THE_DAY)
    deliver_all()
    assert (standing(donation)["state"], payments_made(donation)) == ("paid", ["succeeded"])


@pytest.mark.parametrize(
    ("token", "reason"),
    [("pm_card_chargeCustomerFail", "generic_decline"), ("pm_card_authenticationRequired", "authentication_required")],
)
def test_a_refused_card_asks_its_donor_and_keeps_the_match(campaign, pool, sandbox, token, reason):
    donation = started_gift(campaign, way="scheduled")
    secret = scheduling.open_card(donation_id=donation.pk, now=timezone.now())
    setup = secret.partition("_secret_")[0]
    if reason == "authentication_required":
        method = stripe_client().v1.payment_methods.attach(
            token, {"customer": Donation.objects.get(pk=donation.pk).customer}
        )
        stripe_client().v1.setup_intents.confirm(setup, {"payment_method": "pm_card_visa", "return_url": "http://x/"})
        deliver_all()
        Donation.objects.filter(pk=donation.pk).update(payment_method=method.id)
    else:
        stripe_client().v1.setup_intents.confirm(setup, {"payment_method": token, "return_url": "http://x/"})
        deliver_all()
    refused = scheduling.charge(donation_id=donation.pk, now=ON_THE_DAY)
    assert (refused.state, refused.refusal, refused.pay_by) == ("started", reason, ON_THE_DAY + scheduling.GRACE)
    deliver_all()
    assert standing(donation) == {
        "state": "started",
        "match": ("held", 10_000),
        "owed": [("schedule", 0), ("schedule", 1)],
    }
    payments.open_payment(donation_id=donation.pk, now=ON_THE_DAY + timedelta(hours=30))
    stripe_client().v1.payment_intents.confirm(
        refused.payment_intent, {"payment_method": "pm_card_mastercard", "return_url": "http://127.0.0.1/"}
    )
    deliver_all()
    assert (standing(donation)["state"], standing(donation)["match"]) == ("paid", ("committed", 10_000))
    assert payments_made(donation) == ["succeeded"]


def test_a_refused_one_has_its_own_time_and_then_is_left(campaign, pool, sandbox):
    donation = scheduled(campaign, "pm_card_chargeCustomerFail")
    scheduling.charge(donation_id=donation.pk, now=ON_THE_DAY)
    reconciliation.ask_about_late_payments(now=ON_THE_DAY + timedelta(hours=40))
    assert standing(donation)["state"] == "started"
    reconciliation.ask_about_late_payments(now=ON_THE_DAY + timedelta(hours=49))
    assert (standing(donation)["state"], standing(donation)["match"][0]) == ("abandoned", "released")


def test_cancelling_frees_the_match_and_charges_nothing(campaign, pool, sandbox):
    donation = scheduled(campaign)
    for _ in range(2):
        scheduling.cancel(donation_id=donation.pk, now=timezone.now())
    assert (standing(donation)["state"], standing(donation)["match"][0]) == ("abandoned", "released")
    assert scheduling.charge(donation_id=donation.pk, now=ON_THE_DAY) is None
    deliver_all()
    assert (standing(donation)["state"], payments_made(donation)) == ("abandoned", [])


def test_one_that_is_being_charged_is_not_cancelled(campaign, pool, sandbox):
    donation = scheduled(campaign)
    Donation.objects.filter(pk=donation.pk).update(charging_at=ON_THE_DAY)
    with pytest.raises(scheduling.NotScheduled):
        scheduling.cancel(donation_id=donation.pk, now=ON_THE_DAY)


def test_a_saved_bank_account_is_debited_on_the_day(campaign, pool, sandbox):
    sandbox.knobs(bank_delay_ms=-1)
    donation = scheduled(campaign, "pm_usBankAccount_success")
    assert scheduling.charge(donation_id=donation.pk, now=ON_THE_DAY).state == "processing"
    sandbox.settle_debit(Donation.objects.get(pk=donation.pk).payment_intent)
    deliver_all()
    assert (standing(donation)["state"], standing(donation)["match"]) == ("paid", ("committed", 10_000))


def test_copies_of_the_event_change_nothing(campaign, pool):
    donation = scheduled(campaign)
    for _ in range(3):
        for event in all_events("setup_intent.succeeded"):
            deliver(event)
    assert standing(donation) == SAVED


def test_a_card_that_was_not_saved_schedules_nothing(campaign, pool):
    donation = started_gift(campaign, way="scheduled")
    scheduling.open_card(donation_id=donation.pk, now=timezone.now())
    assert scheduling.ask_stripe(donation_id=donation.pk, now=timezone.now()).state == "started"


class TestPages:
    def test_the_form_offers_it_before_the_opening_alone(self, client, campaign, pool):
        said = words(client.get("/give/").content.decode())
        assert f"Once, on {OPENS.astimezone(campaign.tz):%B} {OPENS.astimezone(campaign.tz).day}" in said
        quote = client.get("/give/match/?amount=100.00&fund=education&way=scheduled").content.decode()
        assert "$100 becomes $200." in words(quote)
        sent = filled(client, way="scheduled")
        campaign.opens_at = timezone.now() - timedelta(minutes=1)
        campaign.save()
        said = words(client.post("/give/", sent).content.decode())
        assert "The match is open already, or gifts cannot be scheduled. Please give now." in said
        assert "Once, on" not in words(client.get("/give/").content.decode())

    def test_the_pages_say_that_nothing_is_charged_yet(self, client, campaign, pool):
        gift = give(client, way="scheduled")
        said = words(client.get(f"/gifts/{gift.token}/pay/").content.decode())
        assert "Nothing is charged today. Your card is saved now, and $100.00 is charged on" in said
        answer = client.post(f"/gifts/{gift.token}/intent/").json()
        stripe_client().v1.setup_intents.confirm(
            answer["client_secret"].partition("_secret_")[0],
            {"payment_method": "pm_card_visa", "return_url": "http://127.0.0.1/"},
        )
        page = client.get(f"/gifts/{gift.token}/").content.decode()
        assert 'hx-trigger="every' in page
        assert "Your card was not saved" not in words(page)
        client.get(f"/gifts/{gift.token}/status/?since=0&asked=0&seen=x")
        said = words(client.get(f"/gifts/{gift.token}/").content.decode())
        assert "Your gift is scheduled Thank you, Marta. Nothing is charged yet." in said
        assert client.post(f"/gifts/{gift.token}/cancel/").status_code == 303
        said = words(client.get(f"/gifts/{gift.token}/").content.decode())
        assert "Your scheduled gift is cancelled Nothing was charged, and nothing will be: Visa ending in 4242" in said
        assert "The match that was held for you went to other gifts." in said

    def test_a_refused_one_says_so_and_until_when(self, client, campaign, pool):
        donation = scheduled(campaign, "pm_card_chargeCustomerFail")
        scheduling.charge(donation_id=donation.pk, now=ON_THE_DAY)
        said = words(client.get(f"/gifts/{donation.token}/").content.decode())
        assert "Your scheduled gift needs you" in said
        assert "your bank refused it. Nothing was charged. You can pay until" in said
        assert "Your bank refused Visa ending in 0341." in words(
            client.get(f"/gifts/{donation.token}/pay/").content.decode()
        )

    def test_a_cancellation_is_confirmed_by_mail(self, campaign, pool, mailoutbox):
        donation = scheduled(campaign)
        scheduling.cancel(donation_id=donation.pk, now=timezone.now())
        scheduling.cancel(donation_id=donation.pk, now=timezone.now())
        for row in donation.follow_ups.all():
            follow_ups.run(follow_up_id=row.pk, now=timezone.now())
        [message] = mailoutbox  # that it was scheduled is no news any more
        assert message.subject == "Your scheduled gift is cancelled: Harborview Hospital"
        assert "Nothing was charged, and nothing will be." in message.body
        assert "If it was not you who cancelled it, please call us." in message.body

    @pytest.mark.parametrize(("hour", "said"), [(5, "December 1, just after midnight"), (14, "December 1, 9:00 AM")])
    def test_a_day_begins_just_after_midnight(self, campaign, hour, said):
        gift = factories.donation(campaign=campaign)
        moment = datetime(2026, 12, 1, hour, tzinfo=UTC)
        assert schedule_mail.moment_text(moment, donation=gift) == f"{said}, Boston time"

    def test_the_mails_say_what_happens(self, campaign, pool, mailoutbox):
        donation = scheduled(campaign, "pm_card_chargeCustomerFail")
        assert follow_ups.run(follow_up_id=FollowUp.objects.get().pk, now=timezone.now())
        scheduling.charge(donation_id=donation.pk, now=ON_THE_DAY)
        assert follow_ups.run(follow_up_id=FollowUp.objects.get(subject_id=1).pk, now=ON_THE_DAY)
        saved, refused = mailoutbox
        assert saved.subject == "Your gift is scheduled: Harborview Hospital"
        assert "Nothing is charged yet." in saved.body
        assert "A match of $100.00 is held for you until then." in saved.body
        assert refused.subject == "Your scheduled gift needs you: Harborview Hospital"
        assert "your bank refused it. Nothing was charged." in refused.body
        assert f"/gifts/{donation.token}/pay/" in refused.body
