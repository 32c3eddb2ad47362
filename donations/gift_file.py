"""Everything known about one gift, for the page that answers "was my gift matched?"."""

from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy

from donations.gift_rows import Pill, match_pill, state_pill
from donations.models import (
    Designation,
    Donation,
    FollowUp,
    FraudWarning,
    GiftNote,
    Receipt,
    Reversal,
    StrayPayment,
    StripeEvent,
)
from donations.queries import split_left
from matching.explanation import Explanation, explanations
from matching.models import LedgerEntry, Reservation
from matching.queries import GiftMatch, gift_match

_ACTORS = {"donor": gettext_lazy("Donor"), "stripe": gettext_lazy("Stripe"), "system": gettext_lazy("The site")}


@dataclass(frozen=True)
class Part:
    designation: Designation
    left_minor: int


@dataclass(frozen=True)
class NoteLine:
    note: GiftNote
    actor_name: str


@dataclass(frozen=True)
class ReservationLine:
    reservation: Reservation
    state: Pill


@dataclass(frozen=True)
class GiftFile:
    state: Pill
    parts: list[Part]
    notes: list[NoteLine]
    match: GiftMatch | None
    match_state: Pill | None
    explanations: list[Explanation]
    reservations: list[ReservationLine]
    entries: list[LedgerEntry]
    receipts: list[Receipt]
    follow_ups: list[FollowUp]
    events: list[StripeEvent]
    reversals: list[Reversal]
    fraud_warnings: list[FraudWarning]
    strays: list[StrayPayment]

    @property
    def has_valid_receipt(self) -> bool:
        return any(receipt.voided_at is None for receipt in self.receipts)


def read(*, gift: Donation, now: datetime) -> GiftFile:
    """The whole file of a gift; nothing is locked or written. A hold that has lapsed by now is said to have."""
    match = gift_match(key=gift.match_key)
    earlier = gift.corrections.values_list("match_key_before", flat=True)
    keys = [gift.match_key, *(key for key in earlier if key is not None)]
    reservations = Reservation.objects.filter(key__in=keys).prefetch_related("allocations__pool__sponsor")
    entries = LedgerEntry.objects.filter(allocation__reservation__key__in=keys).select_related("pool")
    return GiftFile(
        state=state_pill(gift),
        parts=_parts(gift),
        notes=_notes(gift),
        match=match,
        match_state=_match_state(match, now=now) if match else None,
        explanations=explanations(keys=keys),
        reservations=[ReservationLine(row, _hold_state(row, now=now)) for row in reservations.order_by("-pk")],
        entries=list(entries.order_by("pk")),
        receipts=list(gift.receipts.select_related("replaces").prefetch_related("sends").order_by("-pk")),
        follow_ups=list(gift.follow_ups.order_by("pk")),
        events=list(events_of(gift).order_by("pk").defer("payload")),
        reversals=list(gift.reversals.order_by("pk")),
        fraud_warnings=list(gift.fraud_warnings.order_by("pk")),
        strays=list(gift.strays.order_by("pk")),
    )


def events_of(gift: Donation) -> QuerySet[StripeEvent]:
    """What Stripe said about this gift: events on its payment, or on a charge, refund or dispute of it."""
    if not gift.payment_intent:
        return StripeEvent.objects.none()
    return StripeEvent.objects.filter(payment_intent=gift.payment_intent)


def _match_state(match: GiftMatch, *, now: datetime) -> Pill:
    return match_pill(
        match.state,
        held_until=match.held_until,
        now=now,
        original_minor=match.original_minor,
        match_minor=match.match_minor,
    )


def _hold_state(row: Reservation, *, now: datetime) -> Pill:
    allocations = row.allocations.all()
    original_minor = sum(allocation.amount_minor for allocation in allocations)
    return match_pill(
        row.state,
        held_until=row.held_until,
        now=now,
        original_minor=original_minor,
        match_minor=original_minor - sum(allocation.reversed_minor for allocation in allocations),
    )


def _parts(gift: Donation) -> list[Part]:
    designations = list(gift.designations.select_related("fund").order_by("position", "pk"))
    left = split_left(parts_minor=[row.amount_minor for row in designations], refunded_minor=gift.refunded_minor)
    return [Part(row, left_minor) for row, left_minor in zip(designations, left, strict=True)]


def _notes(gift: Donation) -> list[NoteLine]:
    notes = list(gift.notes.order_by("at", "pk"))
    staff_ids = {note.actor.partition(":")[2] for note in notes if note.actor.startswith("staff:")}
    names = {
        f"staff:{user.pk}": user.get_full_name() or user.username for user in User.objects.filter(pk__in=staff_ids)
    }
    return [NoteLine(note, names.get(note.actor) or str(_ACTORS.get(note.actor, note.actor))) for note in notes]
