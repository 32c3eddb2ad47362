"""Receipts: proof of the donor's own payment; numbered, never edited, voided and replaced (donations/receipts.py)."""

from django.db import models
from django.db.models import Q

from donations import triggers


class ReceiptCounter(models.Model):
    """The last receipt number of a year; numbers have no gaps because the row is locked while one is used."""

    year = models.PositiveSmallIntegerField(primary_key=True)
    last_number = models.PositiveIntegerField(default=0)

    class Meta:
        triggers = triggers.RECEIPT_COUNTER

    def __str__(self) -> str:
        return f"{self.year}: {self.last_number}"


class Receipt(models.Model):
    """Proof of the donor's own payment. `content` holds every word and figure as issued (donations/receipts.py)."""

    donation = models.ForeignKey("donations.Donation", on_delete=models.PROTECT, related_name="receipts")
    number = models.CharField(max_length=20, unique=True, help_text="Such as 2026-000123.")
    version = models.PositiveSmallIntegerField(default=1)
    replaces = models.OneToOneField("self", null=True, blank=True, on_delete=models.PROTECT, related_name="replaced_by")
    receipt_date = models.DateField(help_text="The day of the gift in the campaign's time zone.")
    amount_minor = models.BigIntegerField(help_text="Paid and not refunded, fee included, in cents.")
    currency = models.CharField(max_length=3)
    content = models.JSONField()
    issued_at = models.DateTimeField()
    voided_at = models.DateTimeField(null=True, blank=True)
    void_reason = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["donation"], condition=Q(voided_at=None), name="one_valid_receipt_per_gift"
            ),
        ]
        triggers = triggers.RECEIPT

    def __str__(self) -> str:
        return self.number


class ReceiptSend(models.Model):
    """One attempt to bring a receipt to its donor: by e-mail, or by post when to_email is empty."""

    POSTED = "posted"

    receipt = models.ForeignKey(Receipt, on_delete=models.PROTECT, related_name="sends")
    to_email = models.EmailField(max_length=254, blank=True)
    message_id = models.CharField(max_length=200, blank=True)
    attempted_at = models.DateTimeField()
    outcome = models.CharField(max_length=300, blank=True, help_text="`sent`, `posted`, or what went wrong.")

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["receipt"], condition=Q(outcome="posted"), name="a_receipt_is_posted_once"),
        ]

    def __str__(self) -> str:
        return f"{self.receipt_id} to {self.to_email or 'the postal address'}"
