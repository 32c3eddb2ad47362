"""The e-card that tells somebody of a gift in honor or in memory: once, on its day, and never how much was given."""

import io
import logging
import re
from datetime import datetime, timedelta
from email.mime.image import MIMEImage
from functools import lru_cache

from django.conf import settings
from django.core.files.storage import default_storage
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.db.models import Count, Q
from django.urls import reverse
from django.utils.translation import gettext

from campaign.models import CardPicture, Organization
from campaign.photographs import NotAPhotograph, pixels_of
from donations import mail
from donations.models import Donation, GiftNote, NoCardsAddress, Tribute, TributeNotice
from donations.receipt_content import plain_line
from matching.ledger import SYSTEM

logger = logging.getLogger(__name__)
WIDEST, _QUALITY = 1056, 82  # twice the letter's width, for sharp screens
# Cards sent in 24 hours: of one donor to one address, to one address in all, and of one network.
MOST_OF_A_DONOR, MOST_TO_A_RECIPIENT, MOST_OF_A_PLACE = 3, 40, 200
_DAY = _WHILE_DISPUTED = timedelta(days=1)
_WHILE_CROWDED = timedelta(hours=1)
_DOT = re.compile(r"\.(?=\w)")


def send(*, donation_id: int, now: datetime) -> datetime | None:
    """Send the gift's e-card if it is still to be sent; a gift that went back in full sends none.

    Returns when to come again, where it must wait: while the payment is disputed, and when the recipient, or the place
    the gift came from, has had its cards of the last 24 hours; workers at one moment may send one more each.

    Work of its own for the gift, so one worker at a time. Noted as sent once the mail server has it: a worker that dies
    in between sends it again under the same Message-ID, and no card is called sent that never went.
    Raises mail.MailNotSent: nothing was sent, try again unless `.permanent`. Two short transactions that lock the gift;
    not for use in a transaction.
    """
    notice = _to_send(donation_id, now=now)
    if notice is None:
        return None
    if notice.tribute.donation.disputed_at is not None:
        return now + _WHILE_DISPUTED
    if _is_crowded(notice, now=now):
        return now + _WHILE_CROWDED
    mail.deliver(message(notice))
    _note_done(
        donation_id, notice, TributeNotice.Outcome.SENT, text=gettext("Sent the e-card about the tribute."), now=now
    )
    return None


def message(notice: TributeNotice) -> EmailMultiAlternatives:
    """The card, ready to send: the giver, whom the gift honors, the giver's words. No amount, and no match."""
    tribute, donation = notice.tribute, notice.tribute.donation
    organization = Organization.objects.get()
    giver = _DOT.sub(".\u2060", _giver(donation))  # no mail program makes a link of it
    funds = [row.fund for row in donation.designations.select_related("fund")]
    picture = _picture(notice.picture)
    words = _words(tribute) | {"writes": gettext("%(giver)s writes: “%(message)s”") if notice.message else ""}
    named = {
        "name": plain_line(tribute.name),
        "giver": giver,
        "organization": organization.public_name,
        "message": plain_line(notice.message),
    }
    heading = words["heading"] % named
    one_fund = gettext("What %(fund)s does") % {"fund": funds[0].name}
    context = {
        "heading": heading,
        "name": plain_line(notice.recipient_name),
        "sentences": [words["news"] % named, words["writes"] % named],
        "giver": giver,
        "button": one_fund if len(funds) == 1 else gettext("See %(organization)s’s page") % named,
        "url": settings.SITE_URL + (funds[0].get_absolute_url() if len(funds) == 1 else reverse("home")),
        "picture_alt": notice.picture.picture_alt if notice.picture and picture else "",
    }
    made = mail.news(
        "ecard",
        context,
        subject=f"{heading}: {plain_line(organization.public_name)}",
        to=notice.recipient_email,
        organization=organization,
        key=f"ecard-{notice.pk}",
    )
    if picture:
        image = MIMEImage(picture, "jpeg")
        image.add_header("Content-ID", "<card>")
        image.add_header("Content-Disposition", "inline", filename="card.jpg")
        made.attach(image)
    return made


