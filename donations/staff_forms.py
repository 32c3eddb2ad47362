"""Forms of the staff pages. They validate and say what to do; they change nothing."""

from datetime import date, timedelta
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from campaign.models import Campaign, Fund
from donations.search import STATES, Days

# Beyond them no gift was made, and Python's calendar ends a day after 9999-12-31.
EARLIEST_DAY, LATEST_DAY = date(1900, 1, 1), date(2999, 12, 31)
LONGEST_RANGE = timedelta(days=3660)


class DayField(forms.DateField):
    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    default_error_messages = {"invalid": gettext_lazy("Write a day such as 2026-12-01.")}

    def __init__(self, **options: Any) -> None:
        super().__init__(input_formats=["%Y-%m-%d", "%m/%d/%Y"], **options)

    def clean(self, value: Any) -> date | None:
        day: date | None = super().clean(value)
        if day and not EARLIEST_DAY <= day <= LATEST_DAY:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return day


class DaysForm(forms.Form):
    """A campaign and a range of its days. The campaign's time zone says where a day begins."""

    campaign = forms.ModelChoiceField(
        Campaign.objects.order_by("-opens_at"), label=gettext_lazy("Campaign"), required=False, empty_label=None
    )
    first = DayField(label=gettext_lazy("From"), required=False)
    last = DayField(label=gettext_lazy("To"), required=False)

    def __init__(self, asked: QueryDict) -> None:
        """asked: the address's query. Always bound: what it leaves out has a meaning of its own."""
        self.current = Campaign.objects.current() or Campaign.objects.order_by("-opens_at").first()
        given = asked.copy()
        if self.current is not None:
            given.setdefault("campaign", str(self.current.pk))
        super().__init__(given)
        if Campaign.objects.count() < 2:
            del self.fields["campaign"]

    @property
    def chosen(self) -> Campaign | None:
        """The campaign asked for, else the current one, else the newest; None when there is none at all."""
        return self.value("campaign") or self.current

    @property
    def days(self) -> Days:
        return Days(self.value("first"), self.value("last"))

    def value(self, name: str) -> Any:
        """What was asked for, or None when it was left out or could not be read."""
        self.is_valid()
        return self.cleaned_data.get(name)

    def clean_last(self) -> date | None:
        first, last = self.cleaned_data.get("first"), self.cleaned_data.get("last")
        if first and last and last < first:
            raise forms.ValidationError(gettext("The last day is before the first. Swap them, or change one."))
        if first and last and last - first > LONGEST_RANGE:
            raise forms.ValidationError(gettext("That is more than ten years. Choose a shorter range."))
        return last


class GiftSearch(DaysForm):
    q = forms.CharField(label=gettext_lazy("Search"), required=False, max_length=120)
    state = forms.ChoiceField(
        label=gettext_lazy("State"), choices=[("", gettext_lazy("All states")), *STATES.items()], required=False
    )
    fund = forms.ModelChoiceField(
        Fund.objects.all(), label=gettext_lazy("Fund"), required=False, empty_label=gettext_lazy("All funds")
    )

    field_order = ["q", "state", "fund", "first", "last", "campaign"]

    @property
    def is_filtered(self) -> bool:
        return any(self.value(name) for name in ("q", "state", "fund", "first", "last"))


class ReceiptSearch(DaysForm):
    q = forms.CharField(label=gettext_lazy("Search"), required=False, max_length=120)
    state = forms.ChoiceField(
        label=gettext_lazy("State"),
        choices=[
            ("", gettext_lazy("Valid and voided")),
            ("valid", gettext_lazy("Valid")),
            ("voided", gettext_lazy("Voided")),
        ],
        required=False,
    )

    field_order = ["q", "state", "first", "last", "campaign"]

    @property
    def is_filtered(self) -> bool:
        return any(self.value(name) for name in ("q", "state", "first", "last"))


class ExportForm(DaysForm):
    """Both days are needed; left out altogether, they are the campaign's own days so far."""

    field_order = ["first", "last", "campaign"]

    def __init__(self, asked: QueryDict) -> None:
        current = Campaign.objects.current()
        given = asked.copy()
        if "first" not in asked and "last" not in asked and current is not None:
            usual = usual_days(current)
            given.update({"first": f"{usual.first}", "last": f"{usual.last}"})
        super().__init__(given)
        self.fields["first"].required = self.fields["last"].required = True


def usual_days(campaign: Campaign) -> Days:
    """From the campaign's first day, or today when it has not begun, to its last day or today."""
    zone = campaign.tz
    today = timezone.now().astimezone(zone).date()
    opening = campaign.opens_at.astimezone(zone).date()
    closing = (campaign.closes_at - timedelta(microseconds=1)).astimezone(zone).date()
    first = min(opening, today)
    return Days(first, max(min(closing, today), first))
