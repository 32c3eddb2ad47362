"""The receipt's e-mail: its parts and headers, its log, and what a mail server may answer."""

import email
import email.policy
import io
import re
import smtplib
from datetime import timedelta

import pypdf
import pytest
from aiosmtpd.controller import Controller
from django.core import mail as outbox
from django.core.mail.backends.locmem import EmailBackend

from donations import mail, receipts
from donations.models import Donation, ReceiptSend
from donations.receipt_pdf import render_receipt
from matching import heads
from sandbox.stack.ports import free_port
from tests import factories
from tests.factories import GIFT_AT

pytestmark = pytest.mark.django_db

SOON = GIFT_AT + timedelta(minutes=1)


@pytest.fixture(autouse=True)
def site_of_the_hospital(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    settings.SITE_URL = "https://giving.harborview.example"
    settings.SITE_HOST = "giving.harborview.example"
    settings.DEFAULT_FROM_EMAIL = "receipts@harborview.example"


@pytest.fixture
def donation():
    factories.organization(state_disclosures="Registered in Massachusetts.")
    campaign = factories.campaign()
    parts = [(factories.fund("Education"), 7_500), (factories.fund("Research & Care"), 2_500)]
    made = factories.donation(campaign=campaign, parts=parts, fee_minor=320, donor_email="maria@example.org")
    factories.pool(campaign=campaign)
    factories.match(made)
    heads.publish_head(now=GIFT_AT)
    return made


@pytest.fixture
def receipt(donation):
    return receipts.issue_receipt(donation_id=donation.pk, now=GIFT_AT)


def send(receipt):
    mail.send_receipt(receipt_id=receipt.pk, now=SOON)
    return outbox.outbox[-1]


def received(message):
    """The message as a mail program reads it."""
    return email.message_from_bytes(message.message().as_bytes(), policy=email.policy.default)


def body(message, kind):
    return next(part.get_content() for part in received(message).walk() if part.get_content_type() == kind)


def part_types(message):
    return [part.get_content_type() for part in received(message).walk() if not part.is_multipart()]


def squeezed(text):
    """Without white space: long headers are folded, and some readers leave a space where they were."""
    return "".join(text.split())


def log():
    return list(ReceiptSend.objects.values_list("to_email", "outcome"))


def fails_with(monkeypatch, error):
    def refuse(self, messages):
        raise error

    monkeypatch.setattr(EmailBackend, "send_messages", refuse)


class TestMessage:
    def test_its_headers(self, receipt):
        sent = received(send(receipt))
        assert sent["Subject"] == ("Your receipt from Harborview Hospital: $103.20 on December 1, 2026 (2026-000001)")
        assert sent["From"] == "Harborview Hospital <receipts@harborview.example>"
        assert (sent["To"], sent["Reply-To"]) == ("maria@example.org", "giving@harborview.example")
        assert sent["Auto-Submitted"] == "auto-generated"
        assert re.fullmatch(r"<receipt-2026-000001\.[0-9a-f]{12}@giving\.harborview\.example>", sent["Message-ID"])

    def test_its_parts_are_text_html_and_the_pdf(self, receipt):
        message = send(receipt)
        assert part_types(message) == ["text/plain", "text/html", "application/pdf"]
        pdf = next(part for part in received(message).walk() if part.get_content_type() == "application/pdf")
        assert pdf.get_filename() == "receipt-2026-000001.pdf"
        text = pypdf.PdfReader(io.BytesIO(pdf.get_payload(decode=True))).pages[0].extract_text()
        assert "Amount paid $103.20" in text

    @pytest.mark.parametrize("kind", ["text/plain", "text/html"])
    def test_both_texts_say_what_the_receipt_says(self, receipt, donation, kind):
        text = body(send(receipt), kind).replace("&amp;", "&").replace("&#x27;", "'")
        for words in [
            "Thank you for your gift.",
            "Maria Alvarez",
            "2026-000001",
            "December 1, 2026",
            "Harborview Hospital Foundation, Inc.",
            "04-1234567",
            "Education",
            "$75.00",
            "Research & Care",
            "$25.00",
            "Card cost that you covered",
            "$3.20",
            "Amount paid",
            "$103.20",
            "Visa ending in 4242",
            "No goods or services were provided in exchange for this gift.",
            "As information, not part of your payment: The Harbor Family matched your gift with $100.00",
            f"https://giving.harborview.example{donation.get_absolute_url()}",
            "Joan Whitfield",
            "100 Wharf Street",
            "Registered in Massachusetts.",
        ]:
            assert words in text
        assert not re.search(r"refund|replaces|matching gift", text, re.IGNORECASE)

    @pytest.mark.parametrize("kind", ["text/plain", "text/html"])
    def test_both_texts_say_how_to_opt_out_of_fundraising(self, receipt, kind):
        """45 CFR 164.514(f): clear, no cost to speak of, and no effect on care."""
        text = " ".join(body(send(receipt), kind).split())
        assert "rather not get fundraising messages" in text
        assert "giving@harborview.example" in text
        assert "617-555-0142" in text
        assert "no effect on your care" in text

    @pytest.mark.parametrize("kind", ["text/plain", "text/html"])
    def test_both_texts_say_how_to_check_the_match(self, receipt, kind):
        ledger = receipt.content["ledger"]
        text = body(send(receipt), kind)
        assert "Check it yourself" in text
        assert ledger["check_url"] in text
        assert ledger["head_text"].startswith("Ledger head 2026-12-01 15:30 UTC, sha256 ")
        assert ledger["head_text"] in text

    def test_nothing_is_loaded_and_nothing_is_tracked(self, receipt):
        html = body(send(receipt), "text/html")
        assert not re.search(r"<(img|link|script|iframe)|url\(|@import", html)
        links = set(re.findall(r'href="([^"?]+)', html))
        gift_page = f"https://giving.harborview.example{receipt.donation.get_absolute_url()}"
        match_page = "https://giving.harborview.example/match/"
        assert links == {gift_page, match_page, "mailto:giving@harborview.example"}

    def test_a_replacement_says_which_one_it_replaces(self, receipt, donation):
        Donation.objects.filter(pk=donation.pk).update(refunded_minor=5_000)
        new = receipts.replace_receipt(donation_id=donation.pk, reason="Refunded $50.00.", now=SOON)
        message = send(new)
        assert message.subject == (
            "Your new receipt from Harborview Hospital: $53.20 on December 1, 2026 (2026-000002)"
        )
        for kind in ("text/plain", "text/html"):
            text = body(message, kind)
            assert "This receipt replaces 2026-000001, which is void." in text
            assert "Your contribution after the refund" in text
            assert "$53.20" in text


class TestHostileWords:
    @pytest.mark.parametrize(
        "name",
        ["Harborview\r\nBcc: x@evil.example", 'The "Harbor", Hospital', "Hôpital du Port", "Port 医院 Harborview " * 5],
    )
    def test_the_organizations_name_stays_one_header(self, name):
        factories.organization(public_name=name)
        receipt = receipts.issue_receipt(donation_id=factories.donation().pk, now=GIFT_AT)
        message = received(send(receipt))
        assert message["Bcc"] is None
        (sender,) = message["From"].addresses
        assert sender.addr_spec == "receipts@harborview.example"
        assert squeezed(sender.display_name) == squeezed(name)
        assert squeezed(name) in squeezed(message["Subject"])

    def test_a_donors_name_is_text_not_markup(self):
        donation = factories.donation(donor_name='<script>alert(1)</script> {{ 7|add:7 }} "x"')
        message = send(receipts.issue_receipt(donation_id=donation.pk, now=GIFT_AT))
        assert "&lt;script&gt;alert(1)&lt;/script&gt; {{ 7|add:7 }}" in body(message, "text/html")
        assert '<script>alert(1)</script> {{ 7|add:7 }} "x"' in body(message, "text/plain")


class TestSendLog:
    def test_an_attempt_is_written_before_the_server_is_asked(self, receipt, monkeypatch):
        seen = []
        monkeypatch.setattr(EmailBackend, "send_messages", lambda *_: seen.append(log()))
        mail.send_receipt(receipt_id=receipt.pk, now=SOON)
        assert seen == [[("maria@example.org", "")]]
        assert log() == [("maria@example.org", "sent")]

    def test_each_attempt_is_a_row_with_the_same_message_id(self, receipt, settings):
        first = send(receipt)
        settings.SECRET_KEY = "rotated-since-" * 5
        settings.SITE_HOST = "moved.example"
        second = send(receipt)
        assert first.message()["Message-ID"] == second.message()["Message-ID"]
        rows = ReceiptSend.objects.values_list("message_id", "attempted_at", "outcome")
        assert list(rows) == [(first.message()["Message-ID"], SOON, "sent")] * 2

    def test_two_receipts_have_two_message_ids(self, receipt):
        other = receipts.issue_receipt(donation_id=factories.donation().pk, now=GIFT_AT)
        assert mail.message_id(receipt) != mail.message_id(other)

    def test_a_voided_receipt_is_not_sent(self, receipt, donation):
        Donation.objects.filter(pk=donation.pk).update(refunded_minor=10_320)
        receipts.replace_receipt(donation_id=donation.pk, reason="Refunded in full.", now=SOON)
        mail.send_receipt(receipt_id=receipt.pk, now=SOON)
        assert outbox.outbox == []
        assert log() == [("maria@example.org", "not sent: the receipt is void. Refunded in full.")]


class TestFailure:
    @pytest.mark.parametrize(
        ("answer", "permanent"),
        [
            ((550, b"5.1.1 No such user"), True),
            ((550, b"No such user here"), True),
            ((550, b"5.2.1 Mailbox disabled"), True),
            ((550, b"5.7.1 Relaying denied"), False),
            ((552, b"5.2.2 Mailbox full"), False),
            ((450, b"4.2.0 Greylisted, try again"), False),
        ],
    )
    def test_a_refused_recipient(self, receipt, monkeypatch, answer, permanent):
        fails_with(monkeypatch, smtplib.SMTPRecipientsRefused({"maria@example.org": answer}))
        with pytest.raises(mail.MailRefused) as refused:
            mail.send_receipt(receipt_id=receipt.pk, now=SOON)
        assert refused.value.permanent is permanent
        said = f"the mail server refused it: {answer[0]} {answer[1].decode()}"
        assert log() == [("maria@example.org", said)]

    @pytest.mark.parametrize(
        ("error", "permanent"),
        [
            (smtplib.SMTPDataError(550, b"5.1.1 Unknown after all"), True),
            (smtplib.SMTPDataError(554, b"Looks like spam"), False),
            (smtplib.SMTPAuthenticationError(535, b"5.7.8 Bad credentials"), False),
            (smtplib.SMTPSenderRefused(553, b"5.1.8 Bad sender", "x@y.z"), False),
        ],
    )
    def test_another_refusal(self, receipt, monkeypatch, error, permanent):
        fails_with(monkeypatch, error)
        with pytest.raises(mail.MailRefused) as refused:
            mail.send_receipt(receipt_id=receipt.pk, now=SOON)
        assert refused.value.permanent is permanent

    @pytest.mark.parametrize(
        "error",
        [ConnectionRefusedError(111, "Connection refused"), TimeoutError(), smtplib.SMTPServerDisconnected("gone")],
    )
    def test_a_server_that_does_not_answer(self, receipt, monkeypatch, error):
        fails_with(monkeypatch, error)
        with pytest.raises(mail.MailServerUnreachable) as unreachable:
            mail.send_receipt(receipt_id=receipt.pk, now=SOON)
        assert unreachable.value.permanent is False
        ((to, outcome),) = log()
        assert to == "maria@example.org"
        assert outcome.startswith("the mail server did not answer: ")

    def test_the_next_attempt_goes_through(self, receipt, monkeypatch):
        with monkeypatch.context() as broken:
            fails_with(broken, TimeoutError("timed out"))
            with pytest.raises(mail.MailServerUnreachable):
                mail.send_receipt(receipt_id=receipt.pk, now=SOON)
        send(receipt)
        assert [outcome for _, outcome in log()] == ["the mail server did not answer: timed out", "sent"]


class TestOverSmtp:
    """The same against a real SMTP server on this machine."""

    class Postbox:
        def __init__(self):
            self.messages = []

        async def handle_RCPT(self, server, session, envelope, address, options):
            if address == "gone@example.org":
                return "550 5.1.1 No such user"
            envelope.rcpt_tos.append(address)
            return "250 OK"

        async def handle_DATA(self, server, session, envelope):
            self.messages.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
            return "250 Message accepted for delivery"

    @pytest.fixture
    def postbox(self, settings):
        handler = self.Postbox()
        controller = Controller(handler, hostname="127.0.0.1", port=free_port())
        controller.start()
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = controller.hostname, controller.port
        yield handler
        controller.stop()

    def test_the_message_arrives_whole(self, receipt, postbox):
        mail.send_receipt(receipt_id=receipt.pk, now=SOON)
        ((sender, recipients, content),) = postbox.messages
        assert (sender, recipients) == ("receipts@harborview.example", ["maria@example.org"])
        arrived = email.message_from_bytes(content, policy=email.policy.default)
        (pdf,) = arrived.iter_attachments()
        assert pdf.get_content() == render_receipt(receipt)
        assert log() == [("maria@example.org", "sent")]

    def test_an_unknown_mailbox_is_permanent(self, postbox):
        donation = factories.donation(donor_email="gone@example.org")
        receipt = receipts.issue_receipt(donation_id=donation.pk, now=GIFT_AT)
        with pytest.raises(mail.MailRefused) as refused:
            mail.send_receipt(receipt_id=receipt.pk, now=SOON)
        assert refused.value.permanent
        assert log() == [("gone@example.org", "the mail server refused it: 550 5.1.1 No such user")]

    def test_a_server_that_is_down_is_not(self, receipt, postbox, settings):
        settings.EMAIL_PORT = free_port()
        with pytest.raises(mail.MailServerUnreachable, match="did not answer"):
            mail.send_receipt(receipt_id=receipt.pk, now=SOON)
