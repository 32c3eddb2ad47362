"""Sponsors' money as a scarce resource, kept in one double-entry ledger.

Sponsor      who pays the match.
MatchPool    a sponsor's capped money in one campaign. Its row caches three balances (free, held, matched), its limit
             and the head of its chain; only the ledger's trigger writes them.
PoolTerms    one version of a pool's terms; never changed, a change is the next version. Layer `base` or `bonus`
             matches gifts; layer `award` gives a sum of its own when a challenge is met.
Reservation  match money held for one gift: HELD, then COMMITTED, RELEASED or EXPIRED, once. A committed one is VOIDED
             when its gift was corrected and another reservation took its place.
Allocation   how much of a reservation comes from which pool, for which part of the gift, under which terms. Round 0
             was held before the gift was paid; later rounds came from money that was freed afterwards.
WaitingGift  a paid gift that would take more from a pool: the queue for money that comes free, oldest gift first.
LedgerEntry  `amount_minor` moved from one account of a pool to another. Always positive; the accounts give the sign.

Accounts: `pledged` (outside: what the sponsor has promised), `free`, `held`, `matched`. The limit is what came from
`pledged`; free + held + matched = limit, always.

The database enforces (triggers in matching/triggers.py, constraints here): entries are never changed, deleted or
truncated; each continues its pool's chain and moves the pool's balances in the same statement; no balance below
zero; no balance, limit or chain head changes in any other way; only the moves in MOVES exist; a hold
resolves once; an allocation fits its gift, its pool and its terms, is opened by one hold or offer and moves exactly
its own amount in its own currency; an entry carries its gift's reference; a stopped pool gives no new match; only a
challenge awards, and no more is withdrawn than was awarded; terms, allocations and a reservation's gift never change,
versions of terms follow each other and the newest is in force; an unlocked pool stays so; a resolved reservation stays
as it is, but for what was refunded of a committed one and its becoming voided once nothing of it is left.
"""

import operator
import secrets
import uuid
from datetime import datetime
from functools import lru_cache, reduce
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator, validate_image_file_extension
from django.db import models
from django.db.models import F, Q

from campaign.models import Campaign
from matching import triggers
from matching.allocation import AWARD, BASE, BONUS, PoolState
from matching.check_records import LedgerCheck, PoolHalt  # noqa: F401 (Django looks for models here)
from matching.pause_records import PoolPause  # noqa: F401

GENESIS_HASH = "0" * 64
# Which accounts each reason moves money between; the database knows no other move.
MOVES = {
    "pledge": ("pledged", "free"),
    "unpledge": ("free", "pledged"),
    "hold": ("free", "held"),
    "commit": ("held", "matched"),
    "release": ("held", "free"),
    "expire": ("held", "free"),
    "reverse": ("matched", "free"),
    "restore": ("free", "matched"),
    "offer": ("free", "matched"),
    "award": ("free", "matched"),
    "withdraw": ("matched", "free"),
}
# Moves of a pool's own money, that belong to no gift.
GIFTLESS = ("pledge", "unpledge", "award", "withdraw")
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_reference() -> str:
    """A reservation's public name, as printed on receipts: `M-` and ten characters that read well aloud."""
    return "M-" + "".join(secrets.choice(_ALPHABET) for _ in range(10))


def _known_move() -> Q:
    moves = (Q(reason=reason, from_account=a, to_account=b) for reason, (a, b) in MOVES.items())
    return reduce(operator.or_, moves)


class Sponsor(models.Model):
    name = models.CharField(max_length=160, help_text="The full name, for staff and contracts.")
    public_name = models.CharField(max_length=160, help_text="As pages name the sponsor.")
    is_anonymous = models.BooleanField(default=False, help_text="Pages say “an anonymous sponsor”.")
    website = models.URLField(blank=True)
    logo = models.ImageField(upload_to="sponsors/", blank=True, validators=[validate_image_file_extension])

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def display_name(self) -> str:
        return "an anonymous sponsor" if self.is_anonymous else self.public_name


