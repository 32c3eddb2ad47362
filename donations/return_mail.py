"""What a donor hears by e-mail when all that was paid went back: the receipt they keep is void."""

from datetime import datetime

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.utils.translation import gettext

from campaign.models import Organization
from campaign.money import format_amount
from donations import mail
from donations.models import GiftNote, Receipt
from donations.receipt_content import plain_line
from matching.ledger import SYSTEM
from matching.wording import listed


def tell_donor(*, receipt_id: int, now: datetime) -> None:
    """Send the news, if it still is news: a refund that failed meanwhile has led to a new receipt, which is mailed.

    Raises mail.MailNotSent. A repeat is the same message, with the same Message-ID. Not for use in a transaction.
    """
    receipt = Receipt.objects.select_related("donation__campaign").get(pk=receipt_id)
    donation = receipt.donation
    if donation.net_minor:
        return
    mail.deliver(message(receipt))
    text = gettext("Told the donor that the gift was returned and receipt %(number)s is void.") % {
        "number": receipt.number
    }
    GiftNote.objects.create(donation=donation, at=now, actor=SYSTEM, text=text)


def message(receipt: Receipt) -> EmailMultiAlternatives:
    """The message, ready to send. receipt: the one that was voided last."""
    donation, organization = receipt.donation, Organization.objects.get()
    returned = format_amount(donation.refunded_minor, currency=donation.currency)
    funds = listed([row.fund.name for row in donation.designations.select_related("fund")])
    heading = gettext("Your gift was returned to you")
    news = gettext(
        "All that you paid for %(funds)s on %(day)s, %(returned)s, went back to you. Banks take up to ten days to show "
        "it."
    )
    void = gettext("Receipt %(number)s is void: please do not use it for your taxes.")
    context = {
        "heading": heading,
        "name": donation.donor_name,
        "sentences": [
            news % {"funds": funds, "day": receipt.content["receipt_date_text"], "returned": returned},
            void % {"number": receipt.number},
        ],
        "button": gettext("See your gift’s page"),
        "url": settings.SITE_URL + donation.get_absolute_url(),
    }
    return mail.news(
        "scheduled",
        context,
        subject=f"{heading}: {plain_line(organization.public_name)}",
        to=donation.donor_email,
        organization=organization,
        key=f"returned-{receipt.number}",
    )
