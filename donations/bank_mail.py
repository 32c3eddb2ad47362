"""What a donor hears by e-mail when a bank did not pay: the page had promised to say so."""

from datetime import datetime

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.urls import reverse
from django.utils.translation import gettext

from campaign.models import Organization
from campaign.money import format_amount
from donations import mail
from donations.models import Donation, GiftNote
from donations.receipt_content import plain_line
from matching.ledger import SYSTEM
from matching.queries import gift_match
from matching.wording import listed


def tell_donor(*, donation_id: int, now: datetime) -> None:
    """Send the news, if it still is news: money that came after all makes the gift paid.

    Raises mail.MailNotSent. A repeat is the same message, with the same Message-ID. Not for use in a transaction.
    """
    donation = Donation.objects.select_related("campaign").get(pk=donation_id)
    if donation.state != Donation.State.FAILED:
        return
    mail.deliver(message(donation))
    GiftNote.objects.create(
        donation=donation, at=now, actor=SYSTEM, text=gettext("Told the donor that the bank did not pay.")
    )


def message(donation: Donation) -> EmailMultiAlternatives:
    """The message, ready to send."""
    amount = format_amount(donation.total_minor, currency=donation.currency)
    funds = listed([row.fund.name for row in donation.designations.select_related("fund")])
    news = gettext(
        "You gave %(amount)s for %(funds)s, and your bank did not pay it. Nothing was charged. Your bank can tell you "
        "why."
    )
    if donation.method_text:
        news = gettext(
            "You gave %(amount)s for %(funds)s with %(method)s, and your bank did not pay it. Nothing was charged. "
            "Your bank can tell you why."
        )
    organization = Organization.objects.get()
    heading = gettext("Your payment did not go through")
    context = {
        "heading": heading,
        "name": donation.donor_name,
        "sentences": [
            news % {"amount": amount, "funds": funds, "method": donation.method_text},
            _match_sentence(donation),
            gettext(
                "If you still wish to give, the form is filled in with what you had typed; you can pay by card too. If "
                "not, there is nothing for you to do."
            ),
        ],
        "button": gettext("Give it after all"),
        "url": settings.SITE_URL + reverse("gift-finish", args=[donation.token]),
    }
    return mail.news(
        "scheduled",
        context,
        subject=f"{heading}: {plain_line(organization.public_name)}",
        to=donation.donor_email,
        organization=organization,
        key=f"bank-refused-{donation.pk}",
    )


def _match_sentence(donation: Donation) -> str:
    match = gift_match(key=donation.match_key)
    if match is None or not match.original_minor:
        return ""
    held = format_amount(match.original_minor, currency=donation.currency)
    words = gettext("The match of %(amount)s that we held for you was let go, so that other gifts can have it.")
    return words % {"amount": held}
