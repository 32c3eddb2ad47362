"""The suggested gifts on the form: those of the fund, with what they do there."""

import pytest

from campaign.models import Fund, FundPreset
from tests.donations.give_form import give, open_campaign

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign():
    made = open_campaign()
    education = Fund.objects.get(slug="education")
    for amount_minor, does in [(4_000, "fills a shelf"), (12_500, "buys an hour of practice")]:
        FundPreset.objects.create(fund=education, amount_minor=amount_minor, does=does)
    return made


def form(client, address: str) -> str:
    return client.get(address).content.decode().split('id="gift-parts"')[1].split("</fieldset>")[0]


def test_the_form_suggests_the_funds_own_gifts_and_chooses_the_second(client, campaign):
    html = form(client, "/give/?fund=education")
    assert "<b>$40</b> <small>fills a shelf</small>" in html
    assert 'value="125.00" checked><span><b>$125</b> <small>buys an hour of practice</small>' in html
    assert "That is what a gift does in Education." in html
    assert "$250" not in html


def test_another_fund_keeps_the_campaigns_suggestions(client, campaign):
    html = form(client, "/give/?fund=nursing")
    assert 'value="100.00" checked><span>$100</span>' in html
    assert "fills a shelf" not in html


def test_the_other_funds_bring_their_own_for_when_they_are_chosen(client, campaign):
    html = client.get("/give/?fund=nursing").content.decode()
    (template,) = html.split('<template data-suggested="')[1:]
    assert template.startswith('education">')
    assert 'value="125.00" checked><span><b>$125</b> <small>buys an hour of practice</small>' in template
    assert "That is what a gift does in Education." in template


def test_an_amount_of_the_address_is_chosen_or_stands_in_the_other_field(client, campaign):
    assert 'value="40.00" checked' in form(client, "/give/?fund=education&amount=40")
    html = form(client, "/give/?fund=education&amount=100")
    assert 'name="other_amount" value="100.00"' in html
    assert "checked" not in html


def test_a_gift_of_a_funds_own_amount_is_taken(client, campaign):
    gift = give(client, fund="education", amount="125.00", other_amount="")
    assert gift.amount_minor == 12_500
