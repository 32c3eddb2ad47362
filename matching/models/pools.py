"""Sponsors, their pools of money, and the terms under which these give."""

from datetime import datetime
from functools import lru_cache
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator, validate_image_file_extension
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from campaign.models import Campaign
from matching import triggers
from matching.allocation import AWARD, BASE, BONUS, PoolState

GENESIS_HASH = "0" * 64


class Sponsor(models.Model):
    name = models.CharField(max_length=160, help_text=_("The full name, for staff and contracts."))
    public_name = models.CharField(max_length=160, help_text=_("As pages name the sponsor."))
    is_anonymous = models.BooleanField(default=False, help_text=_("Pages say “an anonymous sponsor”."))
    website = models.URLField(blank=True)
    logo = models.ImageField(upload_to="sponsors/", blank=True, validators=[validate_image_file_extension])

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def display_name(self) -> str:
        return gettext("an anonymous sponsor") if self.is_anonymous else self.public_name


class MatchPool(models.Model):
    class Leftover(models.TextChoices):
        GIVEN = "given", "given to the organization anyway"
        KEPT = "kept", "kept by the sponsor"

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="match_pools")
    sponsor = models.ForeignKey(Sponsor, on_delete=models.PROTECT, related_name="pools")
    name = models.CharField(max_length=120, help_text=_("For staff, such as “Harbor Family, day-long match”."))
    currency = models.CharField(max_length=3, validators=[RegexValidator(r"^[A-Z]{3}$")])
    is_paused = models.BooleanField(default=False)
    halted_reason = models.CharField(
        max_length=300,
        blank=True,
        help_text=_("Set when the ledger check finds the pool at fault; no new match."),
    )
    leftover = models.CharField(max_length=5, choices=Leftover, default=Leftover.GIVEN)
    unlocked_at = models.DateTimeField(
        null=True, editable=False, help_text=_("When its challenge was met; once unlocked it stays so.")
    )
    created_at = models.DateTimeField(auto_now_add=True)
    form_key = models.CharField(max_length=64, blank=True, editable=False, help_text=_("Of the form that opened it."))

    current_terms = models.ForeignKey(
        "PoolTerms", null=True, editable=False, on_delete=models.PROTECT, related_name="+"
    )
    limit_minor = models.BigIntegerField(default=0, editable=False)
    free_minor = models.BigIntegerField(default=0, editable=False)
    held_minor = models.BigIntegerField(default=0, editable=False)
    matched_minor = models.BigIntegerField(default=0, editable=False)
    head_seq = models.BigIntegerField(default=0, editable=False)
    head_hash = models.CharField(max_length=64, default=GENESIS_HASH, editable=False)

    # Of an object that staff preview, which is never saved (shown_states.py): what is shown instead of what is.
    shown_terms: "PoolTerms | None" = None
    shown_progress: Any = None

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
        return self.shown_terms or terms_by_id(self.current_terms_id)

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
    fund_ids = ArrayField(models.BigIntegerField(), default=list, blank=True, help_text=_("None named means all."))
    priority = models.PositiveIntegerField(default=100, help_text=_("Lower comes first."))
    layer = models.CharField(max_length=5, choices=Layer, default=Layer.BASE)
    offline_gifts = models.BooleanField(default=True)
    unlock_donors = models.PositiveIntegerField(
        null=True, blank=True, help_text=_("Gives nothing until so many donors gave, each counted once.")
    )
    unlock_raised_minor = models.PositiveBigIntegerField(
        null=True, blank=True, help_text=_("Gives nothing until so much was raised.")
    )
    reaches_back = models.BooleanField(default=False, help_text=_("Once unlocked, earlier gifts are matched too."))
    award_minor = models.PositiveBigIntegerField(null=True, blank=True, help_text=_("What a challenge met gives."))
    award_every = models.BooleanField(
        default=False, help_text=_("At every multiple of the target, not only the first.")
    )
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
