"""The watch over the ledger: the check by timer, the pool it halts, who is told, and how the pool goes on."""

import logging
from datetime import timedelta
from html import unescape
from io import StringIO
from uuid import uuid4

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from matching import holds, tasks, watch
from matching.allocation import Part
from matching.ledger import lock_pools
from matching.models import LedgerCheck, MatchPool, PoolHalt
from tests import factories, staff
from tests.beside import Beside, someone_waits_for_a_lock
from tests.database import as_owner
from tests.factories import GIFT_AT

POOL = "matching_matchpool"
DRIFT = "free is off by $0.01: the row says $400.01, the entries $400.00"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def campaign(db):
    return factories.campaign()


@pytest.fixture
def pools(campaign):
    """Two pools of $500.00 that share gifts, the first with a gift of $100.00; 2 entries and 1."""
    made = [factories.pool(campaign=campaign, limit_minor=50_000) for _ in range(2)]
    give(campaign)
    return made


def give(campaign, *, now=GIFT_AT, amount_minor=10_000):
    """What a gift sent now gets, by pool."""
    gift = holds.Gift(uuid4(), "1", (Part(campaign.funds.get().pk, amount_minor),), now)
    held = holds.hold(campaign_id=campaign.pk, gift=gift, now=now)
    return {row.pool_id: row.amount_minor for row in held.allocations.all()}


def drift(pool, cents=1):
    """One cent appears in a pool, as somebody with the guards off would put it there."""
    change = f"free_minor = free_minor + {cents}, limit_minor = limit_minor + {cents}"
    as_owner(f"UPDATE {POOL} SET {change} WHERE id = {pool.pk}", POOL)


def check(now=GIFT_AT, **changes):
    return watch.check_by_timer(now=now, **({"longest_seconds": 30, "not_within": MINUTE} | changes))


class TestTimer:
    def test_it_keeps_what_a_check_read(self, pools):
        done = check()
        assert LedgerCheck.objects.get() == done
        assert (done.started_at, done.pool_count, done.entry_count) == (GIFT_AT, 2, 3)
        assert (done.findings, done.unchecked, PoolHalt.objects.count()) == ([], [], 0)
        assert 0 < done.seconds < 30

    def test_a_drift_of_one_cent_stops_new_match_on_that_pool_only(self, campaign, pools):
        first, second = pools
        drift(first)
        assert check().findings == [
            [first.pk, DRIFT],
            [first.pk, "limit is off by $0.01: the row says $500.01, the entries $500.00"],
        ]
        first.refresh_from_db()
        second.refresh_from_db()
        assert (first.halted_reason, second.halted_reason) == (DRIFT, "")
        assert give(campaign) == {second.pk: 10_000}

    def test_what_the_pool_holds_already_is_paid_all_the_same(self, campaign, pools):
        gift = holds.Gift(uuid4(), "2", (Part(campaign.funds.get().pk, 2_000),), GIFT_AT)
        holds.hold(campaign_id=campaign.pk, gift=gift, now=GIFT_AT)
        drift(pools[0])
        check()
        assert holds.commit(key=gift.key, now=GIFT_AT).match_minor == 2_000

    def test_a_second_timer_does_no_harm(self, pools):
        drift(pools[0])
        assert check() is not None
        assert check(now=GIFT_AT + MINUTE / 2) is None
        assert check(now=GIFT_AT + 2 * MINUTE).findings[0] == [pools[0].pk, DRIFT]
        assert PoolHalt.objects.count() == 1

    def test_it_looks_first_at_what_the_last_check_had_no_time_for(self, pools, monkeypatch):
        first, second = pools
        assert check(longest_seconds=0).unchecked == [first.pk, second.pk]
        looked_at = []
        whole = watch.check_pool
        monkeypatch.setattr(watch, "check_pool", lambda pool: looked_at.append(pool.pk) or whole(pool))
        LedgerCheck.objects.update(unchecked=[second.pk])
        assert check(now=GIFT_AT + 2 * MINUTE).pool_count == 2
        assert looked_at == [second.pk, first.pk]

    def test_it_leaves_a_pool_that_takes_too_long_and_goes_on(self, pools, monkeypatch):
        whole = watch.check_pool

        def slow(pool):
            if pool.pk == pools[0].pk:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_sleep(20)")
            return whole(pool)

        monkeypatch.setattr(watch, "check_pool", slow)
        monkeypatch.setattr(watch.time, "monotonic", lambda: 0.0)  # the time is up for the first pool alone
        done = check(longest_seconds=0.5)
        assert (done.unchecked, done.pool_count, done.entry_count) == ([pools[0].pk], 1, 1)

    def test_it_forgets_old_checks(self, pools, monkeypatch):
        monkeypatch.setattr(watch, "_KEPT", 2)
        for minutes in (0, 2, 4):
            check(now=GIFT_AT + minutes * MINUTE)
        assert [row.started_at for row in LedgerCheck.objects.all()] == [GIFT_AT + 4 * MINUTE, GIFT_AT + 2 * MINUTE]

    def test_the_task_checks_by_the_settings(self, pools, settings):
        drift(pools[0])
        assert tasks.check_ledger() == 2
        assert tasks.check_ledger() == 0
        assert settings.CELERY_BEAT_SCHEDULE["check-ledger"]["task"] == tasks.check_ledger.name
        assert settings.CELERY_BEAT_SCHEDULE["check-ledger"]["schedule"] + settings.CHECK_LEDGER_LONGEST_SECONDS < 300


