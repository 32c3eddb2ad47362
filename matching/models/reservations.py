"""Match money held for a gift, from which pools it comes, and the gifts that wait for more."""

import secrets
import uuid
from datetime import datetime

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from campaign.models import Campaign
from matching import triggers
from matching.models.pools import MatchPool, PoolTerms

_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_reference() -> str:
    """A reservation's public name, as printed on receipts: `M-` and ten characters that read well aloud."""
    return "M-" + "".join(secrets.choice(_ALPHABET) for _ in range(10))


class ReservationQuerySet(models.QuerySet["Reservation"]):
    def live(self) -> "ReservationQuerySet":
        return self.filter(state__in=[Reservation.State.HELD, Reservation.State.COMMITTED])

    def lapsed(self, *, now: datetime) -> "ReservationQuerySet":
        return self.filter(state=Reservation.State.HELD, held_until__lte=now)


class Reservation(models.Model):
    class State(models.TextChoices):
        HELD = "held"
        COMMITTED = "committed"
        RELEASED = "released"
        EXPIRED = "expired"
        VOIDED = "voided"

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="reservations")
    reference = models.CharField(max_length=16, unique=True, default=new_reference)
    key = models.UUIDField(default=uuid.uuid4, help_text=_("The gift, as its owner calls it. Opaque here."))
    donor_key = models.CharField(max_length=64, help_text=_("The donor, for caps per donor. Opaque here."))
    amount_minor = models.BigIntegerField(help_text=_("The whole gift, without covered fees."))
    parts = models.JSONField(help_text=_("[[fund id, amount in minor units], ...] in order."))
    is_offline = models.BooleanField(default=False)
    submitted_at = models.DateTimeField()
    state = models.CharField(max_length=9, choices=State, default=State.HELD)
    held_until = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)
    refunded_minor = models.BigIntegerField(default=0, help_text=_("Of the gift, without covered fees."))
    explanation = models.JSONField(
        default=list,
        help_text=_("[[part, pool id, terms version, match in minor units, bound], ...] as considered."),
    )

    objects = ReservationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["key"],
                condition=Q(state__in=["held", "committed"]),
                name="one_live_reservation_per_gift",
            ),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="reservation_amount_is_positive"),
            models.CheckConstraint(
                condition=Q(refunded_minor__gte=0) & Q(refunded_minor__lte=F("amount_minor")),
                name="reservation_refunded_within_gift",
            ),
            models.CheckConstraint(
                condition=Q(state="held", resolved_at=None) | (~Q(state="held") & Q(resolved_at__isnull=False)),
                name="reservation_resolved_has_moment",
            ),
        ]
        indexes = [
            models.Index(fields=["held_until"], condition=Q(state="held"), name="reservation_held_until"),
            models.Index(
                fields=["campaign", "resolved_at"], condition=Q(state="committed"), name="reservation_committed"
            ),
            models.Index(fields=["donor_key"], name="reservation_donor"),
            models.Index(fields=["key", "id"], name="reservation_key"),
        ]
        triggers = triggers.RESERVATION

    def __str__(self) -> str:
        return self.reference

    def is_held_at(self, now: datetime) -> bool:
        return self.state == self.State.HELD and now < self.held_until

    @property
    def remaining_minor(self) -> int:
        """The gift less what was refunded of it."""
        return self.amount_minor - self.refunded_minor

    @property
    def match_minor(self) -> int:
        """What this reservation gives now, after reversals. Counts held money too; nothing when it lapsed."""
        if self.state not in (self.State.HELD, self.State.COMMITTED):
            return 0
        return sum(allocation.kept_minor for allocation in self.allocations.all())


class Allocation(models.Model):
    reservation = models.ForeignKey(Reservation, on_delete=models.PROTECT, related_name="allocations")
    pool = models.ForeignKey(MatchPool, on_delete=models.PROTECT, related_name="allocations")
    terms = models.ForeignKey(PoolTerms, on_delete=models.PROTECT, related_name="allocations")
    part_index = models.PositiveSmallIntegerField()
    round = models.PositiveSmallIntegerField(
        default=0, help_text=_("0: held at first; 1, 2 ...: added from freed money.")
    )
    basis_minor = models.BigIntegerField(help_text=_("What of the gift was not refunded when this was made."))
    fund_id = models.BigIntegerField(help_text=_("The fund of that part of the gift."))
    amount_minor = models.BigIntegerField()
    reversed_minor = models.BigIntegerField(default=0, help_text=_("Taken back by refunds; the ledger writes it."))

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["reservation", "pool", "part_index", "round"], name="one_allocation_per_part_pool_and_round"
            ),
            models.CheckConstraint(condition=Q(basis_minor__gt=0), name="allocation_basis_is_positive"),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="allocation_is_positive"),
            models.CheckConstraint(
                condition=Q(reversed_minor__gte=0) & Q(reversed_minor__lte=F("amount_minor")),
                name="allocation_reversed_within_amount",
            ),
        ]
        triggers = triggers.ALLOCATION

    def __str__(self) -> str:
        return f"{self.amount_minor} of pool {self.pool_id}"

    @property
    def kept_minor(self) -> int:
        return self.amount_minor - self.reversed_minor


class WaitingGift(models.Model):
    """A paid gift that would take more from this pool. Money in minor units; rows go when nothing more can come."""

    class WaitsFor(models.TextChoices):
        MONEY = "money", "free money"
        DONOR_CAP = "donor_cap", "room under the donor's cap"

    reservation = models.ForeignKey(Reservation, on_delete=models.CASCADE, related_name="waiting")
    pool = models.ForeignKey(MatchPool, on_delete=models.CASCADE, related_name="waiting")
    waits_for = models.CharField(max_length=9, choices=WaitsFor)
    donor_key = models.CharField(max_length=64)
    submitted_at = models.DateTimeField()

    class Meta:
        ordering = ["submitted_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["reservation", "pool"], name="a_gift_waits_once_for_a_pool"),
        ]
        indexes = [
            models.Index(
                fields=["pool", "submitted_at", "reservation"], condition=Q(waits_for="money"), name="waiting_for_money"
            ),
            models.Index(fields=["donor_key", "pool"], condition=Q(waits_for="donor_cap"), name="waiting_for_cap"),
        ]

    def __str__(self) -> str:
        return f"{self.reservation_id} for pool {self.pool_id}"
