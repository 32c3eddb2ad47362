"""Limits on attempts to pay, counted from the gifts themselves: what a card tester does many times, donors don't.

Only attempts that led to nothing count, so that hundreds of donors behind one hospital's address get through while a
list of stolen cards does not. No second store: with Redis gone the limits hold.
"""

from datetime import datetime, timedelta

from django.db.models import Q, QuerySet, Sum

from donations.models import Donation
from matching.ledger import PoolsBusy
from matching.models import Allocation, Reservation

WINDOW = timedelta(hours=1)
MOST_FROM_ONE_SOURCE = 60
MOST_WITH_ONE_EMAIL = 10
SENTENCE = (
    "We cannot take another card payment here just now, and nothing was charged. "
    "Please wait an hour, or give by phone or post."
)
HELD_SENTENCE = (
    "Gifts that were begun from your network and are not paid yet hold very much match money already. "
    "Please pay or leave one of them first, or try again in a quarter of an hour."
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


class TooMuchHeld(PoolsBusy):
    """Gifts begun by this source and not paid hold so much match that it has to pay or leave one first."""


def refuse_too_much_held(*, source: str, form_key: str, most_minor: int, now: datetime) -> None:
    """Raise TooMuchHeld when a source's other unpaid gifts hold most_minor of match money or more.

    A form costs nothing: without this one computer could hold every pool, and again when the holds lapse. Counted in
    money, not in gifts, so that all of a hospital's staff can give at the same time. source: sources.source_of;
    empty is never refused. form_key: of the gift to be held, whose own hold does not count.
    Writes nothing; senders at the same moment may pass together, as many as there are threads.
    """
    if not source:
        return
    unpaid = Donation.objects.filter(source=source, state=Donation.State.STARTED).exclude(form_key=form_key)
    held = Allocation.objects.filter(
        reservation__state=Reservation.State.HELD,
        reservation__held_until__gt=now,
        reservation__key__in=unpaid.values("match_key"),
    ).aggregate(sum=Sum("amount_minor"))
    if (held["sum"] or 0) >= most_minor:
        raise TooMuchHeld(f"unpaid gifts of {source} hold {held['sum']}")


def _presses(gifts: QuerySet[Donation]) -> int:
    tries: int = gifts.aggregate(sum=Sum("tries"))["sum"] or 0
    return tries