class MatchPool(models.Model):
    class Leftover(models.TextChoices):
        GIVEN = "given", "given to the organization anyway"
        KEPT = "kept", "kept by the sponsor"

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="match_pools")
    sponsor = models.ForeignKey(Sponsor, on_delete=models.PROTECT, related_name="pools")
    name = models.CharField(max_length=120, help_text="For staff, such as “Harbor Family, day-long match”.")
    currency = models.CharField(max_length=3, validators=[RegexValidator(r"^[A-Z]{3}$")])
    is_paused = models.BooleanField(default=False)
    halted_reason = models.CharField(
        max_length=300,
        blank=True,
        help_text="Set when the ledger check finds the pool at fault; no new match.",
    )
    leftover = models.CharField(max_length=5, choices=Leftover, default=Leftover.GIVEN)
    unlocked_at = models.DateTimeField(
        null=True, editable=False, help_text="When its challenge was met; once unlocked it stays so."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    form_key = models.CharField(max_length=64, blank=True, editable=False, help_text="Of the form that opened it.")

    current_terms = models.ForeignKey(
        "PoolTerms", null=True, editable=False, on_delete=models.PROTECT, related_name="+"
    )
    limit_minor = models.BigIntegerField(default=0, editable=False)
    free_minor = models.BigIntegerField(default=0, editable=False)
    held_minor = models.BigIntegerField(default=0, editable=False)
    matched_minor = models.BigIntegerField(default=0, editable=False)
    head_seq = models.BigIntegerField(default=0, editable=False)
    head_hash = models.CharField(max_length=64, default=GENESIS_HASH, editable=False)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["form_key"], condition=~Q(form_key=""), name="a_form_opens_one_pool"),
            models.CheckConstraint(condition=Q(free_minor__gte=0), name="pool_free_is_not_negative"),
            models.CheckConstraint(condition=Q(held_minor__gte=0), name="pool_held_is_not_negative"),
            models.CheckConstraint(condition=Q(matched_minor__gte=0), name="pool_matched_is_not_negative"),
            models.CheckConstraint(
                condition=Q(limit_minor=F("free_minor") + F("held_minor") + F("matched_minor")),
                name="pool_balances_make_the_limit",
            ),
        ]
        triggers = triggers.POOL

    def __str__(self) -> str:
        return self.name

    @property
    def terms(self) -> "PoolTerms":
        """The newest version. Raises PoolTerms.DoesNotExist for a pool that was never opened."""
        if self.current_terms_id is None:
            raise PoolTerms.DoesNotExist(f"{self} has no terms yet")
        return terms_by_id(self.current_terms_id)

    def terms_at(self, moment: datetime | None) -> "PoolTerms":
        """The terms as they stood at a moment, the newest for None; before the first version, the first."""
        return terms_at(self.terms.pk, moment)

    @property
    def is_stopped(self) -> bool:
        """Paused by staff, or halted by the ledger check: gives no new match."""
        return self.is_paused or bool(self.halted_reason)

    @property
    def is_locked(self) -> bool:
        """Its challenge is not met yet."""
        return self.terms.has_target and self.unlocked_at is None


