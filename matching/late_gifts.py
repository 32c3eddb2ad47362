"""Gifts that come to the pools after their own moment: paid after the hold ended, by cheque or cash, or corrected.

They are judged by the moment they were submitted or received and by the rules as they stood then, and take from the
money that is free now.
"""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from matching.holds import (
    Gift,
    HoldAlreadyCommitted,
    HoldAlreadyVoided,
    KeyReused,
    answer_from_the_first,
    commit,
    latest,
    reserve,
)
from matching.ledger import STRIPE, Move, lock_pools, post
from matching.models import MatchPool, Reservation
from matching.refunds import lock_committed
from matching.waiting import make_room_under_caps


class GiftRefunded(Exception):
    """Part of the gift was refunded: its match cannot be worked out anew. Nothing was written."""


@answer_from_the_first
@transaction.atomic
def match_late(*, key: UUID, now: datetime, actor: str = STRIPE) -> tuple[Reservation, int]:
    """A payment succeeded after its hold lapsed or was released: match it again from free money (design 3.4).

    The rules are the ones that stood when the gift was submitted. Returns the reservation that now stands,
    committed, and the shortfall in minor units against what had been held (0 or more). A gift whose hold still
    stands is committed as it is. Raises NoReservation; HoldAlreadyCommitted, HoldAlreadyVoided; PoolsBusy.
    """
    earlier = latest(key)
    if earlier.state == Reservation.State.HELD:
        return commit(key=key, now=now, actor=actor), 0
    if earlier.state == Reservation.State.COMMITTED:
        raise HoldAlreadyCommitted(earlier)
    if earlier.state == Reservation.State.VOIDED:
        raise HoldAlreadyVoided(earlier)
    matched = _match(campaign_id=earlier.campaign_id, gift=Gift.of(earlier), now=now, actor=actor)
    shown = sum(allocation.amount_minor for allocation in earlier.allocations.all())
    return matched, max(0, shown - matched.match_minor)


@answer_from_the_first
@transaction.atomic
def match_offline(*, campaign_id: int, gift: Gift, now: datetime, actor: str) -> Reservation:
    """Match a gift by cheque or cash, as it was received at gift.submitted_at: held and committed in one step.

    gift.offline must be true; pools that take only gifts made on the site give nothing. A repeat with the same key
    returns the reservation that stands. Raises KeyReused if the key came with another gift; HoldAlreadyVoided if that
    gift was corrected since; PoolsBusy.
    One transaction; locks the pools that could give, by primary key.
    """
    if not gift.offline:
        raise ValueError("match_offline() is for offline gifts; a gift made on the site is held first")
    resolved = [Reservation.State.COMMITTED, Reservation.State.VOIDED]
    earlier = Reservation.objects.filter(key=gift.key, state__in=resolved).order_by("-id").first()
    if earlier is None:
        return _match(campaign_id=campaign_id, gift=gift, now=now, actor=actor)
    if earlier.state == Reservation.State.VOIDED:
        raise HoldAlreadyVoided(earlier)
    if Gift.of(earlier) != gift:
        raise KeyReused(f"{gift.key} was matched for another amount, fund, donor or moment")
    return earlier


@transaction.atomic
def correct(*, key: UUID, gift: Gift, now: datetime, actor: str) -> Reservation:
    """The gift was written down wrong (amount, fund, moment): take its match back and match the right one.

    gift: as it should have been, under a key of its own. What the wrong gift had is free for the right one; others
    cannot take it between. Returns the new reservation, committed; the old one is voided.
    Raises NoReservation when nothing is committed under `key`; GiftRefunded; PoolsBusy.
    One transaction; locks the old reservation, then every pool of the campaign.
    """
    wrong = lock_committed(key)
    if wrong.refunded_minor:
        raise GiftRefunded(wrong.reference)
    pools = lock_pools(MatchPool.objects.filter(campaign=wrong.campaign_id).values_list("pk", flat=True))
    kept = [row for row in wrong.allocations.all() if row.kept_minor]
    moves = [Move(pools[row.pool_id], "reverse", row.kept_minor, row, wrong.reference) for row in kept]
    post(moves, actor=actor, now=now)
    wrong.state = Reservation.State.VOIDED
    wrong.save(update_fields=["state"])
    wrong.waiting.all().delete()
    make_room_under_caps((row.pool_id, wrong.donor_key) for row in kept)
    return _match(campaign_id=wrong.campaign_id, gift=gift, now=now, actor=actor)


def _match(*, campaign_id: int, gift: Gift, now: datetime, actor: str) -> Reservation:
    """Hold and commit in one: the hold is over the moment it is made, so nobody can see it."""
    reserve(campaign_id=campaign_id, gift=gift, now=now, held_until=now, actor=actor)
    return commit(key=gift.key, now=now, actor=actor)
