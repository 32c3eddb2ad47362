"""What keeps thieves out and Stripe within its limits: failed tries, the check of payers, the pace and the health.

FailedTry     one card that Stripe reported as declined, under its charge's id; counted by where it came from.
PayerCheck    the one row that says whether every payer has to prove some work first, why and since when.
UsedProof     a solved proof of work that was taken; none is taken twice.
StripePace    for each endpoint of Stripe, when the next call may go out.
StripeHealth  the one row that says whether Stripe counts as down.
"""

from django.db import models
from django.utils.translation import gettext_lazy as _


class FailedTry(models.Model):
    """source, session, donor: of the gift. fingerprint: of the card, by Stripe; the same card has the same one."""

    donation = models.ForeignKey("donations.Donation", on_delete=models.CASCADE, related_name="failed_tries")
    stripe_id = models.CharField(max_length=128, unique=True)
    at = models.DateTimeField()
    donor_id = models.BigIntegerField()
    source = models.CharField(max_length=16, blank=True)
    session = models.CharField(max_length=16, blank=True)
    fingerprint = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["at"], name="failed_at"),
            models.Index(fields=["source", "at"], condition=~models.Q(source=""), name="failed_source"),
            models.Index(fields=["session", "at"], condition=~models.Q(session=""), name="failed_session"),
            models.Index(fields=["fingerprint", "at"], condition=~models.Q(fingerprint=""), name="failed_card"),
            models.Index(fields=["donor_id", "at"], name="failed_donor"),
        ]

    def __str__(self) -> str:
        return self.stripe_id


class PayerCheck(models.Model):
    class Mode(models.TextChoices):
        AUTO = "auto", _("By itself")
        ON = "on", _("On, by hand")
        OFF = "off", _("Off, by hand")

    mode = models.CharField(max_length=4, choices=Mode, default=Mode.AUTO)
    changed_at = models.DateTimeField(null=True)
    changed_by = models.CharField(max_length=40, blank=True)
    on_since = models.DateTimeField(null=True, help_text="When the trouble began that switched it on by itself.")
    last_trouble_at = models.DateTimeField(null=True)
    why = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="one_payer_check")]

    def __str__(self) -> str:
        return self.get_mode_display()


class UsedProof(models.Model):
    challenge = models.CharField(max_length=64, primary_key=True)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.challenge


class StripePace(models.Model):
    """next_at: by the database's clock; in the future when calls stand in line."""

    endpoint = models.CharField(max_length=80, primary_key=True)
    next_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.endpoint


class StripeHealth(models.Model):
    failures = models.PositiveIntegerField(default=0, help_text="Unanswered calls, less the answered ones since.")
    counting_since = models.DateTimeField()
    down_since = models.DateTimeField(null=True)
    probe_at = models.DateTimeField(help_text="While it is down: when the next call may try whether it is up again.")
    last_error = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="one_stripe_health")]

    def __str__(self) -> str:
        return "down" if self.down_since else "up"