class TestTelling:
    def test_it_tells_the_log_and_the_operators_once(self, pools, settings, caplog):
        settings.ALERT_EMAILS = ["ops@harborview.example"]
        drift(pools[0])
        with caplog.at_level(logging.ERROR):
            check()
            check(now=GIFT_AT + 2 * MINUTE)
        assert [line.getMessage() for line in caplog.records] == [f"pool {pools[0].pk} ({pools[0]}) is halted: {DRIFT}"]
        [sent] = mail.outbox
        assert (sent.to, sent.subject) == (["ops@harborview.example"], f"Match pool halted: {pools[0]}")
        for words in (DRIFT, *map(str, watch.next_steps(pools[0]))):
            assert words in sent.body
        assert PoolHalt.objects.get().told_at == GIFT_AT

    def test_it_tells_again_when_the_mail_server_was_away(self, pools, settings, monkeypatch):
        settings.ALERT_EMAILS = ["ops@harborview.example"]
        drift(pools[0])

        def refused(*_args, **_kwargs):
            raise ConnectionRefusedError

        with monkeypatch.context() as patch:
            patch.setattr(watch, "send_mail", refused)
            check()
        assert (len(mail.outbox), PoolHalt.objects.get().told_at) == (0, None)
        check(now=GIFT_AT + 2 * MINUTE)
        assert (len(mail.outbox), PoolHalt.objects.get().told_at) == (1, GIFT_AT + 2 * MINUTE)

    def test_without_an_address_only_the_log_is_told(self, pools, settings):
        settings.ALERT_EMAILS = []
        drift(pools[0])
        check()
        assert (len(mail.outbox), PoolHalt.objects.get().told_at) == (0, GIFT_AT)


def run(command, *arguments):
    """What a command wrote: its output, then its errors, and how it ended."""
    out, err = StringIO(), StringIO()
    try:
        call_command(command, *arguments, stdout=out, stderr=err)
    except CommandError as error:
        return out.getvalue(), err.getvalue(), str(error)
    return out.getvalue(), err.getvalue(), ""


