"""Names on public pages: a donor's, a company's, that of a tribute. Staff take those of one gift off with one press.

From then on the gift is "Anonymous" wherever everybody can read it, and its tribute is not shown; receipts, letters and
staff pages keep the names. All payments of a monthly gift go together, those to come, too (renewals.py copies the
first one).
"""

from datetime import datetime

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext

from campaign.models import Campaign
from donations import wall_copies
from donations.models import Donation, GiftNote

_NAMED = Q(hides_name=False) | Q(tribute__is_public=True)


def shown(*, campaign: Campaign) -> QuerySet[Donation]:
    """Paid gifts that name somebody on public pages, or would had staff not hidden it; the newest first."""
    found = Donation.objects.filter(_NAMED, campaign=campaign, state=Donation.State.PAID)
    return found.filter(refunded_minor__lt=F("amount_minor")).select_related("tribute").order_by("-pk")


@transaction.atomic
def hide(*, donation_id: int, actor: str, now: datetime) -> bool:
    """Take a paid gift's names off the public pages; False when they are off already: nothing is written.

    One conditional update, so that of two people who press at once one does it. One transaction.
    """
    gift = Donation.objects.get(pk=donation_id)
    if not _mark(gift, Q(state=Donation.State.PAID, names_hidden_at=None), hidden_at=now):
        return False
    _note(donation_id, gettext("Its names were taken off the public pages."), actor=actor, now=now)
    wall_copies.throw_away(campaign_id=gift.campaign_id, now=now)
    return True


@transaction.atomic
def show(*, donation_id: int, actor: str, now: datetime) -> bool:
    """Let public pages name it again, as far as its donor does; False when they do already. One transaction."""
    gift = Donation.objects.get(pk=donation_id)
    if not _mark(gift, Q(names_hidden_at__isnull=False), hidden_at=None):
        return False
    _note(donation_id, gettext("Its names may stand on the public pages again."), actor=actor, now=now)
    return True


def _mark(gift: Donation, stands: Q, *, hidden_at: datetime | None) -> bool:
    """Write it for the gift, and then for the other payments of its monthly gift; whether the gift stood so."""
    if not Donation.objects.filter(stands, pk=gift.pk).update(names_hidden_at=hidden_at):
        return False
    if gift.monthly_id:
        Donation.objects.filter(monthly=gift.monthly_id).exclude(pk=gift.pk).update(names_hidden_at=hidden_at)
    return True


def _note(donation_id: int, text: str, *, actor: str, now: datetime) -> None:
    GiftNote.objects.create(donation_id=donation_id, at=now, actor=actor, text=text)
