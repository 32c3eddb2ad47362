"""A payment has its campaign's challenges counted at once; losing the message costs only the timer's seconds."""

import pytest
from kombu.exceptions import OperationalError

from donations import tasks
from matching.queries import gift_match
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def sent(monkeypatch):
    """The counts asked for, as messages that nobody has read yet."""
    messages = []
    monkeypatch.setattr(tasks.settle_challenges_of, "apply_async", lambda args, **_: messages.append(args))
    return messages


@pytest.fixture
def campaign():
    return factories.open_campaign()


def paid(campaign):
    donation = factories.donation(campaign=campaign, at=campaign.opens_at)
    factories.match(donation, at=campaign.opens_at)
    return donation


def test_of_many_payments_one_count_waits_at_a_time(campaign, sent):
    factories.pool(campaign=campaign, unlock_donors=9)
    for _ in range(3):
        tasks.wake_after_payment(paid(campaign).pk)
    assert sent == [(campaign.pk,)]
    tasks.settle_challenges_of(campaign.pk)
    tasks.wake_after_payment(paid(campaign).pk)
    assert sent == [(campaign.pk,)] * 2


@pytest.mark.parametrize("terms", [{}, {"unlock_donors": 1}])
def test_where_no_target_is_awaited_nothing_is_counted(campaign, sent, terms):
    pool = factories.pool(campaign=campaign, **terms)
    type(pool).objects.filter(pk=pool.pk).update(unlocked_at=campaign.opens_at)
    tasks.wake_after_payment(paid(campaign).pk)
    assert sent == []


def test_a_challenge_that_has_given_is_counted_on_since_refunds_may_undo_it(campaign, sent):
    factories.pool(campaign=campaign, layer="award", limit_minor=100, award_minor=100, unlock_donors=1)
    donation = paid(campaign)
    tasks.settle_challenges_of(campaign.pk)
    tasks.wake_after_payment(donation.pk)
    assert sent == [(campaign.pk,)]


def test_the_count_unlocks_and_serves_the_gifts_that_waited(campaign):
    factories.pool(campaign=campaign, limit_minor=15_000, unlock_donors=2, reaches_back=True)
    gifts = [paid(campaign), paid(campaign)]
    tasks.settle_challenges_of(campaign.pk)
    assert [gift_match(key=gift.match_key).match_minor for gift in gifts] == [10_000, 5_000]


def test_without_a_broker_the_payment_goes_on(campaign, monkeypatch):
    factories.pool(campaign=campaign, unlock_donors=9)

    def away(*_, **__):
        raise OperationalError("no broker")

    monkeypatch.setattr(tasks.settle_challenges_of, "apply_async", away)
    tasks.wake_after_payment(paid(campaign).pk)
