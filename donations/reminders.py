"""The one e-mail to a donor who asked for it on the form, sent the form, and did not finish the gift.

Owed with the gift (giving.py), due REMINDER_SECONDS after the donor went away. One for each donor and campaign, which
the database holds (`Donation.reminded_at`), and none when there is reason against it: see _is_wanted(). It carries
nothing that was typed but the amount and the funds, and few go to forms from one network, so that nobody can have this
site write to strangers in words of their own.
"""

from datetime import datetime, timedelta
from urllib.parse import quote

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from campaign.models import Organization
from campaign.money import format_amount
from donations import gateway, mail
from donations.models import Donation, DonationQuerySet, Donor, FollowUp, GiftNote
from donations.receipt_content import plain_line
from donations.schedule_mail import moment_text
from matching.ledger import SYSTEM
from matching.queries import gift_match
from matching.wording import listed

MOST_FROM_A_SOURCE = 20  # within SOURCE_WINDOW: a hospital's staff share an address
SOURCE_WINDOW = timedelta(days=1)
_UNFINISHED = (Donation.State.STARTED, Donation.State.ABANDONED)
_GIVEN = (Donation.State.PAID, Donation.State.PROCESSING, Donation.State.SCHEDULED)
_MAY_BE_PAYING = timedelta(hours=1)  # after Give was pressed: as long as a match is kept for it
_WHY = _(
    "You ticked “Send me one e-mail if I don’t finish” on our form. This is that one: no other follows. If it was not "
    "you, or you would rather not give, there is nothing to do and nothing to pay."
)


def is_offered() -> bool:
    """Whether the form asks: REMINDER_SECONDS of 0 switches it off, for gifts that had asked too."""
    return settings.REMINDER_SECONDS > 0


def owe(donation: Donation, *, now: datetime) -> None:
    """Write the reminder down with its gift, in the gift's own transaction. now: when the form was sent."""
    first_due = now + timedelta(seconds=settings.HOLD_SECONDS + settings.REMINDER_SECONDS)
    FollowUp.objects.create(donation=donation, kind=FollowUp.Kind.REMINDER, due_at=first_due)


def remind(*, donation_id: int, now: datetime) -> datetime | None:
    """Send the reminder if there is still reason to; None when that is settled, or when to come again.

    Asks Stripe first when Give was pressed: a payment that no event spoke of yet is not reminded of. At most one call.
    Claimed before it is sent, so that a worker that dies in between sends none rather than two.
    Raises gateway.GatewayUnavailable, GatewayRefused, mail.MailNotSent: nothing was sent, try again.
    Two short transactions, each of which locks the gift, then its donor. Not for use in a transaction.
    """
    donation = Donation.objects.select_related("campaign", "donor").get(pk=donation_id)
    if not _is_wanted(donation, now=now):
        return None
    later = _left_at(donation) + timedelta(seconds=settings.REMINDER_SECONDS)
    if later > now:
        return later
    if _is_being_paid(donation, now=now):
        return now + _MAY_BE_PAYING
    if not _claim(donation_id, now=now):
        return None
    try:
        mail.deliver(message(donation))
    except mail.MailNotSent:
        Donation.objects.filter(pk=donation_id, reminded_at=now).update(reminded_at=None)
        raise
    GiftNote.objects.create(
        donation=donation, at=now, actor=SYSTEM, text=gettext("Reminded the donor by e-mail, as asked.")
    )
    return None


