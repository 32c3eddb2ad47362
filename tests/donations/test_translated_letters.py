"""The words of letters and receipts can be translated, all of them."""

import io
from datetime import timedelta
from types import SimpleNamespace

import pypdf
import pytest
from django.utils import translation

from donations import (
    bank_mail,
    ecards,
    follow_ups,
    freed_match,
    mail,
    monthly,
    monthly_mail,
    openings,
    receipts,
    reminders,
    return_mail,
    schedule_mail,
    subscriptions,
)
from donations.models import Donation, OpeningReminder, Tribute, TributeNotice
from donations.receipt_content import Goods
from donations.receipt_pdf import render_receipt
from donations.receipt_words import receipt_words
from matching.queries import gift_match
from tests import factories
from tests.donations.spoken import NOW, left_unmarked, monthly_gift, went_back
from tests.marks import CLOSE, OPEN, ROOT, unmarked

LETTERS = sorted((ROOT / "templates/emails").iterdir())
LATER = NOW + timedelta(days=1)


@pytest.mark.parametrize("template", LETTERS, ids=lambda path: path.name)
def test_every_word_of_a_letter_is_marked(template):
    assert unmarked(template) == []


def said_by(message, *content):
    """What of a letter nobody can translate: subject, text and page."""
    page, _ = message.alternatives[0]
    links = [message.to[0], "List-Unsubscribe"]
    return [left_unmarked(text, *links, *content) for text in (message.subject, message.body, page)]


def texts_of(facts):
    """Every text in a receipt's content, however deep, but what machines read."""
    if isinstance(facts, dict):
        return [text for key, value in facts.items() if key not in FOR_MACHINES for text in texts_of(value)]
    return [text for value in facts for text in texts_of(value)] if isinstance(facts, list) else [str(facts)]


NOTHING = [[], [], []]
FOR_MACHINES = ("look", "website", "check_url", "page_text", "head_sha256")
FILLED_IN_LATER = ("page}", "pages}", "link}")


@pytest.fixture
def campaign(db, laid_open_language):
    factories.organization()
    made = factories.open_campaign()
    factories.pool(campaign=made)
    return made


def held(campaign, **changes):
    gift = factories.donation(campaign=campaign, at=NOW, state="started", **changes)
    factories.match(gift, at=NOW, is_paid=False)
    return gift


def paid(campaign, **changes):
    gift = factories.donation(campaign=campaign, at=NOW, **changes)
    factories.match(gift, at=NOW)
    return gift


class TestLetters:
    def test_of_a_scheduled_gift(self, campaign):
        card = {"way": "scheduled", "charge_at": LATER, "pay_by": LATER, "method_label": "Visa", "method_last4": "4242"}
        for refusal in ("", "authentication_required"):
            gift = held(campaign, refusal=refusal, **card)
            for what in (schedule_mail.SAVED, schedule_mail.REFUSED, schedule_mail.CANCELLED):
                assert said_by(schedule_mail.message(gift, what=what, now=NOW)) == NOTHING

    def test_of_a_gift_that_was_not_finished(self, campaign):
        for way in ("once", "monthly"):
            assert said_by(reminders.message(held(campaign, way=way))) == NOTHING

    def test_of_a_bank_that_did_not_pay(self, campaign):
        for method in ({}, {"method_label": "Chase", "method_last4": "6789"}):
            assert said_by(bank_mail.message(held(campaign, **method))) == NOTHING

    def test_of_match_that_was_added(self, campaign):
        gift = paid(campaign)
        assert said_by(freed_match.news_message(gift, match=gift_match(key=gift.match_key))) == NOTHING

    def test_of_a_gift_that_was_returned(self, campaign):
        gift = paid(campaign)
        receipt = receipts.issue_receipt(donation_id=gift.pk, now=NOW)
        Donation.objects.filter(pk=gift.pk).update(refunded_minor=10_000)
        assert said_by(return_mail.message(type(receipt).objects.get(pk=receipt.pk))) == NOTHING

    @pytest.mark.parametrize("kind", ["honor", "memory"])
    def test_of_a_tribute(self, campaign, kind):
        tribute = Tribute.objects.create(donation=paid(campaign), kind=kind, name="Ana Ruiz")
        notice = TributeNotice.objects.create(
            tribute=tribute,
            way="email",
            recipient_name="Luis Ruiz",
            recipient_email="luis@example.org",
            message="With love",
            send_on=NOW.date(),
            consented_at=NOW,
        )
        assert said_by(ecards.message(notice)) == NOTHING

    def test_of_the_opening(self, campaign):
        reminder = OpeningReminder.objects.create(campaign=campaign, email="ana@example.org", asked_at=NOW)
        for kind in ("question", "opening"):
            assert said_by(openings.message(reminder, kind=kind)) == NOTHING

    def test_of_every_change_of_a_monthly_gift(self, campaign, monkeypatch):
        stopped, running = monthly_gift(campaign, state="stopped"), monthly_gift(campaign)
        running.subscription, running.setup_intent, running.customer = "sub_2", "seti_1", "cus_1"
        running.save()
        card = SimpleNamespace(
            status="succeeded",
            customer="cus_1",
            payment_method="pm_1",
            setup_intent="seti_1",
            label="Visa",
            last4="0341",
        )
        found = SimpleNamespace(next_at=LATER)
        monkeypatch.setattr(subscriptions, "change_date", lambda **_: found)
        monkeypatch.setattr(subscriptions, "change_card", lambda **_: found)
        monkeypatch.setattr(subscriptions, "retrieve_saved_card", lambda _: card)
        monthly.change_day(monthly_id=running.pk, day=28 if NOW.day == 1 else 1, now=NOW)
        monthly.finish_card_change(monthly_id=running.pk, now=NOW)
        changes = [*stopped.changes.all(), *running.changes.all()]
        assert {change.kind for change in changes} == {"amount", "day", "card", "failed", "stopped"}
        for change in changes:
            assert said_by(monthly_mail.message(change)) == NOTHING


