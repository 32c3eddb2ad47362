"""Rows that are work: claimed once, retried with growing pauses, then left for a person."""

from datetime import timedelta

import pytest
import redis
from django.conf import settings
from django.utils import timezone

from donations import checks, follow_ups, mail, tasks, work
from donations.models import FollowUp, Receipt
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def row():
    factories.organization()
    now = timezone.now()
    return work.owe(donation=factories.donation(), kind=FollowUp.Kind.RECEIPT, now=now)


def test_of_two_workers_with_the_same_message_one_gets_the_row(row):
    now = timezone.now()
    assert [bool(work.claim(FollowUp, pk=row.pk, now=now)) for _ in range(2)] == [True, False]


def test_an_attempt_is_counted_before_it_is_made(row):
    work.claim(FollowUp, pk=row.pk, now=timezone.now())
    row.refresh_from_db()
    assert (row.attempts, row.state, row.due_at > timezone.now() + timedelta(seconds=30)) == (1, "due", True)


def test_the_row_of_a_worker_that_died_comes_due_again_with_growing_pauses(row):
    now, pauses = timezone.now(), []
    for _ in range(4):
        assert work.claim(FollowUp, pk=row.pk, now=now)
        row.refresh_from_db()
        pauses.append((row.due_at - now).total_seconds())
        now = row.due_at
    assert pauses == [150, 300, 600, 1200]


def test_a_lease_outlives_the_longest_attempt():
    assert settings.WORK_LEASE_SECONDS > settings.CELERY_TASK_TIME_LIMIT
    assert checks.leases_outlive_attempts(None) == []


def test_a_lease_too_short_is_named_before_a_release(settings):
    settings.WORK_LEASE_SECONDS = settings.CELERY_TASK_TIME_LIMIT
    assert [found.id for found in checks.leases_outlive_attempts(None)] == ["donations.W001"]


