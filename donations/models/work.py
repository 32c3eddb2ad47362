"""Work that is owed, as rows: Stripe's events to be applied, and what follows a gift (docs/decisions/0005)."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from donations.models.gifts import Donation


class StripeEvent(models.Model):
    class State(models.TextChoices):
        RECEIVED = "received", _("Received")
        APPLIED = "applied", _("Applied")
        IGNORED = "ignored", _("Ignored")
        FAILED = "failed", _("waits for a person")

    class Ignored(models.TextChoices):
        TYPE = "type", _("A type that we make no use of")
        VERSION = "version", _("Made by a newer version of Stripe's API than ours")
        NO_GIFT = "no_gift", _("About a payment that is no gift of ours")
        UNPAID = "unpaid", _("About a payment that is not its gift's, and nothing was charged")

    event_id = models.CharField(max_length=64, unique=True)
    type = models.CharField(max_length=80)
    api_version = models.CharField(max_length=40, blank=True)
    livemode = models.BooleanField(default=False)
    payload = models.JSONField()
    payment_intent = models.CharField(max_length=64, blank=True, help_text="The payment it speaks of, if any.")
    created_at = models.DateTimeField(help_text="By Stripe's clock.")
    received_at = models.DateTimeField(auto_now_add=True)
    state = models.CharField(max_length=8, choices=State, default=State.RECEIVED)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField()
    last_error = models.TextField(blank=True)
    why_ignored = models.CharField(max_length=8, blank=True, choices=Ignored)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["type", "api_version"], condition=Q(state="ignored"), name="stripe_event_ignored"),
            models.Index(fields=["due_at"], condition=Q(state="received"), name="stripe_event_due"),
            models.Index(fields=["-id"], condition=Q(state="failed"), name="stripe_event_failed"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"


class FollowUp(models.Model):
    """Work owed for a gift. subject_id: the receipt for e-mails and for a returned gift, the match it has now for added
    match, the line of its history for a monthly gift, which news for a scheduled one, 0 otherwise."""

    class Kind(models.TextChoices):
        RECEIPT = "receipt", _("Issue the receipt")
        EMAIL = "email", _("E-mail the receipt")
        MATCH = "match", _("Tell the donor of added match")
        MONTHLY = "monthly", _("Tell the donor about the monthly gift")
        SCHEDULE = "schedule", _("Tell the donor about the scheduled gift")
        REFUSED = "refused", _("Tell the donor that the bank did not pay")
        REMINDER = "reminder", _("Remind the donor, who asked for it")
        CARD = "card", _("Forget the saved card")
        RETURNED = "returned", _("Tell the donor that the gift was returned")
        ECARD = "ecard", _("Send the e-card about the tribute")
        RELEASE = "release", _("Let the match of a gift go that was left")

    class State(models.TextChoices):
        DUE = "due", _("Due")
        DONE = "done", _("Done")
        FAILED = "failed", _("waits for a person")

    donation = models.ForeignKey(Donation, on_delete=models.CASCADE, related_name="follow_ups")
    kind = models.CharField(max_length=8, choices=Kind)
    subject_id = models.BigIntegerField(default=0)
    state = models.CharField(max_length=6, choices=State, default=State.DUE)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField()
    last_error = models.TextField(blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["donation", "kind", "subject_id"], name="work_is_owed_once"),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(state="due"), name="follow_up_due"),
            models.Index(fields=["kind", "donation"], condition=Q(state="failed"), name="follow_up_failed"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} for {self.donation_id}"
