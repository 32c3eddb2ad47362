"""The forms for gifts by check and cash: what staff typed becomes an OfflineGift, or sentences that say what to do.

Forms read and judge; they write nothing.
"""

from datetime import UTC, date, datetime, time
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.functional import cached_property
from django.utils.translation import gettext, gettext_lazy

from campaign.models import Campaign, Fund, Team
from campaign.money import format_amount_short, plain_amount
from donations import offline_gifts
from donations.countries import CountrySelect, countries
from donations.forms import GiftForm, GiftPartsForm
from donations.models import Donation, Reversal
from donations.offline_gifts import NoSuchMoment, OfflineGift, day_problem, moment_received
from donations.staff_forms import DayField
from donations.text_fields import line_field

METHODS = [(Donation.Method.CHEQUE.value, gettext_lazy("Check")), (Donation.Method.CASH.value, gettext_lazy("Cash"))]
CHEQUE_NUMBER_LENGTH = 20


class OfflineGiftForm(GiftPartsForm):
    """A gift by check or cash. After is_valid(): `gift`. now: aware; nothing is received later."""

    method = forms.ChoiceField(
        choices=METHODS,
        initial=Donation.Method.CHEQUE.value,
        widget=forms.RadioSelect,
        error_messages={
            "required": gettext_lazy("Choose check or cash."),
            "invalid_choice": gettext_lazy("Choose check or cash."),
        },
    )
    cheque_number = line_field(
        CHEQUE_NUMBER_LENGTH, "off", help_text=gettext_lazy("As printed on the check, such as 1042.")
    )
    received_on = DayField(
        label=gettext_lazy("Received on"),
        error_messages={"required": gettext_lazy("Write the day on which the gift was received.")},
    )
    received_time = forms.TimeField(
        required=False,
        input_formats=["%H:%M", "%H:%M:%S", "%I:%M %p"],
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        error_messages={"invalid": gettext_lazy("Write a time such as 14:30, or leave it empty.")},
    )
    donor_name = line_field(
        120,
        "off",
        required=gettext_lazy("Write the donor’s name, as the receipt should carry it."),
        help_text=gettext_lazy("As the receipt should carry it."),
    )
    donor_email = forms.EmailField(
        required=False,
        max_length=254,
        help_text=gettext_lazy("The receipt goes there. Without one it is printed and posted."),
        widget=forms.EmailInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        error_messages={
            "max_length": gettext_lazy("An e-mail address has at most 254 characters. Please check it."),
            "invalid": gettext_lazy(
                "That is not a whole e-mail address. Write it like name@example.org, or leave it empty."
            ),
        },
    )
    country = forms.ChoiceField(
        required=False,
        choices=countries,
        initial="US",
        widget=CountrySelect,
        error_messages={"invalid_choice": gettext_lazy("Choose a country from the list.")},
    )
    address_line1 = line_field(
        120, "off", help_text=gettext_lazy("Without an e-mail address it tells two donors of one name apart.")
    )
    address_line2 = line_field(120, "off")
    city = line_field(80, "off")
    region = line_field(40, "off")
    postal_code = line_field(16, "off")
    hides_name = forms.BooleanField(required=False)
    hides_amount = forms.BooleanField(required=False)
    staff_note = line_field(500, "off", help_text=gettext_lazy("Donors never see it."))

    ADDRESS = GiftForm.ADDRESS
    largest_minor = offline_gifts.LARGEST_MINOR
    amount_hint = gettext_lazy("Such as 75 or 1,250.50, as written on the check.")
    amount_missing = gettext_lazy("Write the amount, or an amount for each fund.")
    fund_missing = gettext_lazy("Choose the fund that the gift is for.")
    gift: OfflineGift

    def __init__(self, *args: Any, campaign: Campaign, now: datetime, **kwargs: Any) -> None:
        self.now = now
        super().__init__(*args, campaign=campaign, **kwargs)
        self.fields["team"] = forms.ChoiceField(
            required=False,
            choices=[("", gettext("None")), *((team.slug, team.name) for team in self.teams)],
            help_text=gettext("The gift counts for it on public pages."),
            error_messages={
                "invalid_choice": gettext(
                    "That department or team is not on the campaign’s list. Choose another one, or none."
                )
            },
        )
        if len(self.funds) > 1:
            self.fields["fund"].widget.choices = [("", gettext("Choose a fund")), *self.fields["fund"].widget.choices]
        today = now.astimezone(campaign.tz).date()
        self.initial.setdefault("received_on", today)
        self.fields["received_on"].widget.attrs["max"] = f"{today}"

    def offered_funds(self) -> QuerySet[Fund]:
        """All of the campaign's: a check may be for a fund that takes no more gifts on the site."""
        return self.campaign.funds.all()

    @cached_property
    def teams(self) -> list[Team]:
        """All of the campaign's, in order: a check may name one that donors can choose no more."""
        return list(self.campaign.teams.all())

    def _amount_problem(self, amount_minor: int) -> str:
        return "" if amount_minor <= self.largest_minor else self._too_large()

    def _too_large(self) -> str:
        return gettext("Enter at most %(format_amount_short)s.") % {
            "format_amount_short": format_amount_short(self.largest_minor, currency=self.campaign.currency)
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if cleaned.get("method") == Donation.Method.CASH and cleaned.get("cheque_number"):
            self.add_error("cheque_number", gettext("Cash has no check number. Choose check, or empty this field."))
        received_at = self._received_at(cleaned.get("received_on"), cleaned.get("received_time"))
        if received_at and not self.errors:
            names = set(offline_gifts.WRITTEN) & set(cleaned)
            typed = {name: cleaned[name] for name in names} | {"country": cleaned.get("country") or "US"}
            typed["team_id"] = next((team.pk for team in self.teams if team.slug == cleaned["team"]), None)
            self.gift = OfflineGift(parts=self.parts, received_at=received_at, **typed)
        return cleaned

    def _received_at(self, day: date | None, at: time | None) -> datetime | None:
        if day is None or "received_time" in self.errors:
            return None
        if day > self.now.astimezone(self.campaign.tz).date():
            self.add_error(
                "received_on", gettext("That day is still to come. Write the day on which the gift was received.")
            )
            return None
        try:
            moment = moment_received(day=day, at=at, campaign=self.campaign, now=self.now)
        except NoSuchMoment as error:
            self.add_error("received_time", str(error))
            return None
        if moment > self.now:
            self.add_error("received_time", gettext("That time is still to come. Write when the gift was received."))
            return None
        if problem := day_problem(day, campaign=self.campaign):
            self.add_error("received_on", problem)
            return None
        return moment


class CorrectionForm(OfflineGiftForm):
    """A gift as it should have been entered, and why it is changed."""

    reason = line_field(
        200,
        "off",
        required=gettext_lazy("Say why the gift is corrected; it stays in its history."),
        help_text=gettext_lazy("It stays in the gift’s history, with your name. The donor reads only what changed."),
    )

    def __init__(self, *args: Any, donation: Donation, now: datetime, **kwargs: Any) -> None:
        self.donation = donation
        super().__init__(*args, campaign=donation.campaign, now=now, initial=as_typed(donation), **kwargs)

    def offered_funds(self) -> QuerySet[Fund]:
        """The campaign's, and those that the gift is for already."""
        own = Fund.objects.filter(designations__donation=self.donation)
        return (self.campaign.funds.all() | own).distinct()

    def _received_at(self, day: date | None, at: time | None) -> datetime | None:
        """The moment as it was, to the second, when day and time were left as they stood."""
        if not {"received_on", "received_time"} & set(self.changed_data):
            return self.donation.paid_at
        return super()._received_at(day, at)


class CancellationForm(forms.Form):
    """Why a gift by check or cash is cancelled, as the void receipt says it and in words of one's own."""

    reason = line_field(
        200, "off", required=gettext_lazy("Say in a few words how you know; it stays in the gift’s history.")
    )

    def __init__(self, *args: Any, donation: Donation, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        causes = Reversal.Cause.choices
        if donation.method == Donation.Method.CASH:
            causes = [choice for choice in causes if choice[0] != Reversal.Cause.UNPAID]
        cause = forms.ChoiceField(
            choices=causes,
            widget=forms.RadioSelect,
            error_messages={
                "required": gettext("Choose what happened."),
                "invalid_choice": gettext("Choose what happened."),
            },
        )
        self.fields = {"cause": cause, **self.fields}


def as_typed(donation: Donation) -> dict[str, Any]:
    """A gift as its form shows it, in the campaign's time zone."""
    received = donation.moment_paid.astimezone(UTC).astimezone(donation.campaign.tz)
    typed = {name: getattr(donation, name) for name in offline_gifts.WRITTEN}
    typed["team"] = donation.team.slug if donation.team else ""
    typed |= {"received_on": received.date(), "received_time": received.time().replace(second=0, microsecond=0)}
    parts = list(donation.designations.select_related("fund").order_by("position", "pk"))
    amounts = [plain_amount(part.amount_minor, currency=donation.currency) for part in parts]
    if len(parts) == 1:
        return typed | {"other_amount": amounts[0], "fund": parts[0].fund.slug}
    return typed | {f"split-{part.fund.slug}": amount for part, amount in zip(parts, amounts, strict=True)}
