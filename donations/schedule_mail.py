"""What the donor of a scheduled gift hears by e-mail: that it is scheduled, refused, or cancelled."""

from datetime import datetime

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.urls import reverse

from campaign.models import Organization
from campaign.money import format_amount
from donations import mail
from donations.models import Donation
from donations.receipt_content import plain_line
from matching.queries import gift_match
from matching.wording import clock_text

SAVED, REFUSED, CANCELLED = 0, 1, 2  # which news: FollowUp.subject_id


def tell_donor(*, donation_id: int, what: int, now: datetime) -> None:
    """Send the news, if it still is news. Raises mail.MailNotSent. A repeat carries the same Message-ID."""
    donation = Donation.objects.select_related("campaign").get(pk=donation_id)
    if donation.state == _AWAITED[what]:
        mail.deliver(message(donation, what=what, now=now))


def message(donation: Donation, *, what: int, now: datetime) -> EmailMultiAlternatives:
    """The message, ready to send."""
    organization = Organization.objects.get()
    heading, sentences, button, path = _WORDS[what](donation, now=now)
    context = {
        "heading": heading,
        "name": donation.donor_name,
        "sentences": sentences,
        "button": button,
        "url": settings.SITE_URL + path,
    }
    return mail.news(
        "scheduled",
        context,
        subject=f"{heading}: {plain_line(organization.public_name)}",
        to=donation.donor_email,
        organization=organization,
        key=f"scheduled-{donation.pk}-{what}",
    )


def moment_text(moment: datetime | None, *, donation: Donation) -> str:
    """`December 1, 9:00 AM, Boston time`; a day's first moment `December 1, just after midnight, Boston time`."""
    if moment is None:
        return ""
    local = moment.astimezone(donation.campaign.tz)
    clock = clock_text(local)
    clock = "just after midnight" if clock == "midnight" else clock  # midnight alone may be either end of the day
    return f"{local:%B} {local.day}, {clock}, {donation.campaign.time_zone_label}"


def _held_minor(donation: Donation, *, now: datetime) -> int:
    match = gift_match(key=donation.match_key)
    return match.match_minor if match and match.is_held_at(now) else 0


def _saved(donation: Donation, *, now: datetime) -> tuple[str, list[str], str, str]:
    amount = format_amount(donation.total_minor, currency=donation.currency)
    held = _held_minor(donation, now=now)
    match = f"A match of {format_amount(held, currency=donation.currency)} is held for you until then." if held else ""
    return (
        "Your gift is scheduled",
        [
            f"Nothing is charged yet. On {moment_text(donation.charge_at, donation=donation)}, when the match opens, "
            f"we charge {amount} to {donation.method_text}. You need not be there.",
            match,
            "You can cancel on your gift’s page until it is charged. Your receipt comes by e-mail afterwards.",
        ],
        "See or cancel your gift",
        donation.get_absolute_url(),
    )


def _refused(donation: Donation, *, now: datetime) -> tuple[str, list[str], str, str]:
    amount = format_amount(donation.total_minor, currency=donation.currency)
    held = _held_minor(donation, now=now)
    confirm = donation.refusal == "authentication_required"
    why = "your bank wants you to confirm it yourself" if confirm else "your bank refused it"
    match = f" A match of {format_amount(held, currency=donation.currency)} is still held for you." if held else ""
    return (
        "Your scheduled gift needs you",
        [
            f"We tried to charge {amount} to {donation.method_text}, as you had asked, and {why}. Nothing was charged.",
            f"You can pay until {moment_text(donation.pay_by, donation=donation)}, with this card or another.{match}",
            "If you do nothing, nothing is charged, and the match goes to other gifts.",
        ],
        "Pay now",
        reverse("gift-pay", args=[donation.token]),
    )


def _cancelled(donation: Donation, *, now: datetime) -> tuple[str, list[str], str, str]:
    amount = format_amount(donation.total_minor, currency=donation.currency)
    return (
        "Your scheduled gift is cancelled",
        [
            f"Your gift of {amount} is cancelled, as you asked on its page. Nothing was charged, and nothing will be.",
            "If a match was held for you, it went to other gifts.",
            "If it was not you who cancelled it, please call us.",
        ],
        "See your gift’s page",
        donation.get_absolute_url(),
    )


_WORDS = {SAVED: _saved, REFUSED: _refused, CANCELLED: _cancelled}
_AWAITED = {
    SAVED: Donation.State.SCHEDULED,
    REFUSED: Donation.State.STARTED,
    CANCELLED: Donation.State.ABANDONED,
}
