"""Where a receipt is on its way to its donor, from the attempts to bring it (ReceiptSend) and the work still owed."""

from dataclasses import dataclass
from datetime import datetime

from donations.models import FollowUp, Receipt, ReceiptSend

SENT, POSTED = "sent", ReceiptSend.POSTED
DUE, LATE, FAILED, TO_POST = "due", "late", "failed", "to_post"


@dataclass(frozen=True, slots=True)
class Delivery:
    """state: `sent` or `posted` (at `at`), `due`, `late` (tried in vain, tried again), `failed` (a person must help),
    `to_post`. to_email: where it went or goes, empty for the post."""

    state: str
    to_email: str = ""
    at: datetime | None = None


def delivery_of(receipt: Receipt) -> Delivery:
    """How far this receipt has come. One query, two when it has not been sent."""
    attempts = list(receipt.sends.all())
    arrived = next((attempt for attempt in reversed(attempts) if attempt.outcome in (SENT, POSTED)), None)
    if arrived is not None:
        return Delivery(arrived.outcome, arrived.to_email, arrived.attempted_at)
    to_email = receipt.content["donor"]["email"]
    if not to_email:
        return Delivery(TO_POST)
    owed = FollowUp.objects.filter(
        donation_id=receipt.donation_id, kind=FollowUp.Kind.EMAIL, subject_id=receipt.pk, state=FollowUp.State.FAILED
    )
    if owed.exists():
        return Delivery(FAILED, to_email)
    return Delivery(LATE if any(attempt.outcome for attempt in attempts) else DUE, to_email)
