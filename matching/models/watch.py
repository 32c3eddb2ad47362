"""What is kept of the watch over the ledger: each check by timer, and each time a pool was halted."""

from django.db import models
from django.db.models import Q


class LedgerCheck(models.Model):
    """One check by timer. A pool that the time did not suffice for is named, and comes first in the next check."""

    started_at = models.DateTimeField()
    seconds = models.FloatField()
    pool_count = models.PositiveIntegerField(help_text="Pools checked.")
    entry_count = models.PositiveBigIntegerField(help_text="Entries read.")
    findings = models.JSONField(default=list, help_text="[[pool id, what is off], ...]")
    unchecked = models.JSONField(default=list, help_text="Ids of the pools that were not reached in time.")

    class Meta:
        ordering = ["-started_at"]
        indexes = [models.Index(fields=["-started_at"], name="ledger_check_started")]

    def __str__(self) -> str:
        return f"ledger check of {self.started_at:%Y-%m-%d %H:%M:%S}"

    @property
    def pools_at_fault(self) -> int:
        return len({pool_id for pool_id, _ in self.findings})

    def findings_of(self, pool_id: int) -> list[str]:
        return [text for pool, text in self.findings if pool == pool_id]


class PoolHalt(models.Model):
    """A pool that gave no new match from halted_at on, and who let it go on; halted_reason of the pool is the mark."""

    pool = models.ForeignKey("matching.MatchPool", on_delete=models.PROTECT, related_name="halts")
    reason = models.CharField(max_length=300)
    halted_at = models.DateTimeField()
    told_at = models.DateTimeField(null=True, help_text="When the operators were told by e-mail and in the log.")
    resumed_at = models.DateTimeField(null=True)
    resumed_by = models.CharField(max_length=40, blank=True)

    class Meta:
        ordering = ["-halted_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["pool"], condition=Q(resumed_at=None), name="a_pool_is_halted_once_at_a_time"
            ),
            models.CheckConstraint(
                condition=Q(resumed_at=None, resumed_by="") | (Q(resumed_at__isnull=False) & ~Q(resumed_by="")),
                name="resumed_pool_names_who",
            ),
        ]

    def __str__(self) -> str:
        return f"halt of pool {self.pool_id}"
