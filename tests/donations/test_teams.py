"""Departments and teams: a gift may name one of the campaign's list."""

import pytest

from campaign.models import Team
from donations.models import Donation
from tests import factories, staff
from tests.donations.give_form import error_beside, filled, give, open_campaign, words

pytestmark = pytest.mark.django_db
GONE = "That department or team is not on our list. Choose another one, or none."


@pytest.fixture
def campaign():
    return open_campaign()


def team(campaign, name="7 West nurses", slug="7-west", **changes) -> Team:
    return Team.objects.create(campaign=campaign, name=name, slug=slug, **changes)


class TestTheForm:
    def test_it_asks_only_where_there_is_a_team_to_choose(self, client, campaign):
        team(campaign, is_open=False)
        assert 'name="team"' not in client.get("/give/").content.decode()
        assert give(client).team is None

    def test_a_link_chooses_it_and_the_gift_keeps_it(self, client, campaign):
        chosen = team(campaign)
        address = "/give/?team=7-west&fund=education&amount=100"
        assert '<option value="7-west" selected>7 West nurses</option>' in client.get(address).content.decode()
        gift = give(client, team="7-west")
        assert gift.team == chosen
        assert "selected>7 West nurses" in client.get("/give/").content.decode()  # the form brings it back
        assert give(client, team="").team is None
        assert Donation.objects.get(pk=gift.pk).state == "abandoned"  # another team is another gift

    def test_one_that_is_gone_is_said_beside_the_field(self, client, campaign):
        team(campaign), team(campaign, name="Old wing", slug="old", is_open=False)
        team(factories.campaign(is_current=False), slug="elsewhere")
        for slug in ("old", "nobody", "elsewhere", "<b>\x00"):
            assert error_beside(client.get("/give/", {"team": slug}).content.decode(), "team") == GONE
            html = client.post("/give/", filled(client, team=slug)).content.decode()
            assert error_beside(html, "team") == GONE
        assert not Donation.objects.exists()

    def test_its_donor_and_staff_see_it(self, client, campaign):
        gift = factories.donation(campaign=campaign, team=team(campaign, name="<i>ICU</i>"))
        assert "Counts for <i>ICU</i>" in words(client.get(gift.get_absolute_url()).content.decode())
        assert "&lt;i&gt;ICU&lt;/i&gt;" in staff.text_of(staff.dana().get(f"/staff/gifts/{gift.pk}/"))
