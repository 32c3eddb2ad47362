"""The check of payers: whether everybody who presses Give has to prove some work first (proofs.py).

It comes on by itself when the whole site sees more declined cards than donors make, and goes off after some quiet.
Staff may switch it on or off by hand and back to "by itself". One row, read at every press, written at failures.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils.translation import gettext

from donations.models import Donation, FailedTry, PayerCheck

SHORT, LONG = timedelta(minutes=1), timedelta(minutes=10)
PATIENT = timedelta(hours=6)  # a thief with many addresses waits for the quiet, and comes again
_LONG_FAILURES, _PATIENT_FAILURES, _LONG_PERCENT = 40, 60, 60
Mode = PayerCheck.Mode


@dataclass(frozen=True, slots=True)
class Check:
    """is_on at the moment it was read; since: when it came on; why: a sentence; quiet_at: when it goes off."""

    is_on: bool
    mode: str
    since: datetime | None
    why: str
    quiet_at: datetime | None
    changed_by: str

    @property
    def mode_label(self) -> str:
        return str(Mode(self.mode).label)


def read(*, now: datetime) -> Check:
    """How the check stands. One query."""
    row = PayerCheck.objects.filter(pk=1).first() or PayerCheck(pk=1)
    quiet_at = row.last_trouble_at + timedelta(seconds=settings.CHECK_QUIET_SECONDS) if row.last_trouble_at else None
    is_troubled = quiet_at is not None and quiet_at > now
    if row.mode == Mode.AUTO:
        since, why = (row.on_since, row.why) if is_troubled else (None, "")
    else:
        since, why = row.changed_at, "Switched by hand."
    return Check(
        is_on=row.mode == Mode.ON or (row.mode == Mode.AUTO and is_troubled),
        mode=row.mode,
        since=since,
        why=why,
        quiet_at=quiet_at if is_troubled and row.mode == Mode.AUTO else None,
        changed_by=row.changed_by,
    )


def weigh(*, campaign_id: int, now: datetime) -> bool:
    """After a failure: switch the check on, or keep it on, when there are more than donors make; whether there are.

    Counts failures and paid gifts of a minute, of ten, and of six hours, so that after many declines the first one that
    follows the quiet brings it back. One write in trouble; waits for no lock long.
    """
    why = _trouble(campaign_id=campaign_id, now=now)
    if why:
        note_trouble(why=why, now=now)
    return bool(why)


def note_trouble(*, why: str, now: datetime) -> None:
    """There is trouble at this moment: the check is on from now, or stays on, and the quiet is counted afresh."""
    row, _ = PayerCheck.objects.get_or_create(pk=1)
    quiet = timedelta(seconds=settings.CHECK_QUIET_SECONDS)
    last = row.last_trouble_at
    is_new = last is None or last + quiet <= now
    if last is None or is_new or now - last > timedelta(seconds=5):  # a hot row otherwise
        changes = {"on_since": now, "why": why} if is_new else {}
        PayerCheck.objects.filter(pk=1).update(last_trouble_at=now, **changes)


def switch(*, mode: str, actor: str, now: datetime) -> None:
    """Staff switch it on, off, or back to by itself. mode: a PayerCheck.Mode."""
    PayerCheck.objects.update_or_create(
        pk=1, defaults={"mode": Mode(mode), "changed_at": now, "changed_by": actor[:40]}
    )


def _trouble(*, campaign_id: int, now: datetime) -> str:
    """What is wrong, in a sentence for staff, or empty. A query for each stretch, the shortest first, and one more
    where there were many failures: in a flood of them the first two answer."""
    for stretch, words, most, percent in (
        (SHORT, gettext("a minute"), settings.CHECK_FAILURES_A_MINUTE, settings.CHECK_DECLINE_PERCENT),
        (LONG, gettext("ten minutes"), _LONG_FAILURES, _LONG_PERCENT),
        (PATIENT, gettext("six hours"), _PATIENT_FAILURES, _LONG_PERCENT),
    ):
        failed = FailedTry.objects.filter(at__gt=now - stretch).count()
        if failed < most:
            continue
        paid = Donation.objects.received().filter(campaign_id=campaign_id, paid_at__gt=now - stretch).count()
        declined = 100 * failed // (failed + paid)
        if declined >= percent:
            # Translators: why payers are checked: 40 cards were declined within ten minutes, 80 % of those tried.
            return gettext("%(failed)s cards were declined within %(stretch)s, %(percent)s %% of those tried.") % {
                "failed": failed,
                "stretch": words,
                "percent": declined,
            }
    return ""
