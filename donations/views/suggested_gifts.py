"""The gifts that the form suggests: those of the chosen fund, and beside them those of the others, for a script."""

from typing import Any

from campaign.models import Campaign
from campaign.money import plain_amount
from donations.forms import GiftForm, funds_that_take_gifts


def shown(form: GiftForm) -> dict[str, Any]:
    """The suggested gifts of the fund and which of them stands chosen; and those of the other funds, for a script."""
    slug = str(form["fund"].value() or "")
    chosen = "" if form["other_amount"].value() else str(form["amount"].value() or "")
    funds = funds_that_take_gifts(form.campaign)
    has_choice = len(funds) > 1
    own = {fund.slug: of_fund(fund.slug, campaign=form.campaign) for fund in funds}
    return {
        "presets": _rows(own.get(slug) or of_fund(slug, campaign=form.campaign), chosen=chosen),
        "preset_fund_name": next((fund.name for fund in funds if has_choice and fund.slug == slug), ""),
        "presets_elsewhere": [
            {"slug": fund.slug, "name": fund.name, "presets": _rows(own[fund.slug], chosen=usual(own[fund.slug]))}
            for fund in funds
            if fund.slug != slug
        ],
    }


def _rows(suggested: list[tuple[int, str, str]], *, chosen: str) -> list[dict[str, Any]]:
    return [
        {"amount_minor": amount_minor, "text": text, "does": does, "is_chosen": text == chosen}
        for amount_minor, text, does in suggested
    ]


def usual(suggested: list[tuple[int, str, str]]) -> str:
    """The one that stands chosen at first: the second, or the only one."""
    return suggested[min(1, len(suggested) - 1)][1] if suggested else ""


def of_fund(slug: str, *, campaign: Campaign) -> list[tuple[int, str, str]]:
    """The gifts suggested for the fund of that address: amount, the same as a field holds it, what it does."""
    fund = next((fund for fund in funds_that_take_gifts(campaign) if fund.slug == slug), None)
    found = campaign.suggested_gifts(fund)
    return [
        (amount_minor, plain_amount(amount_minor, currency=campaign.currency), does) for amount_minor, does in found
    ]