def _giver(donation: Donation) -> str:
    """Who gave; for a company's gift also who made it, since that is whom the reader knows."""
    name, company = plain_line(donation.donor_name), plain_line(donation.company)
    if not company or company.casefold() == name.casefold():
        return name
    # Translators: who made a company's gift, such as: Marta Reyes of Pier Bank
    return gettext("%(name)s of %(company)s") % {"name": name, "company": company}


def _words(tribute: Tribute) -> dict[str, str]:
    if tribute.is_memory:
        return {
            "heading": gettext("A gift in memory of %(name)s"),
            "news": gettext("%(giver)s made a gift to %(organization)s in memory of %(name)s, and wanted you to know."),
        }
    return {
        "heading": gettext("A gift in honor of %(name)s"),
        "news": gettext("%(giver)s made a gift to %(organization)s in honor of %(name)s, and wanted you to know."),
    }


@transaction.atomic
def _to_send(donation_id: int, *, now: datetime) -> TributeNotice | None:
    """The card that is due; None when it is done already, or is not to be sent any more."""
    donation = Donation.objects.select_for_update(no_key=True).get(pk=donation_id)  # a refund comes before or after
    cards = TributeNotice.objects.filter(tribute__donation=donation, way=TributeNotice.Way.EMAIL, forgotten_at=None)
    notice = cards.select_related("tribute__donation__campaign", "picture").filter(outcome="").first()
    if notice is None or donation.state != Donation.State.PAID:
        return None
    if donation.refunded_minor >= donation.amount_minor:
        text, outcome = gettext("The gift was returned, so its e-card was not sent."), TributeNotice.Outcome.RETURNED
    elif NoCardsAddress.objects.filter(email=notice.recipient_email.lower()).exists():
        text, outcome = gettext("The e-card was not sent: its recipient wants none."), TributeNotice.Outcome.UNWANTED
    else:
        return notice
    _note_done(donation_id, notice, outcome, text=text, now=now)
    return None


def _is_crowded(notice: TributeNotice, *, now: datetime) -> bool:
    """Whether this card would be one too many: a stolen card number buys many small gifts, each with a letter."""
    lately = TributeNotice.objects.filter(way=notice.way, outcome=TributeNotice.Outcome.SENT, done_at__gt=now - _DAY)
    donation = notice.tribute.donation
    same_recipient = Q(recipient_email__iexact=notice.recipient_email)
    same_donor = same_recipient & Q(tribute__donation__donor=donation.donor_id)
    same_place = Q(tribute__donation__source=donation.source) & ~Q(tribute__donation__source="")
    sent = lately.aggregate(
        of_donor=Count("pk", filter=same_donor),
        to_recipient=Count("pk", filter=same_recipient),
        of_place=Count("pk", filter=same_place),
    )
    most = {"of_donor": MOST_OF_A_DONOR, "to_recipient": MOST_TO_A_RECIPIENT, "of_place": MOST_OF_A_PLACE}
    return any(sent[name] >= most[name] for name in most)


@transaction.atomic
def _note_done(donation_id: int, notice: TributeNotice, outcome: str, *, text: str, now: datetime) -> None:
    """Write down what became of the card, once."""
    if TributeNotice.objects.filter(pk=notice.pk, outcome="").update(outcome=outcome, done_at=now):
        GiftNote.objects.create(donation_id=donation_id, at=now, actor=SYSTEM, text=text)


def _picture(picture: CardPicture | None) -> bytes:
    """The picture as a JPEG for a letter; empty without one, or when its file cannot be read: the card goes plain."""
    if picture is None:
        return b""
    try:
        return _jpeg(picture.picture.name)
    except (OSError, NotAPhotograph):
        logger.exception("the picture of card %s cannot be read; the card goes without it", picture.pk)
        return b""


@lru_cache(maxsize=8)
def _jpeg(name: str) -> bytes:
    """Made once for the many cards of a morning; a picture that is replaced has another name."""
    found = io.BytesIO()
    with default_storage.open(name) as file:
        image = pixels_of(file)
    image.thumbnail((WIDEST, WIDEST))
    image.save(found, "JPEG", quality=_QUALITY, optimize=True)
    return found.getvalue()
