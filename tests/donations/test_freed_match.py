"""Freed match reaches the gift, its history, its donor: told once per change."""

from datetime import timedelta

import pytest
from django.core import mail as outbox

from donations import follow_ups, freed_match, receipts
from donations.models import FollowUp, Reversal
from matching import pools
from matching.ledger import SYSTEM
from matching.queries import gift_match
from tests import factories
from tests.factories import GIFT_AT

pytestmark = pytest.mark.django_db
LATER = GIFT_AT + timedelta(hours=1)


@pytest.fixture
def pool():
    return factories.pool(campaign=factories.campaign(), limit_minor=735)


@pytest.fixture
def gift(pool):
    donation = factories.donation(campaign=pool.campaign, match_shortfall_minor=0)
    factories.match(donation)
    return donation


def grow(pool, limit_minor):
    pools.change_limit(pool_id=pool.pk, limit_minor=limit_minor, actor=SYSTEM, now=LATER)


def run_all(now):
    return [follow_ups.run(follow_up_id=pk, now=now) for pk in FollowUp.objects.values_list("pk", flat=True)]


def test_it_adds_the_match_notes_it_and_owes_the_news(gift, pool):
    grow(pool, 10_000)
    assert freed_match.offer(campaign_id=pool.campaign_id, now=LATER) == 1
    assert gift_match(key=gift.match_key).match_minor == 10_000
    assert [note.text for note in gift.notes.all()] == [
        "Match of $92.65 was added from money that came free; it is $100.00 now."
    ]
    owed = FollowUp.objects.get()
    assert (owed.kind, owed.subject_id, owed.due_at) == ("match", 10_000, LATER + freed_match.QUIET)


def test_it_tells_the_donor_once_per_change(gift, pool):
    grow(pool, 10_000)
    freed_match.offer(campaign_id=pool.campaign_id, now=LATER)
    freed_match.offer(campaign_id=pool.campaign_id, now=LATER)
    due = LATER + timedelta(minutes=2)
    assert (run_all(due), run_all(due + timedelta(hours=3))) == ([True], [False])
    (message,) = outbox.outbox
    assert message.subject == "Your gift to Harborview Hospital is now matched with $100.00"
    assert message.to == [gift.donor_email]
    assert "Your gift of $100.00 to Harborview Hospital is now matched with $100.00 in all." in message.body
    assert gift.get_absolute_url() in message.body
    assert message.extra_headers["Message-ID"].startswith(f"<match-{gift.pk}-10000.")


def test_two_changes_within_a_minute_are_one_message_with_the_newest_figure(gift, pool):
    grow(pool, 5_000)
    freed_match.offer(campaign_id=pool.campaign_id, now=LATER)
    grow(pool, 10_000)
    freed_match.offer(campaign_id=pool.campaign_id, now=LATER)
    assert run_all(LATER + timedelta(minutes=2)) == [True, True]
    assert [message.subject for message in outbox.outbox] == [
        "Your gift to Harborview Hospital is now matched with $100.00"
    ]


def test_it_brings_a_shortfall_up_to_date(gift, pool):
    type(gift).objects.filter(pk=gift.pk).update(match_shortfall_minor=9_265)
    grow(pool, 10_000)
    freed_match.offer(campaign_id=pool.campaign_id, now=LATER)
    run_all(LATER + timedelta(minutes=2))
    gift.refresh_from_db()
    assert gift.match_shortfall_minor == 0


def test_a_batch_that_dies_halfway_leaves_nothing_and_can_be_run_again(gift, pool, monkeypatch):
    grow(pool, 10_000)
    with monkeypatch.context() as patch:
        patch.setattr(freed_match.FollowUp.objects, "bulk_create", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            freed_match.offer(campaign_id=pool.campaign_id, now=LATER)
    assert (gift_match(key=gift.match_key).match_minor, gift.notes.count()) == (735, 0)
    assert freed_match.offer(campaign_id=pool.campaign_id, now=LATER) == 1
    assert gift_match(key=gift.match_key).match_minor == 10_000


@pytest.mark.parametrize(("limit_minor", "told"), [(736, []), (834, []), (835, ["$8.35"])])
def test_less_than_a_dollar_more_than_the_receipt_says_is_no_news(gift, pool, limit_minor, told):
    receipts.issue_receipt(donation_id=gift.pk, now=GIFT_AT)
    FollowUp.objects.all().delete()
    grow(pool, limit_minor)
    freed_match.offer(campaign_id=pool.campaign_id, now=LATER)
    type(gift).objects.filter(pk=gift.pk).update(match_shortfall_minor=9_265)
    assert run_all(LATER + timedelta(minutes=2)) == [True]
    gift.refresh_from_db()
    assert [message.subject.rpartition(" ")[2] for message in outbox.outbox] == told
    assert (gift_match(key=gift.match_key).match_minor, gift.match_shortfall_minor) == (limit_minor, 0)


@pytest.mark.parametrize("how", ["a part was refunded", "it is disputed", "another gift was refunded"])
def test_who_took_money_back_gets_more_match_and_no_news_of_it(gift, pool, how):
    grow(pool, 5_000)
    freed_match.offer(campaign_id=pool.campaign_id, now=LATER)
    if how == "another gift was refunded":
        other = factories.donation(campaign=pool.campaign, donor=gift.donor)
        at = {"created_at": LATER, "changed_at": LATER}
        Reversal.objects.create(
            donation=other, kind="refund", stripe_id="re_1", status="succeeded", amount_minor=1, **at
        )
    else:
        taken = {"refunded_minor": 3_334} if how == "a part was refunded" else {"disputed_at": LATER}
        type(gift).objects.filter(pk=gift.pk).update(**taken)
    assert run_all(LATER + timedelta(minutes=2)) == [True]
    assert (outbox.outbox, gift_match(key=gift.match_key).match_minor) == ([], 5_000)
