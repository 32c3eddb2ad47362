"""The e-card that tells somebody of a gift in honor or in memory: once, on its day, and never how much was given."""

import io
import logging
from datetime import datetime
from email.mime.image import MIMEImage

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.urls import reverse

from campaign.models import CardPicture, Organization
from campaign.photographs import NotAPhotograph, pixels_of
from donations import mail
from donations.models import Donation, GiftNote, TributeNotice
from donations.receipt_content import plain_line
from matching.ledger import SYSTEM

logger = logging.getLogger(__name__)
WIDEST, _QUALITY = 1056, 82  # twice the letter's width, for sharp screens


def send(*, donation_id: int, now: datetime) -> None:
    """Send the gift's e-card if it is still to be sent; a gift that went back in full sends none.

    Work of its own for the gift, so one worker at a time. Noted as sent once the mail server has it: a worker that dies
    in between sends it again under the same Message-ID, and no card is called sent that never went.
    Raises mail.MailNotSent: nothing was sent, try again unless `.permanent`. Two short transactions that lock the gift;
    not for use in a transaction.
    """
    notice = _to_send(donation_id, now=now)
    if notice is not None:
        mail.deliver(message(notice))
        _note_done(donation_id, notice, TributeNotice.Outcome.SENT, text="Sent the e-card about the tribute.", now=now)


def message(notice: TributeNotice) -> EmailMultiAlternatives:
    """The card, ready to send: the giver, whom the gift honors, the giver's words. No amount, and no match."""
    tribute, donation = notice.tribute, notice.tribute.donation
    organization = Organization.objects.get()
    giver = plain_line(donation.giver_name)
    funds = [row.fund for row in donation.designations.select_related("fund")]
    picture = _picture(notice.picture)
    context = {
        "heading": f"A gift {plain_line(str(tribute))}",
        "name": plain_line(notice.recipient_name),
        "sentences": [
            f"{giver} made a gift to {organization.public_name} {plain_line(str(tribute))}, and wanted you to know.",
            f"{giver} writes: “{plain_line(notice.message)}”" if notice.message else "",
        ],
        "giver": giver,
        "button": f"What {funds[0].name} does" if len(funds) == 1 else f"See {organization.public_name}’s page",
        "url": settings.SITE_URL + (funds[0].get_absolute_url() if len(funds) == 1 else reverse("home")),
        "picture_alt": notice.picture.picture_alt if notice.picture and picture else "",
    }
    made = mail.news(
        "ecard",
        context,
        subject=f"A gift {plain_line(str(tribute))}: {plain_line(organization.public_name)}",
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


@transaction.atomic
def _to_send(donation_id: int, *, now: datetime) -> TributeNotice | None:
    """The card that is due; None when it is done already, or is not to be sent any more."""
    donation = Donation.objects.select_for_update(no_key=True).get(pk=donation_id)
    cards = TributeNotice.objects.filter(tribute__donation=donation, way=TributeNotice.Way.EMAIL, forgotten_at=None)
    notice = cards.select_related("tribute__donation__campaign", "picture").filter(outcome="").first()
    if notice is None or donation.state != Donation.State.PAID:
        return None
    if donation.refunded_minor < donation.amount_minor:
        return notice
    text = "The gift was returned, so its e-card was not sent."
    _note_done(donation_id, notice, TributeNotice.Outcome.RETURNED, text=text, now=now)
    return None


@transaction.atomic
def _note_done(donation_id: int, notice: TributeNotice, outcome: str, *, text: str, now: datetime) -> None:
    """Write down what became of the card, once."""
    if TributeNotice.objects.filter(pk=notice.pk, outcome="").update(outcome=outcome, done_at=now):
        GiftNote.objects.create(donation_id=donation_id, at=now, actor=SYSTEM, text=text)


def _picture(picture: CardPicture | None) -> bytes:
    """The picture as a JPEG for a letter; empty without one, or when its file cannot be read: the card goes plain."""
    if picture is None:
        return b""
    found = io.BytesIO()
    try:
        with picture.picture.open() as file:
            image = pixels_of(file)
        image.thumbnail((WIDEST, WIDEST))
        image.save(found, "JPEG", quality=_QUALITY, optimize=True)
    except (OSError, NotAPhotograph):
        logger.exception("the picture of card %s cannot be read; the card goes without it", picture.pk)
        return b""
    return found.getvalue()
