"""How much match somebody holds who pays nothing: by pool, by network, again and again, and for weeks."""

from datetime import timedelta

import pytest
from django.db.models import Sum
from django.test import RequestFactory
from django.utils import timezone

from donations import giving, kept_gifts, limits, payments, scheduling
from donations.gateway import Payment
from donations.models import Donation
from donations.sources import source_of
from donations.subscriptions import SavedCard
from matching import holds
from matching.models import Allocation
from matching.queries import gift_match
from tests import factories
from tests.paying import gift_request

pytestmark = pytest.mark.django_db
POOL = 1_000_000  # a fifth of it is 200,000


@pytest.fixture
def campaign():
    factories.organization()
    funds = [factories.fund("Education"), factories.fund("Research")]
    return factories.open_campaign(max_gift_minor=5_000_000, funds=funds)


def start(campaign, *, now=None, source="thief", **changes):
    request = gift_request(campaign, source=source, **{"amount_minor": 50_000} | changes)
    return giving.start_gift(campaign=campaign, request=request, now=now or timezone.now())


def as_many_as_it_takes(campaign, **changes):
    """Forms until one is refused, a new browser and e-mail address for each; how many were taken."""
    for number in range(200):
        try:
            start(campaign, **changes)
        except limits.TooMuchHeld:
            return number
    raise AssertionError("nobody stopped it")


def held_of(pool):
    return Allocation.objects.filter(pool=pool, reservation__state="held").aggregate(sum=Sum("amount_minor"))["sum"]


def paid(gift, *, now=None):
    payment = Payment(f"pi_{gift.pk}", "succeeded", gift.total_minor, gift.currency, str(gift.match_key))
    payments.settle(donation_id=gift.pk, payment=payment, now=now or timezone.now())


def test_new_browsers_and_many_e_mails_make_one_source_no_larger(campaign, say):
    pool = factories.pool(campaign=campaign, limit_minor=POOL)
    taken = as_many_as_it_takes(campaign)
    say("unpaid holds, one address, new browser and e-mail each time", f"{held_of(pool) * 100 // POOL} % of the pool")
    assert (taken, held_of(pool)) == (4, 200_000)


def test_a_network_of_64_bits_is_one_source(campaign, say):
    pool = factories.pool(campaign=campaign, limit_minor=POOL)
    taken = 0
    for number in range(20):
        request = RequestFactory().get("/", REMOTE_ADDR=f"2001:db8:1:2:{number:x}::{number:x}")
        try:
            start(campaign, source=source_of(request))
            taken += 1
        except limits.TooMuchHeld:
            break
    say("unpaid holds, one IPv6 network, an address each", f"{held_of(pool) * 100 // POOL} % of the pool")
    assert taken == 4


