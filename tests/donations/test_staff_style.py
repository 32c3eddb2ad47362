"""`/staff/style/`: the parts of the pages, shown by the pages' own templates, with the contrast of every pair."""

import re

import pytest

from campaign import palette
from donations.views import style
from tests import factories, staff

pytestmark = pytest.mark.django_db


def shown(address: str = "/staff/style/", person=staff.dana) -> str:
    answer = person().get(address)
    assert answer.status_code == 200
    return staff.text_of(answer)


def test_every_color_of_the_stylesheet_is_listed_with_its_use():
    drawn = {name for name in palette.site_tokens() if name.startswith("band-") and "give" not in name}
    assert set(style._USES) == set(palette.site_tokens()) - drawn


def test_every_pair_is_listed_with_its_contrast_as_the_organization_has_it():
    factories.organization(accent_color="#1b5e20")
    html = shown()
    own = palette.Choice(accent="#1b5e20")
    for figure in palette.figures(own):
        assert f"{figure.ratio_text}</td>" in html.replace(" </td>", "</td>"), figure
    assert html.count(">too little<") == 0
    assert "#1b5e20" in html


def test_it_shows_each_part_in_light_and_in_dark_by_the_pages_own_templates():
    factories.campaign()
    templates = {template.name for template in staff.dana().get("/staff/style/").templates}
    assert {
        "donations/_field.html", "donations/_steps.html", "donations/_match_icon.html", "campaign/_meter.html",
        "campaign/_challenge.html", "campaign/_fund_card.html", "campaign/_story_card.html", "campaign/_band.html",
    } <= templates  # fmt: skip
    ids = re.findall(r' id="([^"]+)"', shown(person=staff.farid))
    assert len(ids) == len(set(ids)), "two schemes, and no id twice"


def test_it_is_there_before_anything_is_set_up_and_offers_what_one_may_change():
    assert "Change logo and colors" not in shown()
    factories.organization()
    assert (
        '"/admin/campaign/organization/1/change/"'
        in staff.client_of(staff.person("eve", "development")).get("/staff/style/").content.decode()
    )
    assert "Change logo and colors" not in shown(person=staff.farid)


def test_the_staff_pages_have_a_page_of_their_own():
    html = shown("/staff/style/staff/")
    assert html.count('class="push"') == 2
    assert html.count("Write your name.") == 2
