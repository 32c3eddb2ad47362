"""A donor whose whole payment went back is told that the receipt is void: once, and only while it is so."""

from datetime import timedelta

import pytest
from django.core import mail as outbox

from donations import corrections, follow_ups
from donations.models import FollowUp
from tests import factories
from tests.donations.books import Books
from tests.donations.offline_form import entered
from tests.factories import CLOSES_AT

pytestmark = pytest.mark.django_db
LATER = CLOSES_AT + timedelta(hours=5)


@pytest.fixture
def campaign():
    return factories.campaign()


@pytest.fixture
def books(campaign, monkeypatch):
    return Books(campaign, monkeypatch)


def gift_of(books):
    gift = books.give((books.campaign.funds.get(), 10_000), fee_minor=320)
    books.make_receipts(now=books.at)
    return gift


def send_all(now=LATER):
    FollowUp.objects.filter(kind="email").delete()
    for pk in FollowUp.objects.filter(state="due").values_list("pk", flat=True):
        assert follow_ups.run(follow_up_id=pk, now=now)


@pytest.mark.parametrize(("kind", "course"), [("refund", ("succeeded",)), ("dispute", ("needs_response", "lost"))])
def test_the_donor_hears_that_the_receipt_is_void(books, kind, course):
    gift = gift_of(books)
    books.back(gift, kind, 10_320, *course, now=CLOSES_AT)
    send_all()
    send_all(LATER + timedelta(days=1))
    (message,) = outbox.outbox
    receipt = gift.receipts.get()
    assert message.to == [gift.donor_email]
    assert message.subject == "Your gift was returned to you: Harborview Hospital"
    assert message.extra_headers["Message-ID"].startswith(f"<returned-{receipt.number}.")
    for words in (
        "All that you paid for Education on December 1, 2026, $103.20, went back to you.",
        f"Receipt {receipt.number} is void: please do not use it for your taxes.",
        gift.get_absolute_url(),
    ):
        assert words in message.body
        assert words in message.alternatives[0].content
    assert gift.notes.last().text == f"Told the donor that the gift was returned and receipt {receipt.number} is void."


def test_a_refund_that_failed_meanwhile_is_not_told(books):
    gift = gift_of(books)
    books.back(gift, "refund", 10_320, "succeeded", "failed", now=CLOSES_AT)
    assert FollowUp.objects.filter(kind="returned").count() == 1
    send_all()
    assert outbox.outbox == []


def test_a_part_that_went_back_is_told_by_the_new_receipt_alone(books):
    books.back(gift_of(books), "refund", 10_319, "succeeded", now=CLOSES_AT)
    assert not FollowUp.objects.filter(kind="returned").exists()


def test_of_a_check_that_was_cancelled_staff_tell_the_donor(books):
    check = entered(books.campaign, donor_email="walter@example.org")
    books.make_receipts(now=LATER)
    corrections.cancel_gift(donation_id=check.pk, cause="returned_unpaid", reason="-", actor="staff:9", now=LATER)
    books.make_receipts(now=LATER)
    assert check.receipts.get().voided_at == LATER
    assert not FollowUp.objects.filter(kind="returned").exists()
