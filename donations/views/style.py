"""The site's visual language, shown by the very stylesheets and templates of its pages, for staff and designers."""

from types import SimpleNamespace
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_GET

from campaign import palette
from campaign.banner import banner
from campaign.models import Campaign, Fund, Organization, Story
from donations.match_line import MatchLine, ask
from donations.roles import needs

_WORDS = gettext_lazy("Two sentences say what it is for. They stand on cards and under the name.")
# What each token is for; every color of site.css has a line here.
_USES = {
    "ink": gettext_lazy("words"),
    "ink-2": gettext_lazy("quieter words"),
    "paper": gettext_lazy("the page"),
    "wash": gettext_lazy("tinted blocks, notices"),
    "card": gettext_lazy("cards, panels"),
    "line": gettext_lazy("borders, the empty part of bars"),
    "field-line": gettext_lazy("the edges of fields"),
    "give": gettext_lazy("action: buttons, what is given"),
    "give-2": gettext_lazy("a button under the pointer"),
    "give-ink": gettext_lazy("words on a button"),
    "match": gettext_lazy("accent: links that lead on, figures, what is matched"),
    "match-wash": gettext_lazy("the accent’s pale ground"),
    "held": gettext_lazy("what is held"),
    "held-wash": gettext_lazy("warnings"),
    "held-ink": gettext_lazy("words of warnings"),
    "wrong": gettext_lazy("errors"),
    "wrong-wash": gettext_lazy("the ground of errors"),
    "focus": gettext_lazy("the ring around what has the keyboard"),
    "navy": gettext_lazy("main: the band, letters, receipts"),
    "navy-2": gettext_lazy("the band’s lower end, the foot, the staff pages’ side"),
    "navy-ink": gettext_lazy("words on the band"),
    "navy-ink-2": gettext_lazy("quieter words on the band"),
    "gold": gettext_lazy("small line and held money on the band"),
    "mint": gettext_lazy("matched money on the band"),
    "band-give": gettext_lazy("the band’s button"),
    "band-give-2": gettext_lazy("the same under the pointer"),
    "band-give-ink": gettext_lazy("words on the band’s button"),
}
_STATES = {"empty": {}, "filled": {"typed": "Maria Alvarez"}, "wrong": {"typed": ""}, "disabled": {"typed": "Maria"}}


class SampleForm(forms.Form):
    """One field of each kind of widget that the site uses."""

    typed = forms.CharField(
        label=gettext_lazy("Your name"),
        help_text=gettext_lazy("As your receipt shall name you."),
        error_messages={"required": gettext_lazy("Write your name.")},
    )


@require_GET
@needs("donations.view_dashboard")
def public_parts(request: HttpRequest) -> HttpResponseBase:
    """What donors see: colors with the contrast of every pair, type, spacing, and each part in its states."""
    campaign, organization, now = Campaign.objects.current(), Organization.objects.first(), timezone.now()
    choice = organization.colors if organization else palette.Choice()
    colors, figures = palette.tokens(choice), palette.figures(choice)
    context = {
        "schemes": [_public_scheme(name) for name in palette.SCHEMES],
        "tokens": [(name, use, *colors[name]) for name, use in _USES.items()],
        "contrasts": list(zip(figures[: len(palette.PAIRS)], figures[len(palette.PAIRS) :], strict=True)),
        "pool": SimpleNamespace(
            limit_minor=5_000_000, matched_minor=2_900_000, held_minor=400_000, free_minor=1_700_000
        ),
        "challenge": SimpleNamespace(
            progress_text=gettext("62 of 100 donors"),
            progress_share=0.62,
            rule_sentence=gettext("At 100 donors $10,000 is unlocked."),
        ),
        "lines": _lines(),
        **({"campaign": Campaign(currency="USD")} if campaign is None else banner(campaign, now=now, is_slim=True)),
        "fund": Fund.objects.exclude(picture="").first() or _sample_fund(),
        "story": Story.objects.exclude(picture="").first() or _sample_story(),
        "has_band": campaign is not None,
    }
    return render(request, "donations/staff_style.html", context)


@require_GET
@needs("donations.view_dashboard")
def staff_parts(request: HttpRequest) -> HttpResponse:
    """What staff see: the parts of the staff pages."""
    return render(request, "donations/staff_style_staff.html", {"schemes": [_forms(name) for name in palette.SCHEMES]})


def _sample_fund() -> Fund:
    return Fund(name=gettext("Education"), slug="education", summary=str(_WORDS))


def _sample_story() -> Story:
    # Translators: the heading of a made-up story of a patient, on the page of the site's style
    return Story(title=gettext("The call"), slug="call", summary=str(_WORDS))


def _lines() -> list[MatchLine]:
    return [
        MatchLine(
            "full",
            gettext("Your $100 becomes $200."),
            gettext("The Harbor Family matches it dollar for dollar."),
        ),
        MatchLine("part", gettext("$7.35 of your $100 is matched."), gettext("The pool is nearly used up.")),
        MatchLine("none", "", gettext("This gift is not matched.")),
        ask(),
    ]


def _public_scheme(name: str) -> dict[str, Any]:
    return _forms(name) | {"presets": (("$50", "fifty"), ("$100", "hundred"), ("$250", "more"))}


def _forms(scheme: str) -> dict[str, Any]:
    """A form in each state; the scheme keeps the fields' ids apart."""
    title = {"light": gettext("light"), "dark": gettext("dark")}[scheme]
    return {"name": scheme, "title": title, "fields": [_labeled(scheme, state) for state in _STATES]}


def _labeled(scheme: str, state: str) -> tuple[str, forms.BoundField]:
    said = {
        "empty": gettext("Your name, empty"),
        "filled": gettext("Your name, filled"),
        "wrong": gettext("Your name, wrong"),
        "disabled": gettext("Your name, disabled"),
    }
    return said[state], _field(scheme, state)


def _field(scheme: str, state: str) -> forms.BoundField:
    prefix = f"{scheme}-{state}"
    data = {f"{prefix}-{name}": value for name, value in _STATES[state].items()}
    form = SampleForm(data if state == "wrong" else None, prefix=prefix, initial=_STATES[state])
    form.fields["typed"].disabled = state == "disabled"
    return form["typed"]
