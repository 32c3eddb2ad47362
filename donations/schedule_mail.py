"""What the donor of a scheduled gift hears by e-mail: that it is scheduled, refused, or cancelled."""

from datetime import datetime

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.urls import reverse
from django.utils.translation import gettext, pgettext

from campaign.models import Organization
from campaign.moments import clock_text, day_text
from campaign.money import format_amount
from donations import mail
from donations.models import Donation
from donations.receipt_content import plain_line
from matching.queries import gift_match

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
    # Midnight alone may be either end of the day.
    is_midnight = (local.hour, local.minute) == (0, 0)
    clock = pgettext("a time", "just after midnight") if is_midnight else clock_text(local)
    words = {"day": day_text(local), "clock": clock, "zone": donation.campaign.time_zone_label}
    # Translators: a moment, such as: December 1, 9:00 AM, Boston time
    return gettext("%(day)s, %(clock)s, %(zone)s") % words


def _held_minor(donation: Donation, *, now: datetime) -> int:
    match = gift_match(key=donation.match_key)
    return match.match_minor if match and match.is_held_at(now) else 0


def _saved(donation: Donation, *, now: datetime) -> tuple[str, list[str], str, str]:
    amount = format_amount(donation.total_minor, currency=donation.currency)
    held = _held_minor(donation, now=now)
    news = gettext(
        "Nothing is charged yet. On %(moment)s, when the match opens, we charge %(amount)s to %(method)s. You need not "
        "be there."
    )
    moment = moment_text(donation.charge_at, donation=donation)
    match = gettext("A match of %(amount)s is held for you until then.")
    return (
        gettext("Your gift is scheduled"),
        [
            news % {"moment": moment, "amount": amount, "method": donation.method_text},
            match % {"amount": format_amount(held, currency=donation.currency)} if held else "",
            gettext("You can cancel on your gift’s page until it is charged. Your receipt comes by e-mail afterwards."),
        ],
        gettext("See or cancel your gift"),
        donation.get_absolute_url(),
    )


def _refused(donation: Donation, *, now: datetime) -> tuple[str, list[str], str, str]:
    amount = format_amount(donation.total_minor, currency=donation.currency)
    held = _held_minor(donation, now=now)
    if donation.refusal == "authentication_required":
        tried = gettext(
            "We tried to charge %(amount)s to %(method)s, as you had asked, and your bank wants you to confirm it "
            "yourself. Nothing was charged."
        )
    else:
        tried = gettext(
            "We tried to charge %(amount)s to %(method)s, as you had asked, and your bank refused it. Nothing was "
            "charged."
        )
    until = moment_text(donation.pay_by, donation=donation)
    choice = [gettext("You can pay until %(moment)s, with this card or another.") % {"moment": until}]
    if held:
        match = gettext("A match of %(amount)s is still held for you.")
        choice += [match % {"amount": format_amount(held, currency=donation.currency)}]
    return (
        gettext("Your scheduled gift needs you"),
        [
            tried % {"amount": amount, "method": donation.method_text},
            " ".join(choice),
            gettext("If you do nothing, nothing is charged, and the match goes to other gifts."),
        ],
        gettext("Pay now"),
        reverse("gift-pay", args=[donation.token]),
    )


def _cancelled(donation: Donation, *, now: datetime) -> tuple[str, list[str], str, str]:
    amount = format_amount(donation.total_minor, currency=donation.currency)
    news = gettext(
        "Your gift of %(amount)s is cancelled, as you asked on its page. Nothing was charged, and nothing will be."
    )
    return (
        gettext("Your scheduled gift is cancelled"),
        [
            news % {"amount": amount},
            gettext("If a match was held for you, it went to other gifts."),
            gettext("If it was not you who cancelled it, please call us."),
        ],
        gettext("See your gift’s page"),
        donation.get_absolute_url(),
    )


_WORDS = {SAVED: _saved, REFUSED: _refused, CANCELLED: _cancelled}
_AWAITED = {
    SAVED: Donation.State.SCHEDULED,
    REFUSED: Donation.State.STARTED,
    CANCELLED: Donation.State.ABANDONED,
}
