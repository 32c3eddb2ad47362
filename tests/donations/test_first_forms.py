"""The form for a browser that was never here: from a copy of this second, with nothing of another donor in it."""

import re

import pytest
from django.test import Client

from campaign.models import Campaign
from donations.models import Donation
from donations.views.first_forms import PLACES
from tests import factories
from tests.donations.give_form import hidden, open_campaign

pytestmark = pytest.mark.django_db
OFFERED = ["", "?fund=education", "?fund=education&amount=100", "?fund=education&amount=100.00&other_amount="]
OWN = re.compile(r'<input type="hidden" name="(form_key|csrfmiddlewaretoken|utm_\w+)"[^>]*>|data-now="\d+"')


@pytest.fixture(autouse=True)
def campaign():
    campaign = open_campaign()
    factories.pool(campaign=campaign, limit_minor=1_000_000)
    return campaign


def see(query="", client=None):
    return (client or Client()).get(f"/give/{query}")


@pytest.mark.parametrize("query", OFFERED)
def test_it_is_made_once_for_all_and_each_has_their_own_marks(query, django_assert_num_queries):
    first = see(query)
    with django_assert_num_queries(0):
        second = see(query)
    pages = [answer.content.decode() for answer in (first, second)]
    assert OWN.sub("", pages[0]) == OWN.sub("", pages[1])
    for mark in ("form_key", "csrfmiddlewaretoken"):
        assert hidden(pages[0], mark) != hidden(pages[1], mark)
    for cookie in ("gift_form", "csrftoken"):
        assert first.cookies[cookie].value != second.cookies[cookie].value
    assert "aria-invalid" not in pages[0]
    assert not any(place in page for page in pages for place in PLACES.values())
    assert first.headers["Cache-Control"] == second.headers["Cache-Control"] == "private, max-age=0, must-revalidate"


def test_it_shows_what_one_made_for_this_donor_alone_would_show():
    kept = see("?fund=education&amount=100").content.decode()
    been_here = Client()
    been_here.cookies["csrftoken"] = "x" * 32
    assert OWN.sub("", see("?fund=education&amount=100", been_here).content.decode()) == OWN.sub("", kept)


def test_the_codes_of_the_link_are_the_donor_s_and_harmless():
    see("?utm_source=spring-letter")
    page = see('?utm_source="><script>&utm_medium=mail').content.decode()
    assert 'name="utm_source" value="&quot;&gt;&lt;script&gt;"' in page
    assert 'name="utm_medium" value="mail"' in page
    assert "spring-letter" not in page


def test_two_browsers_with_the_same_copy_make_two_gifts():
    for name in ("Marta", "Jonas"):
        client = Client(enforce_csrf_checks=True)
        page = see(client=client).content.decode()
        marks = {mark: hidden(page, mark) for mark in ("form_key", "csrfmiddlewaretoken", "promised_match_minor")}
        donor = {"donor_name": name, "donor_email": f"{name}@example.org", "country": "US", "way": "once"}
        sent = client.post("/give/", marks | donor | {"fund": "education", "amount": "100.00"})
        assert sent.status_code == 303, sent.content.decode()
    assert sorted(Donation.objects.values_list("donor_name", flat=True)) == ["Jonas", "Marta"]


@pytest.mark.parametrize("query", ["?amount=77", "?fund=education&amount=-1", "?fund=nowhere", "?amount=100&new=1"])
def test_what_no_page_of_ours_asks_for_fills_no_copy(query, django_assert_max_num_queries):
    see()
    with django_assert_max_num_queries(30) as asked:
        see(query)
    assert len(asked) > 0


def test_gifts_that_end_in_that_second_are_not_asked_for():
    see()
    Campaign.objects.update(is_current=False)
    answer = see("?fund=education")
    assert "form_key" not in answer.content.decode()
    assert answer.status_code == 200
