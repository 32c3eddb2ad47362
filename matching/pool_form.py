"""The form that opens a pool or changes its terms and limit. It validates and says what is wrong; it writes nothing."""

from datetime import datetime
from typing import Any

from django import forms
from django.utils import timezone

from campaign.models import Campaign, Fund
from campaign.money import InvalidAmount, parse_amount, plain_amount
from matching.allocation import BASE, BONUS
from matching.models import MatchPool
from matching.pools import InvalidTerms, Terms

LARGEST_POOL_MINOR = 100_000_000_000  # a slip of the keyboard above this is likelier than the pool
_MOMENT = "%Y-%m-%dT%H:%M"
_MONEY_FIELDS = ("min_gift", "cap_per_gift", "cap_per_donor")


class MoneyField(forms.CharField):
    """Text as people type money; the form turns it into minor units, since only it knows the currency."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=20, widget=forms.TextInput(attrs={"inputmode": "decimal", "size": 14}), **options)


class WallTimeField(forms.DateTimeField):
    """A day and time as a clock on the wall shows it; the form reads it in the campaign's zone."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format=_MOMENT)
    default_error_messages = {"invalid": "Write a day and time such as 2026-12-01T12:00."}

    def __init__(self, **options: Any) -> None:
        super().__init__(input_formats=[_MOMENT, "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"], required=False, **options)

    def to_python(self, value: Any) -> datetime | None:
        moment = super().to_python(value)
        return timezone.make_naive(moment, timezone.get_current_timezone()) if moment else None


class PoolForm(forms.ModelForm):
    """Campaign, sponsor and what becomes of the rest are fixed once a pool is open: donors were told them."""

    limit = MoneyField(label="Limit", help_text="The most this sponsor gives, such as 250,000.")
    ratio_match = forms.IntegerField(label="Match", min_value=1, max_value=100, initial=1)
    ratio_gift = forms.IntegerField(
        label="for each", min_value=1, max_value=100, initial=1, help_text="1 for 1 doubles a gift; 2 for 1 triples it."
    )
    min_gift = MoneyField(label="Smallest gift matched", required=False, help_text="Empty for any gift.")
    cap_per_gift = MoneyField(label="Most match for one gift", required=False, help_text="Empty for no cap.")
    cap_per_donor = MoneyField(label="Most match for one donor", required=False, help_text="Empty for no cap.")
    opens_at = WallTimeField(
        label="Matches gifts from", help_text="In the campaign's time zone. Empty: from the first gift."
    )
    closes_at = WallTimeField(
        label="Matches gifts before", help_text="In the campaign's time zone. Empty: until the money is used."
    )
    funds = forms.ModelMultipleChoiceField(
        Fund.objects.all(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None ticked means all funds.",
    )
    layer = forms.ChoiceField(
        choices=[(BASE, "Base: shares a gift with the other base pools"), (BONUS, "Bonus: on top of the base pools")],
        initial=BASE,
    )
    priority = forms.IntegerField(min_value=0, max_value=10_000, initial=100, help_text="The lower comes first.")
    offline_gifts = forms.BooleanField(label="Cheques and cash count too", required=False, initial=True)

    class Meta:
        model = MatchPool
        fields = ["campaign", "sponsor", "name", "leftover", "is_paused"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is None:
            if "campaign" in self.fields:
                self.fields["campaign"].initial = Campaign.objects.current()
            return
        for name in ("campaign", "sponsor", "leftover"):
            if name in self.fields:
                self.fields[name].disabled = True
        self.initial = {**self.initial, **_terms_as_typed(self.instance)}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        campaign = cleaned.get("campaign")
        if campaign is None or self.errors:
            return cleaned
        cleaned["limit_minor"] = self._money("limit", currency=campaign.currency)
        amounts = {name: self._money(name, currency=campaign.currency) for name in _MONEY_FIELDS}
        cleaned["terms"] = Terms(
            min_gift_minor=amounts["min_gift"] or 0,
            cap_per_gift_minor=amounts["cap_per_gift"],
            cap_per_donor_minor=amounts["cap_per_donor"],
            ratio_match=cleaned["ratio_match"],
            ratio_gift=cleaned["ratio_gift"],
            opens_at=_in_zone(cleaned["opens_at"], campaign),
            closes_at=_in_zone(cleaned["closes_at"], campaign),
            fund_ids=tuple(sorted(fund.pk for fund in cleaned["funds"])),
            priority=cleaned["priority"],
            layer=cleaned["layer"],
            offline_gifts=cleaned["offline_gifts"],
        )
        if not self.errors:
            self._refuse_contradictions(cleaned["terms"])
        return cleaned

    def _money(self, name: str, *, currency: str) -> int | None:
        text = self.cleaned_data[name].strip()
        if not text:
            return None
        try:
            return parse_amount(text, currency=currency, largest_minor=LARGEST_POOL_MINOR)
        except InvalidAmount as error:
            self.add_error(name, str(error))
            return None

    def _refuse_contradictions(self, terms: Terms) -> None:
        try:
            terms.refuse_contradictions()
        except InvalidTerms as error:
            self.add_error(None, str(error))


def _in_zone(wall_time: datetime | None, campaign: Campaign) -> datetime | None:
    return timezone.make_aware(wall_time, campaign.tz) if wall_time else None


def _terms_as_typed(pool: MatchPool) -> dict[str, Any]:
    """The terms in force, as a person would type them into this form."""
    terms, zone = pool.terms, pool.campaign.tz
    amounts = {name: getattr(terms, f"{name}_minor") for name in _MONEY_FIELDS}
    return {
        **{name: plain_amount(minor, currency=pool.currency) if minor else "" for name, minor in amounts.items()},
        "limit": plain_amount(pool.limit_minor, currency=pool.currency),
        "ratio_match": terms.ratio_match,
        "ratio_gift": terms.ratio_gift,
        "opens_at": terms.opens_at and timezone.make_naive(terms.opens_at, zone),
        "closes_at": terms.closes_at and timezone.make_naive(terms.closes_at, zone),
        "funds": list(terms.fund_ids),
        "layer": terms.layer,
        "priority": terms.priority,
        "offline_gifts": terms.offline_gifts,
    }
