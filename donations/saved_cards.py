"""Cards saved at Stripe, for scheduled and monthly gifts: none is kept there for longer than it is needed."""

from donations import subscriptions
from donations.models import Donation, MonthlyGift

OVER = (Donation.State.PAID, Donation.State.FAILED, Donation.State.ABANDONED)


def forget(*, donation_id: int) -> int:
    """Remove at Stripe what was saved for a scheduled gift that is over, or for a monthly gift that was stopped.

    How many cards and bank accounts were removed; none while they are needed. Safe to repeat. Two calls to Stripe for
    one card, outside any transaction. Raises the gateway's errors.
    """
    donation = Donation.objects.select_related("monthly").get(pk=donation_id)
    monthly = donation.monthly
    customers = [donation.customer] if donation.state in OVER else []
    if monthly is not None and monthly.state == MonthlyGift.State.STOPPED:
        customers.append(monthly.customer)
    return sum(subscriptions.forget_cards(customer) for customer in customers if customer)
