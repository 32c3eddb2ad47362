"""Copies of the wall of recent gifts: thrown away when staff hide something, so that no later page brings it back."""

from datetime import datetime
from functools import partial

from django.db import transaction

from campaign import copies
from campaign.models import Campaign


def throw_away(*, campaign_id: int, now: datetime) -> None:
    """Let no copy from before this transaction be shown, finished or not.

    The wall's own copies have the moment in their names. Pages that are kept carry a mark, which changes once this is
    committed: with the cache away then, they end by themselves within about a minute.
    """
    Campaign.objects.filter(pk=campaign_id).update(wall_cleared_at=now)
    transaction.on_commit(partial(copies.change_mark, copies.CLEARED))
