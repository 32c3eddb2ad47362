"""What a person on the staff must look at: things that software tried and could not finish.

On the page Today each kind is one line with its count and its newest; /staff/attention/ lists them all, to be ticked
off (tick_offs.py) or decided (strays.py). A healthy day has an empty list.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import CharField, Count, Max, Min, Value
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy, ngettext

from campaign.money import format_amount
from donations import tick_offs, work
from donations.models import (
    Donation,
    FollowUp,
    FraudWarning,
    GiftNote,
    OpeningMail,
    Reversal,
    StrayPayment,
    StripeEvent,
    StripeRun,
)
from matching.queries import PoolFigures

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

LATE = timedelta(minutes=1)
_OPEN = gettext_lazy("Open")


@dataclass(frozen=True)
class Concern:
    """One line of the list. key: stable, for the page; count: how many things it stands for; url: where to go."""

    key: str
    title: str
    detail: str
    count: int
    url: str
    action: "StrOrPromise" = _OPEN


@dataclass(frozen=True)
class Backlog:
    """Work that is late: rows due more than a minute ago. since: when the oldest was due, None without any."""

    count: int
    since: datetime | None


def concerns(*, pools: list[PoolFigures]) -> list[Concern]:
    """Everything that waits for a person, gravest first, a line for each kind, 0..n. One query, and one for each kind
    that there is; pools are given."""
    found = [_halted(pool) for pool in pools if pool.pool.halted_reason]
    counts = _counts()
    if _STRAY in counts:
        found.append(_strays(*counts[_STRAY]))
    found += _unequal_days()
    return found + [_concern(key, *counts[key]) for key in tick_offs.KINDS if key in counts]


def described(row: Any) -> str:
    """One thing in words, for the list: which gift, how much, what the error says."""
    if isinstance(row, StripeEvent):
        return f"{row.type}: {row.last_error[:120]}"
    if isinstance(row, Donation):
        short = format_amount(row.match_shortfall_minor, currency=row.currency)
        return gettext("Gift %(reference)s, %(amount)s short of what was held") % {
            "reference": row.reference,
            "amount": short,
        }
    if isinstance(row, OpeningMail):
        return f"{row.get_kind_display()}, {row.reminder.email}: {row.last_error[:120]}"
    gift = row.donation
    if isinstance(row, Reversal):
        amount = format_amount(row.amount_minor, currency=gift.currency)
        return gettext("Gift %(reference)s, %(what)s") % {"reference": gift.reference, "what": amount}
    if isinstance(row, FraudWarning):
        return gettext("Gift %(reference)s, %(what)s") % {"reference": gift.reference, "what": row.fraud_words}
    return gettext("Gift %(reference)s: %(error)s") % {"reference": gift.reference, "error": row.last_error[:120]}


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
        title=gettext("New match is stopped: the ledger check failed"),
        detail=f"{pool.pool.name}: {pool.pool.halted_reason}",
        count=1,
        url=reverse("staff-pools") + f"#pool-{pool.pool.pk}",
    )


_STRAY = "stray"


def _counts() -> dict[str, tuple[int, int]]:
    """How many open things of each kind, and the newest one's id. One query."""
    open_strays = StrayPayment.objects.filter(decision=StrayPayment.Decision.OPEN)
    rows = {_STRAY: open_strays} | {key: tick_offs.open_rows(key) for key in tick_offs.KINDS}
    first, *others = [
        found.order_by().values(thing=Value(key, output_field=CharField())).annotate(n=Count("pk"), newest=Max("pk"))
        for key, found in rows.items()
    ]
    return {row["thing"]: (row["n"], row["newest"]) for row in first.union(*others, all=True) if row["n"]}


def _concern(key: str, count: int, newest: int) -> Concern:
    kind = tick_offs.KINDS[key]
    row = tick_offs.detailed(key).get(pk=newest)
    return Concern(
        key=key,
        title=str(kind.title) if count == 1 else f"{kind.title} ({count})",
        detail=described(row) if count == 1 else gettext("Newest: %(thing)s") % {"thing": described(row)},
        count=count,
        url=reverse("staff-attention") + f"#{key}",
    )


def _unequal_days() -> list[Concern]:
    """Days on which the last run through Stripe's lists found another sum than our books have. One query."""
    run = StripeRun.objects.exclude(finished_at=None).only("found").first()
    days = run.found.get("unequal", []) if run else []
    if not days:
        return []
    title = ngettext(
        "Stripe and our books differ on a day", "Stripe and our books differ on %(days)s days", len(days)
    ) % {"days": len(days)}
    return [Concern("days", title, ", ".join(days[:3]), len(days), reverse("staff-stripe") + f"?day={days[0]}")]


def _strays(count: int, newest: int) -> Concern:
    stray = StrayPayment.objects.select_related("donation").get(pk=newest)
    amount = format_amount(stray.amount_minor, currency=stray.currency)
    return Concern(
        key=_STRAY,
        title=ngettext("A payment fits no gift", "%(count)s payments fit no gift", count) % {"count": count},
        detail=f"{amount}: {stray.get_why_display().lower()}",
        count=count,
        url=reverse("staff-stray", args=[stray.pk]) if count == 1 else reverse("staff-attention") + "#stray",
    )


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
    text = gettext("Asked to try again: %(work)s.") % {"work": row.get_kind_display().lower()}
    GiftNote.objects.create(donation_id=row.donation_id, at=now, actor=actor, text=text)
    return True


@transaction.atomic
def try_event_again(*, event: StripeEvent, actor: str, now: datetime) -> bool:
    """The same for a Stripe event that could not be applied; noted on its gift where that is known."""
    failed = StripeEvent.objects.filter(pk=event.pk, state=StripeEvent.State.FAILED)
    row = failed.select_for_update(no_key=True).first()
    if row is None:
        return False
    work.try_again(row, now=now)
    gift_id = tick_offs.gift_id_of("event", row)
    if gift_id is not None:
        text = gettext("Asked to try again: Stripe's event %(type)s.") % {"type": row.type}
        GiftNote.objects.create(donation_id=gift_id, at=now, actor=actor, text=text)
    return True


def try_opening_mail_again(*, mail: OpeningMail, now: datetime) -> bool:
    """The same for a reminder of the opening; it has no gift to note it on."""
    with transaction.atomic():
        row = OpeningMail.objects.filter(pk=mail.pk, state=OpeningMail.State.FAILED).select_for_update().first()
        if row is not None:
            work.try_again(row, now=now)
    return row is not None