class PoolTerms(models.Model):
    """One version of a pool's terms (design 3.1). Money in minor units; no value means no such term."""

    class Layer(models.TextChoices):
        BASE = BASE, "base: shares the gift with the other base pools"
        BONUS = BONUS, "bonus: matches the whole gift on top"
        AWARD = AWARD, "challenge: gives a sum of its own when its target is reached"

    pool = models.ForeignKey(MatchPool, on_delete=models.PROTECT, related_name="terms_versions")
    version = models.PositiveIntegerField()
    ratio_match = models.PositiveIntegerField(default=1)
    ratio_gift = models.PositiveIntegerField(default=1)
    min_gift_minor = models.PositiveBigIntegerField(default=0)
    cap_per_gift_minor = models.PositiveBigIntegerField(null=True, blank=True)
    cap_per_donor_minor = models.PositiveBigIntegerField(null=True, blank=True)
    opens_at = models.DateTimeField(null=True, blank=True)
    closes_at = models.DateTimeField(null=True, blank=True)
    fund_ids = ArrayField(models.BigIntegerField(), default=list, blank=True, help_text="None named means all.")
    priority = models.PositiveIntegerField(default=100, help_text="Lower comes first.")
    layer = models.CharField(max_length=5, choices=Layer, default=Layer.BASE)
    offline_gifts = models.BooleanField(default=True)
    unlock_donors = models.PositiveIntegerField(
        null=True, blank=True, help_text="Gives nothing until so many donors gave, each counted once."
    )
    unlock_raised_minor = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="Gives nothing until so much was raised."
    )
    reaches_back = models.BooleanField(default=False, help_text="Once unlocked, earlier gifts are matched too.")
    award_minor = models.PositiveBigIntegerField(null=True, blank=True, help_text="What a challenge met gives.")
    award_every = models.BooleanField(default=False, help_text="At every multiple of the target, not only the first.")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=60)

    class Meta:
        ordering = ["pool_id", "version"]
        constraints = [
            models.UniqueConstraint(fields=["pool", "version"], name="one_row_per_version_of_terms"),
            models.CheckConstraint(condition=Q(ratio_match__gt=0) & Q(ratio_gift__gt=0), name="terms_ratio_positive"),
            models.CheckConstraint(
                condition=Q(opens_at=None) | Q(closes_at=None) | Q(closes_at__gt=F("opens_at")),
                name="terms_window_is_not_empty",
            ),
            models.CheckConstraint(
                condition=Q(unlock_donors=None) | Q(unlock_raised_minor=None), name="terms_have_one_target"
            ),
            models.CheckConstraint(
                condition=(Q(unlock_donors=None) | Q(unlock_donors__gt=0))
                & (Q(unlock_raised_minor=None) | Q(unlock_raised_minor__gt=0)),
                name="terms_target_is_positive",
            ),
            models.CheckConstraint(
                condition=(~Q(layer="award") & Q(award_minor=None))
                | (Q(layer="award", award_minor__gt=0) & (Q(unlock_donors__gt=0) | Q(unlock_raised_minor__gt=0))),
                name="terms_award_has_sum_and_target",
            ),
        ]
        triggers = triggers.TERMS

    def __str__(self) -> str:
        return f"terms {self.version} of pool {self.pool_id}"

    @property
    def has_target(self) -> bool:
        """Whether something must happen first: so many donors, or so much raised."""
        return self.unlock_donors is not None or self.unlock_raised_minor is not None

    @property
    def matches_gifts(self) -> bool:
        return self.layer != self.Layer.AWARD

    def starts_at(self) -> datetime:
        """From when gifts count: the opening if one was set, else the moment the pool came into being."""
        return self.opens_at or opened_at(self.pool_id)

    def ends_at(self, *, campaign_closes_at: datetime) -> datetime:
        """When these terms end: no match outlives its campaign."""
        return min(self.closes_at or campaign_closes_at, campaign_closes_at)

    def state(
        self,
        *,
        campaign_closes_at: datetime,
        free_minor: int,
        donor_used_minor: int = 0,
        stopped: bool = False,
        unlocked_at: datetime | None = None,
        submitted_at: datetime | None = None,
    ) -> PoolState:
        """These terms with the money of a moment, as the arithmetic takes them.

        submitted_at: when the gift was sent; None for a gift sent now. A pool that unlocked later is locked for it,
        unless the pool reaches back.
        """
        is_early = submitted_at is not None and unlocked_at is not None and submitted_at < unlocked_at
        is_locked = self.has_target and (unlocked_at is None or (is_early and not self.reaches_back))
        return PoolState(
            id=self.pool_id,
            free_minor=free_minor,
            ratio=(self.ratio_match, self.ratio_gift),
            min_gift_minor=self.min_gift_minor,
            cap_per_gift_minor=self.cap_per_gift_minor,
            cap_per_donor_minor=self.cap_per_donor_minor,
            donor_used_minor=donor_used_minor,
            opens_at=self.starts_at(),
            closes_at=self.ends_at(campaign_closes_at=campaign_closes_at),
            funds=frozenset(self.fund_ids) if self.fund_ids else None,
            priority=self.priority,
            layer=self.layer,
            paused=stopped,
            locked=is_locked,
            offline_gifts=self.offline_gifts,
        )


