"""What the payment step of a gift says, before it is paid."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from math import ceil
from typing import Any

from django.conf import settings
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext, ngettext, pgettext

from campaign.money import format_amount
from donations import giving, pace
from donations.gift_page import SponsorShare, sponsor_shares, until_text
from donations.match_line import MatchLine, match_line
from donations.models import Donation
from donations.pay_words import pay_words
from donations.schedule_mail import moment_text
from matching.allocation import Bound
from matching.queries import GiftMatch
from matching.wording import listed


def numbered(day: int) -> str:
    """`1st`, `22nd`, `13th`."""
    first, second, third, other = (
        # Translators: as in “on the 21st of each month”: write a day of the month as your language does, in all four
        pgettext("a day of the month", "%(day)dst"),
        pgettext("a day of the month", "%(day)dnd"),
        pgettext("a day of the month", "%(day)drd"),
        pgettext("a day of the month", "%(day)dth"),
    )
    words = other if 11 <= day <= 13 else {1: first, 2: second, 3: third}.get(day % 10, other)
    return words % {"day": day}


@dataclass(frozen=True)
class PaymentPage:
    """The payment step of a gift that is started, at the moment `now`. match: its newest reservation, or None."""

    gift: Donation
    match: GiftMatch | None
    now: datetime

    @property
    def template(self) -> str:
        if self.is_undecided:
            return "donations/pay_undecided.html"
        if self.has_lapsed:
            return "donations/pay_lapsed.html"
        return "donations/pay_choice.html" if self.needs_choice else "donations/pay.html"

    @property
    def is_undecided(self) -> bool:
        """The pools were busy when the form was sent: the match comes before the payment."""
        return self.gift.awaits_match_since is not None

    @property
    def has_lapsed(self) -> bool:
        """A match was held and is no more. Where nothing was held there is nothing to lose by waiting."""
        match = self.match
        return match is not None and match.original_minor > 0 and not match.is_held_at(self.now)

    @property
    def needs_choice(self) -> bool:
        return not self.is_undecided and giving.match_is_lower(self.gift, self.match)

    @property
    def has_run_out(self) -> bool:
        """Whether there is less because the sponsors' money ran out, and not because of a pool's terms."""
        return any(row[4] == Bound.RAN_OUT for row in (self.match.explanation if self.match else []))

    @property
    def has_ended(self) -> bool:
        """Whether the campaign was over when the form was sent, and so there is no match."""
        return not self.match_minor and self.gift.submitted_at >= self.gift.campaign.closes_at

    @property
    def reasons(self) -> list[str]:
        """Why the match is what it is, of the pools that are for this gift's funds."""
        match = self.match
        if match is None:
            return []
        told = zip(match.explanation, match.reasons, strict=True)
        return [sentence for row, sentence in told if row[4] != Bound.OTHER_FUND]

    @property
    def choice_heading(self) -> str:
        if self.has_ended:
            return gettext("%(campaign)s has ended") % {"campaign": self.gift.campaign.name}
        if not self.match_minor:
            return gettext("The match has run out") if self.has_run_out else gettext("There is no match for this gift")
        left = format_amount(self.match_minor, currency=self.gift.currency)
        words = (
            gettext("The match has %(left)s left")
            if self.has_run_out
            else gettext("The match for this gift is %(left)s")
        )
        return words % {"left": left}

    @property
    def match_minor(self) -> int:
        return self.match.match_minor if self.match and self.match.is_held_at(self.now) else 0

    @property
    def is_partial(self) -> bool:
        return 0 < self.match_minor < self.gift.amount_minor

    @property
    def shares(self) -> list[SponsorShare]:
        return sponsor_shares(self.match) if self.match_minor else []

    @property
    def sponsors_text(self) -> str:
        return listed([share.sponsor_name for share in self.shares])

    @property
    def work_minor(self) -> int:
        """What goes to work: the gift and its match, without the card cost."""
        return self.gift.amount_minor + self.match_minor

    @property
    def held_until_text(self) -> str:
        """`2:47 PM`, in the campaign's time zone; of another day `December 3, 2:47 PM`."""
        return until_text(self.match.held_until, gift=self.gift, now=self.now) if self.match else ""

    @cached_property
    def forecast(self) -> MatchLine:
        """What the same gift would be matched with if it were held now."""
        parts = tuple((row.fund_id, row.amount_minor) for row in self.gift.designations.all())
        return match_line(campaign=self.gift.campaign, parts=parts, now=self.now)

    @property
    def clock(self) -> dict[str, int]:
        """Moments in milliseconds for the timer in pay.js, which trusts the server's clock and not the visitor's."""
        held_until = self.match.held_until if self.match and self.match_minor else None
        return {
            "now": int(self.now.timestamp() * 1000),
            "until": int(held_until.timestamp() * 1000) if held_until else 0,
        }

    @property
    def saves_card(self) -> bool:
        """The gift is scheduled: its card is saved here and charged on the day."""
        return self.gift.saves_card

    @property
    def charge_text(self) -> str:
        return moment_text(self.gift.charge_at, donation=self.gift)

    @property
    def pay_by_text(self) -> str:
        return moment_text(self.gift.pay_by, donation=self.gift)

    @property
    def monthly_day(self) -> int | None:
        """The day on which the gift comes each month; None for a gift that is made once."""
        return self.now.astimezone(self.gift.campaign.tz).day if self.gift.monthly_id else None

    @property
    def monthly_day_text(self) -> str:
        return numbered(self.monthly_day) if self.monthly_day else ""

    @property
    def seconds_in_line(self) -> int:
        """Until this gift's turn at Stripe, rounded up; 0 when it does not wait."""
        left = (self.gift.turn_at - self.now).total_seconds() if self.gift.turn_at else 0
        return max(0, ceil(left))

    @property
    def is_in_line(self) -> bool:
        return self.seconds_in_line > 1

    @property
    def own_line_sentence(self) -> str:
        return self.line_sentence(self.gift.turn_at) if self.gift.turn_at else ""

    def line_sentence(self, turn_at: datetime) -> str:
        """What a donor in line reads: how many are before them, how long it takes, that the match stays theirs."""
        before = pace.ahead(turn_at, now=self.now)
        long = _about(max(1, ceil((turn_at - self.now).total_seconds())))
        if before > 1:
            # Translators: %(long)s is a time, such as: about 20 seconds
            words = ngettext(
                "You are in line: about %(count)s gift comes before yours, %(long)s. It goes on by itself; please keep "
                "this page open.",
                "You are in line: about %(count)s gifts come before yours, %(long)s. It goes on by itself; please keep "
                "this page open.",
                before,
            )
        else:
            words = gettext(
                "You are in line: yours is next, %(long)s. It goes on by itself; please keep this page open."
            )
        sentences = [words % {"count": f"{before:,}", "long": long}]
        if self.match_minor:
            sentences += [gettext("Your match is held until %(until)s.") % {"until": self.held_until_text}]
        return " ".join(sentences)

    @property
    def may_be_charged(self) -> bool:
        """Whether an earlier press may have paid without our knowing it yet."""
        return self.gift.payment_intent is not None and self.gift.end_is_unknown

    @property
    def warns_of_earlier_try(self) -> bool:
        """Whether Stripe has not been heard since Give was pressed: then it may have been paid before this page."""
        gift = self.gift
        answered = gift.stripe_answered_at and gift.pressed_at and gift.stripe_answered_at > gift.pressed_at
        return self.may_be_charged and not answered

    @property
    def stripe_js_url(self) -> str:
        return settings.STRIPE_JS_URL

    @property
    def config(self) -> dict[str, Any]:
        """What pay.js needs to know. Nothing here is secret."""
        gift = self.gift
        return {
            "mode": "setup" if self.saves_card else "subscription" if gift.monthly_id else "payment",
            "key": settings.STRIPE_PUBLISHABLE_KEY,
            "amount": gift.total_minor,
            "currency": gift.currency.lower(),
            "name": gift.donor_name,
            "email": gift.donor_email,
            "country": gift.country,
            "postalCode": gift.postal_code,
            "intentUrl": reverse("gift-intent", args=[gift.token]),
            "lineUrl": reverse("gift-line", args=[gift.token]),
            "proofUrl": static("donations/proof.js"),
            "mayBeCharged": self.may_be_charged,
            "giftUrl": gift.get_absolute_url(),
            "words": pay_words(),
        }


def _about(seconds: int) -> str:
    """`about 20 seconds`, `about 3 minutes`."""
    if seconds > 90:
        minutes = ceil(seconds / 60)
        return ngettext("about %(count)d minute", "about %(count)d minutes", minutes) % {"count": minutes}
    return ngettext("about %(count)d second", "about %(count)d seconds", seconds) % {"count": seconds}
