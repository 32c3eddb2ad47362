"""A gift is paid at the very moment at which something else decides what paid gifts wait for: it is not forgotten."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import transaction

from matching import holds, refunds, waiting
from matching.allocation import Part
from matching.models import MatchPool, WaitingGift
from matching.offers import Added, offer_batch
from tests import factories
from tests.beside import Beside, someone_waits_for_a_lock
from tests.factories import GIFT_AT, OPENS_AT

pytestmark = pytest.mark.django_db(transaction=True)
LATER = GIFT_AT + timedelta(minutes=5)


@pytest.fixture
def campaign():
    return factories.campaign()


def held(campaign, *, donor_key="1", at=GIFT_AT):
    gift = holds.Gift(uuid4(), donor_key, (Part(campaign.funds.get().pk, 10_000),), at)
    holds.hold(campaign_id=campaign.pk, gift=gift, now=at)
    return gift.key


def open_pool_that_reaches_back(campaign):
    return Beside(lambda: factories.pool(campaign=campaign, now=LATER, opens_at=OPENS_AT))


def test_control_a_pool_that_does_not_wait_for_it_misses_it(campaign, monkeypatch):
    monkeypatch.setattr(waiting, "_lock_held", lambda gifts: None)
    key = held(campaign)
    with transaction.atomic():
        holds.commit(key=key, now=LATER)
        open_pool_that_reaches_back(campaign).finish()
    assert WaitingGift.objects.count() == 0


def test_a_pool_that_reaches_back_is_opened_at_that_moment(campaign):
    key = held(campaign)
    with transaction.atomic():
        holds.commit(key=key, now=LATER)
        beside = open_pool_that_reaches_back(campaign)
        someone_waits_for_a_lock()
    beside.finish()
    assert offer_batch(campaign_id=campaign.pk, now=LATER).added == [Added(key, 10_000, 10_000)]


def test_room_is_made_under_a_cap_while_the_gift_that_waits_for_it_is_refunded(campaign):
    """The refund writes down anew what its gift waits for: it holds that pool too. Without it the room was missed, and
    two refunds of one donor could wait for each other."""
    capped = factories.pool(campaign=campaign, cap_per_donor_minor=10_000, priority=1)
    factories.pool(campaign=campaign, limit_minor=4_000, priority=2)
    rival, key = held(campaign), held(campaign)
    holds.commit(key=key, now=LATER)
    assert list(WaitingGift.objects.filter(pool=capped).values_list("waits_for", flat=True)) == ["donor_cap"]
    with transaction.atomic():
        refunds.settle_refund(key=key, refunded_minor=1_000, now=LATER)
        beside = Beside(lambda: holds.release(key=rival, now=LATER))
        someone_waits_for_a_lock()
    beside.finish()
    assert list(WaitingGift.objects.filter(pool=capped).values_list("waits_for", flat=True)) == ["money"]
    assert MatchPool.objects.get(pk=capped.pk).free_minor == 1_000_000