@lru_cache(maxsize=512)
def terms_by_id(terms_id: int) -> PoolTerms:
    """One version of terms, remembered: such a row never changes."""
    return PoolTerms.objects.get(pk=terms_id)


def terms_at(current_terms_id: int, moment: datetime | None) -> PoolTerms:
    """A pool's terms as they stood at a moment, the current ones for None; before the first version, the first."""
    current = terms_by_id(current_terms_id)
    if moment is None or current.created_at <= moment:
        return current
    versions = versions_until(current_terms_id)
    return next((row for row in versions if row.created_at <= moment), versions[-1])


@lru_cache(maxsize=512)
def versions_until(current_terms_id: int) -> tuple[PoolTerms, ...]:
    """A pool's terms up to this version, the newest first, remembered: none of them changes or goes."""
    current = terms_by_id(current_terms_id)
    earlier = PoolTerms.objects.filter(pool_id=current.pool_id, version__lte=current.version)
    return tuple(earlier.order_by("-version"))


@lru_cache(maxsize=512)
def opened_at(pool_id: int) -> datetime:
    """When a pool came into being: the moment of its first terms, remembered since it never changes."""
    return PoolTerms.objects.get(pool_id=pool_id, version=1).created_at


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
    key = models.UUIDField(default=uuid.uuid4, help_text="The gift, as its owner calls it. Opaque here.")
    donor_key = models.CharField(max_length=64, help_text="The donor, for caps per donor. Opaque here.")
    amount_minor = models.BigIntegerField(help_text="The whole gift, without covered fees.")
    parts = models.JSONField(help_text="[[fund id, amount in minor units], ...] in order.")
    is_offline = models.BooleanField(default=False)
    submitted_at = models.DateTimeField()
    state = models.CharField(max_length=9, choices=State, default=State.HELD)
    held_until = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)
    refunded_minor = models.BigIntegerField(default=0, help_text="Of the gift, without covered fees.")
    explanation = models.JSONField(
        default=list,
        help_text="[[part, pool id, terms version, match in minor units, bound], ...] as considered.",
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
    round = models.PositiveSmallIntegerField(default=0, help_text="0: held at first; 1, 2 ...: added from freed money.")
    basis_minor = models.BigIntegerField(help_text="What of the gift was not refunded when this was made.")
    fund_id = models.BigIntegerField(help_text="The fund of that part of the gift.")
    amount_minor = models.BigIntegerField()
    reversed_minor = models.BigIntegerField(default=0, help_text="Taken back by refunds; the ledger writes it.")

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


class LedgerEntry(models.Model):
    """One move of money within a pool. `entry_hash` is the SHA-256 of chain_text(); see docs/ledger.md."""

    class Account(models.TextChoices):
        PLEDGED = "pledged"
        FREE = "free"
        HELD = "held"
        MATCHED = "matched"

    class Reason(models.TextChoices):
        PLEDGE = "pledge", "sponsor's pledge"
        UNPLEDGE = "unpledge", "pledge reduced"
        HOLD = "hold", "held for a gift"
        COMMIT = "commit", "gift paid"
        RELEASE = "release", "payment failed or cancelled"
        EXPIRE = "expire", "hold lapsed"
        REVERSE = "reverse", "gift refunded"
        RESTORE = "restore", "refund failed"
        OFFER = "offer", "freed money given to a paid gift"
        AWARD = "award", "challenge met"
        WITHDRAW = "withdraw", "challenge undone by refunds"

    pool = models.ForeignKey(MatchPool, on_delete=models.PROTECT, related_name="entries")
    seq = models.BigIntegerField(db_default=0, help_text="1, 2, 3 ... within the pool; the database counts.")
    from_account = models.CharField(max_length=7, choices=Account)
    to_account = models.CharField(max_length=7, choices=Account)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    reason = models.CharField(max_length=8, choices=Reason)
    allocation = models.ForeignKey(Allocation, null=True, on_delete=models.PROTECT, related_name="entries")
    reference = models.CharField(max_length=16, help_text="The reservation's reference, or empty.")
    actor = models.CharField(
        max_length=40,
        validators=[RegexValidator(r"^[a-z]+(:[0-9]+)?$")],
        help_text="donor, stripe, staff:7, system",
    )
    recorded_at = models.DateTimeField()
    prev_hash = models.CharField(max_length=64, db_default="")
    entry_hash = models.CharField(max_length=64, db_default="")

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "ledger entries"
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="entry_amount_is_positive"),
            models.UniqueConstraint(fields=["pool", "seq"], name="entry_seq_is_unique_in_pool"),
            models.CheckConstraint(
                condition=Q(reference__regex=r"^(M-[0-9A-Z]{10})?$") & Q(actor__regex=r"^[a-z]+(:[0-9]+)?$"),
                name="entry_text_is_plain",
            ),
            models.CheckConstraint(
                condition=(Q(reason__in=GIFTLESS) & Q(allocation=None))
                | (~Q(reason__in=GIFTLESS) & Q(allocation__isnull=False)),
                name="entry_names_its_allocation",
            ),
            models.UniqueConstraint(
                fields=["allocation"], condition=Q(reason__in=["hold", "offer"]), name="an_allocation_is_opened_once"
            ),
            models.UniqueConstraint(
                fields=["allocation"],
                condition=Q(reason__in=["commit", "release", "expire"]),
                name="a_hold_resolves_once",
            ),
            models.CheckConstraint(condition=_known_move(), name="entry_is_a_known_move"),
        ]
        triggers = triggers.ENTRY

    def __str__(self) -> str:
        return f"{self.pool_id}/{self.seq} {self.reason} {self.amount_minor}"

    def chain_text(self) -> str:
        """The text whose SHA-256 is entry_hash: eleven fields joined by `|`. The trigger builds the same."""
        moment = self.recorded_at.strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z"
        fields: list[Any] = [
            self.pool_id,
            self.seq,
            self.from_account,
            self.to_account,
            self.amount_minor,
            self.currency,
            self.reason,
            self.reference,
            self.actor,
            moment,
            self.prev_hash,
        ]
        return "|".join(str(field) for field in fields)


