from datetime import timedelta

from celery import shared_task
from django.conf import settings

from campaign.clock import database_now
from campaign.models import Campaign
from matching import challenges, heads, holds, watch


@shared_task
def expire_lapsed_holds() -> int:
    return holds.expire_lapsed(now=database_now())


@shared_task
def publish_ledger_head() -> None:
    heads.publish_head(now=database_now())


@shared_task
def check_ledger() -> int:
    """Check every pool in the time there is. Returns the findings; 0 also when another check has just run."""
    done = watch.check_by_timer(
        now=database_now(),
        longest_seconds=settings.CHECK_LEDGER_LONGEST_SECONDS,
        not_within=timedelta(seconds=settings.CHECK_LEDGER_SECONDS / 2),
    )
    return len(done.findings) if done else 0


@shared_task
def settle_challenges() -> None:
    """Unlock and award what is due, in every campaign that has pools."""
    for campaign in Campaign.objects.filter(match_pools__isnull=False).distinct():
        challenges.settle_challenges(campaign=campaign, now=database_now())
