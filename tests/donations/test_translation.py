"""The words of the form, the payment and the gift's pages can be translated, all of them."""

import re

import pytest

from tests import factories
from tests.donations.give_form import filled, give, open_campaign
from tests.marks import CLOSE, OPEN, ROOT, unmarked

TEMPLATES = [ROOT / "templates/base.html"] + [
    path
    for path in sorted((ROOT / "templates/donations").glob("*.html"))
    if not re.match(r"_?staff_|_style_", path.name)
]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_every_word_of_a_template_is_marked(template):
    assert unmarked(template) == []


def test_a_word_that_is_not_marked_is_found(tmp_path):
    page = tmp_path / "page.html"
    page.write_text(
        '<p title="A name" class="big">Hello <b>{{ name }}</b></p>\n<p>{% translate "Good" %} &amp; {{ x }}</p>'
        '{% firstof name "Nobody" %}{% include "_x.html" with title=_("Day") alt="A day" kind="website" %}'
    )
    assert unmarked(page) == ["Hello", "A name", "Nobody", "A day"]


@pytest.mark.django_db
def test_pages_speak_the_language_they_are_asked_in(client, made_up_language):
    campaign = open_campaign()
    factories.pool(campaign=campaign)
    html = client.get("/give/?fund=education&amount=100").content.decode()
    assert f">{OPEN}Your gift{CLOSE}</h1>" in html
    assert f"{OPEN}$100 becomes $200.{CLOSE}" in html
    assert f"{OPEN}Your receipt goes there.{CLOSE}" in html
    wrong = client.post("/give/", filled(client, donor_name="", tribute_kind="honor")).content.decode()
    assert f"{OPEN}Write your name, as your receipt should carry it.{CLOSE}" in wrong
    assert f"{OPEN}Write the name of the person.{CLOSE}" in wrong
    assert f"{OPEN}Please look at these again{CLOSE}" in wrong
    gift = give(client)
    paying = client.get(f"/gifts/{gift.token}/pay/").content.decode()
    assert f"<h1>{OPEN}Your match is held{CLOSE}</h1>" in paying
    thanks = client.get(factories.donation(campaign=campaign).get_absolute_url()).content.decode()
    assert f"<h1>{OPEN}Thank you, Maria{CLOSE}</h1>" in thanks
