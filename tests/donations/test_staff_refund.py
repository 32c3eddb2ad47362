"""/staff/gifts/<pk>/refund/: finance gives money back, once for each form, never more than is left."""

import pytest
from django.test import Client

from donations import card_refunds, form_keys
from donations.models import Donation, Reversal
from matching.queries import gift_match
from tests import factories, staff
from tests.donations.give_form import hidden
from tests.paying import client, confirm, deliver, events_of, started_gift
from tests.site import request_json

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.fixture
def campaign():
    factories.organization()
    made = factories.open_campaign()
    factories.pool(campaign=made, limit_minor=1_000_000)
    return made


@pytest.fixture
def gift(campaign, stripe_sandbox):
    donation = started_gift(campaign)
    confirm(donation)
    [deliver(event) for event in events_of(donation)]
    donation.refresh_from_db()
    return donation


@pytest.fixture
def farid():
    return staff.farid()


def address(gift):
    return f"/staff/gifts/{gift.pk}/refund/"


def form_key_in(answer):
    return hidden(answer.content.decode(), "form_key")


def filled(person, gift, **changes):
    return {
        "form_key": form_key_in(person.get(address(gift))),
        "amount": "25",
        "reason": "duplicate",
        "comment": "Gave twice.",
    } | changes


def refunds():
    return [refund.amount for refund in client().v1.refunds.list().data]


def standing(gift):
    gift.refresh_from_db()
    return gift.refunded_minor, gift_match(key=gift.match_key).match_minor


def test_a_part_goes_back_at_once_with_its_match_and_a_new_receipt_is_owed(gift, farid):
    answer = farid.post(address(gift), filled(farid, gift), follow=True)
    assert "$25.00 goes back to the donor." in staff.text_of(answer)
    assert (standing(gift), refunds()) == ((2_500, 7_500), [2_500])
    note = gift.notes.get(text__contains="Asked Stripe to give back")
    assert (note.text, note.actor.startswith("staff:")) == (
        "Asked Stripe to give back $25.00 (Paid twice). Gave twice.", True,
    )  # fmt: skip
    assert gift.follow_ups.get(kind="receipt").state == "due"
    kept = client().v1.refunds.list().data[0]
    assert (kept.reason, kept.metadata["asked_by"], kept.metadata["gift"]) == ("duplicate", note.actor, gift.reference)


def test_the_event_that_follows_changes_nothing(gift, farid):
    farid.post(address(gift), filled(farid, gift))
    notes = gift.notes.count()
    [deliver(event) for event in events_of(gift)]
    assert (standing(gift), Reversal.objects.count(), gift.notes.count()) == ((2_500, 7_500), 1, notes)


def test_all_that_is_left_is_offered_and_goes_back(gift, farid):
    farid.post(address(gift), filled(farid, gift))
    page = farid.get(address(gift)).content.decode()
    assert 'name="amount" value="75"' in page or 'name="amount" value="75.00"' in page
    farid.post(address(gift), filled(farid, gift, amount="75"))
    assert (standing(gift), sorted(refunds())) == ((10_000, 0), [2_500, 7_500])
    assert "All of this gift has gone back already." in staff.text_of(farid.get(address(gift)))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"amount": "100.01"}, "Only $100.00 of this gift is left to give back."),
        ({"amount": "ten"}, "is not an amount we can read"),
        ({"amount": ""}, "Write how much goes back."),
        ({"amount": "0"}, "Enter an amount above zero."),
        ({"reason": "because"}, "Choose one of the reasons."),
        ({"comment": "  "}, "Write in a few words"),
        ({"form_key": "forged"}, "nothing was given back"),
    ],
)
def test_a_form_that_cannot_be_used_is_explained_and_kept(gift, farid, changes, sentence):
    answer = farid.post(address(gift), filled(farid, gift, comment="Called us.") | changes)
    page = staff.text_of(answer)
    assert (answer.status_code, refunds()) == (200, [])
    assert sentence in page
    assert "comment" in changes or 'value="Called us."' in page


