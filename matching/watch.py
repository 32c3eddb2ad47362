"""The watch over the ledger: the check by timer, pools halted by it, and pools resumed by a person (design 3.7).

A pool at fault gives no new match; giving, the other pools, and what the pool holds for gifts already go on. Only a
check without findings lets it go on, in the name of whoever asked (manage.py resume_match_pool).
"""

import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg.errors
from django.conf import settings
from django.core.mail import send_mail
from django.db import OperationalError, connection, transaction
from django.utils.translation import gettext

from matching.checking import PoolCheck, check_pool, snapshot
from matching.ledger import PoolsBusy, lock_pools
from matching.models import LedgerCheck, MatchPool, PoolHalt

logger = logging.getLogger(__name__)
LATE = timedelta(minutes=5)  # a fault is named within this time, or staff are told that nobody looks
_KEPT = 1_000  # checks remembered; at one every two minutes more than a day
_ONE_AT_A_TIME = 7_330_331  # the key of an advisory lock, ours alone
_TRIES = 3


class PoolNotHalted(Exception):
    """The pool was not halted; nothing was changed."""


class PoolStillAtFault(Exception):
    """The check found the pool at fault still; `findings` says with what. Nothing was changed."""

    def __init__(self, findings: list[str]) -> None:
        super().__init__("; ".join(findings))
        self.findings = findings


@dataclass(frozen=True, slots=True)
class Step:
    """One thing a person does about a halted pool. command: what to type, or nothing."""

    text: str
    command: str = ""

    def __str__(self) -> str:
        return f"{self.text} {self.command}".strip()


@dataclass(frozen=True, slots=True)
class HaltedPool:
    """A pool that gives no new match. findings: what the newest check says is off now, 0..n."""

    pool: MatchPool
    since: datetime | None
    findings: list[str]
    steps: list[Step]


@dataclass(frozen=True, slots=True)
class Watch:
    """The watch as staff see it. last: the newest check, None before the first; is_late: nobody looks any more."""

    last: LedgerCheck | None
    is_late: bool
    halted: list[HaltedPool]


def check_by_timer(*, now: datetime, longest_seconds: float, not_within: timedelta) -> LedgerCheck | None:
    """Check every pool, halt those at fault, and tell the operators; None when another check runs or has just run.

    longest_seconds: the time for all pools together; those left over come first in the next check. not_within: how
    long after another check began this one is left out, so that two timers do no harm.
    One read-only look at one snapshot without locks, then a short transaction for each pool at fault.
    """
    with snapshot():
        if not _is_alone() or LedgerCheck.objects.filter(started_at__gt=now - not_within).exists():
            return None
        done = _check_pools(now=now, longest_seconds=longest_seconds)
    for pool_id in dict.fromkeys(pool_id for pool_id, _ in done.findings):
        _halt_patiently(pool_id=pool_id, reason=done.findings_of(pool_id)[0], now=now)
    _tell_operators(now=now)
    return done


@transaction.atomic
def halt_pool(*, pool_id: int, reason: str, now: datetime) -> bool:
    """Stop new match from a pool at fault, at once; False when it was stopped before. Raises PoolsBusy.

    One short transaction under the pool's lock: whoever holds for a gift afterwards sees it.
    """
    pool = lock_pools([pool_id])[pool_id]
    if pool.halted_reason:
        return False
    pool.halted_reason = reason[:300]
    pool.save(update_fields=["halted_reason"])
    PoolHalt.objects.get_or_create(pool=pool, resumed_at=None, defaults={"reason": reason[:300], "halted_at": now})
    return True


def resume_pool(*, pool_id: int, actor: str, now: datetime) -> PoolCheck:
    """Check a halted pool and let it match again if nothing is off; returns that check.

    actor: who answers for it, as in the ledger (`staff:7`). Raises PoolNotHalted, PoolStillAtFault; PoolsBusy.
    The check takes no lock, so that gifts which hold from the pool are not kept waiting; a fault put there in the
    same seconds is found by the timer.
    """
    pool = MatchPool.objects.get(pk=pool_id)
    if not pool.halted_reason:
        raise PoolNotHalted(str(pool))
    checked = check_pool(pool)
    if checked.findings:
        raise PoolStillAtFault(checked.findings)
    with transaction.atomic():
        pool = lock_pools([pool_id])[pool_id]
        pool.halted_reason = ""
        pool.save(update_fields=["halted_reason"])
        PoolHalt.objects.filter(pool=pool, resumed_at=None).update(resumed_at=now, resumed_by=actor)
    logger.warning("pool %s (%s) was resumed by %s after a check without findings", pool.pk, pool, actor)
    return checked


