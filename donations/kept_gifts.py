"""Gifts that were kept while the pools were busy: written down without their match, which is decided after.

Somebody else may hold a pool's lock for longer than a donor should wait. Then the gift is kept as it was sent
(`Donation.awaits_match_since`), and whoever comes first decides its match: the payment page, which cannot be passed
before, or the timer. It is judged by the moment at which it was sent; the oldest gift goes first.
"""

from contextlib import suppress
from datetime import datetime

from django.db import connection, transaction
from django.utils.translation import gettext

from donations.giving import hold_fair_match, left_holding, let_go, locked_gift
from donations.models import Donation, GiftNote
from matching.ledger import SYSTEM, PoolsBusy

_PATIENCE_MS = 300  # for a lock; the donor's page asks again in a moment
_AT_ONCE = 50


def decide_waiting(*, now: datetime, up_to: Donation | None = None) -> int:
    """Decide the match of the gifts that wait for it, the oldest first; how many were decided.

    up_to: only this gift and those of its campaign that were sent before it. At most 50 of each campaign; stops where
    its pools are still busy: the next call goes on. Each gift is one short transaction that locks the gift, then its
    pools.
    """
    waiting = Donation.objects.awaiting_match()
    if up_to is not None:
        waiting = waiting.filter(campaign=up_to.campaign_id, submitted_at__lte=up_to.submitted_at)
    decided = 0
    for campaign_id in waiting.order_by("campaign_id").values_list("campaign_id", flat=True).distinct():
        with suppress(PoolsBusy):
            for donation_id in waiting.filter(campaign=campaign_id).values_list("pk", flat=True)[:_AT_ONCE]:
                decided += _decide(donation_id, now=now)
    return decided


@transaction.atomic
def _decide(donation_id: int, *, now: datetime) -> bool:
    """Hold what the pools give to the gift; False when somebody else was quicker. Raises PoolsBusy."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{_PATIENCE_MS}ms"])
    donation = locked_gift(donation_id)
    if donation.awaits_match_since is None or donation.state != Donation.State.STARTED:
        return False
    for left in left_holding(donation.donor_id):  # or the donor's own gift before this one stands in its way
        let_go(left, now=now, actor=SYSTEM)
    hold_fair_match(donation, submitted_at=donation.submitted_at, now=now)
    donation.awaits_match_since = None
    donation.save(update_fields=["awaits_match_since"])
    GiftNote.objects.create(donation=donation, at=now, actor=SYSTEM, text=gettext("The match was decided."))
    return True
