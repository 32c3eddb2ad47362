"""What donors say in public with their gift, once staff have read it (donations/public_messages.py)."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from donations.models.gifts import Donation


class GiftMessage(models.Model):
    """The donor's words. decided_at, decided_by: of the newest decision of staff; none while it waits."""

    class State(models.TextChoices):
        WAITING = "waiting", _("Waits to be read")
        SHOWN = "shown", _("Shown")
        DECLINED = "declined", _("Declined")
        HIDDEN = "hidden", _("Hidden again")

    LONGEST = 280

    donation = models.OneToOneField(Donation, on_delete=models.CASCADE, related_name="message")
    text = models.CharField(max_length=LONGEST)
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.CharField(max_length=40, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state="waiting", decided_at=None, decided_by="")
                | ~Q(state="waiting") & Q(decided_at__isnull=False) & ~Q(decided_by=""),
                name="message_is_decided_by_somebody",
            ),
        ]
        indexes = [models.Index(fields=["state", "-id"], name="message_state")]

    def __str__(self) -> str:
        return self.text
