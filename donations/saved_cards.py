"""Cards saved at Stripe, for scheduled and monthly gifts: none is kept there for longer than it is needed."""

from donations import subscriptions
from donations.models import Donation, MonthlyGift

OVER = (Donation.State.PAID, Donation.State.FAILED, Donation.State.ABANDONED)


def forget(*, donation_id: int) -> int:
    """Remove at Stripe what was saved for a scheduled gift that is over, or for a monthly gift: all of it once that was
    stopped, before that the cards in whose place the donor gave another.

    How many cards and bank accounts were removed; none while they are needed. Safe to repeat. Two calls to Stripe for
    one card, four beside one that stays, outside any transaction. Raises the gateway's errors.
    """
    donation = Donation.objects.select_related("monthly").get(pk=donation_id)
    gone = _cards(donation.customer) if donation.state in OVER else []
    if donation.monthly is not None:
        gone += _not_charged(donation.monthly)
    for card in gone:
        subscriptions.forget_card(card)
    return len(gone)


def _not_charged(monthly: MonthlyGift) -> list[str]:
    """The cards of a monthly gift that no payment to come is made with.

    Read in this order: a card that is saved meanwhile is in no list, and one that takes its place now is named by both.
    """
    cards = _cards(monthly.customer)
    monthly.refresh_from_db()
    if monthly.state == MonthlyGift.State.STOPPED:
        return cards
    if not cards or not monthly.is_running:
        return []
    kept = {subscriptions.retrieve(monthly.subscription or "").payment_method}
    if monthly.setup_intent:  # its donor is at the card page
        kept.add(subscriptions.retrieve_saved_card(monthly.setup_intent).payment_method)
    return [card for card in cards if card not in kept] if any(kept) else []


def _cards(customer: str) -> list[str]:
    return subscriptions.cards_of(customer) if customer else []