def test_the_same_form_twice_is_one_refund(gift, farid):
    sent = filled(farid, gift)
    farid.post(address(gift), sent)
    again = farid.post(address(gift), sent, follow=True)
    assert "has made its refund already, once" in staff.text_of(again)
    assert refunds() == [2_500]


def test_an_answer_lost_after_the_work_was_done_is_one_refund(gift, farid, stripe_sandbox):
    sent = filled(farid, gift)
    fault = {"method": "POST", "path": "^/v1/refunds$", "answer": "reset", "when": "after", "times": 3}
    request_json("POST", f"{stripe_sandbox.sandbox_url}/_sandbox/faults", [fault])
    lost = farid.post(address(gift), sent)
    assert (lost.status_code, "Stripe did not answer" in staff.text_of(lost)) == (503, True)
    assert form_keys.unsealed(form_key_in(lost)) == form_keys.unsealed(sent["form_key"])
    farid.post(address(gift), sent)
    assert (standing(gift), refunds()) == ((2_500, 7_500), [2_500])


def test_two_people_cannot_give_back_more_than_was_paid(gift, farid, monkeypatch):
    """Both forms were read before either was sent: Stripe refuses the second, and the page says so."""
    first, second = filled(farid, gift, amount="60"), filled(farid, gift, amount="60")
    farid.post(address(gift), first)
    monkeypatch.setattr(card_refunds, "refundable_minor", lambda donation: 10_000)
    answer = farid.post(address(gift), second)
    assert "Stripe refused it, and nothing was given back" in staff.text_of(answer)
    assert (refunds(), standing(gift)) == ([6_000], (6_000, 4_000))


def test_a_disputed_gift_is_not_refunded(gift, farid, stripe_sandbox):
    body = {"what": "dispute", "payment_intent": gift.payment_intent, "amount": 4_000}
    request_json("POST", f"{stripe_sandbox.sandbox_url}/_sandbox/trigger", body)
    [deliver(event) for event in events_of(gift)]
    assert "has disputed this payment" in staff.text_of(farid.get(address(gift)))
    with pytest.raises(card_refunds.RefundRefused):
        card_refunds.refund(
            donation_id=gift.pk, amount_minor=1, reason="duplicate", comment="", form_key="k", actor="staff:1",
            now=factories.GIFT_AT,
        )  # fmt: skip


@pytest.mark.parametrize(("won", "refunded"), [(True, 0), (False, 4_000)])
def test_a_dispute_of_a_part_counts_as_that_part(gift, stripe_sandbox, won, refunded):
    for body in ({"what": "dispute", "amount": 4_000}, {"what": "close_dispute", "won": won}):
        trigger = body | {"payment_intent": gift.payment_intent}
        request_json("POST", f"{stripe_sandbox.sandbox_url}/_sandbox/trigger", trigger)
        [deliver(event) for event in events_of(gift)]
    assert standing(gift) == (refunded, 10_000 - refunded)


def test_what_cannot_be_refunded_says_why(farid, campaign):
    unpaid = factories.donation(campaign=campaign, state="started")
    assert "Nothing was charged for this gift" in staff.text_of(farid.get(address(unpaid)))
    Donation.objects.filter(pk=unpaid.pk).update(state="paid", paid_at=factories.GIFT_AT, method="cash")
    assert "cancel the gift instead" in staff.text_of(farid.get(address(unpaid)))


def test_only_finance_may(gift, farid):
    sent = filled(farid, gift)
    for person in (staff.dana(), staff.olga()):
        assert (person.get(address(gift)).status_code, person.post(address(gift), sent).status_code) == (403, 403)
    assert Client().post(address(gift), sent).status_code == 302
    assert farid.put(address(gift)).status_code == 405
    assert refunds() == []
    assert ("Refund it" in staff.text_of(farid.get(f"/staff/gifts/{gift.pk}/"))) is True
