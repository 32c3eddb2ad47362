"""What a gift's own page says: what became of it (payment_page.py: the step before)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from django.utils.translation import gettext

from campaign.models import Fund, Organization
from campaign.moments import clock_text, when_text
from campaign.moments import moment_text as day_and_clock
from donations import receipt_delivery
from donations.models import Donation, Receipt, Reversal
from donations.queries import split_left
from donations.receipt_content import came_back_because
from donations.receipt_delivery import Delivery, delivery_of
from donations.schedule_mail import moment_text
from donations.sharing import Share, share_of
from matching.explanation import explanations
from matching.explanation_wording import donor_sentences
from matching.queries import GiftMatch, gift_match
from matching.wording import listed

FOLLOW_FOR = timedelta(minutes=5)
RECEIPT_EXPECTED_WITHIN = timedelta(minutes=2)
MAIL_EXPECTED_WITHIN = timedelta(seconds=30)
_NOT_FIRST_NAMES = {"the", "mr", "mrs", "ms", "mx", "miss", "dr", "prof", "rev", "sir", "sister", "father", "st"}


def first_name(donor_name: str) -> str:
    """How the page greets: `Marta` for “Marta Reyes”, the whole name for “The Smith Family” or “Pier Bank & Co.”."""
    words = donor_name.split()
    is_person = len(words) in (2, 3) and all(
        word.replace("-", "").replace("’", "").replace("'", "").isalpha() for word in words
    )
    return words[0] if is_person and words[0].lower() not in _NOT_FIRST_NAMES else donor_name


def until_text(moment: datetime, *, gift: Donation, now: datetime) -> str:
    local, today = moment.astimezone(gift.campaign.tz), now.astimezone(gift.campaign.tz).date()
    return clock_text(local) if local.date() == today else day_and_clock(local)


@dataclass(frozen=True, slots=True)
class SponsorShare:
    sponsor_name: str
    amount_minor: int


def sponsor_shares(match: GiftMatch | None) -> list[SponsorShare]:
    """Each sponsor's part of a match, in order, each sponsor once; nothing of a match that gives nothing."""
    totals: dict[str, int] = {}
    for line in match.lines if match and match.match_minor else []:
        totals[line.sponsor_name] = totals.get(line.sponsor_name, 0) + line.amount_minor
    return [SponsorShare(name, amount) for name, amount in totals.items() if amount]


