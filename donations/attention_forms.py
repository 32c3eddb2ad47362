"""What staff type about things that need a person: why it is ticked off, what is refunded and why."""

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext, gettext_lazy

from campaign.money import InvalidAmount, format_amount, parse_amount, plain_amount
from donations import card_refunds
from donations.models import Donation
from donations.text_fields import one_line

_WHY = gettext_lazy("Write in a few words what came of it: the history keeps it.")


class ReasonForm(forms.Form):
    """Why something was ticked off or decided."""

    reason = forms.CharField(
        max_length=200,
        error_messages={"required": _WHY, "max_length": gettext_lazy("At most 200 characters, please.")},
    )

    def clean_reason(self) -> str:
        return one_line(self.cleaned_data["reason"])


class RefundForm(forms.Form):
    """How much of a gift goes back, and why. After is_valid(): `amount_minor`."""

    amount = forms.CharField(
        label=gettext_lazy("Amount to give back"),
        max_length=20,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
        error_messages={"required": gettext_lazy("Write how much goes back.")},
    )
    reason = forms.ChoiceField(
        label=gettext_lazy("Reason, for Stripe"),
        choices=list(card_refunds.REASONS.items()),
        error_messages={
            "invalid_choice": gettext_lazy("Choose one of the reasons."),
            "required": gettext_lazy("Choose a reason."),
        },
    )
    comment = forms.CharField(
        label=gettext_lazy("Why, for the gift’s history"),
        max_length=200,
        error_messages={"required": _WHY, "max_length": gettext_lazy("At most 200 characters, please.")},
    )

    def __init__(self, sent: QueryDict | None = None, *, gift: Donation) -> None:
        self.gift = gift
        left = plain_amount(card_refunds.refundable_minor(gift), currency=gift.currency)
        super().__init__(sent, initial={"amount": left})

    @property
    def amount_minor(self) -> int:
        amount_minor: int = self.cleaned_data["amount"]
        return amount_minor

    def clean_amount(self) -> int:
        try:
            amount_minor = parse_amount(self.cleaned_data["amount"], currency=self.gift.currency)
        except InvalidAmount as error:
            raise forms.ValidationError(str(error)) from error
        left_minor = card_refunds.refundable_minor(self.gift)
        if amount_minor > left_minor:
            left = format_amount(left_minor, currency=self.gift.currency)
            raise forms.ValidationError(
                gettext("Only %(left)s of this gift is left to give back. Write that or less.") % {"left": left}
            )
        return amount_minor

    def clean_comment(self) -> str:
        return one_line(self.cleaned_data["comment"])