class TestReceipts:
    @pytest.fixture
    def receipt(self, campaign):
        """A receipt that says all that one can say."""
        factories.organization(receipt_thanks="Thanks!", goods_or_services_statement="None.")
        gift = paid(
            campaign, fee_minor=330, company="Pier Bank", country="DE", match_shortfall_minor=500, refunded_minor=1_000
        )
        Tribute.objects.create(donation=gift, kind="honor", name="Ana Ruiz")
        went_back(gift, "refund", status="failed")
        first = receipts.issue_receipt(donation_id=gift.pk, now=NOW, goods=Goods("a book", 500))
        Donation.objects.filter(pk=gift.pk).update(refunded_minor=2_000, company="")
        follow_ups._bring_receipt_up_to_date(SimpleNamespace(donation_id=gift.pk), now=LATER)
        first.refresh_from_db()
        return first

    def test_it_speaks_one_language_in_every_word(self, receipt):
        new = receipt.donation.receipts.get(voided_at=None)
        void = {"on_text": "", "reason": receipt.void_reason, "replaced_by": new.number}
        for one, facts in ((receipt, void), (new, None)):
            words = texts_of(one.content) + texts_of(receipt_words(one.content, void=facts))
            assert left_unmarked("\n".join(words), "a book", "Pier Bank", "eo", "USD", *FILLED_IN_LATER) == []
            assert said_by(mail.receipt_message(one, message_id="<1@x>"), "a book", "Pier Bank") == NOTHING

    def test_it_keeps_its_language_when_the_site_speaks_another(self, receipt):
        before = render_receipt(receipt)
        with translation.override("en"):
            assert render_receipt(receipt) == before
            assert mail.receipt_message(receipt, message_id="<1@x>").subject.startswith(f"{OPEN}Your receipt from")
        pdf = pypdf.PdfReader(io.BytesIO(before))
        assert pdf.trailer["/Root"]["/Lang"] == "eo-US"
        text = "".join(pdf.pages[0].extract_text().split())
        for words in ("Receiptforyourgift", "VOID", "DATEOFGIFT", "Yourcontribution"):
            assert f"{OPEN}{words}{CLOSE}" in text
        assert f"page{CLOSE}1{OPEN}of{CLOSE}" in text

    def test_an_english_one_stays_english(self, campaign):
        with translation.override("en-us"):
            receipt = receipts.issue_receipt(donation_id=paid(campaign).pk, now=NOW)
        assert "language" not in receipt.content
        assert OPEN not in mail.receipt_message(receipt, message_id="<1@x>").body
        assert "/gifts/" in mail.receipt_message(receipt, message_id="<1@x>").body
