"""Money as text and back: the only module that knows how many minor units a currency has.

Everywhere else an amount is an integer in minor units (cents for USD), named `..._minor`.
"""

import re
import unicodedata
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from babel.numbers import format_compact_currency, format_currency, get_currency_precision, get_currency_symbol
from django.utils.translation import gettext

LOCALE = "en_US"
LARGEST_MINOR = 99_999_999  # Stripe's largest charge in USD
_LONGEST = 60  # characters
# Thousands in groups, by commas or by spaces: “50 25” is no $5,025.
_NUMBER = re.compile(r"\d{1,3}(,\d{3})+(\.\d+)?|\d{1,3}( \d{3})+(\.\d+)?|\d+(\.\d*)?|\.\d+")


class InvalidAmount(ValueError):
    """The text is not an amount of money; the message tells a donor what to write instead."""


class AmountTooLarge(InvalidAmount):
    """An amount, but more than can be taken."""


def parse_amount(text: str, *, currency: str, largest_minor: int = LARGEST_MINOR) -> int:
    """Read what a person typed: "1,000", "$50", "50.5", " 50 USD ", "USD 50", with marks that nobody sees.

    largest_minor: the largest card gift unless given; a sponsor's pool may be larger.
    Returns minor units, 1 to largest_minor. Raises InvalidAmount with a sentence for the person.
    """
    seen = " ".join("".join(mark for mark in text if unicodedata.category(mark) != "Cf").split())
    cleaned = _without_currency(seen, currency=currency) if len(seen) <= _LONGEST else seen
    if not cleaned:
        raise InvalidAmount(gettext("Enter an amount, such as 50 or 50.25."))
    if len(cleaned) > _LONGEST or not _NUMBER.fullmatch(cleaned):
        words = gettext("“%(typed)s” is not an amount we can read. Write it like 50 or 1,000.50.")
        raise InvalidAmount(words % {"typed": seen[:30]})
    precision = get_currency_precision(currency)
    try:
        value = Decimal(re.sub("[, ]", "", cleaned)).scaleb(precision)
    except InvalidOperation as error:  # pragma: no cover - the pattern above lets nothing else through
        raise InvalidAmount(gettext("Enter an amount, such as 50 or 50.25.")) from error
    if value != value.to_integral_value():
        raise InvalidAmount(gettext("That has a fraction of a cent. Use at most two decimals."))
    if value <= 0:
        raise InvalidAmount(gettext("Enter an amount above zero."))
    if value > largest_minor:
        largest = format_amount(largest_minor, currency=currency)
        if largest_minor != LARGEST_MINOR:
            raise AmountTooLarge(gettext("Enter at most %(largest)s.") % {"largest": largest})
        words = gettext(
            "The largest card gift is %(largest)s. For more, please write or call us: we would love to help."
        )
        raise AmountTooLarge(words % {"largest": largest})
    return int(value)


def _without_currency(text: str, *, currency: str) -> str:
    """The text without the currency's code and symbol, before or after the figures, each once at most."""
    symbol = re.escape(get_currency_symbol(currency, locale=LOCALE))
    mark = f"{currency} ?{symbol}|{currency[:2]}{symbol}|{currency}|{symbol}"
    return re.sub(f"^({mark})? ?(.*?) ?({mark})?$", r"\2", text, flags=re.IGNORECASE)


@lru_cache(maxsize=4096)
def format_amount(amount_minor: int, *, currency: str) -> str:
    """`10320` -> `$103.20`. Always every decimal: for receipts, totals that must add up, and forms."""
    precision = get_currency_precision(currency)
    return format_currency(Decimal(amount_minor).scaleb(-precision), currency, locale=LOCALE)


@lru_cache(maxsize=4096)
def format_amount_short(amount_minor: int, *, currency: str) -> str:
    """`10000` -> `$100`, `10050` -> `$100.50`. For headlines and buttons."""
    text = format_amount(amount_minor, currency=currency)
    precision = get_currency_precision(currency)
    zeros = "." + "0" * precision
    return text.removesuffix(zeros) if precision else text


def format_amount_whole(amount_minor: int, *, currency: str) -> str:
    """`10050` -> `$100`: whole units, never more than there is. For a sum read from across a hall."""
    whole = 10 ** get_currency_precision(currency)
    return format_amount_short(amount_minor - amount_minor % whole, currency=currency)


def format_amount_whole_up(amount_minor: int, *, currency: str) -> str:
    """`10050` -> `$101`: whole units, never less than there is. For what is missing to a goal."""
    whole = 10 ** get_currency_precision(currency)
    return format_amount_short(amount_minor + -amount_minor % whole, currency=currency)


@lru_cache(maxsize=4096)
def format_amount_compact(amount_minor: int, *, currency: str) -> str:
    """`9000000` -> `$90K`, `125000` -> `$1.2K`. Rounded: for the scale of a chart and nowhere else."""
    value = Decimal(amount_minor).scaleb(-get_currency_precision(currency))
    return format_compact_currency(value, currency, locale=LOCALE, fraction_digits=1)


def plain_amount(amount_minor: int, *, currency: str) -> str:
    """`1234567` -> `12345.67`: for spreadsheets and machine-read files."""
    precision = get_currency_precision(currency)
    return f"{Decimal(amount_minor).scaleb(-precision):f}"


def decimal_amount(amount_minor: int, *, currency: str) -> Decimal:
    """`1234567` -> `Decimal("12345.67")`: for cells that a spreadsheet adds up."""
    return Decimal(amount_minor).scaleb(-get_currency_precision(currency))
