"""Payments that are not what their gift says: set aside, shown to finance, decided once."""

import pytest
from django.utils import timezone

from donations import events, payments, strays
from donations.models import Donation, Reversal, StrayPayment
from matching.checking import check_campaigns
from matching.queries import gift_match
from tests import factories, staff
from tests.paying import client, confirm, deliver, events_of, started_gift
from tests.site import request_json

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("stripe_sandbox")]


@pytest.fixture
def campaign():
    factories.organization()
    made = factories.open_campaign()
    factories.pool(campaign=made, limit_minor=1_000_000)
    return made


def pay_another_amount(donation, amount_minor):
    """The payment is opened by us, and its amount changed at Stripe before it is confirmed."""

    payments.open_payment(donation_id=donation.pk, now=timezone.now())
    donation.refresh_from_db()
    client().v1.payment_intents.update(donation.payment_intent, {"amount": amount_minor})
    client().v1.payment_intents.confirm(
        donation.payment_intent, {"payment_method": "pm_card_visa", "return_url": "http://127.0.0.1/back"}
    )


def pay_beside(donation, *, currency="usd"):
    """A payment made in the dashboard, with the gift's key on it."""
    made = client().v1.payment_intents.create(
        {
            "amount": donation.total_minor,
            "currency": currency,
            "confirm": True,
            "payment_method": "pm_card_visa",
            "return_url": "http://127.0.0.1/back",
            "metadata": {"gift": str(donation.match_key)},
        }
    )
    return [event.to_dict() for event in client().v1.events.list({"limit": 20}).data if made.id in str(event)][::-1]


@pytest.fixture
def stray(campaign):
    """$80 was taken for a gift of $100."""
    donation = started_gift(campaign)
    pay_another_amount(donation, 8_000)
    [deliver(event) for event in events_of(donation)]
    donation.refresh_from_db()
    return StrayPayment.objects.get()


def test_another_amount_is_posted_nowhere_and_waits_for_finance(stray, campaign, fault_table):
    gift = stray.donation
    assert (stray.why, stray.amount_minor, stray.currency, stray.decision) == ("amount", 8_000, "USD", "open")
    assert (gift.state, gift.charge, gift.follow_ups.count(), gift_match(key=gift.match_key).state) == (
        "started", "", 0, "held",
    )  # fmt: skip
    assert gift.notes.filter(text__contains="set aside for finance").count() == 1
    [deliver(event) for event in events_of(gift)]
    assert StrayPayment.objects.count() == 1
    fault_table("a charge of another amount than the gift's", "posted nowhere, waits for finance", "$80.00 for $100.00")


def test_a_payment_whose_amount_was_changed_is_not_handed_to_the_browser(campaign):
    donation = started_gift(campaign)
    payments.open_payment(donation_id=donation.pk, now=timezone.now())
    donation.refresh_from_db()
    client().v1.payment_intents.update(donation.payment_intent, {"amount": 8_000})
    with pytest.raises(payments.PaymentMismatch):
        payments.open_payment(donation_id=donation.pk, now=timezone.now())


def test_another_currency_is_posted_nowhere(campaign):
    donation = started_gift(campaign)
    [deliver(event) for event in pay_beside(donation, currency="eur")]
    stray = StrayPayment.objects.get()
    donation.refresh_from_db()
    assert (stray.why, stray.currency, strays.can_accept(stray), donation.state) == (
        "currency", "EUR", False, "started",
    )  # fmt: skip


def test_a_second_payment_of_a_paid_gift_is_set_aside(campaign):
    donation = started_gift(campaign)
    confirm(donation)
    [deliver(event) for event in events_of(donation)]
    [deliver(event) for event in pay_beside(donation)]
    donation.refresh_from_db()
    stray = StrayPayment.objects.get()
    assert (stray.why, stray.donation, donation.state, donation.total_minor) == ("second", donation, "paid", 10_000)
    assert gift_match(key=donation.match_key).match_minor == 10_000


def test_refunded_it_goes_back_and_the_gift_ends_unpaid(stray):
    strays.refund(stray_id=stray.pk, actor="staff:7", reason="Odd.", now=timezone.now())
    stray.refresh_from_db()
    gift = Donation.objects.get(pk=stray.donation_id)
    refunds = client().v1.refunds.list().data
    assert (stray.decision, stray.refunded_minor, stray.decided_by) == ("refunded", 8_000, "staff:7")
    assert [(refund.amount, refund.metadata["asked_by"]) for refund in refunds] == [(8_000, "staff:7")]
    assert (gift.state, gift.payment_intent, gift_match(key=gift.match_key).state) == ("failed", None, "released")
    with pytest.raises(strays.AlreadyDecided):
        strays.leave(stray_id=stray.pk, actor="staff:8", reason="", now=timezone.now())


def test_refunded_in_stripes_dashboard_it_is_decided_by_that(stray):
    refund = client().v1.refunds.create({"payment_intent": stray.payment_intent, "amount": 3_000})
    for event in client().v1.events.list({"limit": 20, "type": "refund.created"}).data:
        deliver(event.to_dict())
    stray.refresh_from_db()
    assert (stray.refunded_minor, stray.decision) == (3_000, "open")
    client().v1.refunds.create({"payment_intent": stray.payment_intent})
    for event in client().v1.events.list({"limit": 20, "type": "refund.created"}).data:
        deliver(event.to_dict())
    stray.refresh_from_db()
    assert (stray.refunded_minor, stray.decision, stray.decided_by) == (8_000, "refunded", "stripe")
    assert not Reversal.objects.filter(stripe_id=refund.id).exists()


