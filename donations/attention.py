"""What a person on the staff must look at: things that software tried and could not finish.

Each kind is counted in full and shown by its newest few; a healthy day has an empty list.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count, Max, Min
from django.urls import reverse
from django.utils.http import urlencode

from campaign.models import Campaign
from campaign.money import format_amount
from donations import work
from donations.models import Donation, FollowUp, GiftNote, StripeEvent
from matching.queries import PoolFigures

SHOWN = 3
LATE = timedelta(minutes=1)
_FAILED_WORK: dict[str, tuple[str, str]] = {
    FollowUp.Kind.RECEIPT: ("Receipt could not be made", "failed-receipt"),
    FollowUp.Kind.EMAIL: ("Receipt refused by the mailbox", "failed-email"),
}


@dataclass(frozen=True)
class Concern:
    """One line of the list. key: stable, for the page; count: how many things it stands for; url: where to go."""

    key: str
    title: str
    detail: str
    count: int
    url: str
    action: str = "Open"


@dataclass(frozen=True)
class Backlog:
    """Work that is late: rows due more than a minute ago. since: when the oldest was due, None without any."""

    count: int
    since: datetime | None


def concerns(*, campaign: Campaign, pools: list[PoolFigures]) -> list[Concern]:
    """Everything that waits for a person, gravest first, 0..n. Three queries; pools are given."""
    found = [_halted(pool) for pool in pools if pool.pool.halted_reason]
    return [*found, *_failed_events(), *_shortfalls(campaign), *_failed_work()]


def backlog(*, now: datetime) -> Backlog:
    """How far the workers are behind. Two queries."""
    late = {"due_at__lt": now - LATE}
    events = StripeEvent.objects.filter(state=StripeEvent.State.RECEIVED, **late)
    follow_ups = FollowUp.objects.filter(state=FollowUp.State.DUE, **late)
    rows = [found.aggregate(count=Count("pk"), since=Min("due_at")) for found in (events, follow_ups)]
    oldest = [row["since"] for row in rows if row["since"]]
    return Backlog(count=sum(row["count"] for row in rows), since=min(oldest) if oldest else None)


def _halted(pool: PoolFigures) -> Concern:
    return Concern(
        key=f"pool-{pool.pool.pk}",
        title="New match is stopped: the ledger check failed",
        detail=f"{pool.pool.name}: {pool.pool.halted_reason}",
        count=1,
        url=reverse("staff-pools") + f"#pool-{pool.pool.pk}",
    )


def _failed_events() -> list[Concern]:
    """All of them as one line: a fault of ours or of the settings tends to fail many at once."""
    failed = StripeEvent.objects.filter(state=StripeEvent.State.FAILED).order_by("-pk")
    newest = failed.values_list("type", "last_error").first()
    if newest is None:
        return []
    count, (kind, error) = failed.count(), newest
    return [
        Concern(
            key="events",
            title="A Stripe event could not be applied"
            if count == 1
            else f"{count} Stripe events could not be applied",
            detail=f"{kind}: {error[:120]}",
            count=count,
            url=reverse("admin:donations_stripeevent_changelist") + "?state__exact=failed",
        )
    ]


def _shortfalls(campaign: Campaign) -> list[Concern]:
    short = list(
        Donation.objects.filter(campaign=campaign, match_shortfall_minor__gt=0)
        .order_by("-pk")
        .values_list("pk", "match_shortfall_minor")[: SHOWN + 1]
    )
    found = [
        Concern(
            key=f"short-{pk}",
            title="Match smaller than shown",
            detail=f"Gift G-{pk}, {format_amount(short_minor, currency=campaign.currency)} short of what was held",
            count=1,
            url=reverse("staff-gift", args=[pk]),
        )
        for pk, short_minor in short[:SHOWN]
    ]
    if len(short) > SHOWN:
        url = reverse("staff-gifts") + "?" + urlencode({"state": "short"})
        found.append(Concern("short-more", "Match smaller than shown", "More gifts like these", 1, url, "See all"))
    return found


def _failed_work() -> list[Concern]:
    failed = (
        FollowUp.objects.filter(state=FollowUp.State.FAILED)
        .order_by("kind")
        .values("kind")
        .annotate(count=Count("pk"), newest=Max("donation_id"))
    )
    return [
        Concern(
            key=f"work-{row['kind']}",
            title=_FAILED_WORK[row["kind"]][0],
            detail=f"Gift G-{row['newest']}" if row["count"] == 1 else f"{row['count']} gifts",
            count=row["count"],
            url=reverse("staff-gift", args=[row["newest"]])
            if row["count"] == 1
            else reverse("staff-gifts") + "?" + urlencode({"state": _FAILED_WORK[row["kind"]][1]}),
        )
        for row in failed
    ]


@transaction.atomic
def try_follow_up_again(*, follow_up: FollowUp, actor: str, now: datetime) -> bool:
    """Make work that failed for good due now, with fresh attempts, and note who asked for it.

    Returns False, having written nothing, when it is not failed any more: somebody was quicker. Locks the row.
    """
    failed = FollowUp.objects.filter(pk=follow_up.pk, state=FollowUp.State.FAILED)
    row = failed.select_for_update(no_key=True).first()
    if row is None:
        return False
    work.try_again(row, now=now)
    text = f"Asked to try again: {row.get_kind_display().lower()}."
    GiftNote.objects.create(donation_id=row.donation_id, at=now, actor=actor, text=text)
    return True


@transaction.atomic
def try_event_again(*, event: StripeEvent, now: datetime) -> bool:
    """The same for a Stripe event that could not be applied."""
    failed = StripeEvent.objects.filter(pk=event.pk, state=StripeEvent.State.FAILED)
    row = failed.select_for_update(no_key=True).first()
    if row is None:
        return False
    work.try_again(row, now=now)
    return True
