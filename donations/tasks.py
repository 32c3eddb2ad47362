"""Celery's part: wake-ups and timers. A message carries a row's id; losing every message loses nothing."""

import logging
import time
from datetime import timedelta
from typing import Any

import redis
from celery import Task, shared_task
from django.conf import settings
from django.core.cache import cache
from django.db.models import Q
from kombu.exceptions import OperationalError

from campaign.clock import database_now
from campaign.models import Campaign
from donations import (
    events,
    follow_ups,
    freed_match,
    gateway,
    imports,
    kept_gifts,
    openings,
    proofs,
    reconciliation,
    renewals,
    scheduling,
    stripe_runs,
    tributes,
    work,
)
from donations.models import Donation, FollowUp, OpeningMail, StripeEvent
from matching import challenges
from matching.ledger import SYSTEM, PoolsBusy

logger = logging.getLogger(__name__)
_SWEPT_AT_ONCE = 200
# A sweep may find rows whose messages still wait: the new ones die before they pile up in the broker.
_SWEPT_EXPIRES_SECONDS = 60
_COUNT_WAITS_SECONDS = 5
_RUN_SECONDS = 45
_IMPORT_SECONDS = 20  # of one turn: other work waits for this worker meanwhile


def wake(task: Task, row_id: int, **options: Any) -> None:
    """Send a wake-up; a broker that is down costs some seconds, since the sweep finds the row."""
    try:
        task.apply_async((row_id,), **options)
    except (OperationalError, OSError):
        logger.warning("the broker is away; the sweep will find row %s of %s", row_id, task.name)


def wake_after_payment(donation_id: int | None) -> None:
    """What a gift that moved owes, and the challenges of its campaign."""
    if donation_id is not None:
        wake_follow_ups(donation_id)
        wake_challenges(donation_id)


def wake_challenges(donation_id: int) -> None:
    """Have the challenges counted now, since this gift may reach a target; the timer counts them in any case.

    One count waits at a time, however many gifts arrive: it is made after all of them.
    """
    campaign_id = Donation.objects.values_list("campaign_id", flat=True).get(pk=donation_id)
    if not challenges.awaited(campaign_id=campaign_id):
        return
    try:
        if cache.add(_waiting_key(campaign_id), 1, _COUNT_WAITS_SECONDS):
            settle_challenges_of.apply_async((campaign_id,), expires=_COUNT_WAITS_SECONDS)
    except (OperationalError, OSError, redis.RedisError):
        logger.warning("the broker is away; the timer will count the challenges of campaign %s", campaign_id)


def _waiting_key(campaign_id: int) -> str:
    return f"challenges-wait:{campaign_id}"


def wake_follow_ups(donation_id: int | None) -> None:
    """Mail through its own queue: a mail server that swallows connections must not hold up payments."""
    ids = follow_ups.due_ids(donation_id=donation_id) if donation_id else []
    mail = follow_ups.are_mail(ids)
    for row_id in ids:
        wake(run_follow_up, row_id, queue=settings.MAIL_QUEUE if row_id in mail else settings.QUEUE)


@shared_task
def apply_event(row_id: int) -> None:
    wake_after_payment(events.apply(row_id=row_id, now=database_now()))


@shared_task
def settle_challenges_of(campaign_id: int) -> None:
    """Count a campaign's challenges; when one unlocks a pool, serve the gifts that wait for it."""
    try:
        cache.delete(_waiting_key(campaign_id))  # before the count: a gift that comes during it asks for another
    except (redis.RedisError, OSError):
        logger.warning("the cache is away; the timer counts the challenges of campaign %s", campaign_id)
    campaign = Campaign.objects.get(pk=campaign_id)
    try:
        if challenges.settle_challenges(campaign=campaign, now=database_now()) and campaign.offers_freed_match:
            freed_match.offer(campaign_id=campaign_id, now=database_now())
    except PoolsBusy:
        logger.info("the pools of campaign %s are busy; the timer will count its challenges", campaign_id)


@shared_task
def run_follow_up(row_id: int) -> None:
    if follow_ups.run(follow_up_id=row_id, now=database_now()):
        wake_follow_ups(FollowUp.objects.get(pk=row_id).donation_id)


@shared_task
def send_opening_mail(row_id: int) -> None:
    """Ask somebody whether they want the reminder of the opening, or send it."""
    openings.run(mail_id=row_id, now=database_now())


@shared_task
def enter_import(import_id: int) -> None:
    """Enter gifts of a confirmed spreadsheet for a while, then make room for other work and come again.

    Receipts of these gifts are left to the sweep: their thousands of messages would stand before those of donors.
    """
    until = time.monotonic() + _IMPORT_SECONDS
    lease = imports.claim(import_id=import_id, now=database_now())
    while lease is not None and time.monotonic() < until:
        lease = imports.enter_some(import_id=import_id, lease=lease, now=database_now())
    if lease is not None:
        imports.let_go(import_id=import_id, lease=lease, now=database_now())
        wake(enter_import, import_id)


