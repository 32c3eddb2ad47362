"""What a donor hears by e-mail about a monthly gift: a payment that failed, a change, the end."""

from datetime import datetime

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from campaign.models import Organization
from campaign.moments import full_day_text
from campaign.money import format_amount
from donations import mail
from donations.models import MonthlyChange, MonthlyGift
from donations.monthly_start import first_gift
from donations.receipt_content import local_day, plain_line

_HEADINGS = {
    MonthlyChange.Kind.AMOUNT: _("Your monthly gift has a new amount"),
    MonthlyChange.Kind.DAY: _("Your monthly gift has a new day"),
    MonthlyChange.Kind.CARD: _("Your monthly gift is paid another way"),
    MonthlyChange.Kind.FAILED: _("This month’s gift did not go through"),
    MonthlyChange.Kind.STOPPED: _("Your monthly gift is stopped"),
}


def tell_donor(*, change_id: int, now: datetime) -> None:
    """Send the news of one line of the history. A failure that was made good meanwhile is not sent any more.

    Raises mail.MailNotSent. A repeat is the same message, with the same Message-ID. Not for use in a transaction.
    """
    change = MonthlyChange.objects.select_related("monthly__campaign").get(pk=change_id)
    if change.kind == MonthlyChange.Kind.FAILED and not _still_fails(change):
        return
    mail.deliver(message(change))


def message(change: MonthlyChange) -> EmailMultiAlternatives:
    """The message, ready to send."""
    monthly, organization = change.monthly, Organization.objects.get()
    gift = first_gift(monthly)
    heading = str(_HEADINGS[MonthlyChange.Kind(change.kind)])
    is_failure = change.kind == MonthlyChange.Kind.FAILED
    context = {
        "heading": heading,
        "name": gift.donor_name,
        "sentences": [change.text, *_what_follows(change)],
        "url": settings.SITE_URL + monthly.get_absolute_url(),
        "button": gettext("Use another card") if is_failure else gettext("See your monthly gift"),
    }
    return mail.news(
        "monthly",
        context,
        subject=f"{heading}: {plain_line(organization.public_name)}",
        to=gift.donor_email,
        organization=organization,
        key=f"monthly-{change.pk}",
    )


def _what_follows(change: MonthlyChange) -> list[str]:
    monthly = change.monthly
    if change.kind == MonthlyChange.Kind.STOPPED:
        return [
            gettext("Nothing more will be charged. What you gave stays with its receipts. Thank you for all of it.")
        ]
    if change.kind == MonthlyChange.Kind.FAILED:
        if change.retry_at is None:
            return [gettext("It is not tried again. You can go on with another card on your monthly gift’s page.")]
        again = full_day_text(local_day(change.retry_at, campaign=monthly.campaign))
        words = gettext(
            "It is tried again on %(day)s by itself. If the card has changed, give us the new one before then."
        )
        return [words % {"day": again}]
    return [_next_payment(monthly), gettext("If it was not you who asked for this, please call us.")]


def _next_payment(monthly: MonthlyGift) -> str:
    if monthly.next_at is None:
        return ""
    amount = format_amount(monthly.total_minor, currency=monthly.currency)
    day = full_day_text(local_day(monthly.next_at, campaign=monthly.campaign))
    return gettext("The next payment is %(amount)s, on %(day)s.") % {"amount": amount, "day": day}


def _still_fails(change: MonthlyChange) -> bool:
    later = change.monthly.changes.filter(pk__gt=change.pk, kind__in=[change.kind, MonthlyChange.Kind.STOPPED])
    return change.monthly.state == MonthlyGift.State.UNPAID and not later.exists()
