from celery import shared_task

from campaign.clock import database_now
from campaign.unused_photographs import remove_unused


@shared_task
def remove_unused_photographs() -> int:
    return remove_unused(now=database_now())
