"""People who wish to hear by e-mail that the campaign has begun, and the mails that are owed to them."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from campaign.models import Campaign
from donations.models.work import FollowUp


class OpeningReminder(models.Model):
    """One address for one campaign. It is written to about the opening only once its owner has confirmed it.

    Kept until the campaign is over, stopped ones too: so that nobody can have us ask the same address again and again.
    """

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="opening_reminders")
    email = models.EmailField(max_length=254)
    source = models.CharField(max_length=16, blank=True, help_text="The network that asked last, as a keyed hash.")
    asked_at = models.DateTimeField(help_text="When it was asked for last.")
    times_asked = models.PositiveSmallIntegerField(default=1, help_text="Mails that asked for the confirmation.")
    confirmed_at = models.DateTimeField(null=True)
    stopped_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["campaign", "email"], name="one_opening_reminder_per_address"),
            models.CheckConstraint(
                condition=Q(confirmed_at=None) | Q(stopped_at=None), name="opening_reminder_is_wanted_or_not"
            ),
        ]
        indexes = [
            models.Index(fields=["asked_at"], name="opening_reminder_asked"),
            models.Index(fields=["source", "asked_at"], name="opening_reminder_source"),
        ]

    def __str__(self) -> str:
        return f"{self.email}, {self.campaign}"


class OpeningMail(models.Model):
    """A mail owed to such an address, as work.py takes it: the question, then the news."""

    class Kind(models.TextChoices):
        QUESTION = "question", _("Ask whether the reminder is wanted")
        OPENING = "opening", _("Tell that the campaign has begun")

    State = FollowUp.State

    reminder = models.ForeignKey(OpeningReminder, on_delete=models.CASCADE, related_name="mails")
    kind = models.CharField(max_length=8, choices=Kind)
    state = models.CharField(max_length=6, choices=FollowUp.State, default=FollowUp.State.DUE)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField()
    last_error = models.TextField(blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["reminder", "kind"], name="opening_mail_is_owed_once")]
        indexes = [models.Index(fields=["due_at"], condition=Q(state="due"), name="opening_mail_due")]

    def __str__(self) -> str:
        return f"{self.kind} for {self.reminder_id}"
