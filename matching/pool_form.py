"""The form that opens a pool or changes its terms. It says what is wrong; it writes nothing."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from campaign.models import Campaign, Fund
from campaign.money import InvalidAmount, parse_amount, plain_amount
from matching.allocation import AWARD, BASE, BONUS
from matching.models import MatchPool, PoolTerms
from matching.pools import InvalidTerms, Terms, refuse_impossible

LARGEST_POOL_MINOR = 100_000_000_000  # a slip of the keyboard above this is likelier than the pool
_MOMENT = "%Y-%m-%dT%H:%M"

MATCH, HOUR, LOCKED, LUMP, EVERY = "match", "hour", "locked", "lump", "every"
# What a pool is for, in the words of the page on which one begins: name, title, what it does.
KINDS = (
    (
        MATCH,
        gettext_lazy("Match gifts"),
        gettext_lazy("A dollar for each dollar given, or another ratio, until the money is used."),
    ),
    (
        HOUR,
        gettext_lazy("Bonus hour on top"),
        gettext_lazy("For some hours it adds to every other match: the triple-match hour."),
    ),
    (
        LOCKED,
        gettext_lazy("Unlock at a target"),
        gettext_lazy("Matches gifts once so many people have given, or so much has been raised."),
    ),
    (
        LUMP,
        gettext_lazy("Lump-sum challenge"),
        gettext_lazy("Gives one sum when a target is reached: “When 500 people give, $50,000.”"),
    ),
    (
        EVERY,
        gettext_lazy("Every N donors"),
        gettext_lazy("Gives a sum again and again: “For every 50 donors, $1,000, up to $20,000.”"),
    ),
)
_GIFT_TERMS = ("ratio_match", "ratio_gift", "min_gift", "cap_per_gift", "cap_per_donor", "offline_gifts", "priority")
_TARGETS = ("unlock_donors", "unlock_raised")
_ALL_KINDS = ("limit", "funds", "opens_at", "closes_at", "name", "leftover")
_FIELDS = {
    MATCH: (*_ALL_KINDS, *_GIFT_TERMS),
    HOUR: (*_ALL_KINDS, *_GIFT_TERMS),
    LOCKED: (*_ALL_KINDS, *_GIFT_TERMS, *_TARGETS, "reaches_back", "on_top"),
    LUMP: (*_ALL_KINDS, *_TARGETS),
    EVERY: (*_ALL_KINDS, *_TARGETS, "award"),
}
# Where the form asks for a term under another name.
_FIELD_OF = {
    "limit_minor": "limit",
    "min_gift_minor": "min_gift",
    "cap_per_gift_minor": "cap_per_gift",
    "cap_per_donor_minor": "cap_per_donor",
    "unlock_raised_minor": "unlock_raised",
    "award_minor": "award",
    "fund_ids": "funds",
}


class MoneyField(forms.CharField):
    """Text as people type money; the form turns it into minor units, since only it knows the currency."""

    default_error_messages = {"required": gettext_lazy("Write an amount, such as 1,000.")}

    def __init__(self, **options: Any) -> None:
        attrs = {"inputmode": "decimal", "autocomplete": "off"}
        super().__init__(max_length=20, widget=forms.TextInput(attrs=attrs), **options)


class WallTimeField(forms.DateTimeField):
    """A day and time as a clock on the wall shows it; the form reads it in the campaign's zone."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format=_MOMENT)
    default_error_messages = {"invalid": gettext_lazy("Write a day and time such as 2026-12-01T12:00.")}

    def __init__(self, **options: Any) -> None:
        super().__init__(input_formats=[_MOMENT, "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"], **options)

    def to_python(self, value: Any) -> datetime | None:
        moment = super().to_python(value)
        return timezone.make_naive(moment, timezone.get_current_timezone()) if moment else None


class FundsField(forms.ModelMultipleChoiceField):
    """Some of these funds, or none."""

    def __init__(self, funds: QuerySet[Fund]) -> None:
        super().__init__(
            funds, required=False, widget=forms.CheckboxSelectMultiple, help_text=gettext("None ticked: all funds.")
        )


