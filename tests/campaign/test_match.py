"""`/match/`: every sponsor's money in public."""

import re
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client

from matching import challenges, heads, holds, pools, refunds
from tests import factories
from tests.campaign.pages import BEFORE, DURING, assert_shared, get, picture, text
from tests.factories import GIFT_AT
from tests.matching.public_ledger import body

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
    assert "Every dollar is doubled, up to $5,000 of match a donor, until $250,000 is used." in pool
    assert ">Open</span>" in pool
    assert "<b>Unconditional.</b> What is left over is given anyway." in pool
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
    assert ">Opens in 8 days</span>" in pool
    assert "<b>Conditional.</b>" in pool
    assert "What is left over stays with the sponsor" in pool


def test_it_says_when_a_pool_is_used_up_or_paused(campaign):
    factories.pool(campaign=campaign, limit_minor=1_000)
    factories.match(factories.donation(campaign=campaign, amount_minor=1_000))
    paused = factories.pool(campaign=campaign)
    pools.set_paused(pool_id=paused.pk, paused=True, actor="system", now=DURING)
    states = [pool.split('class="pill')[1].split("</span>")[0] for pool in shown(text("/match/", at=DURING))]
    assert states == [' warn">Used up at 10:30 AM', ' warn">Paused']


def test_the_moment_at_which_it_was_used_up_is_the_ledgers(campaign):
    """Money that came free and was taken again moves it; what happens to holds later does not."""
    factories.pool(campaign=campaign, limit_minor=2_000)
    first, second = (factories.donation(campaign=campaign, amount_minor=1_000) for _ in range(2))
    factories.match(first, at=GIFT_AT)
    factories.match(second, at=GIFT_AT + timedelta(minutes=44), is_paid=False)
    holds.commit(key=second.match_key, now=GIFT_AT + timedelta(minutes=50), actor="system")
    (pool,) = shown(text("/match/", at=GIFT_AT + timedelta(hours=1)))
    assert ">Used up at 11:14 AM</span>" in pool
    (pool,) = shown(text("/match/", at=GIFT_AT + timedelta(hours=13)))
    assert ">Used up at 11:14 AM</span>" in pool
    refunds.settle_refund(key=first.match_key, refunded_minor=1_000, now=GIFT_AT + timedelta(hours=1), actor="system")
    third = factories.donation(campaign=campaign, amount_minor=1_000)
    factories.match(third, at=GIFT_AT + timedelta(hours=2))
    (pool,) = shown(text("/match/", at=GIFT_AT + timedelta(hours=13, minutes=1)))
    assert ">Used up at 12:30 PM</span>" in pool


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (timedelta(seconds=1), "1 minute"),
        (timedelta(minutes=1, seconds=1), "2 minutes"),
        (timedelta(minutes=90), "90 minutes"),
        (timedelta(minutes=91), "2 hours"),
        (timedelta(hours=36), "36 hours"),
        (timedelta(hours=37), "2 days"),
    ],
)
def test_it_says_how_long_until_a_pool_opens(campaign, before, words):
    factories.pool(campaign=campaign, opens_at=DURING, closes_at=factories.CLOSES_AT)
    (pool,) = shown(text("/match/", at=DURING - before))
    assert f">Opens in {words}</span>" in pool


def test_a_sponsor_is_shown_with_logo_and_link_and_an_anonymous_one_with_neither(campaign):
    for is_anonymous in (False, True):
        sponsor = factories.sponsor(
            "Pier Bank", website="https://pier.example/", logo=picture(), is_anonymous=is_anonymous
        )
        factories.pool(campaign=campaign, sponsor=sponsor)
    named, anonymous = shown(text("/match/", at=DURING))
    assert '<a href="https://pier.example/" rel="noopener">Pier Bank</a>' in named
    assert re.search(r'<img class="logo-of" src="/media/sponsors/ward[^"]*\.webp" alt=""', named)
    assert "An anonymous sponsor" in anonymous
    assert "pier" not in anonymous.lower()
    assert "<img" not in anonymous.split("</article>")[0]