def test_accepted_it_is_a_gift_of_what_was_paid_matched_by_the_moment_of_the_form(stray, campaign):
    donation = strays.accept(stray_id=stray.pk, actor="staff:7", reason="Called the donor.", now=timezone.now())
    donation.refresh_from_db()
    stray.refresh_from_db()
    meant = Donation.objects.get(pk=stray.donation_id)
    match = gift_match(key=donation.match_key)
    assert (donation.state, donation.amount_minor, donation.method_text) == ("paid", 8_000, "Visa ending in 4242")
    assert (donation.submitted_at, donation.donor, match.state, match.match_minor) == (
        meant.submitted_at, meant.donor, "committed", 8_000,
    )  # fmt: skip
    assert [row.amount_minor for row in donation.designations.all()] == [8_000]
    assert (meant.state, gift_match(key=meant.match_key).state) == ("failed", "released")
    assert (stray.decision, stray.accepted_as) == ("accepted", donation)
    assert check_campaigns() == []


def test_what_was_accepted_is_refunded_like_any_gift(stray):
    donation = strays.accept(stray_id=stray.pk, actor="staff:7", reason="Called.", now=timezone.now())
    client().v1.refunds.create({"payment_intent": stray.payment_intent, "amount": 2_000})
    for event in client().v1.events.list({"limit": 20}).data:
        deliver(event.to_dict())
    donation.refresh_from_db()
    assert (donation.refunded_minor, gift_match(key=donation.match_key).match_minor) == (2_000, 6_000)
    assert StrayPayment.objects.get().decision == "accepted"


def test_left_it_stays_at_stripe_and_the_gift_ends(stray):
    strays.leave(stray_id=stray.pk, actor="staff:7", reason="A ticket.", now=timezone.now())
    assert (StrayPayment.objects.get().decision, Donation.objects.get().state) == ("left", "failed")
    assert client().v1.refunds.list().data == []


def test_an_answer_lost_after_the_refund_leads_to_one_refund(stray, stripe_sandbox):
    fault = {"method": "POST", "path": "^/v1/refunds$", "answer": "reset", "when": "after", "times": 3}
    request_json("POST", f"{stripe_sandbox.sandbox_url}/_sandbox/faults", [fault])
    finance = staff.farid()
    answer = finance.post(f"/staff/payments/{stray.pk}/decide/", {"do": "refund", "reason": "Odd."})
    assert "Stripe did not answer" in staff.text_of(answer)
    finance.post(f"/staff/payments/{stray.pk}/decide/", {"do": "refund", "reason": "Odd."})
    assert (StrayPayment.objects.get().decision, len(client().v1.refunds.list().data)) == ("refunded", 1)


def test_the_page_says_what_can_be_done_and_who_decided(stray):
    finance, development = staff.farid(), staff.dana()
    address = f"/staff/payments/{stray.pk}/"
    page = staff.text_of(finance.get(address))
    for words in ("$80.00 that fits no gift", "Another amount than the gift", "Refund $80.00", "Leave it as it is"):
        assert words in page
    assert "Finance decides" in staff.text_of(development.get(address))
    assert development.post(f"{address}decide/", {"do": "leave", "reason": "x"}).status_code == 403
    assert "Write in a few words" in staff.text_of(finance.post(f"{address}decide/", {"do": "leave", "reason": " "}))
    assert StrayPayment.objects.get().decision == "open"
    finance.post(f"{address}decide/", {"do": "accept", "reason": "Spoke with Maria."})
    page = staff.text_of(finance.get(address))
    for words in ("Accepted as a gift", "Spoke with Maria.", "Farid"):
        assert words in page
    again = finance.post(f"{address}decide/", {"do": "leave", "reason": "No."}, follow=True)
    assert "Somebody has decided that already" in staff.text_of(again)


def test_a_mismatch_of_which_nothing_was_charged_is_only_listed(campaign):
    donation = started_gift(campaign)
    confirm(donation, method="pm_card_visa_chargeDeclined")
    event = next(event for event in events_of(donation) if event["type"] == "payment_intent.payment_failed")
    event["data"]["object"]["amount"] = 1
    Donation.objects.update(state="failed")
    row = deliver(event)
    assert (row.state, row.why_ignored, StrayPayment.objects.count()) == ("ignored", "unpaid", 0)


def test_a_newer_version_of_stripes_api_is_kept_and_named(campaign, fault_table):
    donation = started_gift(campaign)
    confirm(donation)
    event = next(event for event in events_of(donation) if event["type"] == "payment_intent.succeeded")
    row = deliver(event | {"api_version": "2027-02-24.future"})
    fault_table("an event of a newer version of the API", f"stored, {row.state}", "the next run asks for the object")
    assert (row.state, row.why_ignored) == ("ignored", "version")
    assert [events.is_newer(version) for version in ("2026-08-26.dahlia", "2025-01-01", "", "2026-11-01.x")] == [
        False, False, False, True,
    ]  # fmt: skip


def test_an_early_fraud_warning_is_shown_to_staff_once(campaign, stripe_sandbox):
    donation = started_gift(campaign)
    confirm(donation)
    [deliver(event) for event in events_of(donation)]
    body = {"what": "fraud_warning", "payment_intent": donation.payment_intent}
    request_json("POST", f"{stripe_sandbox.sandbox_url}/_sandbox/trigger", body)
    for _ in range(2):
        [deliver(event) for event in events_of(donation)]
    dana = staff.dana()
    page = staff.text_of(dana.get(f"/staff/gifts/{donation.pk}/"))
    assert (donation.fraud_warnings.count(), page.count("Early fraud warning: made with stolen card.")) == (1, 1)
    assert "made with stolen card. No dispute yet" in page
    assert "Early fraud warning" in staff.text_of(dana.get("/staff/"))
    donation.refresh_from_db()
    assert (donation.state, donation.refunded_minor, donation.disputed_at) == ("paid", 0, None)
