"""What is kept of pausing: when a pool was paused and resumed, and by whom."""

from collections.abc import Iterable
from datetime import datetime

from django.db import models
from django.db.models import Q


class PoolPause(models.Model):
    """A pool that staff paused from paused_at on, and who let it go on; is_paused of the pool is the mark."""

    pool = models.ForeignKey("matching.MatchPool", on_delete=models.PROTECT, related_name="pauses")
    paused_at = models.DateTimeField()
    paused_by = models.CharField(max_length=40)
    resumed_at = models.DateTimeField(null=True)
    resumed_by = models.CharField(max_length=40, blank=True)

    class Meta:
        ordering = ["-paused_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["pool"], condition=Q(resumed_at=None), name="a_pool_is_paused_once_at_a_time"
            ),
            models.CheckConstraint(
                condition=Q(resumed_at=None, resumed_by="") | (Q(resumed_at__isnull=False) & ~Q(resumed_by="")),
                name="resumed_pause_names_who",
            ),
        ]

    def __str__(self) -> str:
        return f"pause of pool {self.pool_id}"

    def covers(self, moment: datetime) -> bool:
        return self.paused_at <= moment and (self.resumed_at is None or moment < self.resumed_at)


def paused_at(*, pool_ids: Iterable[int], moment: datetime) -> set[int]:
    """Which of these pools staff had paused at that moment: they give nothing to a gift sent then, however late it is
    matched. One query."""
    over = Q(resumed_at=None) | Q(resumed_at__gt=moment)
    pauses = PoolPause.objects.filter(over, pool_id__in=list(pool_ids), paused_at__lte=moment)
    return set(pauses.values_list("pool_id", flat=True))
