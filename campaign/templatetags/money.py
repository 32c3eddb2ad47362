from django import template

from campaign.money import format_amount, format_amount_short, format_amount_whole, format_amount_whole_up, plain_amount

register = template.Library()


@register.filter
def money(amount_minor: int | None, currency: str = "USD") -> str:
    """`{{ gift.amount_minor|money:gift.currency }}` -> `$103.20`."""
    return "" if amount_minor is None else format_amount(amount_minor, currency=currency)


@register.filter
def money_short(amount_minor: int | None, currency: str = "USD") -> str:
    """`{{ pool.free_minor|money_short:currency }}` -> `$100`."""
    return "" if amount_minor is None else format_amount_short(amount_minor, currency=currency)


@register.filter
def money_whole(amount_minor: int | None, currency: str = "USD") -> str:
    """`{{ figures.totals.raised_minor|money_whole:currency }}` -> `$100` of $100.50."""
    return "" if amount_minor is None else format_amount_whole(amount_minor, currency=currency)


@register.filter
def money_whole_up(amount_minor: int | None, currency: str = "USD") -> str:
    """`{{ raised|left_to:goal|money_whole_up:currency }}` -> `$101` of $100.50."""
    return "" if amount_minor is None else format_amount_whole_up(amount_minor, currency=currency)


@register.filter
def money_plain(amount_minor: int | None, currency: str = "USD") -> str:
    """`{{ preset|money_plain:currency }}` -> `100.00`: the value of an input."""
    return "" if amount_minor is None else plain_amount(amount_minor, currency=currency)
