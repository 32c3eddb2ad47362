"""Limits on attempts to pay, counted from the gifts themselves: what a card tester does many times, donors don't.

Only attempts that led to nothing count, so that hundreds of donors behind one hospital's address get through while a
list of stolen cards does not. No second store: with Redis gone the limits hold.
"""

from datetime import datetime, timedelta

from django.db.models import Q, QuerySet, Sum

from donations.models import Donation

WINDOW = timedelta(hours=1)
MOST_FROM_ONE_SOURCE = 60
MOST_WITH_ONE_EMAIL = 10
SENTENCE = (
    "We cannot take another card payment here just now, and nothing was charged. "
    "Please wait an hour, or give by phone or post."
)
_LED_TO_NOTHING = Q(state__in=[Donation.State.STARTED, Donation.State.FAILED, Donation.State.ABANDONED])


class TooManyAttempts(Exception):
    """This source or e-mail address has tried too often; the message is for the donor and gives nothing away."""


def refuse_too_many(donation: Donation, *, now: datetime) -> None:
    """Raise TooManyAttempts when the gift's source or e-mail has pressed Give too often for nothing lately."""
    lately = Donation.objects.filter(_LED_TO_NOTHING, submitted_at__gt=now - WINDOW).exclude(pk=donation.pk)
    from_source = lately.filter(source=donation.source) if donation.source else lately.none()
    with_email = lately.filter(donor_id=donation.donor_id)
    if _presses(from_source) >= MOST_FROM_ONE_SOURCE or _presses(with_email) >= MOST_WITH_ONE_EMAIL:
        raise TooManyAttempts(SENTENCE)


def _presses(gifts: QuerySet[Donation]) -> int:
    tries: int = gifts.aggregate(sum=Sum("tries"))["sum"] or 0
    return tries
