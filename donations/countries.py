"""The countries of the world, by code and by name, and the menu that forms show of them."""

import re
from functools import cache
from typing import Any

from babel import Locale
from django import forms
from django.forms.utils import flatatt
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

_NO_COUNTRIES = {"EU", "EZ", "UN", "QO", "XA", "XB", "ZZ"}


@cache
def countries() -> tuple[tuple[str, str], ...]:
    """(two-letter code, English name) of every country, the United States first."""
    names = Locale("en").territories
    found = [(code, name) for code, name in names.items() if re.fullmatch("[A-Z]{2}", code)]
    others = [row for row in found if row[0] not in _NO_COUNTRIES | {"US"}]
    return (("US", names["US"]), *sorted(others, key=lambda row: row[1]))


class CountrySelect(forms.Select):
    """A menu of countries(), written once: by Django's templates its 250 lines cost more than the rest of the page."""

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> SafeString:
        """The HTML that forms.Select gives. A value that is no country chooses none."""
        attributes = flatatt({"name": name} | self.build_attrs(self.attrs, attrs))
        chosen = value if value in dict(countries()) else ""
        return format_html("<select{}>\n{}\n</select>", attributes, _options(chosen))


@cache
def _options(chosen: str) -> SafeString:
    lines = ((code, mark_safe(" selected") if code == chosen else "", name) for code, name in countries())
    return format_html_join("\n", '  <option value="{}"{}>{}</option>', lines)
