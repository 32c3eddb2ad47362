"""What happened to a gift afterwards: money that went back, corrections, and its history for staff."""

import pgtrigger
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from donations.models.gifts import Donation


class Reversal(models.Model):
    """Money that goes back: a refund, or a dispute. One row per object at Stripe, as its newest report says: changed_at
    is that report's moment by Stripe's clock.

    A gift that staff entered has at most one, OFFLINE: the whole of it was cancelled, and `status` says why.
    What counts as refunded is the sum of refunds not failed, of disputes lost and of cancellations; see
    payments.refunded_total().
    """

    class Kind(models.TextChoices):
        REFUND = "refund", _("Refund")
        DISPUTE = "dispute", _("Dispute")
        OFFLINE = "offline", _("Cancellation")

    class Cause(models.TextChoices):
        """Why a check or cash was cancelled, as the receipt that becomes void says it."""

        UNPAID = "returned_unpaid", _("The bank returned the check unpaid.")
        MISTAKE = "entered_by_mistake", _("The gift was entered by mistake.")
        GIVEN_BACK = "given_back", _("The gift was given back to the donor.")

    donation = models.ForeignKey(Donation, on_delete=models.PROTECT, related_name="reversals")
    kind = models.CharField(max_length=7, choices=Kind)
    stripe_id = models.CharField(max_length=64, unique=True)
    form_key = models.CharField(max_length=64, blank=True, help_text="Of the staff page's form that asked for it.")
    amount_minor = models.BigIntegerField()
    status = models.CharField(max_length=32, help_text="As Stripe words it.")
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [models.CheckConstraint(condition=Q(amount_minor__gt=0), name="reversal_is_positive")]

    def __str__(self) -> str:
        return f"{self.kind} {self.stripe_id}"


class GiftCorrection(models.Model):
    """What staff corrected of a gift by check or cash. changes: [[what, before, after], ...] as people read them.

    match_key_before: the key under which the match stood before, when the rules were run again; that reservation
    is still to be found. Written before the gift changes: the database asks for it.
    """

    FOR_STAFF = "Note"  # what donors never read

    donation = models.ForeignKey(Donation, on_delete=models.CASCADE, related_name="corrections")
    at = models.DateTimeField()
    actor = models.CharField(max_length=40)
    reason = models.CharField(max_length=200)
    changes = models.JSONField()
    match_key_before = models.UUIDField(null=True, unique=True)

    class Meta:
        ordering = ["id"]
        triggers = [pgtrigger.Protect(name="corrections_stay", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        """What changed, in sentences that the donor may read: `Amount was $50.00 and is $60.00.`"""
        told = [change for change in self.changes if change[0] != self.FOR_STAFF]
        # Translators: what staff corrected, such as: Amount was $50.00 and is $60.00.
        words = gettext("%(what)s was %(before)s and is %(after)s.")
        return " ".join(words % {"what": what, "before": before, "after": after} for what, before, after in told)


class GiftNote(models.Model):
    """One line of a gift's history, for staff. text: a sentence; actor: donor, stripe, staff:7, system."""

    donation = models.ForeignKey(Donation, on_delete=models.CASCADE, related_name="notes")
    at = models.DateTimeField()
    actor = models.CharField(max_length=40)
    text = models.CharField(max_length=300)

    class Meta:
        ordering = ["at", "id"]
        triggers = [pgtrigger.Protect(name="notes_stay", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.text
