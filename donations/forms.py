"""The giving form: what a donor typed becomes a gift in parts, or a sentence beside the field that says what to do.

GiftPartsForm   how much and for which funds: also read while the donor still types, for the match line.
GiftForm        that, and who gives.

Forms read and judge; they write nothing and call nobody.
"""

import re
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.functional import cached_property
from django.utils.text import format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from campaign.models import Campaign, Fund, Team
from campaign.money import (
    LARGEST_MINOR,
    AmountTooLarge,
    InvalidAmount,
    format_amount,
    format_amount_short,
    parse_amount,
)
from donations import reminders
from donations.countries import CountrySelect, countries
from donations.giving import GiftRequest
from donations.models import Donation, GiftMessage
from donations.source_codes import CodeField
from donations.text_fields import (
    LineField,
    MailField,
    MessageArea,
    PhoneField,
    PlainNameField,
    line_field,
    one_line,
)
from donations.tribute_fields import TributeFields
from matching.wording import listed

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

TEAM_GONE = _("That department or team is not on our list. Choose another one, or none.")
Parts = tuple[tuple[int, int], ...]

_NOTHING = re.compile(r"[\s$]*0*[.,]?0*\s*")
_SPLIT = "split-"
# Past the database's 64-bit integers a promise is nonsense; the largest gift matched a hundredfold is not.
_LARGEST_PROMISE_MINOR = LARGEST_MINOR * 100


def funds_that_take_gifts(campaign: Campaign) -> list[Fund]:
    return campaign.open_funds


def parts_key(parts: Parts) -> str:
    """The gift's parts as text, `3:6000,4:4000`: tells whether a match that was shown is for this very gift."""
    return ",".join(f"{fund_id}:{amount_minor}" for fund_id, amount_minor in parts)


class AmountField(forms.CharField):
    """An amount as people write it. Cleans to minor units, or None when empty.

    too_large: the sentence for more than largest_minor, instead of the general one.
    """

    def __init__(
        self,
        *,
        currency: str,
        zero_is_empty: bool = False,
        largest_minor: int = LARGEST_MINOR,
        too_large: str = "",
        **kwargs: Any,
    ) -> None:
        # Not "off": browsers would forget the amount when the donor comes back to the page.
        attrs = {"inputmode": "decimal", "autocomplete": "transaction-amount", "size": 10}
        widget = forms.TextInput(attrs=attrs)
        super().__init__(required=False, widget=widget, **kwargs)
        self.currency = currency
        self.zero_is_empty = zero_is_empty
        self.largest_minor = largest_minor
        self.too_large = too_large

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not one_line(text or "") or (self.zero_is_empty and _NOTHING.fullmatch(text)):
            return None
        try:
            return parse_amount(text, currency=self.currency, largest_minor=self.largest_minor)
        except AmountTooLarge as error:
            raise forms.ValidationError(self.too_large or str(error)) from error
        except InvalidAmount as error:
            raise forms.ValidationError(str(error)) from error