class TestCheckCommand:
    def test_it_says_that_a_true_ledger_agrees(self, pools):
        first, second = pools
        agree = f"pool {first.pk} ({first}): 2 entries agree\npool {second.pk} ({second}): 1 entries agree\n"
        assert run("check_match_ledger") == (agree, "", "")

    def test_it_names_the_pool_and_the_cent_and_changes_nothing(self, pools):
        first, second = pools
        drift(first)
        out, err, end = run("check_match_ledger")
        assert out == f"pool {second.pk} ({second}): 1 entries agree\n"
        assert err.splitlines() == [
            f"pool {first.pk} ({first}): {DRIFT}",
            f"pool {first.pk} ({first}): limit is off by $0.01: the row says $500.01, the entries $500.00",
            f"pool {first.pk} ({first}) still matches gifts; --halt stops that, and so will the next check by timer",
        ]
        assert end == "1 of the pools do not agree with their entries"
        assert not MatchPool.objects.exclude(halted_reason="").exists()

    def test_it_halts_on_demand_and_says_what_to_do(self, pools):
        first, _ = pools
        drift(first)
        _, err, _ = run("check_match_ledger", "--halt", "--pool", str(first.pk))
        steps = [f"  {number}. {step}" for number, step in enumerate(watch.next_steps(first), start=1)]
        assert err.splitlines()[2:] == [
            f"pool {first.pk} ({first}) is halted: it gives no new match, giving goes on without it. What to do:",
            *steps,
        ]
        first.refresh_from_db()
        assert (first.halted_reason, PoolHalt.objects.get().pool) == (DRIFT, first)

    def test_it_refuses_a_pool_that_is_not_there(self, pools):
        assert run("check_match_ledger", "--pool", "987654") == (
            "",
            "",
            "There is no pool 987654; without --pool all are checked and named.",
        )


class TestResumeCommand:
    @pytest.fixture
    def dana(self, db):
        return staff.person("dana", "development")

    def test_it_lets_a_mended_pool_match_again_in_somebodys_name(self, campaign, pools, dana):
        first, _ = pools
        drift(first)
        check()
        drift(first, cents=-1)
        words = f"pool {first.pk} ({first}): 2 entries agree; it matches gifts again\n"
        assert run("resume_match_pool", str(first.pk), "--by", "dana") == (words, "", "")
        halt = PoolHalt.objects.get()
        assert (halt.resumed_by, halt.resumed_at is not None) == (f"staff:{dana.pk}", True)
        [noted] = LogEntry.objects.all()
        assert (noted.user, noted.object_id, noted.change_message) == (
            dana,
            str(first.pk),
            "Resumed after a check of 2 entries without findings.",
        )
        assert give(campaign) == {first.pk: 10_000}

    def test_it_refuses_while_anything_is_off(self, campaign, pools, dana):
        first, second = pools
        drift(first)
        check()
        out, err, end = run("resume_match_pool", str(first.pk), "--by", "dana")
        assert (out, end) == ("", f"Pool {first.pk} stays halted: what is off must be put right first.")
        assert err.splitlines()[0] == f"pool {first.pk}: {DRIFT}"
        assert (PoolHalt.objects.get().resumed_at, LogEntry.objects.count()) == (None, 0)
        assert give(campaign) == {second.pk: 10_000}

    def test_it_can_be_halted_anew(self, pools, dana):
        for _ in range(2):
            drift(pools[0])
            watch.halt_pool(pool_id=pools[0].pk, reason=DRIFT, now=GIFT_AT)
            drift(pools[0], cents=-1)
            run("resume_match_pool", str(pools[0].pk), "--by", "dana")
        assert PoolHalt.objects.filter(resumed_by=f"staff:{dana.pk}").count() == 2

    @pytest.mark.parametrize(
        ("number", "by", "said"),
        [
            ("{pool}", "dana", "Pool {pool} ({name}) is not halted; nothing was changed."),
            ("987654", "dana", "There is no pool 987654; check_match_ledger names them all."),
            ("{pool}", "nobody", "Nobody logs in to the staff pages as nobody: name yourself with --by."),
            ("{pool}", "gone", "Nobody logs in to the staff pages as gone: name yourself with --by."),
        ],
    )
    def test_it_refuses_what_makes_no_sense(self, pools, dana, number, by, said):
        gone = staff.person("gone")
        gone.is_active = False
        gone.save()
        words = {"pool": pools[0].pk, "name": str(pools[0])}
        assert run("resume_match_pool", number.format(**words), "--by", by) == ("", "", said.format(**words))


