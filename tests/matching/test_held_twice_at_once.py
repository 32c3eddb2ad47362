"""One gift asked for twice at the same moment (a second press, a second tab, a web server's retry): one reservation,
and both get it."""

from uuid import uuid4

import pytest
from django.db import transaction

from matching import holds, late_gifts
from matching.allocation import Part
from matching.checking import check_campaigns
from matching.models import Reservation
from tests import factories
from tests.beside import Beside, someone_waits_for_a_lock
from tests.factories import GIFT_AT

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def campaign():
    return factories.campaign()


@pytest.fixture(params=["a pool", "no pool"])
def pool(campaign, request):
    """With a pool the second waits for its lock; without one it waits for the first one's row."""
    return factories.pool(campaign=campaign) if request.param == "a pool" else None


@pytest.fixture
def gift(campaign):
    return holds.Gift(uuid4(), "1", (Part(campaign.funds.get().pk, 10_000),), GIFT_AT, offline=True)


def both(act, other=None):
    """The answers of a first call and of one that began before the first was done."""
    with transaction.atomic():
        first = act()
        beside = Beside(other or act)
        someone_waits_for_a_lock()
    return first, beside


def test_control_run_once_the_second_ends_in_an_error(campaign, pool, gift):
    def act():
        return late_gifts.match_offline.__wrapped__(campaign_id=campaign.pk, gift=gift, now=GIFT_AT, actor="staff:1")

    _, second = both(act)
    with pytest.raises(holds.HeldMeanwhile):
        second.finish()


def test_both_get_the_one_hold(campaign, pool, gift):
    first, second = both(lambda: holds.hold(campaign_id=campaign.pk, gift=gift, now=GIFT_AT))
    assert second.finish() == first == Reservation.objects.get()
    assert check_campaigns() == []


def test_inside_a_transaction_of_the_caller_too(campaign, pool, gift):
    """As when a gift and its hold are written together."""

    def act():
        with transaction.atomic():
            return holds.hold(campaign_id=campaign.pk, gift=gift, now=GIFT_AT)

    first, second = both(act)
    assert second.finish() == first == Reservation.objects.get()


def test_another_gift_under_the_same_key_is_refused(campaign, pool, gift):
    other = holds.Gift(gift.key, "1", (Part(campaign.funds.get().pk, 500),), GIFT_AT)
    first, second = both(
        lambda: holds.hold(campaign_id=campaign.pk, gift=gift, now=GIFT_AT),
        lambda: holds.hold(campaign_id=campaign.pk, gift=other, now=GIFT_AT),
    )
    with pytest.raises(holds.KeyReused):
        second.finish()
    assert Reservation.objects.get() == first


def test_a_cheque_entered_twice_is_matched_once(campaign, pool, gift):
    first, second = both(
        lambda: late_gifts.match_offline(campaign_id=campaign.pk, gift=gift, now=GIFT_AT, actor="staff:1")
    )
    assert second.finish() == first == Reservation.objects.get()
    assert check_campaigns() == []


def test_a_late_payment_told_twice_is_matched_once(campaign, pool, gift):
    holds.hold(campaign_id=campaign.pk, gift=gift, now=GIFT_AT)
    holds.release(key=gift.key, now=GIFT_AT)
    (matched, shortfall), second = both(lambda: late_gifts.match_late(key=gift.key, now=GIFT_AT))
    with pytest.raises(holds.HoldAlreadyCommitted) as raised:
        second.finish()
    assert (raised.value.reservation, shortfall) == (matched, 0)
    assert Reservation.objects.filter(state="committed").get() == matched
    assert check_campaigns() == []
