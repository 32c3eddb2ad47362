"""Departments, teams and places: what stands where, and nothing that would tell of one donor."""

import pytest

from campaign.models import Team
from donations import standings
from donations.models import Donation
from donations.standings import PlaceStanding, TeamStanding
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign():
    return factories.campaign()


def give(campaign, *amounts, **changes):
    return [factories.donation(campaign=campaign, amount_minor=amount, **changes) for amount in amounts]


def test_teams_stand_by_what_stayed_of_their_gifts_and_of_few_donors_no_sum_is_told(campaign):
    icu, porters, early, empty = (
        Team.objects.create(campaign=campaign, name=name, slug=name.lower(), is_open=name != "Early")
        for name in ("ICU", "Porters", "Early", "Empty")
    )
    give(campaign, 10_000, 10_000, 10_000, team=icu, refunded_minor=4_000)
    give(campaign, 10_000, team=icu, refunded_minor=10_000)  # went back in full
    give(campaign, 10_000, team=icu, state="started")
    give(campaign, 9_000, 9_000, 9_000, team=early)
    give(campaign, 900_000, team=porters, hides_amount=True)
    give(campaign, 900_000, team=porters, donor=porters.donations.get().donor)
    give(campaign, 5_000)
    elsewhere = factories.campaign()
    give(elsewhere, 5_000, team=Team.objects.create(campaign=elsewhere, name="Far", slug="far"))
    assert standings.teams(campaign_id=campaign.pk) == [
        TeamStanding("Early", "early", False, 3, 27_000),
        TeamStanding("ICU", "icu", True, 3, 18_000),
        TeamStanding("Porters", "porters", True, 1, None),
    ]
    assert empty.donations.count() == 0


def test_places_are_counted_by_donors_however_they_write_them_and_never_few(campaign):
    for region in ("MA", " ma", "Massachusetts", "M.A.", "massachusetts "):
        give(campaign, 10_000, region=region, address_line1="1 Elm St")
    give(campaign, *[10_000] * 4, region="VT")  # one short
    [again] = give(campaign, 10_000, region="NH")
    give(campaign, *[10_000] * 4, region="NH", donor=again.donor)  # one donor, five gifts
    give(campaign, *[10_000] * 6, country="CA", region="QC")
    give(campaign, *[10_000] * 7, region="")  # every form begins with the United States
    give(campaign, *[10_000] * 7, region="<script>", country="US")
    give(campaign, *[10_000] * 7, country="", region="ME")
    give(campaign, *[10_000] * 5, region="RI", refunded_minor=10_000)
    found = standings.places(campaign_id=campaign.pk)
    assert found == [PlaceStanding("Canada", 6), PlaceStanding("Massachusetts", 5)]
    Donation.objects.filter(country="CA").update(region="", country="US")
    assert standings.places(campaign_id=campaign.pk) == []  # one place alone compares with nothing


def test_there_are_fifty_states_the_district_and_puerto_rico():
    assert len(standings.STATES) == len(set(standings.STATES.values())) == 52
