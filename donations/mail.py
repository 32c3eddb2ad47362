"""The receipt by e-mail: text and HTML, the PDF attached, one Message-ID for each receipt however often it is sent.

Every attempt is a ReceiptSend row, written before the mail server is asked and completed after it has answered, so a
crash between the two shows as an attempt without an outcome. Call it outside any transaction.
"""

import re
import smtplib
from datetime import datetime
from email.headerregistry import Address
from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext

from campaign.models import Organization
from donations.models import Receipt, ReceiptSend
from donations.receipt_content import language_of, look_facts, plain_line
from donations.receipt_pdf import render_receipt

# What RFC 3463 and 7505 say of the donor's address: no such mailbox or domain, moved away, disabled.
_ADDRESS_IS_BAD = re.compile(r"\b5\.(1\.(1|2|3|6|10)|2\.1)\b")
_HAS_ENHANCED_STATUS = re.compile(r"\b[45]\.[0-9]{1,3}\.[0-9]{1,3}\b")


class MailNotSent(OSError):
    """The receipt has not been sent; try again unless `permanent`, which means that the address takes no mail."""

    permanent = False


class MailRefused(MailNotSent):
    """The mail server answered no."""

    def __init__(self, message: str, *, permanent: bool) -> None:
        super().__init__(message)
        self.permanent = permanent


class MailServerUnreachable(MailNotSent):
    """No answer: connection refused, broken off or timed out."""


def send_receipt(*, receipt_id: int, now: datetime) -> None:
    """E-mail one receipt to its donor, with the PDF. A repeat is the same message, with the same Message-ID.

    now: aware; the moment of the attempt. A receipt voided meanwhile is not sent: that is written down, no error.
    Raises MailRefused (.permanent: the address is bad, don't try again), MailServerUnreachable, Receipt.DoesNotExist.
    Writes a ReceiptSend before the network call and its outcome after. Holds no lock; not for use in a transaction.
    """
    receipt = Receipt.objects.select_related("donation__campaign", "donation__monthly").get(pk=receipt_id)
    attempt = ReceiptSend.objects.create(
        receipt=receipt,
        to_email=receipt.content["donor"]["email"],
        message_id=message_id(receipt),
        attempted_at=now,
    )
    if receipt.voided_at is not None:
        _finish(attempt, outcome=f"not sent: the receipt is void. {receipt.void_reason}")
        return
    try:
        deliver(receipt_message(receipt, message_id=attempt.message_id))
    except MailNotSent as failure:
        _finish(attempt, outcome=str(failure))
        raise
    _finish(attempt, outcome="sent")


def deliver(message: EmailMultiAlternatives) -> None:
    """Send one message now. Raises MailRefused, MailServerUnreachable. Call it outside any transaction."""
    try:
        message.send()
    except OSError as error:
        raise _failure(error) from error


def letter(
    name: str, context: dict[str, Any], *, subject: str, to: str, from_name: str, reply_to: str, message_id: str
) -> EmailMultiAlternatives:
    """templates/emails/<name>.txt and .html as one message, ready to send."""
    message = EmailMultiAlternatives(
        subject=subject,
        body=render_to_string(f"emails/{name}.txt", context),
        from_email=named_address(from_name, settings.DEFAULT_FROM_EMAIL),
        to=[to],
        reply_to=[reply_to],
        headers={"Message-ID": message_id, "Auto-Submitted": "auto-generated"},
    )
    message.attach_alternative(render_to_string(f"emails/{name}.html", context), "text/html")
    return message


def news(
    name: str, context: dict[str, Any], *, subject: str, to: str, organization: Organization, key: str
) -> EmailMultiAlternatives:
    """A letter that is no receipt. key: what the news is; the same key makes the same Message-ID."""
    return letter(
        name,
        {"organization": organization, "look": look_facts(organization), **context},
        subject=subject,
        to=to,
        from_name=organization.public_name,
        reply_to=organization.email,
        message_id=stable_message_id(key),
    )


def receipt_message(receipt: Receipt, *, message_id: str) -> EmailMultiAlternatives:
    """The message, ready to send. Everything in it comes from the receipt's stored content and the settings."""
    content, monthly = receipt.content, receipt.donation.monthly
    context = {
        "receipt": content,
        "organization": content["organization"],
        "look": content.get("look", {}),
        "gift_url": settings.SITE_URL + receipt.donation.get_absolute_url(),
        "monthly_url": settings.SITE_URL + monthly.get_absolute_url() if monthly else "",
    }
    with translation.override(language_of(content)):
        message = letter(
            "receipt",
            context,
            subject=subject(content),
            to=content["donor"]["email"],
            from_name=content["organization"]["public_name"],
            reply_to=content["organization"]["email"],
            message_id=message_id,
        )
    message.attach(f"receipt-{receipt.number}.pdf", render_receipt(receipt), "application/pdf")
    return message


def subject(content: dict[str, Any]) -> str:
    if content["replaces"]:
        words = gettext("Your new receipt from %(organization)s: %(amount)s on %(day)s (%(number)s)")
    else:
        words = gettext("Your receipt from %(organization)s: %(amount)s on %(day)s (%(number)s)")
    return words % {
        "organization": plain_line(content["organization"]["public_name"]),
        "amount": content["net_text"],
        "day": content["receipt_date_text"],
        "number": content["number"],
    }


def message_id(receipt: Receipt) -> str:
    """One for each receipt. The first attempt's stands, even when the site's secret or address has changed since."""
    first = receipt.sends.values_list("message_id", flat=True).first()
    if first:
        return first
    return stable_message_id(f"receipt-{receipt.number}")


def stable_message_id(name: str) -> str:
    """The same for the same name, and not to be guessed from it."""
    digest = salted_hmac("donations.mail.message_id", name, algorithm="sha256").hexdigest()[:12]
    host = f"[IPv6:{settings.SITE_HOST}]" if ":" in settings.SITE_HOST else settings.SITE_HOST
    return f"<{name}.{digest}@{host}>"


def named_address(name: str, address: str) -> str:
    """`"Harborview Hospital" <giving@...>`; a name with quotes or commas stays one name, a newline becomes a space."""
    return str(Address(display_name=plain_line(name), addr_spec=parseaddr(address)[1]))


def _finish(attempt: ReceiptSend, *, outcome: str) -> None:
    attempt.outcome = plain_line(outcome)[:300]
    attempt.save(update_fields=["outcome"])


def _failure(error: OSError) -> MailNotSent:
    """What went wrong, in our own words and the server's."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, answer = next(iter(error.recipients.values()))
        return _refusal(code, answer, at_recipient=True)
    if isinstance(error, smtplib.SMTPResponseException):
        return _refusal(error.smtp_code, error.smtp_error, at_recipient=False)
    return MailServerUnreachable(f"the mail server did not answer: {str(error) or type(error).__name__}")


def _refusal(code: int, answer: bytes | str, *, at_recipient: bool) -> MailRefused:
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return MailRefused(
        f"the mail server refused it: {code} {text}",
        permanent=_is_permanent(code, text, at_recipient=at_recipient),
    )


def _is_permanent(code: int, text: str, *, at_recipient: bool) -> bool:
    """Only what is about the address itself: a 5xx about relaying, policy or our log-in may be mended by staff."""
    if not 500 <= code < 600:
        return False
    if _HAS_ENHANCED_STATUS.search(text):
        return bool(_ADDRESS_IS_BAD.search(text))
    return at_recipient
