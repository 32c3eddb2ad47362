"""The menu of countries: what Django would write, and cheaper."""

import pytest
from django import forms
from django.test.html import parse_html

from donations.countries import CountrySelect, countries


def html(widget: forms.Select, value):
    widget.choices = countries()
    attrs = {"id": "id_country", "aria-invalid": "true", "aria-describedby": "id_country_error"}
    return parse_html(widget.render("country", value, attrs))


def test_the_united_states_come_first_and_the_others_by_name():
    names = [name for _, name in countries()]
    assert names[0] == "United States"
    assert names[1:] == sorted(names[1:])
    assert len(names) == len(dict(countries())) > 240


@pytest.mark.parametrize("chosen", ["US", "DE", "CI", "", None, "Narnia", '"><script>'])
def test_it_writes_what_django_writes(chosen):
    attrs = {"autocomplete": "country"}
    assert html(CountrySelect(attrs), chosen) == html(forms.Select(attrs), chosen)


def test_the_lines_are_written_once(monkeypatch):
    before = html(CountrySelect(), "FR")
    monkeypatch.setattr("donations.countries.format_html_join", lambda *_: pytest.fail("written again"))
    assert html(CountrySelect(), "FR") == before