def test_each_of_several_pools_has_its_own_fifth(campaign, say):
    """Two base pools and a bonus one, of different sizes: the smallest fifth that is full refuses the gift."""
    first = factories.pool(campaign=campaign, limit_minor=POOL, cap_per_gift_minor=25_000)
    second = factories.pool(campaign=campaign, limit_minor=4 * POOL)
    bonus = factories.pool(campaign=campaign, limit_minor=2 * POOL, layer="bonus")
    as_many_as_it_takes(campaign)
    shares = {pool.pk: held_of(pool) * 100 // pool.limit_minor for pool in (first, second, bonus)}
    say("unpaid holds, one address, three pools on each gift", f"{max(shares.values())} % of a pool at most")
    assert max(shares.values()) == 20


def test_splitting_a_gift_over_funds_gains_nothing(campaign):
    education, research = campaign.funds.order_by("pk")
    pools = [factories.pool(campaign=campaign, limit_minor=POOL, fund_ids=(fund.pk,)) for fund in (education, research)]
    as_many_as_it_takes(campaign, parts=((education.pk, 25_000), (research.pk, 25_000)))
    as_many_as_it_takes(campaign, parts=((education.pk, 50_000),))
    as_many_as_it_takes(campaign, parts=((research.pk, 50_000),))
    assert [held_of(pool) for pool in pools] == [200_000, 200_000]


def test_holds_that_lapse_count_for_the_hour_so_that_sending_again_gains_nothing(campaign, say):
    """A form for a hold that ends, all day: without this an address kept its fifth for ever."""
    factories.pool(campaign=campaign, limit_minor=POOL)
    now, held_minutes = timezone.now(), 0
    for minute in range(0, 4 * 60, 5):
        try:
            start(campaign, now=now + timedelta(minutes=minute), amount_minor=200_000)
        except limits.TooMuchHeld:
            pass
        else:
            held_minutes += 15
        holds.expire_lapsed(now=now + timedelta(minutes=minute))
    say(
        "unpaid holds, one address, a form every five minutes",
        f"its fifth held for {held_minutes / 2.4:.0f} % of four hours",
    )
    assert held_minutes == 60


def test_a_hold_let_go_shortly_before_it_lapses_counts_as_well_and_a_quick_change_does_not(campaign):
    factories.pool(campaign=campaign, limit_minor=POOL)
    now = timezone.now()
    quick = start(campaign, now=now, amount_minor=200_000)
    giving.abandon_gift(donation_id=quick.pk, now=now + timedelta(minutes=4), actor="donor")
    slow = start(campaign, now=now + timedelta(minutes=4), amount_minor=200_000)
    giving.abandon_gift(donation_id=slow.pk, now=now + timedelta(minutes=18), actor="donor")
    with pytest.raises(limits.TooMuchHeld):
        start(campaign, now=now + timedelta(minutes=18), amount_minor=200_000)
    assert start(campaign, now=now + timedelta(minutes=80), amount_minor=200_000)


def test_a_large_gift_is_held_whole_and_its_colleagues_are_not_refused_for_it(campaign, say):
    """It is begun and not paid, live or lapsed; a second one like it is refused, and so is more than a fifth beside."""
    pool = factories.pool(campaign=campaign, limit_minor=POOL)
    now = timezone.now()
    start(campaign, now=now, source="hospital", amount_minor=600_000)
    with pytest.raises(limits.TooMuchHeld):
        start(campaign, now=now, source="hospital", amount_minor=300_000)
    assert as_many_as_it_takes(campaign, now=now, source="hospital") == 4
    say(
        "unpaid holds, one address, one large gift first", f"that gift and {200_000 * 100 // POOL} % of the pool beside"
    )
    assert held_of(pool) == 800_000


def test_a_large_gift_is_held_again_four_times_and_then_no_more(campaign):
    factories.pool(campaign=campaign, limit_minor=POOL)
    now = timezone.now()
    gift = start(campaign, now=now, amount_minor=900_000)
    for number in range(1, limits.MOST_HOLDS_OF_A_GIFT):
        assert giving.renew_hold(donation_id=gift.pk, now=now + number * timedelta(minutes=16)).match_minor == 900_000
    with pytest.raises(limits.TooMuchHeld):
        giving.renew_hold(donation_id=gift.pk, now=now + timedelta(minutes=16 * limits.MOST_HOLDS_OF_A_GIFT))


def test_who_pays_may_hold_more(campaign):
    factories.pool(campaign=campaign, limit_minor=POOL)
    for _ in range(4):
        paid(start(campaign, source="hospital"))
    assert as_many_as_it_takes(campaign, source="hospital") == 8


class TestScheduled:
    """Their holds stand for weeks, and nobody pays before the day."""

    @pytest.fixture
    def pool(self, campaign):
        campaign.opens_at = timezone.now() + timedelta(days=9)
        campaign.closes_at = campaign.opens_at + timedelta(days=1)
        campaign.save()
        return factories.pool(campaign=campaign, limit_minor=POOL, opens_at=campaign.opens_at)

    def schedule(self, campaign, *, card, now=None, **changes):
        now = now or timezone.now()
        gift = start(campaign, now=now, way="scheduled", **changes)
        Donation.objects.filter(pk=gift.pk).update(setup_intent=f"seti_{gift.pk}", customer=f"cus_{gift.pk}")
        saved = SavedCard(f"seti_{gift.pk}", "succeeded", "", f"cus_{gift.pk}", "pm_1", "Visa", "4242", "", card)
        assert scheduling.settle(donation_id=gift.pk, saved=saved, now=now)
        return gift

    def test_one_card_holds_a_fifth_of_a_pool_and_one_gift_however_long_it_takes(self, campaign, pool, say):
        now, taken = timezone.now(), 0
        for day in range(8):
            for _ in range(5):
                try:
                    self.schedule(campaign, card="the-one", now=now + timedelta(days=day, hours=1))
                    taken += 1
                except limits.TooMuchHeld:
                    break
        say("scheduled gifts of one card from one address, eight days", f"{held_of(pool) * 100 // POOL} % of the pool")
        assert (taken, held_of(pool)) == (5, 250_000)

    def test_colleagues_behind_one_address_schedule_each_with_a_card_of_their_own(self, campaign, pool):
        for number in range(18):
            self.schedule(campaign, card=f"card-{number}", source="hospital")
        assert held_of(pool) == 900_000

    def test_one_whose_card_was_refused_on_the_day_counts_on(self, campaign, pool):
        gifts = [self.schedule(campaign, card="the-one") for _ in range(5)]
        Donation.objects.filter(pk__in=[gift.pk for gift in gifts]).update(
            state="started",
            pay_by=campaign.opens_at + scheduling.GRACE,
            submitted_at=timezone.now() - timedelta(days=8),
        )
        with pytest.raises(limits.TooMuchHeld):
            start(campaign, way="scheduled")

    def test_a_card_saved_after_its_hold_lapsed_gets_no_more_than_the_share(self, campaign, pool):
        now = timezone.now()
        late = start(campaign, way="scheduled", amount_minor=50_000, now=now)
        Donation.objects.filter(pk=late.pk).update(setup_intent="seti_late", customer="cus_late")
        for _ in range(5):
            self.schedule(campaign, card="the-one", now=now + timedelta(minutes=80))
        saved = SavedCard("seti_late", "succeeded", "", "cus_late", "pm_1", "Visa", "4242", "", "the-one")
        holds.expire_lapsed(now=now + timedelta(minutes=81))
        scheduling.settle(donation_id=late.pk, saved=saved, now=now + timedelta(minutes=81))
        late.refresh_from_db()
        assert (late.state, gift_match(key=late.match_key).state) == ("scheduled", "expired")


def test_a_gift_kept_while_the_pools_were_busy_gets_no_more_than_the_share(campaign):
    pool = factories.pool(campaign=campaign, limit_minor=POOL)
    kept, *_ = [start(campaign, source="thief") for _ in range(4)]
    holds.release(key=kept.match_key, now=timezone.now())
    Donation.objects.filter(pk=kept.pk).update(awaits_match_since=timezone.now())
    start(campaign, source="thief")
    assert kept_gifts.decide_waiting(now=timezone.now()) == 1
    kept.refresh_from_db()
    assert (kept.awaits_match_since, held_of(pool)) == (None, 200_000)