class TestStaffPages:
    @pytest.fixture(autouse=True)
    def _in_the_afternoon(self):
        with time_machine.travel(GIFT_AT, tick=False):
            yield

    def test_they_say_when_the_ledger_was_checked_and_what_was_read(self, pools):
        check()
        client = staff.dana()
        for address in ("/staff/", "/staff/pools/"):
            page = staff.text_of(client.get(address))
            assert "Ledger checked at 10:30 AM: 3 entries, all true</p>" in page
            assert 'id="halted"></div>' in page

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            (None, "The ledger was never checked yet: is the timer running?"),
            ({"started_at": GIFT_AT - 6 * MINUTE}, "Ledger last checked Dec. 1, 10:24 AM: is the timer running?"),
            ({"unchecked": [1]}, "Ledger checked at 10:30 AM: 3 entries true, 1 pool not reached in time"),
            ({"findings": [[1, "x"], [1, "y"]]}, "Ledger checked at 10:30 AM: 1 pool at fault"),
        ],
    )
    def test_they_say_when_nobody_looks_or_something_is_off(self, pools, changes, words):
        if changes is not None:
            check()
            LedgerCheck.objects.update(**changes)
        assert words in staff.text_of(staff.dana().get("/staff/"))

    def test_they_show_the_halted_pool_what_is_off_and_what_to_do(self, pools):
        first, second = pools
        drift(first)
        check()
        client = staff.dana()
        for address in ("/staff/", "/staff/pools/", "/staff/figures/"):
            page = unescape(staff.text_of(client.get(address)))
            for words in (f"New match is stopped: {first.name}", "Stopped since Dec. 1, 10:30 AM", DRIFT.capitalize()):
                assert words in page
            for step in watch.next_steps(first):
                command = f" <code>{step.command}</code>" if step.command else ""
                assert f"<li>{step.text}{command}</li>" in page
            assert f"New match is stopped: {second.name}" not in page

    def test_they_say_when_nothing_is_off_any_more(self, pools):
        drift(pools[0])
        check()
        drift(pools[0], cents=-1)
        check(now=GIFT_AT + 2 * MINUTE)
        page = staff.text_of(staff.dana().get("/staff/pools/"))
        assert "<b>The newest check finds nothing off any more.</b>" in page


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    """With real transactions of two connections."""

    def test_one_check_runs_at_a_time(self, pools, monkeypatch):
        seen = []
        whole = watch.check_pool

        def meanwhile(pool):
            if not seen:
                seen.append("first")
                seen.append(Beside(check).finish())
            return whole(pool)

        monkeypatch.setattr(watch, "check_pool", meanwhile)
        assert check().pool_count == 2
        assert seen == ["first", None]
        assert LedgerCheck.objects.count() == 1

    def test_a_check_keeps_no_gift_waiting_and_sees_one_moment(self, campaign, pools, monkeypatch):
        whole = watch.check_pool

        def meanwhile(pool):
            given = Beside(lambda: give(campaign)).finish()
            assert given == {pools[0].pk: 10_000}
            return whole(pool)

        monkeypatch.setattr(watch, "check_pool", meanwhile)
        done = check()
        assert (done.findings, done.entry_count) == ([], 3)

    def test_a_gift_that_waited_for_the_halt_gets_nothing_from_the_pool(self, campaign, pools):
        first, second = pools
        with transaction.atomic():
            watch.halt_pool(pool_id=first.pk, reason=DRIFT, now=GIFT_AT)
            waiting = Beside(lambda: give(campaign))
            someone_waits_for_a_lock()
        assert waiting.finish() == {second.pk: 10_000}

    def test_a_pool_that_others_have_locked_is_halted_by_the_next_check(self, pools):
        first, _ = pools
        with connection.cursor() as cursor:  # past the triggers: there is nobody else here
            cursor.execute(f"ALTER TABLE {POOL} DISABLE TRIGGER USER")
            cursor.execute(
                f"UPDATE {POOL} SET free_minor = free_minor + 1, limit_minor = limit_minor + 1 WHERE id = %s",
                [first.pk],
            )
            cursor.execute(f"ALTER TABLE {POOL} ENABLE TRIGGER USER")
        with transaction.atomic():
            lock_pools([first.pk])
            assert Beside(check).finish().findings[0] == [first.pk, DRIFT]
        assert not PoolHalt.objects.exists()
        check(now=GIFT_AT + 2 * MINUTE)
        assert PoolHalt.objects.get().pool == first