def next_steps(pool: MatchPool) -> list[Step]:
    """What a person does about a halted pool, in order; the same on the staff pages, in the e-mail, at the prompt."""
    return [
        Step(gettext("See what is off now; this changes nothing:"), f"manage.py check_match_ledger --pool {pool.pk}"),
        Step(
            gettext(
                "Find the cause and put it right: docs/ledger.md, “When a pool is halted”, says how for each finding."
            )
        ),
        Step(
            gettext("Let the pool match again; refused while anything is off:"),
            f"manage.py resume_match_pool {pool.pk} --by YOUR-LOG-IN",
        ),
    ]


def watch(*, now: datetime) -> Watch:
    """The newest check and the pools that are halted. Three queries; writes nothing."""
    last = LedgerCheck.objects.order_by("-started_at").first()
    since = dict(PoolHalt.objects.filter(resumed_at=None).values_list("pool_id", "halted_at"))
    halted = [
        HaltedPool(pool, since.get(pool.pk), last.findings_of(pool.pk) if last else [], next_steps(pool))
        for pool in MatchPool.objects.exclude(halted_reason="").select_related("sponsor").order_by("pk")
    ]
    return Watch(last, last is None or now - last.started_at > LATE, halted)


def _is_alone() -> bool:
    """Whether no other check runs; if so, none will until this transaction ends, even when the process is killed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_ONE_AT_A_TIME])
        return bool(cursor.fetchone()[0])


def _check_pools(*, now: datetime, longest_seconds: float) -> LedgerCheck:
    """Check what the time suffices for, and keep the record of it."""
    last = LedgerCheck.objects.order_by("-started_at").first()
    waiting = set(last.unchecked) if last else set()
    began = time.monotonic()
    done = LedgerCheck(started_at=now, seconds=0, pool_count=0, entry_count=0)
    for pool in sorted(MatchPool.objects.all(), key=lambda pool: (pool.pk not in waiting, pool.pk)):
        checked = _check_within(pool, seconds=longest_seconds - (time.monotonic() - began))
        if checked is None:
            done.unchecked.append(pool.pk)
            continue
        done.pool_count += 1
        done.entry_count += checked.entries
        done.findings += [[pool.pk, text] for text in checked.findings]
    done.seconds = time.monotonic() - began
    done.save()
    kept = LedgerCheck.objects.order_by("-started_at", "-pk").values("pk")[:_KEPT]
    LedgerCheck.objects.exclude(pk__in=kept).delete()
    return done


def _check_within(pool: MatchPool, *, seconds: float) -> PoolCheck | None:
    """check_pool(), or None when it takes longer."""
    if seconds <= 0:
        return None
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(max(1, int(seconds * 1000)))])
            checked = check_pool(pool)
            cursor.execute("SET LOCAL statement_timeout TO DEFAULT")
    except OperationalError as error:
        if isinstance(error.__cause__, psycopg.errors.QueryCanceled):
            logger.warning("pool %s (%s) was not checked: %.0f seconds were not enough", pool.pk, pool, seconds)
            return None
        raise
    return checked


def _halt_patiently(*, pool_id: int, reason: str, now: datetime) -> None:
    """halt_pool(), again when the pool is busy; the next check finds the fault again if it stays so."""
    for _ in range(_TRIES):
        try:
            halt_pool(pool_id=pool_id, reason=reason, now=now)
        except PoolsBusy:
            logger.warning("pool %s is at fault and could not be halted yet: others had it locked", pool_id)
        else:
            return


def _tell_operators(*, now: datetime) -> None:
    """One line in the log, and one e-mail to ALERT_EMAILS, for each halt that nobody was told of; at least once."""
    for halt in PoolHalt.objects.filter(told_at=None, resumed_at=None).select_related("pool"):
        logger.error("pool %s (%s) is halted: %s", halt.pool_id, halt.pool, halt.reason)
        if settings.ALERT_EMAILS and not _mail(halt):
            continue
        PoolHalt.objects.filter(pk=halt.pk).update(told_at=now)


def _mail(halt: PoolHalt) -> bool:
    """Whether the mail server took it; when not, the next check tries again."""
    pool = halt.pool
    lines = [
        f"The ledger check found {pool} (pool {pool.pk}) at fault at {halt.halted_at:%Y-%m-%d %H:%M:%S} UTC:",
        f"    {halt.reason}",
        "It gives no new match. Giving, the other pools and what this pool holds already go on.",
        "What to do:",
        *(f"{number}. {step}" for number, step in enumerate(next_steps(pool), start=1)),
        f"{settings.SITE_URL}/staff/pools/",
    ]
    subject = " ".join(f"Match pool halted: {pool}".split())
    try:
        send_mail(subject, "\n\n".join(lines), settings.DEFAULT_FROM_EMAIL, settings.ALERT_EMAILS)
    except OSError:
        logger.exception("the e-mail about pool %s was not taken; it is tried again", pool.pk)
        return False
    return True
