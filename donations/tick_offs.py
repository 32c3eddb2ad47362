"""Things that need a person, and ticking them off: who looked, when, and what came of it.

Each kind is a set of rows that stand in some state; a row is open until somebody ticks it off. The tick-off is of the
row as it was: when it changes (a larger shortfall, another failure) it is listed again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.db.models import BigIntegerField, Exists, F, Func, Model, OuterRef, Q, QuerySet, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast
from django.utils.translation import gettext, gettext_lazy

from donations.models import (
    Donation,
    FollowUp,
    FraudWarning,
    GiftNote,
    OpeningMail,
    Reversal,
    StripeEvent,
    TickOff,
)
from donations.payments import CLOSED_DISPUTE, GONE_REFUND
from donations.work import LAST_ATTEMPT

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


@dataclass(frozen=True)
class Kind:
    """rows: those that need a person. version: what of a row must stay the same for its tick-off to hold, a number.

    title: of one row, before its own words. what_to_do: a sentence. gift: the path from a row to its gift's id, empty
    for what has none of its own.
    """

    key: str
    title: "StrOrPromise"
    what_to_do: "StrOrPromise"
    rows: Callable[[], QuerySet[Any]]
    version: Combinable
    gift: str = "donation_id"


def _moment(field: str) -> Combinable:
    """A moment as a number: microseconds since 1970."""
    sql = "EXTRACT(EPOCH FROM %(expressions)s) * 1000000"
    return Cast(Func(F(field), template=sql), BigIntegerField())


def _failed(*kinds: str) -> Callable[[], QuerySet[FollowUp]]:
    return lambda: FollowUp.objects.filter(state=FollowUp.State.FAILED, kind__in=kinds)


def _failed_openings() -> QuerySet[OpeningMail]:
    """The news that did not go out, and questions that no attempt brought out.

    Not a question that its mailbox refused at once: anybody may type an address that is none.
    """
    failed = OpeningMail.objects.filter(state=OpeningMail.State.FAILED)
    return failed.filter(Q(kind=OpeningMail.Kind.OPENING) | Q(attempts__gte=LAST_ATTEMPT))


KINDS = {
    kind.key: kind
    for kind in (
        Kind(
            key="event",
            title=gettext_lazy("A Stripe event could not be applied"),
            what_to_do=gettext_lazy("Read the error, mend its cause, press “Try again”. Nothing was posted."),
            rows=lambda: StripeEvent.objects.filter(state=StripeEvent.State.FAILED),
            version=_moment("due_at"),
            gift="",
        ),
        Kind(
            key="dispute",
            title=gettext_lazy("A donor’s bank disputes a gift"),
            what_to_do=gettext_lazy(
                "Answer it in Stripe’s dashboard before its deadline. Lost, it counts as a refund; won, nothing "
                "changes."
            ),
            rows=lambda: Reversal.objects.filter(kind=Reversal.Kind.DISPUTE).exclude(status__in=CLOSED_DISPUTE),
            version=Value(0, output_field=BigIntegerField()),
        ),
        Kind(
            key="warning",
            title=gettext_lazy("Early fraud warning"),
            what_to_do=gettext_lazy(
                "The card network takes this payment for fraud. A refund now usually prevents a dispute and its "
                "fee; ask the donor first where you know them."
            ),
            rows=FraudWarning.objects.all,
            version=Value(0, output_field=BigIntegerField()),
        ),
        Kind(
            key="refund",
            title=gettext_lazy("A refund did not reach the donor"),
            what_to_do=gettext_lazy(
                "The donor’s bank sent it back, so the gift stands as paid. Ask the donor where it should go."
            ),
            rows=lambda: Reversal.objects.filter(kind=Reversal.Kind.REFUND, status__in=GONE_REFUND),
            version=_moment("changed_at"),
        ),
        Kind(
            key="short",
            title=gettext_lazy("Match smaller than shown"),
            what_to_do=gettext_lazy(
                "Tell the donor if you wish; their page and receipt say it. More pledged money is offered to "
                "such gifts by itself."
            ),
            rows=lambda: Donation.objects.filter(match_shortfall_minor__gt=0),
            version=F("match_shortfall_minor"),
            gift="pk",
        ),
        Kind(
            key="receipt",
            title=gettext_lazy("Receipt could not be made"),
            what_to_do=gettext_lazy("Read the error, mend its cause, press “Try again”."),
            rows=_failed(FollowUp.Kind.RECEIPT),
            version=_moment("due_at"),
        ),
        Kind(
            key="email",
            title=gettext_lazy("Receipt refused by the mailbox"),
            what_to_do=gettext_lazy("Ask the donor for another address, or print the receipt and post it."),
            rows=_failed(FollowUp.Kind.EMAIL),
            version=_moment("due_at"),
        ),
        Kind(
            key="match",
            title=gettext_lazy("News of added match refused by the mailbox"),
            what_to_do=gettext_lazy("The match counts all the same. Tell the donor another way if you wish."),
            rows=_failed(FollowUp.Kind.MATCH),
            version=_moment("due_at"),
        ),
        Kind(
            key="ecard",
            title=gettext_lazy("E-card refused by the mailbox"),
            what_to_do=gettext_lazy(
                "Tell the donor that the card about their tribute did not arrive, or ask them for another way."
            ),
            rows=_failed(FollowUp.Kind.ECARD),
            version=_moment("due_at"),
        ),
        Kind(
            key="news",
            title=gettext_lazy("News of a payment refused by the mailbox"),
            what_to_do=gettext_lazy(
                "The donor does not know that a payment failed, that a gift was returned, or what became of a "
                "monthly or scheduled gift: call them. The gift’s page says what it is."
            ),
            rows=_failed(FollowUp.Kind.REFUSED, FollowUp.Kind.SCHEDULE, FollowUp.Kind.MONTHLY, FollowUp.Kind.RETURNED),
            version=_moment("due_at"),
        ),
        Kind(
            key="opening",
            title=gettext_lazy("Reminder of the opening could not be sent"),
            what_to_do=gettext_lazy(
                "Many of them: the mail server was away; mend that and press “Try again”. One alone: its "
                "mailbox refused it, and nothing else is known of who asked."
            ),
            rows=_failed_openings,
            version=_moment("due_at"),
            gift="",
        ),
    )
}


def open_rows(key: str) -> QuerySet[Any]:
    """The rows of a kind that nobody has ticked off as they are now, newest first; each with its `version`."""
    kind = KINDS[key]
    same = Q(kind=key, subject_id=OuterRef("pk"), version=OuterRef("version"))
    found = kind.rows().annotate(version=kind.version)
    return found.filter(~Exists(TickOff.objects.filter(same))).order_by("-pk")


def detailed(key: str) -> QuerySet[Any]:
    """The open rows of a kind with the gifts that they are about: for lists."""
    rows = open_rows(key)
    related = {"donation_id": "donation"}.get(KINDS[key].gift, "reminder" if rows.model is OpeningMail else "")
    return rows.select_related(related) if related else rows


def tick_off(*, key: str, pk: int, version: int, reason: str, actor: str, now: datetime) -> bool:
    """Take one thing off the list, as the person saw it, and say why in the gift's history.

    version: as the page showed it. False, having written nothing, when somebody else was quicker or it has changed.
    """
    row = open_rows(key).filter(pk=pk, version=version).first()
    if row is None:
        return False
    try:
        with transaction.atomic():
            TickOff.objects.create(kind=key, subject_id=pk, version=version, at=now, actor=actor, reason=reason[:200])
            gift_id = gift_id_of(key, row)
            if gift_id is not None:
                text = gettext("%(title)s: ticked off. %(reason)s") % {"title": KINDS[key].title, "reason": reason}
                GiftNote.objects.create(donation_id=gift_id, at=now, actor=actor, text=text[:300])
    except IntegrityError:
        return False
    return True


def gift_id_of(key: str, row: Model) -> int | None:
    """The gift that a thing is about, when it is about one that we know."""
    if isinstance(row, StripeEvent):
        gifts = Donation.objects.filter(payment_intent=row.payment_intent).exclude(payment_intent="")
        return gifts.values_list("pk", flat=True).first()
    path = KINDS[key].gift
    found: int | None = getattr(row, path) if path else None
    return found