def test_a_failure_that_was_noted_is_tried_again_sooner_than_a_death(row, monkeypatch):
    monkeypatch.setattr(follow_ups.receipts, "issue_receipt", lambda **_: 1 / 0)
    now, pauses = timezone.now(), []
    for _ in range(work.LAST_ATTEMPT - 1):
        follow_ups.run(follow_up_id=row.pk, now=now)
        row.refresh_from_db()
        pauses.append((row.due_at - now).total_seconds())
        now = row.due_at
    assert pauses == [15, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


def test_after_the_last_attempt_it_waits_for_a_person_who_may_try_again(row, monkeypatch, fault_table):
    monkeypatch.setattr(follow_ups.receipts, "issue_receipt", lambda **_: 1 / 0)
    now = timezone.now()
    for _ in range(work.LAST_ATTEMPT):
        assert not follow_ups.run(follow_up_id=row.pk, now=now)
        now += timedelta(hours=2)
    row.refresh_from_db()
    assert (row.state, row.last_error) == ("failed", "ZeroDivisionError: division by zero")
    assert not follow_ups.run(follow_up_id=row.pk, now=now)
    monkeypatch.undo()
    work.try_again(row, now=now)
    assert follow_ups.run(follow_up_id=row.pk, now=now)
    fault_table("work that fails each time", "waits for a person; done at “try again”", f"{work.LAST_ATTEMPT} attempts")


def test_a_mailbox_that_refuses_for_good_waits_for_a_person_at_once(row, monkeypatch):
    assert follow_ups.run(follow_up_id=row.pk, now=timezone.now())
    email = FollowUp.objects.get(kind=FollowUp.Kind.EMAIL)

    class Refused(Exception):
        permanent = True

    def refuse(**_):
        raise Refused("550 no such mailbox")

    monkeypatch.setattr(mail, "send_receipt", refuse)
    follow_ups.run(follow_up_id=email.pk, now=timezone.now())
    email.refresh_from_db()
    assert (email.state, email.attempts, email.last_error) == ("failed", 1, "Refused: 550 no such mailbox")


def test_only_what_no_message_woke_in_time_is_overdue(row):
    now = timezone.now()
    assert work.overdue(FollowUp, now=now, limit=10) == []
    assert work.overdue(FollowUp, now=now + timedelta(seconds=10), limit=10) == [row.pk]


def test_the_receipt_is_issued_and_mailed_once_however_often_it_runs(row, mailoutbox):
    for _ in range(3):
        follow_ups.run(follow_up_id=row.pk, now=timezone.now())
    for _ in range(3):
        for pk in follow_ups.due_ids(donation_id=row.donation_id):
            follow_ups.run(follow_up_id=pk, now=timezone.now())
    assert (Receipt.objects.count(), len(mailoutbox)) == (1, 1)
    assert set(FollowUp.objects.values_list("kind", "state")) == {("receipt", "done"), ("email", "done")}


def test_what_was_done_is_owed_again_when_its_subject_changed(row):
    follow_ups.run(follow_up_id=row.pk, now=timezone.now())
    again = work.owe(donation=row.donation, kind=FollowUp.Kind.RECEIPT, now=timezone.now())
    assert (again.pk, again.state, again.attempts) == (row.pk, "due", 0)


def test_the_messages_of_a_sweep_die_before_they_pile_up(row, monkeypatch):
    sent = []
    monkeypatch.setattr(tasks.run_follow_up, "apply_async", lambda args, **options: sent.append((args, options)))
    FollowUp.objects.update(due_at=timezone.now() - timedelta(minutes=1))
    assert tasks.wake_due_work() == 1
    assert sent == [((row.pk,), {"queue": "celery", "expires": 60})]


def test_a_sweep_sends_nothing_to_a_queue_that_is_full_and_serves_the_other(row, monkeypatch):
    """Thousands of mails that wait for a slow mail server keep no receipt from being made."""
    sent, long_ago = [], timezone.now() - timedelta(hours=1)
    monkeypatch.setattr(tasks.run_follow_up, "apply_async", lambda args, **options: sent.append((args, options)))
    monkeypatch.setattr(tasks, "_SWEPT_AT_ONCE", 3)
    news = [FollowUp(donation=row.donation, kind="email", subject_id=n, due_at=long_ago) for n in range(1, 6)]
    news = FollowUp.objects.bulk_create(news)
    FollowUp.objects.filter(pk=row.pk).update(due_at=timezone.now() - timedelta(minutes=1))
    receipt = ((row.pk,), {"queue": "celery", "expires": 60})
    mails = [((one.pk,), {"queue": "mail", "expires": 60}) for one in news[:3]]
    with redis.Redis.from_url(settings.CELERY_BROKER_URL) as broker:
        broker.delete("mail", "celery")  # what other tests have sent and nobody served
        assert tasks.wake_due_work() == 4
        broker.lpush("mail", *"abc")
        assert tasks.wake_due_work() == 1
        broker.lpush("celery", *"abc")
        assert tasks.wake_due_work() == 0
        broker.delete("mail", "celery")
    assert sent == [receipt, *mails, receipt]


def test_a_sweep_asks_no_broker_that_is_away(row, monkeypatch, settings):
    sent = []
    monkeypatch.setattr(tasks.run_follow_up, "apply_async", lambda args, **options: sent.append(args))
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
    FollowUp.objects.update(due_at=timezone.now() - timedelta(minutes=1))
    assert (tasks.wake_due_work(), sent) == (1, [(row.pk,)])


def test_mail_has_a_queue_of_its_own(row, monkeypatch):
    sent = []
    monkeypatch.setattr(tasks.run_follow_up, "apply_async", lambda args, **options: sent.append((args, options)))
    mail_row = FollowUp.objects.create(
        donation=row.donation, kind=FollowUp.Kind.EMAIL, subject_id=1, due_at=timezone.now()
    )
    news = FollowUp.objects.create(donation=row.donation, kind=FollowUp.Kind.MATCH, due_at=timezone.now())
    tasks.wake_follow_ups(row.donation_id)
    queues = {args[0]: options["queue"] for args, options in sent}
    assert queues == {row.pk: "celery", mail_row.pk: "mail", news.pk: "mail"}
