"""The sample's gifts: written as real ones are, from form to receipt, with only Stripe's answer made up.

So totals, match ledger, receipts and exports are true of each other. No e-mail is sent: the donors do not exist.
"""

from datetime import datetime, timedelta

from campaign.models import Campaign, Fund
from campaign.sample import content
from donations import giving, payments, receipts
from donations.gateway import ChargeDetails, Payment
from donations.models import Donation, FollowUp, StripeMovement

_PAYING = timedelta(seconds=50)  # from the form to the charge
_RECEIPT = timedelta(seconds=4)


def write_gifts(*, campaign: Campaign, now: datetime) -> int:
    """Write the gifts of the thirty hours before now, the oldest first, each paid and with its receipt."""
    funds = {fund.slug: fund.pk for fund in Fund.objects.all()}
    rows = content.gifts()
    for number, row in enumerate(rows, start=1):
        submitted_at = now - timedelta(minutes=int(row["minutes_ago"]))
        request = _request(row, number, campaign=campaign, funds=funds)
        donation = giving.start_gift(campaign=campaign, request=request, now=submitted_at)
        paid_at = submitted_at + _PAYING
        charge = _charge(row["paid_with"], number=number, charged_at=paid_at)
        payment = _payment(donation, charge, number=number)
        payments.settle(donation_id=donation.pk, payment=payment, now=paid_at)
        receipts.issue_receipt(donation_id=donation.pk, now=paid_at + _RECEIPT)
        _move_balance(donation, charge, number=number)
    FollowUp.objects.filter(donation__campaign=campaign).update(state=FollowUp.State.DONE)
    return len(rows)


def _move_balance(donation: Donation, charge: ChargeDetails, *, number: int) -> None:
    """What Stripe's balance would show, at its price for cards in the US: so the sample's books tie."""
    StripeMovement.objects.create(
        stripe_id=f"txn_sample_{number}",
        category="charge",
        source=charge.charge,
        charge=charge.charge,
        amount_minor=donation.total_minor,
        fee_minor=(donation.total_minor * 29 + 500) // 1000 + 30,
        currency=donation.currency,
        moved_at=charge.charged_at,
    )


def pools_open_at(*, now: datetime) -> datetime:
    """An hour before the first gift."""
    return now - timedelta(minutes=int(content.gifts()[0]["minutes_ago"])) - timedelta(hours=1)


def _request(row: dict[str, str], number: int, *, campaign: Campaign, funds: dict[str, int]) -> giving.GiftRequest:
    parts = tuple(_part(text, funds=funds) for text in row["gift"].split(" + "))
    amount_minor = sum(part_minor for _, part_minor in parts)
    city, region = _place(row["city"])
    source, medium, name = row["came_from"].split("/") if row["came_from"] else ("", "", "")
    return giving.GiftRequest(
        form_key=f"sample-gift-{number}",
        parts=parts,
        fee_minor=campaign.fee_to_cover_minor(amount_minor=amount_minor) if row["covers_fee"] == "yes" else 0,
        donor_name=row["name"],
        donor_email=row["email"],
        city=city,
        region=region,
        hides_name="name" in row["hides"],
        hides_amount="amount" in row["hides"],
        utm_source=source,
        utm_medium=medium,
        utm_campaign=name,
        team_id=next((team.pk for team in campaign.teams.all() if team.slug == row["team"]), None),
    )


def _part(text: str, *, funds: dict[str, int]) -> tuple[int, int]:
    """`education 1,000` as (fund id, minor units)."""
    slug, amount = text.split(" ")
    return funds[slug], content.minor(amount)


def _place(text: str) -> tuple[str, str]:
    """`Portland ME` as city and state; Massachusetts unless it says otherwise."""
    city, _, region = text.rpartition(" ")
    return (city, region) if len(region) == 2 else (text, "MA")


def _charge(paid_with: str, *, number: int, charged_at: datetime) -> ChargeDetails:
    """What Stripe would have said of the charge. The ids are no real ones, and say so."""
    label, _, last4 = paid_with.rpartition(" ")
    method = Donation.Method.WALLET if "," in label else Donation.Method.CARD
    return ChargeDetails(f"ch_sample_{number}", method, label, last4, charged_at)


def _payment(donation: Donation, charge: ChargeDetails, *, number: int) -> Payment:
    """What Stripe would have said of the payment."""
    return Payment(
        payment_intent=f"pi_sample_{number}",
        status="succeeded",
        amount_minor=donation.total_minor,
        currency=donation.currency,
        gift_key=str(donation.match_key),
        charge=charge,
    )
