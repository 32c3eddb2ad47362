"""What stands at Stripe beside the gifts' own payments: payments that fit no gift, warnings, what moved the balance.

StrayPayment      money that Stripe took and that we do not post by ourselves: another amount or currency, a second
                  payment of a gift, or no gift at all. Finance decides: refund it, accept it, or leave it.
FraudWarning      the card network thinks that a payment was fraud; no dispute yet.
StripeMovement    one balance transaction of Stripe's: a charge with its fee, a refund, a dispute, a payout.
StripeRun         one going-through of Stripe's lists (reconciliation.py), with where it stands and what it found.
"""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class StrayPayment(models.Model):
    class Why(models.TextChoices):
        AMOUNT = "amount", _("Another amount than the gift")
        CURRENCY = "currency", _("Another currency than the gift")
        SECOND = "second", _("A second payment of a gift that is paid")
        NO_GIFT = "no_gift", _("No gift of ours")

    class Decision(models.TextChoices):
        OPEN = "open", _("Not decided")
        REFUNDED = "refunded", _("Refunded")
        ACCEPTED = "accepted", _("Accepted as a gift")
        LEFT = "left", _("Left as it is")

    payment_intent = models.CharField(max_length=64, unique=True)
    charge = models.CharField(max_length=64, blank=True)
    donation = models.ForeignKey(
        "donations.Donation", null=True, on_delete=models.PROTECT, related_name="strays", help_text="Meant for."
    )
    accepted_as = models.OneToOneField(
        "donations.Donation", null=True, on_delete=models.PROTECT, related_name="stray_accepted"
    )
    why = models.CharField(max_length=8, choices=Why)
    amount_minor = models.BigIntegerField()
    refunded_minor = models.BigIntegerField(default=0)
    currency = models.CharField(max_length=3)
    made_at = models.DateTimeField(help_text="By Stripe's clock.")
    found_at = models.DateTimeField()
    decision = models.CharField(max_length=8, choices=Decision, default=Decision.OPEN)
    decided_at = models.DateTimeField(null=True)
    decided_by = models.CharField(max_length=40, blank=True)
    reason = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["-id"], condition=Q(decision="open"), name="stray_open")]
        constraints = [
            models.CheckConstraint(
                condition=Q(decision="open", decided_at=None) | ~Q(decision="open") & Q(decided_at__isnull=False),
                name="stray_decided_has_moment",
            ),
        ]

    def __str__(self) -> str:
        return self.payment_intent


class FraudWarning(models.Model):
    donation = models.ForeignKey("donations.Donation", on_delete=models.PROTECT, related_name="fraud_warnings")
    stripe_id = models.CharField(max_length=64, unique=True)
    fraud_type = models.CharField(max_length=60)
    created_at = models.DateTimeField(help_text="By Stripe's clock.")

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.fraud_words}, {self.stripe_id}"

    @property
    def fraud_words(self) -> str:
        """Stripe's word for it, as people write: made with stolen card."""
        return self.fraud_type.replace("_", " ")


class StripeMovement(models.Model):
    """amount_minor: signed, before the fee; what stays is amount_minor - fee_minor. source: the charge's, refund's or
    dispute's id at Stripe. Stripe never changes a balance transaction's sums, so neither do we."""

    stripe_id = models.CharField(max_length=64, unique=True)
    category = models.CharField(max_length=40, help_text="Stripe's reporting category.")
    source = models.CharField(max_length=64, blank=True)
    charge = models.CharField(max_length=64, blank=True, help_text="That the source is, or is of.")
    amount_minor = models.BigIntegerField()
    fee_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    moved_at = models.DateTimeField(help_text="By Stripe's clock.")
    payout = models.CharField(max_length=64, blank=True, help_text="That it is in, once Stripe has said so.")

    class Meta:
        ordering = ["moved_at", "id"]
        indexes = [
            models.Index(fields=["moved_at"], name="stripe_movement_moved"),
            models.Index(fields=["source"], name="stripe_movement_source"),
            models.Index(fields=["id"], condition=Q(category="payout", payout=""), name="stripe_payout_unread"),
        ]

    def __str__(self) -> str:
        return f"{self.category} {self.stripe_id}"


class StripeRun(models.Model):
    """since: from when on objects are gone through. step, cursor: where it stands. found: {what: how many}."""

    started_at = models.DateTimeField()
    started_by = models.CharField(max_length=40)
    since = models.DateTimeField()
    step = models.CharField(max_length=12)
    cursor = models.CharField(max_length=64, blank=True)
    found = models.JSONField(default=dict)
    leased_until = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(models.Value(1), condition=Q(finished_at=None), name="one_stripe_run_at_a_time"),
        ]

    def __str__(self) -> str:
        return f"since {self.since}"


class TickOff(models.Model):
    """Somebody looked at a thing that needed a person and says what came of it: it leaves the list.

    kind, subject_id: which thing (attention.py). version: how it was then; when it changes it is listed again.
    """

    kind = models.CharField(max_length=12)
    subject_id = models.BigIntegerField()
    version = models.BigIntegerField()
    at = models.DateTimeField()
    actor = models.CharField(max_length=40)
    reason = models.CharField(max_length=200)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["kind", "subject_id", "version"], name="ticked_off_once"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject_id}"
