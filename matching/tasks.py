from celery import shared_task

from campaign.clock import database_now
from matching import heads, holds


@shared_task
def expire_lapsed_holds() -> int:
    return holds.expire_lapsed(now=database_now())


@shared_task
def publish_ledger_head() -> None:
    heads.publish_head(now=database_now())
