"""Gifts: who gave, how much, for which funds, and where the payment stands."""

import uuid
from datetime import datetime

from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils.translation import gettext, pgettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from campaign.models import Campaign, Fund, Team
from donations import triggers
from donations.models.monthly import MonthlyGift
from donations.models.tokens import new_token


class Donor(models.Model):
    """email: normalised (stripped, lower case), or none for who gave by check or cash without one: then postal_key
    names the donor (offline_gifts.postal_key). The rest is as last given."""

    email = models.EmailField(unique=True, null=True, blank=True, max_length=254)
    postal_key = models.CharField(max_length=300, unique=True, null=True, blank=True, editable=False)
    name = models.CharField(max_length=120)
    opted_out_at = models.DateTimeField(null=True, blank=True, help_text="No fundraising messages since.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(email__isnull=False, postal_key=None) | Q(email=None, postal_key__isnull=False),
                name="donor_is_found_one_way",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>" if self.email else self.name


class DonationQuerySet(models.QuerySet["Donation"]):
    def received(self) -> "DonationQuerySet":
        """Money that came in: the only gifts that totals count."""
        return self.filter(state=Donation.State.PAID)

    def awaiting_match(self) -> "DonationQuerySet":
        """Kept while the pools were busy: their match is not decided yet. The oldest first."""
        waiting = self.filter(state=Donation.State.STARTED, awaits_match_since__isnull=False)
        return waiting.order_by("submitted_at", "pk")

    def between(self, start: datetime, end: datetime) -> "DonationQuerySet":
        return self.filter(paid_at__gte=start, paid_at__lt=end)


class GiftNotPaid(Exception):
    """Somebody asked for what only a paid gift has, such as its receipt."""

    def __init__(self, donation: "Donation") -> None:
        super().__init__(f"{donation.reference} is {donation.get_state_display().lower()}, not paid.")


def _source_code(help_text: str) -> "models.CharField[str, str]":
    return models.CharField(max_length=60, blank=True, help_text=help_text)


class Donation(models.Model):
    class State(models.TextChoices):
        STARTED = "started", _("Started")
        SCHEDULED = "scheduled", _("Scheduled")
        PROCESSING = "processing", _("Processing")
        PAID = "paid", _("Paid")
        FAILED = "failed", _("Failed")
        ABANDONED = "abandoned", _("Not completed")

    class Method(models.TextChoices):
        CARD = "card", _("Card")
        BANK = "us_bank_account", _("Bank debit")
        WALLET = "wallet", _("Wallet")
        CHEQUE = "cheque", pgettext_lazy("a way to pay", "Check")
        CASH = "cash", _("Cash")
        OTHER = "other", pgettext_lazy("a way to pay", "Other")

    class Way(models.TextChoices):
        ONCE = "once", _("Once")
        MONTHLY = "monthly", _("Monthly")
        SCHEDULED = "scheduled", _("When the match opens")

    OFFLINE = (Method.CHEQUE, Method.CASH)  # entered by staff, paid at once, never at Stripe
    # What a gift says of who gave it, under the same names in every form and request.
    OF_DONOR = (
        *("donor_name", "donor_email", "address_line1", "address_line2", "city", "region", "postal_code", "country"),
        *("hides_name", "hides_amount"),
    )
    OF_DONOR_ONLINE = (*OF_DONOR, "company", "phone")  # staff write a company that sends a check as the donor
    SOURCE_CODES = ("utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term")
    LONGEST_CODE = 60

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="donations")
    donor = models.ForeignKey(Donor, on_delete=models.PROTECT, related_name="donations")
    token = models.CharField(max_length=64, unique=True, default=new_token, editable=False)
    form_key = models.CharField(max_length=64, help_text="Made for the form before it was sent.")
    match_key = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    state = models.CharField(max_length=10, choices=State, default=State.STARTED)

    amount_minor = models.BigIntegerField(help_text="The gift itself, in cents.")
    fee_minor = models.BigIntegerField(default=0, help_text="Card cost that the donor covers, in cents.")
    refunded_minor = models.BigIntegerField(default=0, help_text="Refunded so far, of gift and fee, in cents.")
    currency = models.CharField(max_length=3)
    promised_match_minor = models.BigIntegerField(default=0, help_text="Match that the form showed when it was sent.")
    match_shortfall_minor = models.BigIntegerField(
        default=0, help_text="By how much the final match is below the one held, after a late payment."
    )
    accepted_lower_match_at = models.DateTimeField(null=True, blank=True)
    awaits_match_since = models.DateTimeField(
        null=True, blank=True, help_text="The pools were busy when the form was sent; its match is decided next."
    )

    donor_name = models.CharField(max_length=120)
    donor_email = models.EmailField(max_length=254, blank=True, help_text="Empty only for checks and cash.")
    address_line1 = models.CharField(max_length=120, blank=True)
    address_line2 = models.CharField(max_length=120, blank=True)
    city = models.CharField(max_length=80, blank=True)
    region = models.CharField("state", max_length=40, blank=True)
    postal_code = models.CharField("ZIP code", max_length=16, blank=True)
    country = models.CharField(max_length=2, blank=True, default="US")
    company = models.CharField(max_length=120, blank=True, help_text="Whose gift it is; then the receipt is its own.")
    phone = models.CharField(max_length=40, blank=True)
    opted_out_at = models.DateTimeField(
        null=True, blank=True, help_text="When its form asked for no fundraising messages."
    )
    hides_name = models.BooleanField(default=False)
    hides_amount = models.BooleanField(default=False)
    names_hidden_at = models.DateTimeField(
        null=True, blank=True, help_text="When staff took its names off the public pages."
    )
    team = models.ForeignKey(
        Team,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="donations",
        db_index=False,  # most gifts name none: gift_of_team has those that count
        help_text="The department or team that its donor named.",
    )

    way = models.CharField(max_length=9, choices=Way, default=Way.ONCE)
    monthly = models.ForeignKey(MonthlyGift, null=True, blank=True, on_delete=models.PROTECT, related_name="donations")
    renews = models.BooleanField(default=False, help_text="A later payment of a monthly gift.")
    invoice = models.CharField(max_length=64, null=True, blank=True, unique=True)

    charge_at = models.DateTimeField(null=True, blank=True, help_text="When a scheduled gift is charged.")
    scheduled_at = models.DateTimeField(null=True, blank=True, help_text="When its card was saved.")
    charging_at = models.DateTimeField(null=True, blank=True, help_text="When its charge was begun.")
    pay_by = models.DateTimeField(null=True, blank=True, help_text="Until when its donor may pay after a refusal.")
    refusal = models.CharField(max_length=40, blank=True, help_text="Why its saved card was refused, by Stripe.")
    customer = models.CharField(max_length=64, blank=True)
    setup_intent = models.CharField(max_length=64, blank=True)
    payment_method = models.CharField(max_length=64, blank=True)
    card = models.CharField(max_length=64, blank=True, help_text="Which card was saved, by Stripe's fingerprint.")

    utm_source = _source_code("Such as newsletter.")
    utm_medium = _source_code("Such as email.")
    utm_campaign = _source_code("Such as giving-day-2.")
    utm_content = _source_code("Such as top-button.")
    utm_term = _source_code("The words that were searched for.")

    source = models.CharField(max_length=16, blank=True, help_text="The network it came from, as a keyed hash.")
    payment_intent = models.CharField(max_length=64, null=True, unique=True)  # noqa: DJ001 - unique while unknown
    charge = models.CharField(max_length=64, blank=True)
    method = models.CharField(max_length=16, choices=Method, blank=True)
    method_label = models.CharField(max_length=40, blank=True, help_text="Such as Visa or Chase.")
    method_last4 = models.CharField(max_length=4, blank=True)
    cheque_number = models.CharField("check number", max_length=20, blank=True)
    staff_note = models.CharField(max_length=500, blank=True, help_text="Of who entered it, for staff alone.")
    payment_round = models.PositiveSmallIntegerField(
        default=0, help_text="How often Stripe answered our asking for the payment with an error of its own."
    )
    payment_failed_at = models.DateTimeField(
        null=True, blank=True, help_text="When the last asking that ended so was begun."
    )
    tries = models.PositiveSmallIntegerField(default=0, help_text="How often Give was pressed on the payment step.")
    declines = models.PositiveSmallIntegerField(default=0, help_text="Cards that Stripe reported as declined.")
    pressed_at = models.DateTimeField(null=True, blank=True, help_text="When Give was pressed last.")
    declined_at = models.DateTimeField(null=True, blank=True, help_text="When we last learnt of a declined card.")
    turn_at = models.DateTimeField(null=True, blank=True, help_text="Its place in the line for Stripe, if it waits.")
    form_session = models.CharField(max_length=16, blank=True, help_text="The browser that sent the form.")
    suspicion = models.CharField(max_length=40, blank=True, help_text="What made the form look like a robot's.")
    proved_at = models.DateTimeField(null=True, blank=True, help_text="When a proof of work came, until it is used.")
    charged_at = models.DateTimeField(null=True, blank=True, help_text="When the charge was made, by Stripe's clock.")
    disputed_at = models.DateTimeField(null=True, blank=True)
    wants_reminder = models.BooleanField(default=False, help_text="One e-mail if the gift is not finished.")
    reminded_at = models.DateTimeField(null=True, blank=True, help_text="When that e-mail was sent.")

    submitted_at = models.DateTimeField(help_text="When the form was sent; windows are judged by it.")
    paid_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True, help_text="When it failed or was left.")
    asked_stripe_at = models.DateTimeField(null=True, blank=True)
    stripe_answered_at = models.DateTimeField(
        null=True, blank=True, help_text="When the last question that was answered was asked."
    )

    objects = DonationQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["form_key"], name="one_gift_per_form"),
            models.CheckConstraint(condition=Q(amount_minor__gt=0) & Q(fee_minor__gte=0), name="gift_is_positive"),
            models.CheckConstraint(
                condition=Q(refunded_minor__gte=0) & Q(refunded_minor__lte=F("amount_minor") + F("fee_minor")),
                name="gift_refunded_within_paid",
            ),
            models.CheckConstraint(
                condition=Q(state="paid", paid_at__isnull=False) | (~Q(state="paid") & Q(paid_at=None)),
                name="gift_paid_has_moment",
            ),
            models.CheckConstraint(
                condition=~Q(method__in=["cheque", "cash"])
                | Q(payment_intent=None, charge="", fee_minor=0, state="paid"),
                name="gift_offline_is_not_at_stripe",
            ),
            models.CheckConstraint(
                condition=Q(method__in=["cheque", "cash"]) | ~Q(donor_email=""), name="gift_online_has_email"
            ),
            models.CheckConstraint(
                condition=Q(way="scheduled", charge_at__isnull=False) | ~Q(way="scheduled") & Q(charge_at=None),
                name="gift_scheduled_has_moment",
            ),
            models.CheckConstraint(
                condition=~Q(state="scheduled") | Q(scheduled_at__isnull=False) & ~Q(payment_method=""),
                name="gift_scheduled_has_card",
            ),
            models.CheckConstraint(
                condition=Q(renews=False, invoice=None) | Q(renews=True, invoice__isnull=False, monthly__isnull=False),
                name="gift_renews_by_invoice",
            ),
            models.CheckConstraint(condition=Q(method="cheque") | Q(cheque_number=""), name="gift_number_is_of_cheque"),
            models.UniqueConstraint(
                fields=["campaign", "donor"], condition=Q(reminded_at__isnull=False), name="one_reminder_per_donor"
            ),
            models.CheckConstraint(
                condition=Q(reminded_at=None) | Q(wants_reminder=True), name="reminder_was_asked_for"
            ),
        ]
        indexes = [
            models.Index(
                fields=["campaign", "paid_at"],
                include=["amount_minor", "refunded_minor", "donor"],  # totals read the index alone
                condition=Q(state="paid"),
                name="gift_paid",
            ),
            models.Index(
                fields=["campaign", "team"],
                include=["amount_minor", "refunded_minor", "donor"],  # as totals
                condition=Q(state="paid", team__isnull=False),
                name="gift_of_team",
            ),
            models.Index(fields=["campaign", "-id"], condition=Q(match_shortfall_minor__gt=0), name="gift_short"),
            models.Index(fields=["submitted_at"], condition=Q(state__in=["started", "processing"]), name="gift_open"),
            models.Index(
                fields=["submitted_at"],
                condition=Q(state="started", awaits_match_since__isnull=False),
                name="gift_awaits_match",
            ),
            models.Index(fields=["charge_at", "scheduled_at"], condition=Q(state="scheduled"), name="gift_scheduled"),
            models.Index(fields=["source", "submitted_at"], condition=~Q(source=""), name="gift_source"),
            models.Index(
                fields=["campaign", "amount_minor"], condition=Q(method__in=["cheque", "cash"]), name="gift_offline"
            ),
            models.Index(
                fields=["campaign", "paid_at"],
                condition=Q(method__in=["cheque", "cash"]),
                name="gift_offline_paid",
            ),
            models.Index(fields=["charge"], condition=~Q(charge=""), name="gift_charge"),
            models.Index(fields=["campaign"], condition=Q(donor_email=""), name="gift_without_email"),
            models.Index(fields=["cheque_number"], condition=~Q(cheque_number=""), name="gift_cheque_number"),
        ]
        permissions = [
            ("view_dashboard", "Can see the staff pages"),
            ("export_donation", "Can export gifts and receipts"),
            ("refund_gift", "Can refund gifts and decide on payments that fit no gift"),
            ("enter_offline_gift", "Can enter, import, correct and cancel gifts by check and cash"),
        ]
        triggers = triggers.DONATION

    def __str__(self) -> str:
        return self.reference

    def get_absolute_url(self) -> str:
        return reverse("gift", args=[self.token])

    @property
    def came_from(self) -> list[str]:
        """The codes of the link that led to the form, those that there were."""
        return [code for name in self.SOURCE_CODES if (code := getattr(self, name))]

    @property
    def reference(self) -> str:
        return f"G-{self.pk}"

    @property
    def total_minor(self) -> int:
        return self.amount_minor + self.fee_minor

    @property
    def net_minor(self) -> int:
        """What the donor has paid and not got back."""
        return self.total_minor - self.refunded_minor

    @property
    def is_open(self) -> bool:
        return self.state in (self.State.STARTED, self.State.PROCESSING)

    @property
    def is_offline(self) -> bool:
        """Whether staff entered it: a check or cash."""
        return self.method in self.OFFLINE

    @property
    def takes_match(self) -> bool:
        """Whether sponsors may match it: of a monthly gift the first payment alone, where the campaign says so."""
        return self.way != self.Way.MONTHLY or (self.campaign.matches_first_monthly and not self.renews)

    @property
    def moment_paid(self) -> datetime:
        """`paid_at` of a gift that is paid. Raises GiftNotPaid for any other."""
        if self.paid_at is None:
            raise GiftNotPaid(self)
        return self.paid_at

    @property
    def saves_card(self) -> bool:
        """It is scheduled, and its payment step saves a card instead of charging one."""
        return self.charge_at is not None and self.pay_by is None

    @property
    def end_is_unknown(self) -> bool:
        """Whether a payment or the saving of a card was opened at Stripe of whose end we have not heard."""
        is_opened = bool(self.setup_intent) if self.saves_card else self.payment_intent is not None
        declined_at, pressed_at = self.declined_at, self.pressed_at
        was_declined = declined_at is not None and (pressed_at is None or declined_at >= pressed_at)
        return is_opened and not was_declined

    @property
    def public_name(self) -> str:
        if self.hides_name or self.names_hidden_at:
            return pgettext("a giver who is not named", "Anonymous")
        return self.giver_name

    @property
    def giver_name(self) -> str:
        """Who gave, as the receipt says it: the company whose gift it is, else the donor."""
        return self.company or self.donor_name

    @property
    def method_text(self) -> str:
        """`Visa ending in 4242`, `Bank debit ending in 6789`, `Check no. 1042`, or empty while unknown."""
        if self.cheque_number:
            # Translators: a way to pay with its number: Check no. 1042
            words = gettext("%(method)s no. %(number)s")
            return words % {"method": self.get_method_display(), "number": self.cheque_number}
        name = self.method_label or (self.get_method_display() if self.method else "")
        if not self.method_last4:
            return name
        return gettext("%(method)s ending in %(last4)s") % {"method": name, "last4": self.method_last4}


class Designation(models.Model):
    donation = models.ForeignKey(Donation, on_delete=models.CASCADE, related_name="designations")
    fund = models.ForeignKey(Fund, on_delete=models.PROTECT, related_name="designations")
    amount_minor = models.BigIntegerField()
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="designation_is_positive"),
            models.UniqueConstraint(fields=["donation", "fund"], name="one_designation_per_fund"),
        ]
        triggers = triggers.DESIGNATION

    def __str__(self) -> str:
        return f"{self.amount_minor} for {self.fund_id}"
