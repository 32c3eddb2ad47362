"""`/match/`: every sponsor's money in public."""

import pytest
from django.test import Client

from matching import pools
from tests import factories
from tests.campaign.pages import BEFORE, DURING, assert_shared, get, text

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign():
    factories.organization()
    return factories.campaign()


def shown(html: str) -> list[str]:
    return html.split('class="pool"')[1:]


def test_it_is_only_read_and_anybody_may_keep_it_for_a_second(campaign):
    assert Client().post("/match/").status_code == 405
    assert_shared(get("/match/"))


def test_each_pool_is_shown_with_sponsor_terms_state_and_three_figures(campaign):
    factories.pool(campaign=campaign, limit_minor=25_000_000, cap_per_donor_minor=500_000)
    factories.match(factories.donation(campaign=campaign, amount_minor=30_000))
    (pool,) = shown(text("/match/", at=DURING))
    assert "The Harbor Family" in pool
    assert "Every dollar is doubled up to $5,000 of match a donor until $250,000 is used." in pool
    assert ">Open</span>" in pool
    assert "What is left over is given anyway." in pool
    assert "<b>$300</b> matched" in pool
    assert "<b>$0</b> held" in pool
    assert "<b>$249,700</b> still free" in pool
    assert "Figures from 10:00:00 AM, Boston time" in text("/match/", at=DURING)


def test_it_says_when_a_pool_is_conditional_anonymous_or_not_yet_open(campaign):
    sponsor = factories.sponsor("Somebody Rich", is_anonymous=True)
    factories.pool(
        campaign=campaign,
        sponsor=sponsor,
        leftover="kept",
        layer="bonus",
        opens_at=factories.OPENS_AT,
        closes_at=factories.CLOSES_AT,
    )
    (pool,) = shown(text("/match/", at=BEFORE))
    assert "An anonymous sponsor" in pool
    assert "Somebody Rich" not in pool
    assert "Opens December 1, midnight" in pool
    assert "What is left over stays with the sponsor" in pool


def test_it_says_when_a_pool_is_used_up_or_paused(campaign):
    factories.pool(campaign=campaign, limit_minor=1_000)
    factories.match(factories.donation(campaign=campaign, amount_minor=1_000))
    paused = factories.pool(campaign=campaign)
    pools.set_paused(pool_id=paused.pk, paused=True, actor="system", now=DURING)
    states = [pool.split('class="pill')[1].split("</span>")[0] for pool in shown(text("/match/", at=DURING))]
    assert states == [' warn">Used up', ' warn">Paused']


@pytest.mark.parametrize("with_campaign", [True, False])
def test_without_a_match_it_says_so(db, with_campaign):
    if with_campaign:
        factories.campaign()
    assert "Gifts are not matched at the moment." in text("/match/")


class TestReference:
    def test_it_shows_what_the_ledger_says_of_a_reference_and_nobodys_name(self, campaign):
        factories.pool(campaign=campaign)
        gift = factories.donation(campaign=campaign, donor=factories.donor("Priya Weller"))
        match = factories.match(gift)
        page = text(f"/match/?reference={match.reference}", at=DURING)
        section = page.split('id="look-up"')[1].split("</section>")[0]
        rows = section.split("<tbody>")[1].split("</tbody>")[0]
        assert rows.count("<tr>") == 2
        assert "Held for a gift" in rows
        assert "Gift paid" in rows
        assert rows.count("$100.00") == 2
        assert "Weller" not in section

    def test_small_letters_and_blanks_are_forgiven(self, campaign):
        factories.pool(campaign=campaign)
        match = factories.match(factories.donation(campaign=campaign))
        assert "Gift paid" in text(f"/match/?reference=%20{match.reference.lower()}%20", at=DURING)

    def test_an_unknown_reference_is_answered_with_what_to_do(self, campaign):
        page = text("/match/?reference=M-%3Cb%3EX", at=DURING)
        assert "has no match with the reference “M-&lt;b&gt;X”" in page

    def test_it_stays_a_page_that_anybody_may_keep(self, campaign):
        assert_shared(get("/match/?reference=M-AAAAAAAAAA"))


def test_a_reference_of_any_shape_is_answered(campaign):
    get("/match/?reference=%00M-1")
    assert "<script>" not in text("/match/?reference=<script>alert(1)</script>")
