"""Match money that came free: given on to the gifts that wait for it, and their donors told (design 3.5).

Matching decides who gets what (matching/offers.py). In the same transaction the gift's history says so and the news is
owed to the donor; a minute later the donor is told, so that several small sums become one message.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.utils.translation import gettext

from campaign.models import Organization
from campaign.money import format_amount
from donations import mail
from donations.giving import locked_gift
from donations.models import Donation, FollowUp, GiftNote, Reversal
from donations.receipt_content import plain_line
from matching import offers, queries
from matching.ledger import SYSTEM

QUIET = timedelta(seconds=60)
LEAST_NEWS_MINOR = 100  # more than the receipt says; less, such as a cent of rounding, stands on the gift's page alone
AFTER_REFUND = timedelta(days=2)
_MOST_BATCHES = 400  # of one call: 20,000 gifts; the timer comes again


def offer(*, campaign_id: int, now: datetime) -> int:
    """Give free match money to the gifts that wait for it, in batches; returns how many gifts got some.

    Each batch is one transaction with its notes and news, so it may be killed anywhere and run again. Raises PoolsBusy.
    """
    count = 0
    for _ in range(_MOST_BATCHES):
        with transaction.atomic():
            batch = offers.offer_batch(campaign_id=campaign_id, now=now)
            _owe_news(batch.added, now=now)
        count += len(batch.added)
        if not batch.more:
            break
    return count


def tell_donor(*, donation_id: int, match_minor: int, now: datetime) -> None:
    """E-mail the donor that the gift's match is now match_minor, unless it has changed again: then other news is owed.
    Nothing is sent of less than a dollar more than the receipt says, nor to who took money back of this gift, asks for
    it, or had another gift returned within AFTER_REFUND, whose match it may be: such news would read as if nothing had
    gone back. The gift's page says it.

    Also brings the gift's shortfall up to date, which staff and the gift's page show. One short transaction, then the
    mail. Raises mail.MailNotSent. A repeat is the same message, with the same Message-ID.
    """
    with transaction.atomic():
        donation = locked_gift(donation_id)
        donation.match_shortfall_minor = queries.shortfall(key=donation.match_key)
        donation.save(update_fields=["match_shortfall_minor"])
    match = queries.gift_match(key=donation.match_key)
    if match is None or match.match_minor != match_minor or not donation.donor_email:
        return
    if _has_taken_back(donation, now=now) or match_minor - _match_on_receipt(donation) < LEAST_NEWS_MINOR:
        return
    mail.deliver(news_message(donation, match=match))
    GiftNote.objects.create(
        donation=donation, at=now, actor=SYSTEM, text=gettext("E-mailed the donor about the added match.")
    )


def _has_taken_back(donation: Donation, *, now: datetime) -> bool:
    if donation.refunded_minor or donation.disputed_at:
        return True
    lately = Reversal.objects.filter(donation__donor=donation.donor_id, changed_at__gt=now - AFTER_REFUND)
    return lately.exists()


def _match_on_receipt(donation: Donation) -> int:
    receipt = donation.receipts.filter(voided_at=None).first()
    said = receipt.content.get("match") if receipt else None
    return int(said["match_minor"]) if said else 0


def news_message(donation: Donation, *, match: queries.GiftMatch) -> EmailMultiAlternatives:
    """The message, ready to send: the whole match as it is now, and where it can be checked."""
    organization = Organization.objects.get()
    matched = format_amount(match.match_minor, currency=donation.currency)
    subject = gettext("Your gift to %(organization)s is now matched with %(amount)s")
    context = {
        "gift": donation,
        "match": match,
        "matched_text": matched,
        "gift_text": format_amount(donation.amount_minor, currency=donation.currency),
        "url": settings.SITE_URL + donation.get_absolute_url(),
    }
    return mail.news(
        "match_added",
        context,
        subject=subject % {"organization": plain_line(organization.public_name), "amount": matched},
        to=donation.donor_email,
        organization=organization,
        key=f"match-{donation.pk}-{match.match_minor}",
    )


def _owe_news(added: list[offers.Added], *, now: datetime) -> None:
    gifts = Donation.objects.in_bulk([row.key for row in added], field_name="match_key")
    known = [(gifts[row.key], row) for row in added if row.key in gifts]
    GiftNote.objects.bulk_create(
        GiftNote(
            donation=gift,
            at=now,
            actor=SYSTEM,
            text=gettext("Match of %(added)s was added from money that came free; it is %(match)s now.")
            % {
                "added": format_amount(row.added_minor, currency=gift.currency),
                "match": format_amount(row.match_minor, currency=gift.currency),
            },
        )
        for gift, row in known
    )
    FollowUp.objects.bulk_create(
        [
            FollowUp(donation=gift, kind=FollowUp.Kind.MATCH, subject_id=row.match_minor, due_at=now + QUIET)
            for gift, row in known
        ],
        update_conflicts=True,
        unique_fields=["donation", "kind", "subject_id"],
        update_fields=["state", "attempts", "due_at"],
    )