def message(donation: Donation) -> EmailMultiAlternatives:
    """The message, ready to send. It greets nobody by name: anybody may have typed one."""
    amount = format_amount(donation.total_minor, currency=donation.currency)
    funds = listed([row.fund.name for row in donation.designations.select_related("fund")])
    if donation.way == Donation.Way.MONTHLY:
        began = gettext(
            "You began a gift of %(amount)s each month for %(funds)s and asked us for one e-mail if you did not finish "
            "it. Nothing was charged. If you have finished it since, please ignore this."
        )
    else:
        began = gettext(
            "You began a gift of %(amount)s for %(funds)s and asked us for one e-mail if you did not finish it. "
            "Nothing was charged. If you have finished it since, please ignore this."
        )
    back = gettext(
        "The button brings you back to where you were, with what you had typed. %(campaign)s ends on %(moment)s."
    )
    last_minute = donation.campaign.closes_at - timedelta(minutes=1)  # of the day that donors know, not the one after
    organization = Organization.objects.get()
    heading = gettext("Your gift is not finished yet")
    context = {
        "heading": heading,
        "sentences": [
            began % {"amount": amount, "funds": funds},
            _match_sentence(donation),
            back % {"campaign": donation.campaign.name, "moment": moment_text(last_minute, donation=donation)},
        ],
        "button": gettext("Finish your gift"),
        "url": settings.SITE_URL + reverse("gift-finish", args=[donation.token]),
        "why": _WHY,
    }
    made = mail.news(
        "reminder",
        context,
        subject=f"{heading}: {plain_line(organization.public_name)}",
        to=donation.donor_email,
        organization=organization,
        key=f"reminder-{donation.pk}",
    )
    opt_out = quote(gettext("No fundraising messages"))
    made.extra_headers["List-Unsubscribe"] = f"<mailto:{organization.email}?subject={opt_out}>"
    return made


def _match_sentence(donation: Donation) -> str:
    match = gift_match(key=donation.match_key)
    if match is None or not match.original_minor:
        return ""
    held = format_amount(match.original_minor, currency=donation.currency)
    words = gettext(
        "The match of %(amount)s that we held for you went back, so that other gifts could have it. You see what there "
        "is for yours now before you pay."
    )
    return words % {"amount": held}


def _is_wanted(donation: Donation, *, now: datetime) -> bool:
    """Whether the gift asks for a reminder that may still be sent, by what can be read without a lock."""
    return (
        is_offered()
        and donation.wants_reminder
        and donation.reminded_at is None
        and donation.state in _UNFINISHED
        and donation.pay_by is None  # a scheduled gift that was refused has its own message
        and donation.campaign.is_current
        and now < donation.campaign.closes_at
        and donation.donor.opted_out_at is None
        and not donation.suspicion
        and not _others(donation).filter(Q(reminded_at__isnull=False) | Q(state__in=_GIVEN)).exists()
        and not _others(donation).filter(pk__gt=donation.pk).exists()  # the newer one says what the donor wishes now
    )


def _others(donation: Donation) -> DonationQuerySet:
    """The same donor's other gifts to the campaign."""
    return Donation.objects.filter(campaign=donation.campaign_id, donor=donation.donor_id).exclude(pk=donation.pk)


def _left_at(donation: Donation) -> datetime:
    """When the donor went away: a gift that was let go, then; else when its hold ended, or the last press."""
    if donation.state == Donation.State.ABANDONED and donation.closed_at:
        return donation.closed_at
    match = gift_match(key=donation.match_key)
    held_until = match.held_until if match and match.original_minor else None
    return max(moment for moment in (donation.submitted_at, donation.pressed_at, held_until) if moment)


def _is_being_paid(donation: Donation, *, now: datetime) -> bool:
    """Whether this gift is paid at Stripe, or another one of the donor's may be this moment."""
    pressed = _others(donation).filter(state=Donation.State.STARTED, pressed_at__gt=now - _MAY_BE_PAYING)
    if pressed.exists():
        return True
    if donation.state != Donation.State.STARTED or not donation.payment_intent:
        return False
    return gateway.retrieve_payment(donation.payment_intent).status in ("succeeded", "processing")


@transaction.atomic
def _claim(donation_id: int, *, now: datetime) -> bool:
    """Take the donor's one reminder for this gift; False when something has come to pass meanwhile."""
    gifts = Donation.objects.select_for_update(no_key=True, of=("self",)).select_related("campaign", "donor")
    donation = gifts.get(pk=donation_id)
    Donor.objects.select_for_update(no_key=True).get(pk=donation.donor_id)  # two gifts of theirs at one moment
    if not _is_wanted(donation, now=now) or _sent_to_source(donation, now=now) >= MOST_FROM_A_SOURCE:
        return False
    donation.reminded_at = now
    donation.save(update_fields=["reminded_at"])
    return True


def _sent_to_source(donation: Donation, *, now: datetime) -> int:
    near = Donation.objects.filter(source=donation.source, submitted_at__gt=now - 2 * SOURCE_WINDOW)
    return near.filter(reminded_at__gt=now - SOURCE_WINDOW).count() if donation.source else 0
