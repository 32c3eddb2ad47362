"""What a donor may change of a monthly gift, as forms: another amount, another day."""

from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from campaign.models import Campaign
from campaign.money import format_amount, format_amount_short
from donations.forms import AmountField
from donations.models import MonthlyGift
from donations.monthly import DAYS


class MonthlyAmountForm(forms.Form):
    """After is_valid(): amount_minor, fee_minor."""

    cover_fee = forms.BooleanField(required=False)

    def __init__(self, *args: Any, monthly: MonthlyGift, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.campaign: Campaign = monthly.campaign
        self.fields["amount"] = AmountField(currency=monthly.currency, label=_("New amount each month"))

    @property
    def amount_minor(self) -> int:
        return int(self.cleaned_data["amount"])

    @property
    def fee_minor(self) -> int:
        covers = self.cleaned_data["cover_fee"]
        return self.campaign.fee_to_cover_minor(amount_minor=self.amount_minor) if covers else 0

    def clean_amount(self) -> int:
        minor: int | None = self.cleaned_data["amount"]
        if minor is None:
            raise forms.ValidationError(_("Write the new amount, such as 30."))
        if minor < self.campaign.min_gift_minor:
            smallest = format_amount(self.campaign.min_gift_minor, currency=self.campaign.currency)
            words = gettext("The smallest gift we can take by card is {smallest}.")
            raise forms.ValidationError(words.format(smallest=smallest))
        if minor > self.campaign.max_gift_minor:
            largest = format_amount_short(self.campaign.max_gift_minor, currency=self.campaign.currency)
            words = gettext("The largest gift we can take by card is {largest}.")
            raise forms.ValidationError(words.format(largest=largest))
        return minor


class MonthlyDayForm(forms.Form):
    day = forms.TypedChoiceField(
        choices=[(day, str(day)) for day in DAYS],
        coerce=int,
        label=_("Day of the month"),
        error_messages={
            "required": _("Choose a day of the month."),
            "invalid_choice": _("Choose a day from 1 to 28."),
        },
    )
