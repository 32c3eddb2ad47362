"""`/progress/`: the parts that pages fetch again."""

import pytest
from django.test import Client

from tests import factories
from tests.campaign.pages import AFTER, BEFORE, DURING, assert_shared, get, text

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign():
    factories.organization()
    made = factories.campaign()
    factories.pool(campaign=made, limit_minor=100_000)
    return made


def test_it_is_only_read(campaign):
    assert Client().post("/progress/").status_code == 405


def test_it_is_a_fragment_that_anybody_may_keep_for_a_second(campaign):
    answer = get("/progress/")
    assert_shared(answer)
    assert b"<html" not in answer.content
    assert b"<b>$1,000</b> still free" in answer.content


def test_it_tells_the_servers_clock(campaign):
    assert get("/progress/", at=BEFORE).headers["X-Now-Ms"] == "1795375113000"


def test_the_same_figures_again_are_not_sent_again(campaign):
    first = get("/progress/", at=DURING)
    again = get("/progress/", at=DURING, status=304, headers={"If-None-Match": first.headers["ETag"]})
    assert again.content == b""
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Cache-Control"] == first.headers["Cache-Control"]
    later = DURING.replace(second=2)
    assert get("/progress/", at=later, headers={"If-None-Match": first.headers["ETag"]}).content


def test_after_the_end_it_tells_the_page_to_stop_asking(campaign):
    answer = get("/progress/", at=AFTER, status=286)
    assert b"<b>$1,000</b> left" in answer.content
    get("/progress/", at=AFTER, status=286, headers={"If-None-Match": '"something else"'})


@pytest.mark.parametrize(("at", "phase"), [(BEFORE, "before"), (DURING, "open"), (AFTER, "closed")])
def test_the_band_is_sent_as_the_phase_has_it(campaign, at, phase):
    html = text("/progress/?part=band", at=at)
    assert f'data-phase="{phase}"' in html
    assert html.count('id="band"') == 1
    assert 'class="band slim"' in text("/progress/?part=band&slim", at=at)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("amount=250.00", "<b>$250 becomes $500.</b>"),
        ("amount=100.00&other_amount=40", "<b>$40 becomes $80.</b>"),
        ("amount=100.00&other_amount=", "<b>$100 becomes $200.</b>"),
        ("amount=2000", "<b>$2,000 becomes $3,000.</b>"),
        ("other_amount=ten", "“ten” is not an amount we can read. Write it like 50 or 1,000.50."),
        ("", "Enter an amount, such as 50 or 50.25."),
    ],
)
def test_the_match_line_follows_the_amount(campaign, query, words):
    fund = campaign.funds.get()
    assert words in text(f"/progress/?part=line&fund={fund.slug}&{query}", at=DURING)


@pytest.mark.parametrize(
    "query", ["part=secrets", "part=line&fund=unknown&amount=50", "part=line", "part=line&fund=%00"]
)
def test_unknown_parts_and_funds_are_not_found(campaign, query):
    get(f"/progress/?{query}", status=404)


def test_without_a_campaign_there_is_nothing_to_send(db):
    get("/progress/", status=404)
