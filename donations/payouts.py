"""Which movements of Stripe's balance are in which payout: what a deposit at the bank consists of.

Stripe lists an automatic payout's movements once it has put them together, which may be hours after the payout;
of one that somebody asked for by hand it never does. Read in a run through Stripe's lists (stripe_runs.py).
"""

from django.db.models import QuerySet

from donations import gateway, stripe_lists
from donations.models import StripeMovement

_TOGETHER, _NEVER = "completed", "not_applicable"


def read_page(cursor: str) -> str:
    """Note a page of a payout's movements; the cursor of the next page, empty when there is no payout left to read.

    cursor: `payout`, or `payout movement` within its list; empty to begin with the oldest payout that was not read.
    A payout is noted on its own movement when all of its list was read. Two calls to Stripe at most. Raises the
    gateway's errors. Killed anywhere, the payout is read again.
    """
    payout, _, after = cursor.partition(" ")
    payout = payout or _next_after("")
    if not payout:
        return ""
    state = _TOGETHER if after else gateway.payout_state(payout)
    if state == _TOGETHER:
        page = stripe_lists.paid_out(payout=payout, cursor=after)
        StripeMovement.objects.filter(stripe_id__in=page.rows).exclude(source=payout).update(payout=payout)
        if page.cursor:
            return f"{payout} {page.cursor}"
    if state in (_TOGETHER, _NEVER):
        _unread().filter(source=payout).update(payout=payout)
    return _next_after(payout)


def _unread() -> QuerySet[StripeMovement]:
    return StripeMovement.objects.filter(category="payout", payout="")


def _next_after(payout: str) -> str:
    """The next payout that was not read, in the order in which they were learnt of; empty after the last."""
    last = StripeMovement.objects.filter(category="payout", source=payout).order_by("pk").last()
    found = _unread().filter(pk__gt=last.pk if last else 0).order_by("pk").first()
    return found.source if found else ""
