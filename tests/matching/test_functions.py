"""A hold is worked out without a lock; what changed before it is written sends it the exact way, to the right sum."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.db.utils import IntegrityError

from campaign.models import Campaign
from matching import functions, holds, ledger, pools
from matching.allocation import Part
from matching.checking import check_campaigns
from matching.ledger import PoolsBusy
from matching.models import MatchPool, Reservation
from tests import factories
from tests.beside import Beside
from tests.concurrency.unlocked import functions_without_lock
from tests.factories import GIFT_AT

pytestmark = pytest.mark.django_db(transaction=True)
LATER = GIFT_AT + timedelta(minutes=1)


@pytest.fixture
def campaign():
    return factories.campaign()


@pytest.fixture
def ask(campaign):
    def make(amount_minor=10_000, *, donor_key="1", key=None):
        return holds.Gift(key or uuid4(), donor_key, (Part(campaign.funds.get().pk, amount_minor),), GIFT_AT)

    return make


@pytest.fixture
def between(monkeypatch):
    """Run something on another connection after the first hold was worked out and before it is written.

    Returns the outcomes of each attempt to write, in order: True where it was written.
    """

    def arrange(meanwhile):
        written, write = [], functions.write_hold

        def write_after(reservation, **read):
            if not written:
                written.append(None)  # what happens meanwhile may hold by itself
                Beside(meanwhile).finish()
                written.clear()
            elif written[0] is None:
                return write(reservation, **read)
            written.append(write(reservation, **read))
            return written[-1]

        monkeypatch.setattr(holds, "write_hold", write_after)
        return written

    return arrange


def hold(gift):
    return holds.hold(campaign_id=Campaign.objects.get().pk, gift=gift, now=GIFT_AT)


def change_terms(pool, **terms):
    pools.change_terms(pool_id=pool.pk, terms=pools.Terms(**terms), actor="staff:1", now=LATER)


def test_the_installed_functions_are_the_ones_of_the_module():
    """Whoever changes a text there adds a migration that installs it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT proname, prosrc FROM pg_proc WHERE proname LIKE 'matching\\_%%' ORDER BY 1")
        assert cursor.fetchall() == [("matching_hold", functions.HOLD), ("matching_resolve", functions.RESOLVE)]


def test_it_is_written_at_once_when_what_changed_does_not_matter(campaign, ask, between):
    pool = factories.pool(campaign=campaign, limit_minor=50_000)
    written = between(lambda: hold(ask(40_000, donor_key="2")))
    assert hold(ask()).match_minor == 10_000
    assert written == [True]
    assert MatchPool.objects.get(pk=pool.pk).free_minor == 0


def test_a_dry_pool_is_not_locked(campaign, ask):
    pool = factories.pool(campaign=campaign, limit_minor=5_000)
    hold(ask(5_000))

    def with_the_pool_locked():
        return hold(ask()).match_minor

    with transaction.atomic():
        ledger.lock_pools([pool.pk])
        assert Beside(with_the_pool_locked).finish() == 0


class TestChangedMeanwhile:
    """Each thing that a hold assumes, broken between the reading and the writing."""

    def held(self, gift, written):
        reservation = hold(gift)
        assert written == [False, True]
        assert check_campaigns() == []
        return reservation.match_minor

    def test_the_pool_was_paused(self, campaign, ask, between):
        pool = factories.pool(campaign=campaign)
        written = between(lambda: pools.set_paused(pool_id=pool.pk, paused=True, actor="staff:1", now=GIFT_AT))
        assert self.held(ask(), written) == 0

    def test_the_pool_was_halted(self, campaign, ask, between):
        pool = factories.pool(campaign=campaign)
        written = between(lambda: MatchPool.objects.filter(pk=pool.pk).update(halted_reason="free is off by $0.01"))
        assert self.held(ask(), written) == 0

    def test_the_terms_were_changed_and_the_gift_has_those_of_its_moment(self, campaign, ask, between):
        pool = factories.pool(campaign=campaign)
        written = between(lambda: change_terms(pool, ratio_match=2))
        assert self.held(ask(), written) == 10_000

    def test_the_money_was_taken(self, campaign, ask, between):
        factories.pool(campaign=campaign, limit_minor=12_000)
        written = between(lambda: hold(ask(donor_key="2")))
        assert self.held(ask(), written) == 2_000

    def test_the_last_dollars_were_taken_in_part(self, campaign, ask, between):
        factories.pool(campaign=campaign, limit_minor=6_000)
        written = between(lambda: hold(ask(1_000, donor_key="2")))
        assert self.held(ask(), written) == 5_000

    def test_money_came_to_a_pool_that_had_run_out(self, campaign, ask, between):
        pool = factories.pool(campaign=campaign, limit_minor=6_000)
        written = between(lambda: pools.change_limit(pool_id=pool.pk, limit_minor=9_000, actor="staff:1", now=GIFT_AT))
        assert self.held(ask(), written) == 9_000

    def test_the_donor_used_some_of_the_cap(self, campaign, ask, between):
        factories.pool(campaign=campaign, cap_per_donor_minor=15_000)
        written = between(lambda: hold(ask()))
        assert self.held(ask(), written) == 5_000

    def test_the_pool_was_unlocked_for_gifts_from_then_on(self, campaign, ask, between):
        """It had lost its challenge by hand: the gift has it, whenever the pool is said to have been unlocked."""
        pool = factories.pool(campaign=campaign)
        written = between(lambda: MatchPool.objects.filter(pk=pool.pk).update(unlocked_at=LATER))
        assert self.held(ask(), written) == 10_000

    def test_the_same_gift_was_held(self, campaign, ask, between):
        factories.pool(campaign=campaign)
        gift = ask()
        written = between(lambda: hold(gift))
        assert hold(gift) == Reservation.objects.get()
        assert written == [False]


def test_control_without_looking_again_a_donor_has_more_than_the_cap(campaign, ask, between):
    factories.pool(campaign=campaign, cap_per_donor_minor=15_000)
    between(lambda: hold(ask()))
    with functions_without_lock():
        assert hold(ask()).match_minor == 10_000
    assert sum(row.match_minor for row in Reservation.objects.all()) == 20_000


def test_control_without_looking_again_only_the_database_keeps_a_paused_pool_from_giving(campaign, ask, between):
    pool = factories.pool(campaign=campaign)
    between(lambda: pools.set_paused(pool_id=pool.pk, paused=True, actor="staff:1", now=GIFT_AT))
    with functions_without_lock(), pytest.raises(IntegrityError, match="is stopped"):
        hold(ask())


def test_a_donor_without_a_key_has_no_cap_to_look_at(campaign, ask):
    """A cheque from someone unknown: their gifts are not added up."""
    factories.pool(campaign=campaign, cap_per_donor_minor=10_000)
    assert [hold(ask(donor_key="")).match_minor for _ in range(2)] == [10_000, 10_000]


def test_busy_pools_leave_the_caller_s_transaction_alive(campaign, ask):
    pool, gift = factories.pool(campaign=campaign), ask()

    def hold_or_note():
        with transaction.atomic():
            try:
                hold(gift)
            except PoolsBusy:
                Campaign.objects.update(heading="The match is decided later")

    with transaction.atomic():
        ledger.lock_pools([pool.pk])
        Beside(hold_or_note).finish()
    assert Campaign.objects.get().heading == "The match is decided later"
    assert Reservation.objects.count() == 0
