"""The menu of countries: what Django would write, and cheaper."""

import pytest
from django import forms
from django.test.html import parse_html
from django.utils import translation

from donations.countries import CountrySelect, countries, country_name


def html(widget: forms.Select, value):
    widget.choices = countries()
    attrs = {"id": "id_country", "aria-invalid": "true", "aria-describedby": "id_country_error"}
    return parse_html(widget.render("country", value, attrs))


def test_the_united_states_come_first_and_the_others_by_name():
    names = [name for _, name in countries()]
    assert names[:5] == ["United States", "Afghanistan", "Åland Islands", "Albania", "Algeria"]
    assert names[-3:] == ["Yemen", "Zambia", "Zimbabwe"]
    assert len(names) == len(dict(countries())) > 240


def test_they_are_named_in_the_language_that_is_spoken():
    with translation.override("fr"):
        assert countries()[1:4] == (("AF", "Afghanistan"), ("ZA", "Afrique du Sud"), ("AL", "Albanie"))
        assert '<option value="US" selected>États-Unis</option>' in CountrySelect().render("country", "US")
        assert country_name("CI") == "Côte d’Ivoire"
    with translation.override("tlh"):  # a language that Unicode has no names in
        assert country_name("DE") == "Germany"


@pytest.mark.parametrize("chosen", ["US", "DE", "CI", "", None, "Narnia", '"><script>'])
def test_it_writes_what_django_writes(chosen):
    attrs = {"autocomplete": "country"}
    assert html(CountrySelect(attrs), chosen) == html(forms.Select(attrs), chosen)


def test_the_lines_are_written_once(monkeypatch):
    before = html(CountrySelect(), "FR")
    monkeypatch.setattr("donations.countries.format_html_join", lambda *_: pytest.fail("written again"))
    assert html(CountrySelect(), "FR") == before
