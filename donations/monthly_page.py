"""What a monthly gift's own page says."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.conf import settings
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext

from campaign.models import Fund
from campaign.moments import full_day_text
from donations.gift_page import first_name
from donations.models import Donation, MonthlyChange, MonthlyGift
from donations.monthly import payments_of
from donations.monthly_start import first_gift
from donations.pay_words import pay_words
from donations.receipt_content import local_day
from matching.wording import listed


@dataclass(frozen=True)
class MonthlyPage:
    monthly: MonthlyGift
    now: datetime

    @cached_property
    def first(self) -> Donation:
        return first_gift(self.monthly)

    @cached_property
    def payments(self) -> list[Donation]:
        return payments_of(self.monthly)

    @property
    def paid_minor(self) -> int:
        return sum(gift.net_minor for gift in self.payments)

    @property
    def changes(self) -> list[MonthlyChange]:
        return list(self.monthly.changes.order_by("-at", "-pk"))

    @cached_property
    def failure(self) -> MonthlyChange | None:
        """The last payment that failed, while that is how it stands, or why it ended."""
        failed = self.monthly.changes.filter(kind=MonthlyChange.Kind.FAILED).last()
        ended = self.monthly.changes.filter(kind=MonthlyChange.Kind.STOPPED, key="payment_failed").exists()
        return failed if ended or self.monthly.state == MonthlyGift.State.UNPAID else None

    @property
    def heading(self) -> str:
        state = MonthlyGift.State
        words = {
            state.ACTIVE: gettext("Your monthly gift"),
            state.UNPAID: gettext("This month’s gift did not go through"),
            state.STOPPED: gettext("Your monthly gift is stopped"),
            state.STARTED: gettext("Your monthly gift has not begun yet"),
            state.NEVER: gettext("This monthly gift was not begun"),
        }
        return words[state(self.monthly.state)]

    @property
    def first_name(self) -> str:
        return first_name(self.first.donor_name)

    @property
    def funds_text(self) -> str:
        names = dict(Fund.objects.filter(pk__in=[fund for fund, _ in self.monthly.parts]).values_list("pk", "name"))
        return listed([names[fund] for fund, _ in self.monthly.parts if fund in names])

    def _day(self, moment: datetime | None) -> str:
        return full_day_text(local_day(moment, campaign=self.monthly.campaign)) if moment else ""

    @property
    def next_text(self) -> str:
        return self._day(self.monthly.next_at)

    @property
    def retry_text(self) -> str:
        return self._day(self.monthly.retry_at)

    @property
    def stopped_text(self) -> str:
        return self._day(self.monthly.stopped_at)

    @property
    def day(self) -> int | None:
        return local_day(self.monthly.next_at, campaign=self.monthly.campaign).day if self.monthly.next_at else None

    @property
    def stripe_js_url(self) -> str:
        return settings.STRIPE_JS_URL

    @property
    def config(self) -> dict[str, Any]:
        """What pay.js needs to save another card. Nothing here is secret."""
        first = self.first
        return {
            "mode": "setup",
            "key": settings.STRIPE_PUBLISHABLE_KEY,
            "currency": self.monthly.currency.lower(),
            "name": first.donor_name,
            "email": first.donor_email,
            "country": first.country,
            "postalCode": first.postal_code,
            "intentUrl": reverse("monthly-card-intent", args=[self.monthly.token]),
            "giftUrl": reverse("monthly-card-done", args=[self.monthly.token]),
            "proofUrl": static("donations/proof.js"),
            "words": pay_words(),
        }
