"""What donors say in public: on the wall of recent gifts once staff have read it, and never after they hid it.

A decision is one conditional update, so of two people who press at once one decides. Hiding also throws away
the copies of the wall that were made before, or are being made (wall_copies.py).
"""

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy

from campaign.models import Campaign
from donations import wall_copies
from donations.models import Donation, GiftMessage, GiftNote

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

_State = GiftMessage.State
# What staff press: from which states, to which, and how the gift's history says it.
DECISIONS: "dict[str, tuple[tuple[str, ...], str, StrOrPromise]]" = {
    "approve": (
        (_State.WAITING, _State.DECLINED, _State.HIDDEN),
        _State.SHOWN,
        gettext_lazy("The donor's message is shown."),
    ),
    "decline": ((_State.WAITING,), _State.DECLINED, gettext_lazy("The donor's message was declined; it is not shown.")),
    "hide": ((_State.SHOWN,), _State.HIDDEN, gettext_lazy("The donor's message was hidden again.")),
}
LISTS: dict[str, tuple[str, ...]] = {
    "waiting": (_State.WAITING,),
    "shown": (_State.SHOWN,),
    "not-shown": (_State.DECLINED, _State.HIDDEN),
}


def keep(donation: Donation, text: str) -> None:
    """Write the message down with its gift, in the gift's own transaction; nothing for an empty one."""
    if text:
        GiftMessage.objects.create(donation=donation, text=text)


def text_of(donation: Donation) -> str:
    """What the donor wrote, whatever became of it; empty for nothing. One query."""
    return GiftMessage.objects.filter(donation=donation).values_list("text", flat=True).first() or ""


def shown_text(donation: Donation) -> str:
    """What everybody may read. The gift's `message` is at hand, or costs a query."""
    message = getattr(donation, "message", None)
    return message.text if message is not None and message.state == _State.SHOWN else ""


def listed_as(name: str, *, campaign: Campaign) -> QuerySet[GiftMessage]:
    """Messages with paid gifts of a campaign, one of LISTS, the newest first."""
    found = GiftMessage.objects.filter(donation__campaign=campaign, donation__state=Donation.State.PAID)
    return found.filter(state__in=LISTS[name]).select_related("donation").order_by("-pk")


@transaction.atomic
def decide(*, message_id: int, decision: str, actor: str, now: datetime) -> bool:
    """Show, decline or hide a message of a paid gift; False when it does not stand so any more: nothing is written.

    decision: one of DECISIONS. actor: as the gift's history names them. One transaction.
    """
    before, after, said = DECISIONS[decision]
    mine = GiftMessage.objects.filter(pk=message_id, state__in=before, donation__state=Donation.State.PAID)
    if not mine.update(state=after, decided_at=now, decided_by=actor):
        return False
    message = GiftMessage.objects.select_related("donation").get(pk=message_id)
    GiftNote.objects.create(donation=message.donation, at=now, actor=actor, text=str(said))
    if decision == "hide":
        wall_copies.throw_away(campaign_id=message.donation.campaign_id, now=now)
    return True
