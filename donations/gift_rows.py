"""A gift as one line of a staff table: its funds, its match and its state in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import prefetch_related_objects
from django.utils.translation import gettext, gettext_lazy

from donations.models import Donation
from matching.queries import GiftMatch, gift_matches

# Tones are classes of staff.css; the words alone say everything.
_STATES = {
    Donation.State.STARTED: (gettext_lazy("At checkout"), "warn"),
    Donation.State.SCHEDULED: (gettext_lazy("Scheduled"), "warn"),
    Donation.State.PROCESSING: (gettext_lazy("Processing"), "warn"),
    Donation.State.PAID: (gettext_lazy("Paid"), "good"),
    Donation.State.FAILED: (gettext_lazy("Failed"), "bad"),
    Donation.State.ABANDONED: (gettext_lazy("Not completed"), "mute"),
}
_MATCHES = {
    "held": (gettext_lazy("Held"), "warn"),
    "committed": (gettext_lazy("Matched"), "good"),
    "released": (gettext_lazy("Released"), "mute"),
    "expired": (gettext_lazy("Hold lapsed"), "mute"),
    "voided": (gettext_lazy("Voided"), "mute"),
}


@dataclass(frozen=True)
class Pill:
    text: str
    tone: str


@dataclass(frozen=True)
class GiftRow:
    """match_minor: what the gift's match is now, held money included; None when it has none."""

    gift: Donation
    fund_names: str
    match_minor: int | None
    state: Pill


def state_pill(gift: Donation) -> Pill:
    return Pill(gettext("Disputed"), "bad") if gift.disputed_at else payment_pill(gift)


def payment_pill(gift: Donation) -> Pill:
    """How far the payment is and what was refunded of it, dispute or none."""
    if gift.refunded_minor and gift.is_offline:
        return Pill(gettext("Cancelled"), "mute")
    if gift.refunded_minor and gift.net_minor == 0:
        return Pill(gettext("Refunded"), "mute")
    if gift.refunded_minor:
        return Pill(gettext("Partly refunded"), "warn")
    text, tone = _STATES[Donation.State(gift.state)]
    return Pill(str(text), tone)


def match_pill(state: str, *, held_until: datetime, now: datetime, original_minor: int, match_minor: int) -> Pill:
    """A hold counts as lapsed from held_until on, whether or not the sweep has been.

    original_minor, match_minor: what the match was at first, and is now; of nothing nobody is told that it is matched.
    """
    if state == "committed" and not match_minor:
        return Pill(gettext("Taken back") if original_minor else gettext("No match"), "mute")
    text, tone = _MATCHES["expired" if state == "held" and held_until <= now else state]
    return Pill(str(text), tone)


def gift_rows(gifts: Sequence[Donation]) -> list[GiftRow]:
    """These gifts as lines, in their order: the same few queries however many there are."""
    prefetch_related_objects(list(gifts), "designations__fund")
    matches = gift_matches(keys=[gift.match_key for gift in gifts])
    return [_row(gift, matches.get(gift.match_key)) for gift in gifts]


def _row(gift: Donation, match: GiftMatch | None) -> GiftRow:
    names = ", ".join(part.fund.name for part in gift.designations.all())
    return GiftRow(gift, names, match.match_minor if match else None, state_pill(gift))
