"""Months of the organization's books that are closed, and what was booked in each (donations/periods)."""

from datetime import date, timedelta

from django.db import models
from django.db.models import Q

from campaign import moments
from campaign.models import Fund
from donations import triggers
from donations.models.gifts import Donation


class Period(models.Model):
    """A closed month; an open one has no row. first_day: the first of the month, in each campaign's own time zone.

    Months close in order and stay closed: what comes later is an adjustment in the next one. Its totals are those of
    its lines, of which the database lets nobody add one or take one away. warnings: what stood open when it was closed.
    """

    first_day = models.DateField(unique=True)
    closed_at = models.DateTimeField()
    closed_by = models.CharField(max_length=40)
    line_count = models.PositiveIntegerField()
    warnings = models.JSONField(default=list)

    class Meta:
        ordering = ["-first_day"]
        default_permissions = ("view",)
        permissions = [("close_period", "Can close a month of the books")]
        constraints = [
            models.CheckConstraint(condition=Q(first_day__day=1), name="period_begins_on_the_first"),
        ]
        triggers = triggers.PERIOD

    def __str__(self) -> str:
        return moments.month_text(self.first_day)

    @property
    def slug(self) -> str:
        """As in the address of its page: `2026-12`."""
        return f"{self.first_day:%Y-%m}"


class PeriodLine(models.Model):
    """What a closing booked of one gift for one fund. Signed minor units: money that came is above zero.

    All lines of a gift together are what the gift was at the end of the last closed month. fee_minor: of the covered
    fee, on the line of the gift's first fund. day: of the gift, or of the last refund that the line is of. The names,
    codes and ids are copies as they were at the closing; refunds and payout hold several with a blank between.
    """

    class Kind(models.TextChoices):
        GIFT = "gift", "Gift"
        REFUND = "refund", "Refund"
        ADJUSTMENT = "adjustment", "Adjustment"

    period = models.ForeignKey(Period, on_delete=models.PROTECT, related_name="lines", db_index=False)
    number = models.PositiveIntegerField(help_text="1, 2 ... within the month.")
    donation = models.ForeignKey(Donation, on_delete=models.PROTECT, related_name="period_lines")
    fund = models.ForeignKey(Fund, on_delete=models.PROTECT, related_name="+", db_index=False)
    kind = models.CharField(max_length=10, choices=Kind)
    day = models.DateField()
    amount_minor = models.BigIntegerField()
    fee_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    fund_name = models.CharField(max_length=120)
    gl_code = models.CharField(max_length=40)
    campaign_name = models.CharField(max_length=120)
    method = models.CharField(max_length=16, blank=True)
    cheque_number = models.CharField(max_length=20, blank=True)
    receipt = models.CharField(max_length=20, blank=True)
    payment_intent = models.CharField(max_length=64, blank=True)
    charge = models.CharField(max_length=64, blank=True)
    refunds = models.TextField(blank=True)
    payout = models.TextField(blank=True)

    class Meta:
        ordering = ["period", "number"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["period", "number"], name="period_line_has_its_number"),
            models.CheckConstraint(condition=~Q(amount_minor=0, fee_minor=0), name="period_line_moves_money"),
        ]
        triggers = triggers.PERIOD_LINE

    def __str__(self) -> str:
        return f"{self.period_id}/{self.number}"


def following(first_day: date) -> date:
    """The first day of the month after."""
    return (first_day + timedelta(days=31)).replace(day=1)