class TermsForm(forms.Form):
    """The terms of a pool of one kind. After is_valid(): `terms`, `limit_minor`, `chosen_leftover`.

    campaign: says currency, funds and time zone. pool: whose terms are changed; None for a new one.
    """

    limit = MoneyField(
        label=gettext_lazy("The most it gives"),
        help_text=gettext_lazy("All the sponsor’s money in this pool, such as 250,000."),
    )
    ratio_match = forms.IntegerField(label=gettext_lazy("Adds"), min_value=1, max_value=100, initial=1)
    ratio_gift = forms.IntegerField(
        label=gettext_lazy("for each"),
        min_value=1,
        max_value=100,
        initial=1,
        help_text=gettext_lazy("1 for 1 doubles a gift, 2 for 1 triples it."),
    )
    min_gift = MoneyField(
        label=gettext_lazy("Smallest gift it matches"), required=False, help_text=gettext_lazy("Empty: any gift.")
    )
    cap_per_gift = MoneyField(
        label=gettext_lazy("Most for one gift"), required=False, help_text=gettext_lazy("Of match. Empty: no cap.")
    )
    cap_per_donor = MoneyField(
        label=gettext_lazy("Most for one donor"),
        required=False,
        help_text=gettext_lazy("Of match, over all the donor’s gifts. Empty: no cap."),
    )
    funds = FundsField(Fund.objects.none())
    opens_at = WallTimeField(label=gettext_lazy("From"), required=False, help_text=gettext_lazy("Empty: from now on."))
    closes_at = WallTimeField(
        label=gettext_lazy("Until"), required=False, help_text=gettext_lazy("Empty: until the campaign closes.")
    )
    unlock_donors = forms.IntegerField(
        label=gettext_lazy("So many people have given"),
        required=False,
        min_value=1,
        max_value=10_000_000,
        help_text=gettext_lazy("Each counts once, such as 500."),
    )
    unlock_raised = MoneyField(
        label=gettext_lazy("or so much has been raised"),
        required=False,
        help_text=gettext_lazy("Such as 100,000. Write one of the two."),
    )
    reaches_back = forms.BooleanField(
        label=gettext_lazy("Matches earlier gifts, too"),
        required=False,
        initial=True,
        help_text=gettext_lazy("Once it is unlocked, the oldest gifts first, while the money lasts."),
    )
    on_top = forms.BooleanField(
        label=gettext_lazy("On top of any other match"),
        required=False,
        help_text=gettext_lazy("Else it matches what other sponsors have not."),
    )
    award = MoneyField(label=gettext_lazy("Each time it gives"), help_text=gettext_lazy("Such as 1,000."))
    priority = forms.IntegerField(
        label=gettext_lazy("Place in line"),
        min_value=0,
        max_value=10_000,
        initial=100,
        help_text=gettext_lazy("Of two sponsors for one gift, the lower number comes first."),
    )
    offline_gifts = forms.BooleanField(
        label=gettext_lazy("Checks and cash count, too"),
        required=False,
        initial=True,
        help_text=gettext_lazy("Else only gifts made on the site."),
    )
    leftover = forms.ChoiceField(
        label=gettext_lazy("What is left over"),
        choices=[("given", gettext_lazy("is given anyway")), ("kept", gettext_lazy("stays with the sponsor"))],
        initial="given",
        widget=forms.RadioSelect,
        help_text=gettext_lazy("Donors read it: only “stays with the sponsor” makes their gift decide."),
    )
    name = forms.CharField(
        label=gettext_lazy("Name for staff"),
        max_length=120,
        required=False,
        help_text=gettext_lazy("Such as “Harbor Family, bonus hour”. Empty: made from the sponsor and the kind."),
    )
    terms: Terms | None = None
    limit_minor: int | None = None

    def __init__(self, *args: Any, kind: str, campaign: Campaign, pool: MatchPool | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kind, self.campaign, self.pool = kind, campaign, pool
        for name in set(self.fields) - set(_FIELDS[kind]):
            del self.fields[name]
        self.fields["funds"] = FundsField(self._offered_funds())  # in the place of the one that offers none
        self._speak_of_the_kind()
        if pool is not None:
            del self.fields["leftover"]  # donors were told it
            self.initial = {**_as_typed(pool), **self.initial}

    @property
    def title(self) -> str:
        return str(next(title for name, title, _ in KINDS if name == self.kind))

    @property
    def chosen_leftover(self) -> str:
        return self.pool.leftover if self.pool else self.cleaned_data.get("leftover") or MatchPool.Leftover.GIVEN

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        self.limit_minor = self._money("limit")
        terms = self._terms(cleaned)
        is_targeted = self.kind not in (MATCH, HOUR)
        if is_targeted and not terms.has_target and not {"unlock_donors", "unlock_raised"} & set(self.errors):
            self.add_error("unlock_donors", gettext("Write the target: a number of people here, or a sum beside it."))
        if not self.errors and self.limit_minor is not None:
            self._refuse_contradictions(terms, limit_minor=self.limit_minor)
        if not self.errors:
            self.terms = terms
        return cleaned

    def refuse(self, error: InvalidTerms) -> None:
        """Show a refusal of matching.pools beside the field that it is about."""
        name = _FIELD_OF.get(error.name, error.name)
        if self.kind == LUMP and name == "award":
            name = "limit"
        self.add_error(name if name in self.fields else None, str(error))

    def _terms(self, cleaned: Mapping[str, Any]) -> Terms:
        kept = {name: cleaned[name] for name in ("ratio_match", "ratio_gift", "priority") if name in cleaned}
        kept |= {name: cleaned[name] for name in ("offline_gifts", "reaches_back", "unlock_donors") if name in cleaned}
        if self.kind in (LUMP, EVERY):
            kept["award_minor"] = self.limit_minor if self.kind == LUMP else self._money("award")
        return Terms(
            **kept,
            min_gift_minor=self._money("min_gift") or 0,
            cap_per_gift_minor=self._money("cap_per_gift"),
            cap_per_donor_minor=self._money("cap_per_donor"),
            unlock_raised_minor=self._money("unlock_raised"),
            opens_at=self._in_zone("opens_at"),
            closes_at=self._in_zone("closes_at"),
            fund_ids=tuple(sorted(fund.pk for fund in cleaned.get("funds", ()))),
            layer=self._layer(cleaned),
            award_every=self.kind == EVERY,
        )

    def _layer(self, cleaned: Mapping[str, Any]) -> str:
        if self.kind in (LUMP, EVERY):
            return AWARD
        return BONUS if self.kind == HOUR or cleaned.get("on_top") else BASE

    def _money(self, name: str) -> int | None:
        text = (self.cleaned_data.get(name) or "").strip()
        if not text:
            return None
        try:
            return parse_amount(text, currency=self.campaign.currency, largest_minor=LARGEST_POOL_MINOR)
        except InvalidAmount as error:
            if name not in self.errors:
                self.add_error(name, str(error))
            return None

    def _in_zone(self, name: str) -> datetime | None:
        wall_time = self.cleaned_data.get(name)
        if not wall_time:
            return None
        moment = timezone.make_aware(wall_time, self.campaign.tz)
        if timezone.make_naive(moment.astimezone(UTC), self.campaign.tz) != wall_time:
            self.add_error(name, gettext("There is no such time on that day: the clocks are put forward over it."))
        return moment

    def _refuse_contradictions(self, terms: Terms, *, limit_minor: int) -> None:
        try:
            terms.refuse_contradictions()
            refuse_impossible(campaign=self.campaign, terms=terms, limit_minor=limit_minor)
        except InvalidTerms as error:
            self.refuse(error)

    def _offered_funds(self) -> QuerySet[Fund]:
        named = self.pool.terms.fund_ids if self.pool else []
        return (self.campaign.funds.all() | Fund.objects.filter(pk__in=named)).distinct()

    def _speak_of_the_kind(self) -> None:
        """The same field asks for something else in a challenge."""
        fields = self.fields
        if self.kind == LUMP:
            fields["limit"].label, fields["limit"].help_text = (
                gettext("The sum that it gives"),
                gettext("Such as 50,000."),
            )
        if self.kind == EVERY:
            fields["limit"].label, fields["limit"].help_text = gettext("In all at most"), gettext("Such as 20,000.")
            fields["unlock_donors"].label, fields["unlock_raised"].label = (
                gettext("For every so many people"),
                gettext("or for every"),
            )
            fields["unlock_donors"].help_text = gettext("Each counts once, such as 50.")
            fields["unlock_raised"].help_text = gettext("Such as 10,000 raised. Write one of the two.")
        if self.kind in (LUMP, EVERY):
            fields["leftover"].initial = MatchPool.Leftover.KEPT  # else there would be nothing to give for
            fields["leftover"].label = gettext("If the target is not reached, the money")
            fields["opens_at"].help_text = gettext("Gifts count from then on. Empty: from now on.")
        if self.kind == HOUR:
            fields["ratio_gift"].help_text = gettext("1 for 1 triples a gift that is doubled already.")
            for name in ("opens_at", "closes_at"):
                fields[name].required = True
                fields[name].help_text = ""
                fields[name].error_messages["required"] = gettext(
                    "Write the day and time: it is a match for some hours."
                )


def kind_of(terms: PoolTerms) -> str:
    """The kind of form that a pool's terms are changed with."""
    if terms.layer == AWARD:
        return EVERY if terms.award_every else LUMP
    if terms.has_target:
        return LOCKED
    return HOUR if terms.layer == BONUS else MATCH


def _as_typed(pool: MatchPool) -> dict[str, Any]:
    """The terms in force, as a person would type them into this form."""
    terms, zone = pool.terms, pool.campaign.tz
    amounts = {
        "min_gift": terms.min_gift_minor,
        "cap_per_gift": terms.cap_per_gift_minor,
        "cap_per_donor": terms.cap_per_donor_minor,
        "unlock_raised": terms.unlock_raised_minor,
        "award": terms.award_minor,
    }
    kept: Iterable[str] = ("ratio_match", "ratio_gift", "priority", "offline_gifts", "unlock_donors", "reaches_back")
    return {
        **{name: plain_amount(minor, currency=pool.currency) if minor else "" for name, minor in amounts.items()},
        **{name: getattr(terms, name) for name in kept},
        "limit": plain_amount(pool.limit_minor, currency=pool.currency),
        "opens_at": terms.opens_at and timezone.make_naive(terms.opens_at, zone),
        "closes_at": terms.closes_at and timezone.make_naive(terms.closes_at, zone),
        "funds": list(terms.fund_ids),
        "on_top": terms.layer == BONUS,
        "name": pool.name,
    }