class GiftPartsForm(forms.Form):
    """How much, and for what. `amount` is a suggested gift; `other_amount`, when typed, counts instead of it.

    Amounts typed under "split" count instead of both; the gift is their sum. After is_valid(): `parts`, in the
    order of the funds, and `amount_minor`.
    """

    parts: Parts = ()
    largest_minor = LARGEST_MINOR
    amount_hint: "StrOrPromise" = _("Such as 75 or 1,250. It counts instead of a choice above.")
    amount_missing: "StrOrPromise" = _("Choose an amount, or write another one.")
    fund_missing: "StrOrPromise" = _("Choose what your gift is for.")

    def __init__(self, *args: Any, campaign: Campaign, contact: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.campaign = campaign
        self.contact = contact
        self.funds = list(self.offered_funds())
        amount_field = partial(
            AmountField,
            currency=campaign.currency,
            largest_minor=self.largest_minor,
            too_large=self._too_large(),
        )
        self.fields["amount"] = amount_field()
        self.fields["other_amount"] = amount_field(help_text=self.amount_hint)
        choices = [(fund.slug, fund.name) for fund in self.funds]
        self.fields["fund"] = LineField(required=False, widget=forms.Select(choices=choices))
        for fund in self.funds:
            field = amount_field(zero_is_empty=True, label=fund.name)
            field.widget.attrs["aria-label"] = gettext("Amount for {fund}").format(fund=fund.name)
            self.fields[_SPLIT + fund.slug] = field
        self.order_fields(["amount", "other_amount", "fund", *(_SPLIT + fund.slug for fund in self.funds)])

    def offered_funds(self) -> Iterable[Fund]:
        return funds_that_take_gifts(self.campaign)

    @property
    def split_fields(self) -> list[forms.BoundField]:
        return [self[_SPLIT + fund.slug] for fund in self.funds]

    @property
    def is_split(self) -> bool:
        """Whether anything was typed under "split", right or wrong: the page then shows it opened."""
        return any(field.errors or field.value() for field in self.split_fields)

    @property
    def problem(self) -> str:
        """What is wrong with what was typed so far, the first of it; empty where nothing was typed yet."""
        found = [str(errors[0]) for errors in self.errors.values()]
        return next((text for text in found if text not in (self.amount_missing, self.fund_missing)), "")

    @property
    def amount_minor(self) -> int:
        return sum(amount_minor for _, amount_minor in self.parts)

    @property
    def fund_names(self) -> str:
        """`Education`, or `Education and Research`."""
        chosen = {fund_id for fund_id, _ in self.parts}
        return listed([fund.name for fund in self.funds if fund.pk in chosen])

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if any(_SPLIT + fund.slug in self.errors for fund in self.funds):
            return cleaned
        split = [(fund, cleaned[_SPLIT + fund.slug]) for fund in self.funds if cleaned[_SPLIT + fund.slug]]
        if split:
            self._forget_errors_of_what_does_not_count()
            parts = tuple((fund.pk, amount_minor) for fund, amount_minor in split)
            self._set_parts(parts, beside=_SPLIT + split[0][0].slug)
        else:
            self._set_one_part(cleaned)
        return cleaned

    def _set_one_part(self, cleaned: dict[str, Any]) -> None:
        fund = self._chosen_fund(str(cleaned.get("fund") or ""))
        if "other_amount" in self.errors:
            return
        amount_minor = cleaned["other_amount"] or cleaned.get("amount")
        self.errors.pop("amount", None)  # radio buttons that no longer say an amount: nothing was chosen
        if not amount_minor:
            self.add_error("other_amount", self.amount_missing)
        elif fund:
            self._set_parts(((fund.pk, amount_minor),), beside="other_amount")

    def _chosen_fund(self, slug: str) -> Fund | None:
        fund = next((fund for fund in self.funds if fund.slug == slug), None)
        if fund is None and "fund" not in self.errors:
            self.add_error("fund", fund_problem(slug, campaign=self.campaign) if slug else self.fund_missing)
        return fund

    def _set_parts(self, parts: Parts, *, beside: str) -> None:
        """Take the parts if their sum is a gift that the campaign takes; else say so beside that field."""
        amount_minor = sum(amount for _, amount in parts)
        problem = self._amount_problem(amount_minor)
        if problem:
            self.add_error(beside, problem)
        else:
            self.parts = parts

    def _amount_problem(self, amount_minor: int) -> str:
        """Why a gift of this sum cannot be made by card; empty when it can."""
        currency = self.campaign.currency
        fee_minor = self.campaign.fee_to_cover_minor(amount_minor=amount_minor)
        if amount_minor < self.campaign.min_gift_minor:
            smallest = format_amount(self.campaign.min_gift_minor, currency=currency)
            return gettext("The smallest gift we can take by card is {smallest}.").format(smallest=smallest)
        if amount_minor > self.campaign.max_gift_minor or amount_minor + fee_minor > LARGEST_MINOR:
            return self._too_large()
        return ""

    def _too_large(self) -> str:
        """What is said of any gift that is too large: the campaign's own limit, never Stripe's."""
        largest = format_amount_short(self.campaign.max_gift_minor, currency=self.campaign.currency)
        words = gettext("The largest gift we can take by card is {largest}.").format(largest=largest)
        if not self.contact:
            return words
        more = gettext("For more, please call us on {phone}: we would love to help.").format(phone=self.contact)
        return f"{words} {more}"

    def _forget_errors_of_what_does_not_count(self) -> None:
        for name in ("amount", "other_amount", "fund"):
            self.errors.pop(name, None)


def fund_problem(slug: str, *, campaign: Campaign) -> str:
    """Why a gift cannot be for the fund of that address, in a sentence for the donor."""
    if any(fund.slug == slug for fund in funds_that_take_gifts(campaign)):
        return ""
    fund = Fund.objects.filter(slug=slug[:50]).first()
    if fund is None:
        return gettext("We have no fund called “{slug}”. Choose one from the list.").format(slug=slug[:50])
    return gettext("{fund} is not taking gifts at the moment. Choose another fund.").format(fund=fund.name)


class GiftForm(TributeFields, GiftPartsForm):
    """The whole first page. promised_match_minor and promised_for: the match that the page showed, and for what."""

    donor_name = line_field(
        120, "name", required=_("Write your name, as your receipt should carry it."), kind=PlainNameField
    )
    donor_email = MailField(
        max_length=254,
        help_text=_("Your receipt goes there."),
        widget=forms.EmailInput(attrs={"autocomplete": "email", "spellcheck": "false"}),
        error_messages={
            "required": _("Write your e-mail address: your receipt goes there."),
            "max_length": _("An e-mail address has at most 254 characters. Please check it."),
            "invalid": _("That is not a whole e-mail address. Write it like name@example.org."),
        },
    )
    country = forms.ChoiceField(
        required=False,
        choices=countries,
        initial="US",
        widget=CountrySelect(attrs={"autocomplete": "country"}),
        error_messages={"invalid_choice": _("Choose a country from the list.")},
    )
    address_line1 = line_field(120, "address-line1")
    address_line2 = line_field(120, "address-line2")
    city = line_field(80, "address-level2")
    region = line_field(40, "address-level1")
    postal_code = line_field(16, "postal-code")
    company = line_field(
        120,
        "organization",
        kind=PlainNameField,
        help_text=_(
            "Only for a gift of the company: its receipt is made out to the company, and public pages name it."
        ),
    )
    phone = line_field(
        40, "tel", kind=PhoneField, widget=forms.TelInput, help_text=_("Only for questions about this gift.")
    )
    way = forms.ChoiceField(
        required=False,
        choices=Donation.Way.choices,
        error_messages={"invalid_choice": _("Choose whether to give once or monthly.")},
    )
    cover_fee = forms.BooleanField(required=False)
    hides_name = forms.BooleanField(required=False)
    hides_amount = forms.BooleanField(required=False)
    wants_reminder = forms.BooleanField(required=False)
    opts_out = forms.BooleanField(required=False)
    message = line_field(
        GiftMessage.LONGEST,
        "off",
        widget=MessageArea,
        help_text=format_lazy(
            _("At most {most} characters. Everybody can read it with your gift, once we have."),
            most=GiftMessage.LONGEST,
        ),
    )
    promised_match_minor = forms.CharField(required=False)
    promised_for = forms.CharField(required=False)
    utm_source = CodeField()
    utm_medium = CodeField()
    utm_campaign = CodeField()
    utm_content = CodeField()
    utm_term = CodeField()

    ADDRESS = ("country", "address_line1", "address_line2", "city", "region", "postal_code")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["team"] = forms.ChoiceField(
            required=False,
            choices=[("", _("None")), *((team.slug, team.name) for team in self.teams)],
            help_text=_("Your gift counts for it on our pages."),
            error_messages={"invalid_choice": TEAM_GONE},
        )

    @cached_property
    def teams(self) -> list[Team]:
        """The departments and teams that the gift may name; the form does not ask where there are none."""
        return list(self.campaign.teams.filter(is_open=True))

    @property
    def team_id(self) -> int | None:
        chosen = self.cleaned_data["team"]
        return next((team.pk for team in self.teams if team.slug == chosen), None)

    @property
    def shows_address(self) -> bool:
        """Whether company, phone or address have anything in them, right or wrong: the page then shows them opened."""
        names = (*self.ADDRESS, "company", "phone")
        typed = any(self[name].value() for name in names if name != "country")
        return typed or any(self[name].errors for name in names)

    @property
    def source_codes(self) -> list[forms.BoundField]:
        return [self[name] for name in Donation.SOURCE_CODES if self[name].value()]

    @property
    def takes_message(self) -> bool:
        """Whether the form offers one: not where no page would show it."""
        return self.campaign.shows_wall

    @property
    def promised_minor(self) -> int:
        """The match that the donor saw for this very gift; 0 when the page showed one for another amount."""
        text = self.cleaned_data["promised_match_minor"]
        if self.chosen_way == Donation.Way.MONTHLY and not self.campaign.matches_first_monthly:
            return 0
        if self.cleaned_data["promised_for"] != parts_key(self.parts) or not re.fullmatch("[0-9]{1,15}", text):
            return 0
        return min(int(text), _LARGEST_PROMISE_MINOR)

    @property
    def takes_scheduled(self) -> bool:
        """Whether a gift can wait for the opening, now that the form is shown or sent."""
        return self.campaign.takes_scheduled and self.now is not None and self.now < self.campaign.opens_at

    @property
    def takes_reminder(self) -> bool:
        """Whether the form offers it: not where it is switched off, nor when the campaign is over."""
        return reminders.is_offered() and self.now is not None and self.now < self.campaign.closes_at

    @property
    def asks_for_reminder(self) -> bool:
        return self.takes_reminder and self.cleaned_data["wants_reminder"]

    @property
    def chosen_way(self) -> str:
        return self.cleaned_data["way"] or Donation.Way.ONCE

    def clean_way(self) -> str:
        way: str = self.cleaned_data["way"]
        if way == Donation.Way.MONTHLY and not self.campaign.takes_monthly:
            raise forms.ValidationError(_("We do not take monthly gifts at the moment. Please give once."))
        if way == Donation.Way.SCHEDULED and not self.takes_scheduled:
            raise forms.ValidationError(_("The match is open already, or gifts cannot be scheduled. Please give now."))
        return way

    @property
    def fee_minor(self) -> int:
        """The card cost that the donor covers, by the same rule that the page showed it by."""
        if not self.cleaned_data["cover_fee"]:
            return 0
        return self.campaign.fee_to_cover_minor(amount_minor=self.amount_minor)

    def gift_request(
        self, *, form_key: str, source: str = "", form_session: str = "", suspicion: str = ""
    ) -> GiftRequest:
        """What the donor asks for, of a form that is valid."""
        fields = {name: self.cleaned_data[name] for name in (*Donation.OF_DONOR_ONLINE, *Donation.SOURCE_CODES)}
        fields["country"] = fields["country"] or "US"
        return GiftRequest(
            form_key=form_key,
            parts=self.parts,
            fee_minor=self.fee_minor,
            promised_match_minor=self.promised_minor,
            source=source,
            way=self.chosen_way,
            form_session=form_session,
            suspicion=suspicion,
            wants_reminder=self.asks_for_reminder,
            opts_out=self.cleaned_data["opts_out"],
            tribute=self.tribute_request,
            message=self.cleaned_data["message"] if self.takes_message else "",
            team_id=self.team_id,
            **fields,
        )
