"""Receipts of donors without e-mail: listed until somebody posted them, each marked once."""

import io
import zipfile
from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.db import connection
from django.test import Client

from donations import corrections, follow_ups, posting
from donations.models import Donation, GiftNote, Receipt, ReceiptSend
from donations.offline_gifts import OfflineGift
from tests import factories, staff
from tests.donations.offline_form import entered
from tests.factories import GIFT_AT

pytestmark = pytest.mark.django_db
NOW = GIFT_AT + timedelta(hours=4)
ADDRESS = "/staff/receipts/to-post/"


@pytest.fixture
def campaign():
    factories.organization()
    return factories.campaign()


def receipted(gift: Donation) -> Receipt:
    for row_id in follow_ups.due_ids(donation_id=gift.pk):
        follow_ups.run(follow_up_id=row_id, now=NOW)
    return gift.receipts.get(voided_at=None)


def waiting(campaign) -> list[str]:
    return [receipt.number for receipt in posting.to_post(campaign=campaign)]


def test_it_lists_only_valid_receipts_without_an_address_for_mail(campaign):
    by_post = receipted(entered(campaign))
    receipted(entered(campaign, donor_email="joan@example.org", donor_name="Joan Reed"))
    assert waiting(campaign) == [by_post.number]
    page = staff.text_of(staff.dana().get(ADDRESS))
    for words in (
        "1 receipt of donors without e-mail",
        by_post.number,
        "Walter Finch",
        "12 Elm Street, Boston, MA 02110",
    ):
        assert words in page


def test_it_marks_what_was_posted_once_with_a_note(campaign):
    first, second = receipted(entered(campaign)), receipted(entered(campaign))
    dana = staff.dana()
    sent = {"receipt": [first.pk, "nonsense", "9" * 30]}
    assert dana.post(ADDRESS, sent).headers["Location"] == ADDRESS
    dana.post(ADDRESS, sent)
    assert waiting(campaign) == [second.number]
    send = ReceiptSend.objects.get()
    assert (send.receipt, send.to_email, send.outcome) == (first, "", "posted")
    assert [note.text for note in GiftNote.objects.filter(text__endswith="posted.")] == [
        f"Receipt {first.number} posted."
    ]
    assert "Tick the receipts" in staff.text_of(dana.post(ADDRESS, follow=True))


def test_a_replaced_receipt_is_to_be_posted_again(campaign):
    gift = entered(campaign)
    first = receipted(gift)
    posting.mark_posted(campaign=campaign, receipt_ids=[first.pk], actor="staff:7", now=NOW)
    wanted = OfflineGift.from_json(OfflineGift.of(gift).as_json() | {"donor_name": "Walter B. Finch"})
    corrections.correct_gift(
        donation_id=gift.pk, gift=wanted, corrections_seen=0, reason="His full name", actor="staff:7", now=NOW
    )
    second = receipted(gift)
    assert (waiting(campaign), second.replaces) == ([second.number], first)


def test_it_gives_the_pdfs_in_one_file(campaign):
    numbers = [receipted(entered(campaign)).number for _ in range(2)]
    answer = staff.farid().get("/staff/receipts/to-post.zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.namelist() == [f"receipt-{number}.pdf" for number in numbers]
        assert archive.read(archive.namelist()[0]).startswith(b"%PDF")


def test_it_lets_in_only_those_with_the_right(campaign):
    receipt = receipted(entered(campaign))
    olga, strict = staff.olga(), Client(enforce_csrf_checks=True)
    strict.force_login(staff.person("dora", "development"))
    sent = {"receipt": [receipt.pk]}
    assert (olga.get(ADDRESS).status_code, olga.post(ADDRESS, sent).status_code) == (403, 403)
    assert (Client().post(ADDRESS, sent).status_code, strict.post(ADDRESS, sent).status_code) == (302, 403)
    assert olga.get("/staff/receipts/to-post.zip").status_code == 403
    assert strict.put(ADDRESS, headers={"X-CSRFToken": "x"}).status_code in (403, 405)
    assert waiting(campaign) == [receipt.number]


@pytest.mark.django_db(transaction=True)
def test_two_people_at_once_mark_each_receipt_once():
    factories.organization()
    campaign = factories.campaign()
    receipt = receipted(entered(campaign))
    barrier, counts = Barrier(3), []

    def mark() -> None:
        barrier.wait()
        counts.append(posting.mark_posted(campaign=campaign, receipt_ids=[receipt.pk], actor="staff:7", now=NOW))
        connection.close()

    people = [Thread(target=mark) for _ in range(3)]
    for thread in people:
        thread.start()
    for thread in people:
        thread.join()
    assert sorted(counts) == [0, 0, 1]
    assert GiftNote.objects.filter(text__endswith="posted.").count() == 1
