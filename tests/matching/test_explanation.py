"""Why a gift was matched like this: from the ledger and the terms as they stood, for staff and in a donor's words."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from matching import challenges, holds, late_gifts, pools, refunds
from matching.allocation import Part
from matching.explanation import explanations
from matching.explanation_wording import donor_sentences
from matching.ledger import SYSTEM
from matching.offers import offer_batch
from tests import factories
from tests.factories import GIFT_AT, OPENS_AT

pytestmark = pytest.mark.django_db
LATER = GIFT_AT - timedelta(minutes=16)  # 10:14 AM in Boston
SENT = OPENS_AT + timedelta(hours=9)


@pytest.fixture
def fund():
    return factories.fund("Education")


@pytest.fixture
def campaign(fund):
    return factories.campaign(funds=[fund])


@pytest.fixture
def paid(campaign, fund):
    def make(amount_minor=10_000, *, donor_key="", parts=None, offline=False):
        parts = parts or (Part(fund.pk, amount_minor),)
        gift = holds.Gift(uuid4(), donor_key or str(uuid4()), parts, SENT, offline=offline)
        if offline:
            late_gifts.match_offline(campaign_id=campaign.pk, gift=gift, now=SENT, actor=SYSTEM)
        else:
            holds.hold(campaign_id=campaign.pk, gift=gift, now=SENT)
            holds.commit(key=gift.key, now=SENT)
        return gift.key

    return make


def pool(campaign, name="The Harbor Family", **terms):
    return factories.pool(campaign=campaign, sponsor=factories.sponsor(name), **terms)


def line_of(key, index=0):
    return explanations(keys=[key])[0].lines[index]


def told(key):
    return donor_sentences(explanations(keys=[key])[0], at=SENT)


def test_it_names_amounts_terms_and_entries_of_each_pool(campaign, paid):
    first = pool(campaign, limit_minor=735)
    second = pool(campaign, "Pier Bank", cap_per_gift_minor=5_000, priority=200)
    (explained,) = explanations(keys=[paid()])
    shown = [
        (line.pool, line.terms.version, line.bound, line.reason, line.gave_minor, line.kept_minor, line.waits_for)
        for line in explained.lines
    ]
    assert shown == [
        (first, 1, "ran_out", "the sponsor’s money had run out", 735, 735, "money"),
        (second, 1, "cap_per_gift", "the match is limited to $50 a gift", 5_000, 5_000, ""),
    ]
    assert [(e.pool_id, e.seq, e.reason) for e in explained.lines[0].entries] == [
        (first.pk, 2, "hold"),
        (first.pk, 3, "commit"),
    ]
    assert explained.kept_minor == 5_735


def test_money_that_came_later_is_told_with_its_moment(campaign, paid):
    given = pool(campaign, limit_minor=735)
    key = paid()
    pools.change_limit(pool_id=given.pk, limit_minor=4_735, actor=SYSTEM, now=LATER)
    offer_batch(campaign_id=campaign.pk, now=LATER)
    line = line_of(key)
    assert [(added.amount_minor, added.at) for added in line.added] == [(4_000, LATER)]
    assert (line.gave_minor, line.kept_minor, line.waits_text) == (735, 4_735, "waits for money that comes free")
    assert told(key) == [
        "The Harbor Family’s match had $7.35 left when you gave. $40 more came at 10:14 AM when money came free. "
        "Your gift is in line for money that comes free."
    ]
    type(campaign).objects.filter(pk=campaign.pk).update(offers_freed_match=False)
    assert "in line" not in told(key)[0]


def test_what_refunds_took_back_is_told(campaign, paid):
    pool(campaign)
    key = paid()
    refunds.settle_refund(key=key, refunded_minor=2_500, now=LATER)
    line = line_of(key)
    assert (line.gave_minor, line.taken_back_minor, line.kept_minor) == (10_000, 2_500, 7_500)
    assert [entry.reason for entry in line.entries] == ["hold", "commit", "reverse"]
    assert told(key) == [
        "The Harbor Family matched all of your gift, with $100. $25 of it went back for what was refunded."
    ]


def test_an_unlocking_that_reaches_back_is_told(campaign, paid):
    pool(campaign, unlock_donors=2, reaches_back=True)
    key = paid()
    assert line_of(key).waits_text == "waits until the pool is unlocked"
    assert told(key) == [
        "The Harbor Family’s match was still locked when you gave. Your gift is in line for when it unlocks."
    ]
    paid()
    challenges.settle_challenges(campaign=campaign, now=LATER)
    offer_batch(campaign_id=campaign.pk, now=LATER + timedelta(days=1))
    assert told(key) == [
        "The Harbor Family’s match was still locked when you gave. $100 from The Harbor Family came on December 2 at "
        "10:14 AM when it was unlocked."
    ]


@pytest.mark.parametrize(
    ("terms", "sentence"),
    [
        ({"opens_at": GIFT_AT}, "The Harbor Family’s match was not open when you gave."),
        ({"min_gift_minor": 20_000}, "The Harbor Family’s match is for gifts of $200 or more."),
        ({"fund_ids": (0,)}, "The Harbor Family’s match is not for Education."),
        ({"cap_per_gift_minor": 5_000}, "The Harbor Family matched $50, the most for one gift ($50)."),
        ({"cap_per_donor_minor": 5_000}, "The Harbor Family matched $50, the most for one donor ($50)."),
        ({"unlock_donors": 9}, "The Harbor Family’s match was still locked when you gave."),
        ({"ratio_gift": 20_000}, "The Harbor Family matched $0: the part left to match was too small for a cent."),
    ],
)
def test_each_limit_is_told_in_plain_words(campaign, paid, terms, sentence):
    pool(campaign, **terms)
    assert told(paid()) == [sentence]


def test_a_pause_an_empty_pool_and_a_check_are_told(campaign, paid):
    given = pool(campaign, limit_minor=10_000, offline_gifts=False)
    assert told(paid(offline=True)) == ["The Harbor Family’s match is for gifts made on this site."]
    paid()
    assert told(paid()) == [
        "The Harbor Family’s match was used up when you gave. Your gift is in line for money that comes free."
    ]
    pools.set_paused(pool_id=given.pk, paused=True, actor=SYSTEM, now=SENT)
    assert told(paid()) == ["The Harbor Family’s match was paused when you gave."]


def test_a_donor_whose_cap_is_used_is_told_so(campaign, paid):
    pool(campaign, cap_per_donor_minor=10_000)
    paid(donor_key="7")
    assert told(paid(donor_key="7")) == [
        "The Harbor Family’s match gives at most $100 to one donor, and your earlier gifts had it."
    ]


def test_pools_that_gave_nothing_are_left_out_once_another_gave(campaign, paid):
    pool(campaign)
    pool(campaign, "Pier Bank", priority=200)
    assert told(paid()) == ["The Harbor Family matched all of your gift, with $100."]


def test_the_parts_of_a_split_gift_are_told_apart(campaign, fund, paid):
    nursing = factories.fund("Nursing")
    pool(campaign, limit_minor=7_000)
    key = paid(parts=(Part(fund.pk, 6_000), Part(nursing.pk, 4_000)))
    assert told(key) == [
        "The Harbor Family matched all of your $60 for Education, with $60.",
        "The Harbor Family’s match had $10 left when you gave to Nursing. "
        "Your gift is in line for money that comes free.",
    ]


def test_who_came_after_others_matched_the_rest(campaign, fund, paid):
    nursing = factories.fund("Nursing")
    pool(campaign, limit_minor=2_500)
    pool(campaign, "Pier Bank", priority=200)
    key = paid(parts=(Part(fund.pk, 6_000), Part(nursing.pk, 4_000)))
    assert told(key)[1:] == [
        "Pier Bank matched the rest of your $60 for Education, with $35.",
        "Pier Bank matched all of your $40 for Nursing, with $40.",
    ]
    pool(campaign, "The Alumni", layer="bonus", ratio_gift=2)
    assert told(paid())[-1] == "The Alumni matched all of your gift, with $50."


def test_of_a_gift_without_match_the_reason_that_counts_comes_first(campaign, fund, paid):
    nursing = factories.fund("Nursing")
    pool(campaign, fund_ids=(nursing.pk,), opens_at=GIFT_AT)
    pool(campaign, "Pier Bank", opens_at=GIFT_AT)
    pool(campaign, "The Alumni", min_gift_minor=20_000)
    assert told(paid()) == [
        "The Alumni’s match is for gifts of $200 or more.",
        "Pier Bank’s match was not open when you gave.",
        "The Harbor Family’s match is not for Education.",
    ]


def test_a_locked_pool_of_another_fund_is_no_hope_for_this_one(campaign, fund, paid):
    nursing = factories.fund("Nursing")
    pool(campaign, unlock_donors=9, reaches_back=True, fund_ids=(nursing.pk,))
    key = paid(parts=(Part(fund.pk, 6_000), Part(nursing.pk, 4_000)))
    lines = explanations(keys=[key])[0].lines
    assert [(line.bound, line.waits_for) for line in lines] == [("other_fund", ""), ("locked", "unlock")]


def test_a_pool_that_came_later_and_reaches_before_itself_is_told(campaign, paid):
    key = paid()
    assert explanations(keys=[key])[0].lines == []
    late = factories.pool(
        campaign=campaign, sponsor=factories.sponsor("Pier Bank"), limit_minor=3_000, now=LATER, opens_at=OPENS_AT
    )
    offer_batch(campaign_id=campaign.pk, now=LATER)
    line = line_of(key)
    assert (line.pool, line.bound, line.reason, line.gave_minor) == (late, "", "not asked at first", 0)
    assert told(key) == [
        "$30 from Pier Bank came at 10:14 AM when money came free. Your gift is in line for money that comes free."
    ]


def test_a_corrected_gift_names_the_match_that_took_the_others_place(campaign, fund, paid):
    pool(campaign)
    wrong = paid(offline=True)
    gift = holds.Gift(uuid4(), "9", (Part(fund.pk, 9_000),), SENT, offline=True)
    right = late_gifts.correct(key=wrong, gift=gift, now=LATER, actor=SYSTEM)
    now_it_is, before = explanations(keys=[gift.key, wrong])
    assert (now_it_is.reference, now_it_is.kept_minor, now_it_is.replaced_by) == (right.reference, 9_000, "")
    assert (before.state, before.kept_minor, before.replaced_by) == ("voided", 0, right.reference)


def test_the_terms_are_those_that_stood_when_the_gift_was_sent(campaign, paid):
    given = pool(campaign, cap_per_gift_minor=5_000)
    key = paid()
    pools.change_terms(pool_id=given.pk, terms=pools.Terms(cap_per_gift_minor=100), actor=SYSTEM, now=LATER)
    assert (line_of(key).terms.version, line_of(key).reason) == (1, "the match is limited to $50 a gift")


def test_it_needs_the_same_number_of_queries_for_one_pool_and_for_ten(campaign, paid):
    counts = []
    for pool_count in (1, 9):
        for number in range(pool_count):
            pool(campaign, f"Sponsor {number}", limit_minor=100)
        key = paid()
        with CaptureQueriesContext(connection) as seen:
            explanations(keys=[key])
        counts.append(len(seen))
    assert counts == [7, 7]
