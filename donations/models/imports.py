"""A spreadsheet of gifts by check and cash: read, shown, confirmed, then entered row by row.

    PREVIEW -> RUNNING -> DONE
    PREVIEW -> DISCARDED                    nothing was entered

GiftImport   the file: its rows stand here from the upload on; no gift is made before a person confirms.
ImportRow    one row of it: what it says, what is wrong with it, and the gift it became.

Whether a row came before is decided by its `key`, which is the form key of the gift it makes: the database lets one
gift have it, however often and in however many files the row comes (import_rows.py makes the key).
"""

from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from campaign.models import Campaign


class GiftImport(models.Model):
    class State(models.TextChoices):
        PREVIEW = "preview", _("Waits for your decision")
        RUNNING = "running", _("Being entered")
        DONE = "done", _("Done")
        DISCARDED = "discarded", _("Discarded")

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="gift_imports")
    file_name = models.CharField(max_length=200)
    digest = models.CharField(max_length=64, help_text="SHA-256 of the file.")
    headings = models.JSONField(help_text="The file's own headings, for the file of bad rows.")
    remarks = models.JSONField(default=list, help_text="What a person should know of the file as a whole.")
    state = models.CharField(max_length=9, choices=State, default=State.PREVIEW)
    uploaded_by = models.CharField(max_length=40)
    uploaded_at = models.DateTimeField()
    confirmed_by = models.CharField(max_length=40, blank=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    due_at = models.DateTimeField(null=True, blank=True, help_text="When a worker may take it; one at a time does.")

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(state="running"), name="gift_import_due"),
            models.Index(fields=["campaign", "digest"], name="gift_import_digest"),
        ]

    def __str__(self) -> str:
        return self.file_name


class ImportRow(models.Model):
    class State(models.TextChoices):
        READY = "ready", _("Ready")
        BAD = "bad", _("To be corrected")
        BEFORE = "before", _("Imported before")
        ENTERED = "entered", _("Entered")
        FAILED = "failed", _("Could not be entered")

    gift_import = models.ForeignKey(GiftImport, on_delete=models.CASCADE, related_name="rows")
    number = models.PositiveIntegerField(help_text="The row's number in the spreadsheet; its headings are row 1.")
    state = models.CharField(max_length=7, choices=State)
    cells = models.JSONField(help_text="What the file says, as text, in the order of its headings.")
    gift = models.JSONField(null=True, help_text="What is to be entered (offline_gifts.OfflineGift).")
    problems = models.JSONField(default=list, help_text="[[heading, sentence], ...]: why it cannot be entered.")
    warnings = models.JSONField(default=list, help_text="[[heading, sentence], ...]: what a person should look at.")
    key = models.CharField(max_length=64, blank=True)
    amount_minor = models.BigIntegerField(null=True)
    received_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    last_error = models.CharField(max_length=500, blank=True)
    donation: Any = models.ForeignKey(
        "donations.Donation", null=True, blank=True, on_delete=models.PROTECT, related_name="import_rows"
    )

    class Meta:
        ordering = ["gift_import_id", "number"]
        constraints = [
            models.UniqueConstraint(fields=["gift_import", "number"], name="one_row_of_each_number"),
            models.CheckConstraint(
                condition=~Q(state="entered") | Q(donation__isnull=False), name="an_entered_row_names_its_gift"
            ),
        ]
        indexes = [
            models.Index(
                fields=["gift_import", "attempts", "received_at", "number"],
                condition=Q(state="ready"),
                name="import_row_ready",
            ),
            models.Index(fields=["gift_import", "state"], name="import_row_state"),
            models.Index(fields=["key"], condition=~Q(key=""), name="import_row_key"),
        ]

    def __str__(self) -> str:
        return f"row {self.number} of {self.gift_import_id}"