class TestCheckItYourself:
    def test_it_leads_to_the_ledger_the_program_and_the_description(self, campaign, settings):
        settings.SITE_URL = "https://give.example.org"
        pool = factories.pool(campaign=campaign)
        page = text("/match/", at=DURING)
        assert ">python3 verify_ledger.py https://give.example.org</pre>" in page
        for link in (
            "/match/verify_ledger.py",
            "/match/ledger.jsonl",
            "/match/ledger.csv",
            "/match/ledger.json",
            "/match/ledger.md",
            f"/match/ledger.jsonl?pool={pool.pk}",
            f"/match/ledger.csv?pool={pool.pk}",
        ):
            assert f'href="{link}"' in page
            body(link)
        assert f"Pool {pool.pk} of the ledger, 1 entry:" in page

    def test_it_shows_the_signed_head(self, campaign, settings):
        settings.LEDGER_SIGNING_KEY = "11" * 32
        factories.pool(campaign=campaign)
        head = heads.publish_head(now=GIFT_AT)
        page = text("/match/", at=DURING)
        assert "<dt>Head 1, signed</dt><dd>2026-12-01 15:30:00 UTC</dd>" in page
        assert f'<dd class="mono">{head.sha256}</dd>' in page
        assert f'<dt>Key 10ba682c (Ed25519)</dt><dd class="mono">{head.key.public_key}</dd>' in page
        assert body(f"/match/heads/{head.sha256}.json")

    @pytest.mark.parametrize("with_campaign", [True, False])
    def test_without_a_head_it_says_so(self, db, with_campaign):
        if with_campaign:
            factories.campaign()
        assert "This site has signed no head of its ledger yet." in text("/match/")


@pytest.mark.parametrize("with_campaign", [True, False])
def test_without_a_match_it_says_so(db, with_campaign):
    if with_campaign:
        factories.campaign()
    assert "Gifts are not matched at the moment." in text("/match/")


class TestReference:
    def test_it_shows_what_the_ledger_says_of_a_reference_and_nobodys_name(self, campaign, settings):
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
        assert f'{match.reference} stands matched with <b class="num">$100.00</b>.' in section
        assert f"verify_ledger.py {settings.SITE_URL} --reference {match.reference}</pre>" in page

    def test_it_says_of_one_that_is_held_or_was_let_go_what_became_of_it(self, campaign):
        factories.pool(campaign=campaign)
        gift = factories.donation(campaign=campaign)
        match = factories.match(gift, is_paid=False)
        page = text(f"/match/?reference={match.reference}", at=DURING)
        assert f'{match.reference} holds <b class="num">$100.00</b> for a gift that is being paid.' in page
        holds.release(key=gift.match_key, now=DURING)
        page = text(f"/match/?reference={match.reference}", at=DURING)
        assert f"Nothing stands matched under {match.reference} now" in page

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


def test_a_locked_pool_says_how_far_its_target_is(campaign):
    factories.pool(campaign=campaign, unlock_donors=4, reaches_back=True)
    factories.match(factories.donation(campaign=campaign))
    (pool,) = shown(text("/match/", at=DURING))
    assert "Once 4 people have given, every dollar is doubled" in pool
    assert ">Locked</span>" in pool
    assert "<b>Unlocks when 4 people have given: 1 so far</b>" in pool
    assert 'width="25.00" height="4"' in pool


def test_a_challenge_says_its_rule_and_what_it_gave(campaign):
    factories.pool(campaign=campaign, layer="award", limit_minor=5_000, award_minor=5_000, unlock_donors=1)
    (pool,) = shown(text("/match/", at=DURING))
    assert "When 1 person gives, The Harbor Family will give $50." in pool
    assert "<b>0 of 1 person has given</b>" in pool
    assert "If refunds bring the count below the target before the campaign closes, the sum is taken back." in pool
    assert "<b>$50</b> to be earned" in pool
    assert "<b>0 of 1 person has given</b>" in text("/progress/", at=DURING)
    short = text("/progress/?slim", at=DURING)  # a fund's page is about the fund
    assert ("0 of 1" in short, "See the challenges" in short) == (False, True)
    factories.match(factories.donation(campaign=campaign))
    challenges.settle_challenges(campaign=campaign, now=DURING)
    cache.clear()
    (pool,) = shown(text("/match/", at=DURING))
    assert "Reached: $50 given" in pool
    assert "<b>$50</b> given" in pool
