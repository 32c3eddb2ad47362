"""Rows that are work to do: events to apply, follow-ups and mails owed. A message only wakes; the row is the truth.

claim() counts the attempt and moves `due_at` ahead before anything is tried, so a worker that dies leaves a row that
comes due again, and of two workers with the same message one gets the row. The lease outlives the longest time that a
task may take (checks.py holds the settings to it), so nobody else begins while a slow attempt goes on. A failure that
was noted is tried again sooner: after RETRY, doubled each time. After LAST_ATTEMPT the row waits for a person on the
staff page.
"""

from datetime import datetime, timedelta
from typing import TypeVar

from django.conf import settings
from django.db.models import F, Q

from donations.models import Donation, FollowUp, OpeningMail, StripeEvent

LAST_ATTEMPT = 12
RETRY = timedelta(seconds=15)
_LONGEST = timedelta(hours=1)
_ALL = Q()

Work = FollowUp | OpeningMail | StripeEvent
Row = TypeVar("Row", FollowUp, OpeningMail, StripeEvent)


def claim(model: type[Row], *, pk: int, now: datetime) -> Row | None:
    """Take a due row for one attempt; None when it is done, not yet due, or someone else has it.

    One conditional update; the lease grows with the attempts, from WORK_LEASE_SECONDS to an hour: what kills its
    worker each time is tried ever more seldom.
    """
    row = model.objects.filter(pk=pk, state=_waiting(model), due_at__lte=now).first()
    if row is None:
        return None
    mine = model.objects.filter(pk=pk, state=row.state, due_at=row.due_at, attempts=row.attempts)
    lease = min(_LONGEST, timedelta(seconds=settings.WORK_LEASE_SECONDS) * 2 ** min(row.attempts, 10))
    if not mine.update(attempts=F("attempts") + 1, due_at=now + lease):
        return None
    row.attempts, row.due_at = row.attempts + 1, now + lease
    return row


def note_success(row: Work, *, state: str, **changes: str) -> bool:
    """The claimed row is done; False when it is not ours any more: it was made due again, or our lease ran out.

    What a row is owed for may change while it is being worked on. Then it stays due, and the next attempt sees all.
    """
    return _note(row, state=state, last_error="", **changes)


def note_failure(row: Work, *, error: Exception, now: datetime, permanent: bool = False) -> None:
    """Keep the error on the claimed row; it comes due again by itself unless that was the last attempt or hopeless.

    Writes nothing when the row is not ours any more.
    """
    is_over = permanent or row.attempts >= LAST_ATTEMPT
    state = "failed" if is_over else _waiting(type(row))
    again_at = now + min(_LONGEST, RETRY * 2 ** min(row.attempts - 1, 10))
    _note(row, state=state, last_error=f"{type(error).__name__}: {error}"[:2000], due_at=again_at)


def put_off(row: FollowUp | OpeningMail, *, until: datetime) -> None:
    """It was too early for the claimed row: it comes due then, and that was no attempt."""
    _note(row, due_at=until, attempts=0, last_error="")


def overdue(model: type[Work], *, now: datetime, limit: int, among: Q = _ALL) -> list[int]:
    """Ids of rows that no message woke in WORK_GRACE_SECONDS, the oldest first: what the sweep wakes."""
    grace = timedelta(seconds=settings.WORK_GRACE_SECONDS)
    rows = model.objects.filter(among, state=_waiting(model), due_at__lte=now - grace).order_by("due_at")
    return list(rows.values_list("pk", flat=True)[:limit])


def try_again(row: Work, *, now: datetime) -> None:
    """A person asks for another round: due now, with the attempts counted afresh."""
    row.state = _waiting(type(row))
    row.attempts = 0
    row.due_at = now
    row.save(update_fields=["state", "attempts", "due_at"])


def _note(row: Work, **changes: object) -> bool:
    """One conditional update: only on the row as claim() left it."""
    model = type(row)
    claimed = model.objects.filter(pk=row.pk, state=_waiting(model), attempts=row.attempts, due_at=row.due_at)
    return bool(claimed.update(**changes))


def _waiting(model: type[Work]) -> str:
    return str(StripeEvent.State.RECEIVED if model is StripeEvent else FollowUp.State.DUE)


def owe(*, donation: Donation, kind: FollowUp.Kind, now: datetime, subject_id: int = 0) -> FollowUp:
    """Write down work for a gift; must run in the transaction that makes it due.

    Owed once. A row that is there is due again, since its subject has changed, even while a worker is on it: doing
    it again is harmless when it has not. One that waits for a person goes on waiting.
    """
    row, is_new = FollowUp.objects.get_or_create(
        donation=donation, kind=kind, subject_id=subject_id, defaults={"due_at": now}
    )
    if not is_new and row.state != FollowUp.State.FAILED:
        try_again(row, now=now)
    return row


def owe_forgetting(donation: Donation, *, now: datetime) -> None:
    """A gift is over whose card was saved: it is to be removed at Stripe. In the transaction that ends the gift."""
    if donation.payment_method:
        owe(donation=donation, kind=FollowUp.Kind.CARD, now=now)