class LedgerKey(models.Model):
    """A public key that has signed heads. It stays published when another takes its place (matching/heads.py)."""

    key_id = models.CharField(max_length=8, unique=True, help_text="The first 8 digits of the key's SHA-256.")
    public_key = models.CharField(max_length=64, unique=True, help_text="Ed25519, hexadecimal.")
    first_used_at = models.DateTimeField()

    class Meta:
        ordering = ["first_used_at", "id"]
        triggers = triggers.immutable("keys")

    def __str__(self) -> str:
        return self.key_id


class SignedHead(models.Model):
    """Where every chain stood at one moment, signed, so that history cannot be rewritten unseen."""

    number = models.BigIntegerField(unique=True, help_text="1, 2, 3 ...")
    made_at = models.DateTimeField()
    text = models.TextField(help_text="What is signed; docs/public-ledger.md describes it.")
    sha256 = models.CharField(max_length=64, unique=True, help_text="Of the text, hexadecimal.")
    key = models.ForeignKey(LedgerKey, on_delete=models.PROTECT, related_name="heads")
    signature = models.CharField(max_length=128, help_text="Ed25519 over the text, hexadecimal.")

    class Meta:
        ordering = ["-number"]
        triggers = triggers.immutable("heads")

    def __str__(self) -> str:
        return f"head {self.number}"