@dataclass(frozen=True)
class GiftPage:
    """The donor's page. Both moments by the server's clock, at most `now`.

    arrived_at: when the donor came. asked_after: what Stripe said after it counts, what it said before is too old.
    has_answer: Stripe was asked for this very page and answered.
    """

    gift: Donation
    now: datetime
    arrived_at: datetime
    asked_after: datetime
    has_answer: bool = False

    @cached_property
    def match(self) -> GiftMatch | None:
        return gift_match(key=self.gift.match_key)

    @cached_property
    def why(self) -> list[str]:
        """Why the gift was matched like this, in a few sentences; none while nothing stands."""
        found = explanations(keys=[self.gift.match_key])
        if not found or self.outcome != "received":
            return []
        return donor_sentences(found[0], at=self.gift.submitted_at)

    @cached_property
    def receipt(self) -> Receipt | None:
        return Receipt.objects.filter(donation=self.gift, voided_at=None).select_related("replaces").first()

    @cached_property
    def delivery(self) -> Delivery | None:
        """How far the receipt has come to its donor; None while there is none."""
        return delivery_of(self.receipt) if self.receipt else None

    @property
    def delivered_text(self) -> str:
        """`at 10:32 AM`, on another day than today with that day before it; in the campaign's time zone."""
        if self.delivery is None or self.delivery.at is None:
            return ""
        zone = self.gift.campaign.tz
        return when_text(self.delivery.at.astimezone(zone), seen_on=self.now.astimezone(zone).date())

    @property
    def void_receipt(self) -> Receipt | None:
        """The newest receipt that does not stand any more."""
        return Receipt.objects.filter(donation=self.gift).exclude(voided_at=None).order_by("-version").first()

    @property
    def outcome(self) -> str:
        """`received`, `processing`, `not_charged`, `left`, `checking`, `unknown` or `waiting` (for a payment)."""
        state = Donation.State
        ends = {
            state.PAID: "received",
            state.PROCESSING: "processing",
            state.SCHEDULED: "scheduled",
            state.FAILED: "not_charged",
            state.ABANDONED: "left",
        }
        if self.gift.state in ends:
            return ends[state(self.gift.state)]
        if not self._is_begun or self.has_answer or self._was_asked:
            return "waiting"
        return "checking" if self.now - self.arrived_at < FOLLOW_FOR else "unknown"

    @property
    def _is_begun(self) -> bool:
        """Whether the donor may have paid, or saved a card: a refused one waits until Give is pressed again."""
        gift = self.gift
        if gift.pay_by is not None:
            return gift.tries > 0
        return bool(gift.payment_intent or gift.setup_intent)

    @property
    def _was_asked(self) -> bool:
        """Whether Stripe has said since the donor came that nothing is paid, nor under way."""
        asked_at = self.gift.stripe_answered_at
        return asked_at is not None and asked_at > self.asked_after

    @property
    def is_followed(self) -> bool:
        """Whether anything can still change while the donor looks on."""
        waited = self.now - self.arrived_at
        if self.outcome == "received":
            if self.delivery:
                return self.delivery.state in (receipt_delivery.DUE, receipt_delivery.LATE) and waited < FOLLOW_FOR
            return not self.is_returned and waited < RECEIPT_EXPECTED_WITHIN
        if self.outcome == "scheduled":
            return self.is_due and waited < FOLLOW_FOR
        return self.outcome in ("checking", "processing") and waited < FOLLOW_FOR

    @property
    def version(self) -> str:
        """Changes when what the page says changes."""
        receipt = f"{self.receipt.number}-{self.delivery.state}" if self.receipt and self.delivery else ""
        return f"{self.outcome}-{receipt}-{self.gift.refunded_minor}-{self.match_minor}-{self.follow_ms}"

    @property
    def follow_ms(self) -> int:
        """How often the page asks what is new: seldom once only slow mail is waited for."""
        is_mail = self.receipt is not None and self.now - self.arrived_at > MAIL_EXPECTED_WITHIN
        return 10_000 if is_mail else 1_500

    @property
    def since(self) -> str:
        return f"{self.arrived_at.timestamp():.3f}"

    @property
    def asked(self) -> str:
        return f"{self.asked_after.timestamp():.3f}"

    @property
    def announcement(self) -> str:
        """What a screen reader hears when the page changes by itself."""
        words = {
            "received": gettext("Your gift is received."),
            "processing": gettext("Your payment is being processed."),
            "scheduled": gettext("Your gift is scheduled. Nothing is charged yet."),
            "not_charged": gettext("Your payment did not go through. Nothing was charged."),
            "waiting": gettext("Your gift is not paid yet. Nothing was charged."),
            "unknown": gettext("We cannot say yet whether the payment went through."),
        }
        text = words.get(self.outcome, "")
        if self.outcome != "received":
            return text
        if self.is_gift_returned:
            return gettext("Your gift was returned to you.")
        if self.delivery and self.delivery.state == receipt_delivery.SENT:
            return gettext("Your gift is received. Your receipt was sent.")
        return gettext("Your gift is received. Your receipt is ready.") if self.receipt else text

    @property
    def is_due(self) -> bool:
        """Whether a scheduled gift's moment has come: it is being charged, or is about to be."""
        return self.gift.charge_at is not None and self.gift.charge_at <= self.now

    @property
    def charge_text(self) -> str:
        return moment_text(self.gift.charge_at, donation=self.gift)

    @property
    def pay_by_text(self) -> str:
        return moment_text(self.gift.pay_by, donation=self.gift)

    @property
    def first_name(self) -> str:
        return first_name(self.gift.donor_name)

    @property
    def match_minor(self) -> int:
        return self.match.match_minor if self.match else 0

    @property
    def reversed_minor(self) -> int:
        """What went back to the sponsors because of refunds."""
        return self.match.original_minor - self.match_minor if self.match and self.gift.refunded_minor else 0

    @property
    def came_back_because(self) -> str:
        """Why the match is lower than the one held: LOST_REFUND or WON_DISPUTE; if empty, the payment came late."""
        return came_back_because(self.gift)

    @property
    def shares(self) -> list[SponsorShare]:
        return sponsor_shares(self.match)

    @property
    def sponsors_text(self) -> str:
        return listed([share.sponsor_name for share in self.shares])

    @property
    def all_sponsors_text(self) -> str:
        """Every sponsor of the match, those too whose part went back."""
        return listed(self.match.sponsor_names) if self.match else ""

    @property
    def kept_minor(self) -> int:
        """The gift itself, less what was returned of it: gift first, card cost last."""
        return self.gift.amount_minor - min(self.gift.refunded_minor, self.gift.amount_minor)

    @property
    def work_minor(self) -> int:
        return self.kept_minor + self.match_minor

    @property
    def kept_parts(self) -> list[tuple[Fund, int]]:
        """Each fund with what it keeps of the gift after refunds; funds that keep nothing are left out."""
        rows = list(self.gift.designations.all())
        left = split_left(parts_minor=[row.amount_minor for row in rows], refunded_minor=self.gift.refunded_minor)
        return [(row.fund, kept_minor) for row, kept_minor in zip(rows, left, strict=True) if kept_minor]

    @property
    def is_returned(self) -> bool:
        """All that was paid went back."""
        return self.gift.net_minor == 0

    @property
    def is_gift_returned(self) -> bool:
        """The whole gift went back; covered card costs may stay paid."""
        return self.kept_minor == 0

    @cached_property
    def cancelled_because(self) -> str:
        """Why a check or cash was taken back, in a sentence; empty for all other gifts."""
        found = self.gift.reversals.filter(kind=Reversal.Kind.OFFLINE).first() if self.gift.is_offline else None
        return str(Reversal.Cause(found.status).label) if found else ""

    @property
    def match_is_held(self) -> bool:
        return self.match is not None and self.match_minor > 0 and self.match.is_held_at(self.now)

    @property
    def held_until_text(self) -> str:
        return until_text(self.match.held_until, gift=self.gift, now=self.now) if self.match else ""

    @cached_property
    def share(self) -> Share | None:
        """What a donor may pass on; None for a gift to funds that nobody sees, or that went back."""
        organization = Organization.objects.first()
        fund = next((fund for fund, _ in self.kept_parts if fund.is_public(now=self.now)), None)
        if fund is None or organization is None:
            return None
        return share_of(campaign=self.gift.campaign, fund=fund, organization=organization)

    @property
    def funds_text(self) -> str:
        return listed([row.fund.name for row in self.gift.designations.all()])
