"""Gifts in honor or in memory of somebody: kept with the gift, and somebody told of it once the gift is paid.

An e-card is work owed for the gift (ecards.py sends it); a note waits in a list until staff have posted it. What we
know of the person who is told is taken out again KEPT_FOR after they were told, or after the gift came to nothing.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext

from campaign.models import Campaign
from donations.models import Donation, FollowUp, GiftNote, Tribute, TributeNotice

KEPT_FOR = timedelta(days=90)
SENT_FROM = time(9)  # on a later day, by the campaign's clock
_FORGOTTEN_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class NoticeRequest:
    """Whom to tell. way: one of TributeNotice.Way; send_on: of an e-card. The donor has consented."""

    way: str
    recipient_name: str
    recipient_email: str = ""
    message: str = ""
    address_line1: str = ""
    address_line2: str = ""
    city: str = ""
    region: str = ""
    postal_code: str = ""
    country: str = ""
    picture_id: int | None = None
    send_on: date | None = None


@dataclass(frozen=True, slots=True)
class TributeRequest:
    """A valid form's tribute. kind: one of Tribute.Kind. notice: None when nobody is to be told."""

    kind: str
    name: str
    is_public: bool = False
    notice: NoticeRequest | None = None


def keep(donation: Donation, asked: TributeRequest | None, *, now: datetime) -> None:
    """Write the tribute down with its gift, in the gift's own transaction. now: when the donor consented."""
    if asked is None:
        return
    tribute = Tribute.objects.create(donation=donation, kind=asked.kind, name=asked.name, is_public=asked.is_public)
    if asked.notice is not None:
        TributeNotice.objects.create(tribute=tribute, consented_at=now, **asdict(asked.notice))


def asked_of(donation: Donation) -> TributeRequest | None:
    """What the form of this gift asked for, as long as it is not forgotten. One query."""
    tribute = Tribute.objects.filter(donation=donation).select_related("notice").first()
    if tribute is None:
        return None
    notice = notice_of(tribute)
    fields = NoticeRequest.__dataclass_fields__
    told = NoticeRequest(**{name: getattr(notice, name) for name in fields}) if notice else None
    return TributeRequest(tribute.kind, tribute.name, tribute.is_public, told)


def notice_of(tribute: Tribute) -> TributeNotice | None:
    notice: TributeNotice | None = getattr(tribute, "notice", None)
    return notice


def text_of(donation: Donation) -> str:
    """`in memory of Ana Ruiz`, or empty. The gift's `tribute` is at hand, or costs a query."""
    tribute = getattr(donation, "tribute", None)
    return str(tribute) if tribute is not None else ""


def shown_text(donation: Donation) -> str:
    """The same as everybody may read it: empty unless the donor allows it, and when staff hid the gift's names."""
    tribute = getattr(donation, "tribute", None)
    is_shown = tribute is not None and tribute.is_public and donation.names_hidden_at is None
    return str(tribute) if is_shown else ""


def notice_text(donation: Donation) -> str:
    """How far telling has come, for staff and files: `E-card for 2026-12-24`, `Note by post: posted`, or empty."""
    tribute = getattr(donation, "tribute", None)
    notice = notice_of(tribute) if tribute is not None else None
    if notice is None:
        return ""
    if notice.outcome:
        return f"{notice.get_way_display()}: {notice.get_outcome_display()}"
    return f"E-card for {notice.send_on}" if notice.way == TributeNotice.Way.EMAIL else "Note by post: to be posted"


def owe(donation: Donation, *, now: datetime) -> None:
    """The gift is paid: owe its e-card for its day, at once where that is today or past. In that transaction, once."""
    notices = TributeNotice.objects.filter(tribute__donation=donation, way=TributeNotice.Way.EMAIL, outcome="")
    notice = notices.first()
    if notice is None or notice.send_on is None:
        return
    zone = donation.campaign.tz
    is_today = notice.send_on <= now.astimezone(zone).date()
    due_at = now if is_today else datetime.combine(notice.send_on, SENT_FROM, tzinfo=zone)
    FollowUp.objects.get_or_create(
        donation=donation, kind=FollowUp.Kind.ECARD, subject_id=0, defaults={"due_at": due_at}
    )


def to_post(*, campaign: Campaign) -> QuerySet[TributeNotice]:
    """Notes for paid gifts that nobody has posted yet, the oldest first; none of gifts that went back in full."""
    return _to_post(TributeNotice.objects.all()).filter(tribute__donation__campaign=campaign)


@transaction.atomic
def mark_posted(*, campaign: Campaign, notice_ids: Iterable[int], actor: str, now: datetime) -> int:
    """Note that these were posted, in the gifts' histories too; returns how many were not noted before.

    One transaction; locks the notices, so that two people who press at once note each of them once.
    """
    mine = to_post(campaign=campaign).filter(pk__in=list(notice_ids))
    locked = list(mine.select_for_update(no_key=True, of=("self",)).values_list("pk", flat=True))
    notices = list(to_post(campaign=campaign).filter(pk__in=locked))  # again: who held the lock may have noted them
    ids = [notice.pk for notice in notices]
    TributeNotice.objects.filter(pk__in=ids).update(outcome=TributeNotice.Outcome.POSTED, done_at=now)
    GiftNote.objects.bulk_create(
        GiftNote(
            donation=notice.tribute.donation,
            at=now,
            actor=actor,
            text=gettext("The note about the tribute was posted."),
        )
        for notice in notices
    )
    return len(notices)


def forget(*, now: datetime) -> int:
    """Take out what we know of people who were told long ago, or never will be; how many. At most 500 at a time."""
    since = now - KEPT_FOR
    gone = [Donation.State.ABANDONED, Donation.State.FAILED]
    came_to_nothing = Q(tribute__donation__state__in=gone, tribute__donation__submitted_at__lt=since)
    went_back = Q(tribute__donation__refunded_minor__gte=F("tribute__donation__amount_minor"))
    old = Q(done_at__lt=since) | came_to_nothing | went_back & Q(tribute__donation__paid_at__lt=since)
    ids = TributeNotice.objects.filter(old, forgotten_at=None).values_list("pk", flat=True)[:_FORGOTTEN_AT_ONCE]
    empty: dict[str, Any] = dict.fromkeys(TributeNotice.PERSONAL, "")
    return TributeNotice.objects.filter(pk__in=list(ids)).update(forgotten_at=now, picture=None, **empty)


def _to_post(notices: QuerySet[TributeNotice]) -> QuerySet[TributeNotice]:
    paid = notices.filter(way=TributeNotice.Way.POST, outcome="", forgotten_at=None)
    kept = paid.filter(
        tribute__donation__state=Donation.State.PAID,
        tribute__donation__refunded_minor__lt=F("tribute__donation__amount_minor"),
    )
    return kept.select_related("tribute__donation").order_by("pk")
