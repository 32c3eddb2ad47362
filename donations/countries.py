"""The countries of the world, by code and by name, and the menu that forms show of them."""

import re
import unicodedata
from functools import cache
from typing import Any

from babel import Locale, UnknownLocaleError
from django import forms
from django.forms.utils import flatatt
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language

_NO_COUNTRIES = {"EU", "EZ", "UN", "QO", "XA", "XB", "ZZ"}
_ENGLISH = "en"


def countries() -> tuple[tuple[str, str], ...]:
    """(two-letter code, name in the language that is spoken) of every country, the United States first."""
    return _countries_in(get_language() or _ENGLISH)


def country_name(code: str) -> str:
    """A country's name in the language that is spoken; empty for no country."""
    return dict(countries()).get(code, "")


@cache
def _countries_in(language: str) -> tuple[tuple[str, str], ...]:
    names = _names_in(language)
    found = [(code, name) for code, name in names.items() if re.fullmatch("[A-Z]{2}", code)]
    others = [row for row in found if row[0] not in _NO_COUNTRIES | {"US"}]
    return (("US", names["US"]), *sorted(others, key=lambda row: _sorted_as(row[1])))


def _names_in(language: str) -> dict[str, str]:
    """By Unicode's CLDR. What it does not name in a language stays as it is in English."""
    english = dict(Locale(_ENGLISH).territories)
    try:
        return english | dict(Locale.parse(language, sep="-").territories)
    except (UnknownLocaleError, ValueError):
        return english


def _sorted_as(name: str) -> str:
    """Åland under A, and États-Unis under E."""
    return "".join(mark for mark in unicodedata.normalize("NFKD", name) if not unicodedata.combining(mark)).casefold()


class CountrySelect(forms.Select):
    """A menu of countries(), written once: by Django's templates its 250 lines cost more than the rest of the page."""

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> SafeString:
        """The HTML that forms.Select gives. A value that is no country chooses none."""
        attributes = flatatt({"name": name} | self.build_attrs(self.attrs, attrs))
        chosen = value if value in dict(countries()) else ""
        options = _options(get_language() or _ENGLISH, chosen)
        return format_html("<select{}>\n{}\n</select>", attributes, options)


@cache
def _options(language: str, chosen: str) -> SafeString:
    rows = _countries_in(language)
    lines = ((code, mark_safe(" selected") if code == chosen else "", name) for code, name in rows)
    return format_html_join("\n", '  <option value="{}"{}>{}</option>', lines)