@shared_task
def wake_due_work() -> int:
    """Wake rows that no message woke in time, of each queue that has room; waking one twice is harmless."""
    now = database_now()
    found = 0
    if _has_room(settings.QUEUE):
        stored = work.overdue(StripeEvent, now=now, limit=_SWEPT_AT_ONCE)
        for row_id in stored:
            wake(apply_event, row_id, expires=_SWEPT_EXPIRES_SECONDS)
        left = imports.overdue(now=now, grace=timedelta(seconds=settings.WORK_GRACE_SECONDS))
        for import_id in left:
            wake(enter_import, import_id, expires=_SWEPT_EXPIRES_SECONDS)
        found += len(stored) + len(left)
    for queue, kinds in ((settings.QUEUE, [FollowUp.Kind.RECEIPT]), (settings.MAIL_QUEUE, follow_ups.MAIL)):
        if _has_room(queue):
            owed = work.overdue(FollowUp, now=now, limit=_SWEPT_AT_ONCE, among=Q(kind__in=kinds))
            for row_id in owed:
                wake(run_follow_up, row_id, queue=queue, expires=_SWEPT_EXPIRES_SECONDS)
            found += len(owed)
    return found + _wake_opening_mails()


def _wake_opening_mails() -> int:
    """Thousands come due at the opening: as many a sweep as leave room for receipts."""
    now = database_now()
    openings.bring_forward(now=now)
    if not _has_room(settings.MAIL_QUEUE):
        return 0
    owed = work.overdue(OpeningMail, now=now, limit=_SWEPT_AT_ONCE)
    for row_id in owed:
        wake(send_opening_mail, row_id, queue=settings.MAIL_QUEUE, expires=_SWEPT_EXPIRES_SECONDS)
    return len(owed)


def _has_room(queue: str) -> bool:
    """Whether fewer messages wait than one sweep sends. While workers are busy, each would send the same rows again."""
    try:
        with redis.Redis.from_url(settings.CELERY_BROKER_URL, socket_timeout=5) as broker:
            return int(broker.llen(queue)) < _SWEPT_AT_ONCE
    except redis.RedisError:
        return True


@shared_task
def decide_kept_gifts() -> int:
    """Decide the match of gifts that were kept while the pools were busy; returns how many."""
    return kept_gifts.decide_waiting(now=database_now())


@shared_task
def offer_freed_match() -> int:
    """Give match money that came free to the gifts that wait for it; returns how many gifts got some."""
    now = database_now()
    campaigns = Campaign.objects.filter(offers_freed_match=True).values_list("pk", flat=True)
    return sum(freed_match.offer(campaign_id=pk, now=now) for pk in campaigns)


@shared_task
def keep_watch() -> bool:
    """Ask Stripe whether it answers again while it counts as down, and forget old proofs; whether Stripe is up."""
    proofs.forget_expired(now=database_now())
    return gateway.probe()


@shared_task
def forget_recipients() -> int:
    """Take out what we know of people who were told of a tribute long ago, and of who asked to hear of an opening."""
    now = database_now()
    return tributes.forget(now=now) + openings.forget(now=now)


@shared_task
def ask_about_late_payments() -> int:
    """Gifts whose payment should long have been decided; returns how many moved."""
    return _wake_moved(reconciliation.ask_about_late_payments(now=database_now()))


@shared_task
def adopt_unknown_payments() -> int:
    """Payments of the last hours that no event spoke of, and whose creation we never heard back about."""
    now = database_now()
    return _wake_moved(reconciliation.adopt_unknown_payments(since=now - timedelta(hours=3), now=now))


@shared_task
def keep_reconciling() -> None:
    """Begin a run through Stripe's lists when one is due, and go on with one that was left."""
    now = database_now()
    if stripe_runs.is_due(now=now):
        stripe_runs.start(started_by=SYSTEM, now=now)
    for run_id in stripe_runs.unfinished(now=now):
        wake(advance_stripe_run, run_id, expires=_SWEPT_EXPIRES_SECONDS)


@shared_task
def advance_stripe_run(run_id: int) -> None:
    """Go on with a run for a while, well within a task's time, then come again until it is over."""
    done = stripe_runs.advance(run_id=run_id, clock=database_now, seconds=_RUN_SECONDS)
    for row_id in done.stored:
        wake(apply_event, row_id)
    _wake_moved(done.moved)
    if done.is_stopped_by_time:
        wake(advance_stripe_run, run_id)


@shared_task
def charge_scheduled_gifts() -> int:
    """Have the gifts charged whose moment has come, some a second, in the order in which they were scheduled.

    A message that is lost costs some seconds: the next round finds the gift again.
    """
    waiting = scheduling.due(now=database_now(), limit=int(scheduling.CHARGES_A_SECOND * settings.SWEEP_SECONDS))
    for place, donation_id in enumerate(waiting):
        in_seconds = place / scheduling.CHARGES_A_SECOND
        wake(charge_scheduled_gift, donation_id, countdown=in_seconds, expires=_SWEPT_EXPIRES_SECONDS)
    return len(waiting)


@shared_task
def charge_scheduled_gift(donation_id: int) -> None:
    try:
        if scheduling.charge(donation_id=donation_id, now=database_now()) is not None:
            wake_after_payment(donation_id)
    except (gateway.GatewayUnavailable, gateway.GatewayRefused, PoolsBusy):
        logger.warning("scheduled gift %s could not be charged; it is tried again", donation_id)


@shared_task
def ask_about_due_months() -> int:
    """Monthly gifts whose payment should have come; returns how many gifts were found or moved."""
    return _wake_moved(renewals.ask_about_due(now=database_now()))


def _wake_moved(donation_ids: list[int]) -> int:
    for donation_id in donation_ids:
        wake_after_payment(donation_id)
    return len(donation_ids)
