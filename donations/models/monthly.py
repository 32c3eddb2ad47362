"""Gifts that come again each month, through Stripe's own subscriptions.

MonthlyGift     what a donor gives each month, and where that stands. Each payment is a Donation of its own.
MonthlyChange   its history: begun, changed, failed, stopped; what the donor is told by e-mail hangs on a row of it.
MonthlyProduct  what Stripe calls the thing that is paid for, one per campaign, made once.
"""

import pgtrigger
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from donations.models.tokens import new_token


class MonthlyGift(models.Model):
    """amount_minor, fee_minor: of each payment from the next one on. parts: [[fund id, minor units], ...].

    next_at: when the next payment is due, by Stripe; None when there is none. asked_at: when the question was asked
    whose answer stands here: of two answers that cross, the one asked for later counts.
    """

    class State(models.TextChoices):
        STARTED = "started", _("Not begun")
        ACTIVE = "active", _("Active")
        UNPAID = "unpaid", _("Payment failed")
        STOPPED = "stopped", _("Stopped")
        NEVER = "never", _("Never begun")

    RUNNING = (State.ACTIVE, State.UNPAID)

    campaign = models.ForeignKey("campaign.Campaign", on_delete=models.PROTECT, related_name="monthly_gifts")
    donor = models.ForeignKey("donations.Donor", on_delete=models.PROTECT, related_name="monthly_gifts")
    token = models.CharField(max_length=64, unique=True, default=new_token, editable=False)
    state = models.CharField(max_length=7, choices=State, default=State.STARTED)
    amount_minor = models.BigIntegerField()
    fee_minor = models.BigIntegerField(default=0)
    currency = models.CharField(max_length=3)
    parts = models.JSONField()
    customer = models.CharField(max_length=64, blank=True)
    subscription = models.CharField(max_length=64, null=True, unique=True)  # noqa: DJ001 - unique while unknown
    item = models.CharField(max_length=64, blank=True, help_text="The subscription's one item at Stripe.")
    setup_intent = models.CharField(max_length=64, blank=True, help_text="With which another card is being saved.")
    method_label = models.CharField(max_length=40, blank=True)
    method_last4 = models.CharField(max_length=4, blank=True)
    next_at = models.DateTimeField(null=True, blank=True)
    retry_at = models.DateTimeField(null=True, blank=True, help_text="When Stripe tries a failed payment again.")
    asked_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    stopped_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0) & Q(fee_minor__gte=0), name="monthly_is_positive"),
            models.CheckConstraint(
                condition=Q(state="stopped", stopped_at__isnull=False) | ~Q(state="stopped") & Q(stopped_at=None),
                name="monthly_stopped_has_moment",
            ),
        ]
        indexes = [
            models.Index(fields=["next_at"], condition=Q(state__in=["active", "unpaid"]), name="monthly_due"),
            models.Index(fields=["customer"], condition=~Q(customer=""), name="monthly_customer"),
        ]

    def __str__(self) -> str:
        return self.reference

    def get_absolute_url(self) -> str:
        return reverse("monthly", args=[self.token])

    @property
    def reference(self) -> str:
        return f"MG-{self.pk}"

    @property
    def total_minor(self) -> int:
        return self.amount_minor + self.fee_minor

    @property
    def is_running(self) -> bool:
        return self.state in self.RUNNING

    @property
    def method_text(self) -> str:
        if not self.method_last4:
            return self.method_label
        return gettext("%(method)s ending in %(last4)s") % {"method": self.method_label, "last4": self.method_last4}


class MonthlyChange(models.Model):
    """key: what makes a report of Stripe's the same report: an invoice and its attempt; empty for what people do.

    amount_minor, fee_minor: of the monthly gift from this moment on. text: a sentence, for staff and donor alike.
    """

    class Kind(models.TextChoices):
        BEGAN = "began", _("Begun")
        AMOUNT = "amount", _("Amount changed")
        DAY = "day", _("Day changed")
        CARD = "card", _("Way to pay changed")
        FAILED = "failed", _("Payment failed")
        STOPPED = "stopped", _("Stopped")

    monthly = models.ForeignKey(MonthlyGift, on_delete=models.CASCADE, related_name="changes")
    kind = models.CharField(max_length=7, choices=Kind)
    key = models.CharField(max_length=80, blank=True)
    at = models.DateTimeField()
    actor = models.CharField(max_length=40)
    text = models.CharField(max_length=300)
    amount_minor = models.BigIntegerField()
    fee_minor = models.BigIntegerField()
    retry_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["monthly", "kind", "key"], condition=~Q(key=""), name="monthly_reported_once"
            ),
            models.UniqueConstraint(fields=["monthly"], condition=Q(kind="stopped"), name="monthly_stops_once"),
        ]
        triggers = [pgtrigger.Protect(name="monthly_changes_stay", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.text


class MonthlyProduct(models.Model):
    campaign = models.OneToOneField("campaign.Campaign", on_delete=models.PROTECT, related_name="monthly_product")
    product = models.CharField(max_length=64)

    def __str__(self) -> str:
        return self.product
