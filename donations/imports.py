"""Many gifts by check and cash from a spreadsheet: read and shown first, entered only when a person has confirmed.

read_upload() writes the rows down and makes no gift. After confirm() a worker enters them, the earliest received
first, each in a transaction of its own: pools are never locked for longer than one gift takes, so donors give
meanwhile. In that transaction the row is marked as entered, so a worker killed at any line leaves each row either
entered or ready; whoever comes next goes on. A row's key is the form key of its gift: no row makes a second one.
"""

import csv
import hashlib
import io
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Count, F, Q, Sum
from django.utils.translation import gettext, gettext_lazy

from campaign.models import Campaign
from campaign.moments import day_text
from campaign.money import format_amount
from donations import import_columns, import_sheets, offline_gifts
from donations.import_rows import JudgedRow, RowJudge
from donations.models import Donation, GiftImport, ImportRow
from donations.offline_gifts import GiftEnteredBefore, OfflineGift, folded
from donations.spreadsheets import safe_text
from matching.ledger import PoolsBusy

logger = logging.getLogger(__name__)
BATCH = 25
REST = timedelta(seconds=3)  # after the pools were busy
MOST_TRIES = 5  # of a row that goes wrong
MOST_DEATHS = 10  # of workers over a row; from the second on it is tried alone
_AT_ONCE = 1_000
_NAMED = 5
_STATE = ImportRow.State


@dataclass(frozen=True)
class Progress:
    """How many rows of an import stand where. ready_minor: the sum of the gifts that are still to be entered."""

    ready: int = 0
    bad: int = 0
    before: int = 0
    entered: int = 0
    failed: int = 0
    doubtful: int = 0
    ready_minor: int = 0
    entered_minor: int = 0

    @property
    def total(self) -> int:
        return self.ready + self.bad + self.before + self.entered + self.failed

    @property
    def percent(self) -> int:
        """Of the rows that are entered at all."""
        whole = self.ready + self.entered + self.failed
        return 100 * (self.entered + self.failed) // whole if whole else 100


def read_upload(*, campaign: Campaign, file_name: str, content: bytes, actor: str, now: datetime) -> GiftImport:
    """Read a spreadsheet and write down what each row says; no gift is made. content: the file.

    Raises import_sheets.FileProblem, with a sentence for the person, when it is no list of gifts at all.
    """
    sheet = import_sheets.read_sheet(content, knows=import_columns.is_known)
    has_one_fund = campaign.funds.count() == 1
    places, remarks = import_columns.places_of(sheet.headings, has_one_fund=has_one_fund)
    judge = RowJudge(campaign=campaign, places=places, headings=sheet.headings, now=now)
    judged = judge.judge(sheet.rows)
    before = _entered_before(judged)
    _warn_of_twins([row for row in judged if row.key not in before], campaign=campaign)
    digest = hashlib.sha256(content).hexdigest()
    with transaction.atomic():
        made = GiftImport.objects.create(
            campaign=campaign,
            file_name=file_name[-200:],
            digest=digest,
            headings=sheet.headings,
            remarks=[*sheet.remarks, *remarks, *_same_file(campaign, digest), *_outside(judged, campaign=campaign)],
            uploaded_by=actor,
            uploaded_at=now,
        )
        rows = (_as_row(made, row, before=before.get(row.key)) for row in judged)
        ImportRow.objects.bulk_create(rows, batch_size=_AT_ONCE)
    return made


def confirm(*, import_id: int, actor: str, now: datetime, despite_bad: bool, despite_warnings: bool) -> bool:
    """A person says yes: from here on a worker enters the rows that are ready. False: somebody was quicker.

    Refused, with False and nothing written, too: bad rows or warnings that the person has not said yes to.
    One conditional update decides who was first.
    """
    progress = progress_of(import_id)
    if (progress.bad and not despite_bad) or (progress.doubtful and not despite_warnings) or not progress.ready:
        return False
    waiting = GiftImport.objects.filter(pk=import_id, state=GiftImport.State.PREVIEW)
    return bool(waiting.update(state=GiftImport.State.RUNNING, confirmed_by=actor, confirmed_at=now, due_at=now))


def discard(*, import_id: int) -> bool:
    """Throw a preview away with its rows; False when it was confirmed or discarded meanwhile."""
    with transaction.atomic():
        waiting = GiftImport.objects.filter(pk=import_id, state=GiftImport.State.PREVIEW)
        is_mine = bool(waiting.update(state=GiftImport.State.DISCARDED))
        if is_mine:
            ImportRow.objects.filter(gift_import=import_id).delete()
    return is_mine


def try_failed_again(*, import_id: int, now: datetime) -> bool:
    """Rows that could not be entered are ready again; False when there are none, or the import is not over."""
    with transaction.atomic():
        over = GiftImport.objects.filter(pk=import_id, state=GiftImport.State.DONE)
        if not over.filter(rows__state=_STATE.FAILED).exists():
            return False
        if not over.update(state=GiftImport.State.RUNNING, finished_at=None, due_at=now):
            return False
        failed = ImportRow.objects.filter(gift_import=import_id, state=_STATE.FAILED)
        failed.update(state=_STATE.READY, attempts=0, last_error="")
    return True


def claim(*, import_id: int, now: datetime) -> datetime | None:
    """Take a running import for a lease; its end, which enter_some() asks for, or None when someone else has it."""
    due = GiftImport.objects.filter(pk=import_id, state=GiftImport.State.RUNNING, due_at__lte=now)
    return _lease(now) if due.update(due_at=_lease(now)) else None


def let_go(*, import_id: int, lease: datetime, now: datetime) -> None:
    """Give a claimed import back, so that the next worker need not wait for the lease to end."""
    GiftImport.objects.filter(pk=import_id, due_at=lease).update(due_at=now)


def enter_some(*, import_id: int, lease: datetime, now: datetime) -> datetime | None:
    """Enter up to BATCH rows of a claimed import; the renewed lease, or None when there is nothing more to do now.

    Nothing more: all is entered and the import is over, the lease is lost, or the pools are busy and it rests.
    Each row is one transaction. Attempts are counted before they are made, so that a row which kills its worker is
    put aside in the end; it is tried alone from the second time on, and rows tried less often go first.
    """
    mine = GiftImport.objects.filter(pk=import_id, state=GiftImport.State.RUNNING, due_at=lease)
    if not mine.update(due_at=_lease(now)):
        return None
    gift_import = GiftImport.objects.select_related("campaign").get(pk=import_id)
    ids = _next_rows(import_id)
    ImportRow.objects.filter(pk__in=ids).update(attempts=F("attempts") + 1)
    for row_id in ids:
        try:
            _enter_row(row_id, gift_import=gift_import, now=now)
        except PoolsBusy:
            ImportRow.objects.filter(pk=row_id).update(attempts=F("attempts") - 1)
            GiftImport.objects.filter(pk=import_id, due_at=_lease(now)).update(due_at=now + REST)
            return None
    if ImportRow.objects.filter(gift_import=import_id, state=_STATE.READY).exists():
        return _lease(now)
    running = GiftImport.objects.filter(pk=import_id, state=GiftImport.State.RUNNING)
    running.update(state=GiftImport.State.DONE, finished_at=now, due_at=None)
    return None


def overdue(*, now: datetime, grace: timedelta, limit: int = 20) -> list[int]:
    """Running imports that nobody has, for the sweep to wake."""
    rows = GiftImport.objects.filter(state=GiftImport.State.RUNNING, due_at__lte=now - grace).order_by("due_at")
    return list(rows.values_list("pk", flat=True)[:limit])


def progress_of(import_id: int) -> Progress:
    """One query."""
    rows = ImportRow.objects.filter(gift_import=import_id).order_by()
    counts = {state.value: Count("pk", filter=Q(state=state)) for state in _STATE}
    row = rows.aggregate(
        **counts,
        doubtful=Count("pk", filter=Q(state=_STATE.READY) & ~Q(warnings=[])),
        ready_minor=Sum("amount_minor", filter=Q(state=_STATE.READY)),
        entered_minor=Sum("amount_minor", filter=Q(state=_STATE.ENTERED)),
    )
    return Progress(**{name: int(value or 0) for name, value in row.items()})


def bad_rows_csv(gift_import: GiftImport) -> Iterator[str]:
    """Rows that were not entered, as they came, each with its number and what to correct."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    buffer.write("\ufeff")
    writer.writerow([*map(safe_text, gift_import.headings), *import_columns.ADDED])
    wanted = gift_import.rows.filter(state__in=[_STATE.BAD, _STATE.FAILED]).order_by("number")
    for row in wanted.iterator(chunk_size=_AT_ONCE):
        said = [f"{heading}: {sentence}" if heading else sentence for heading, sentence in row.problems]
        why = " ".join(said) or row.last_error
        writer.writerow([*map(safe_text, row.cells), row.number, safe_text(why)])
        yield _taken(buffer)
    yield _taken(buffer)


def _lease(now: datetime) -> datetime:
    return now + timedelta(seconds=settings.WORK_LEASE_SECONDS)


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text


def _next_rows(import_id: int) -> list[int]:
    """The rows to enter now. Those that workers died over too often are put aside first."""
    ready = ImportRow.objects.filter(gift_import=import_id, state=_STATE.READY)
    ready.filter(attempts__gte=MOST_DEATHS).update(
        state=_STATE.FAILED, last_error=gettext("It stopped the worker each time it was tried.")
    )
    rows = list(ready.order_by("attempts", "received_at", "number").values_list("pk", "attempts")[:BATCH])
    if rows and rows[0][1] >= 2:
        rows = rows[:1]
    return [pk for pk, attempts in rows if attempts == rows[0][1]]


def _enter_row(row_id: int, *, gift_import: GiftImport, now: datetime) -> None:
    """Enter one row, or note why not. Raises PoolsBusy: nothing was written, it is to be tried again."""
    try:
        with transaction.atomic():
            ready = ImportRow.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
            row = ready.filter(pk=row_id, state=_STATE.READY).first()
            if row is not None:
                _enter(row, gift_import=gift_import, now=now)
    except PoolsBusy:
        raise
    except Exception as error:  # whatever it was, the row keeps it and the others go on
        logger.exception("row %s of import %s", row_id, gift_import.pk)
        wrong = ImportRow.objects.filter(pk=row_id, state=_STATE.READY)
        wrong.update(last_error=f"{type(error).__name__}: {error}"[:500])
        wrong.filter(attempts__gte=MOST_TRIES).update(state=_STATE.FAILED)


def _enter(row: ImportRow, *, gift_import: GiftImport, now: datetime) -> None:
    try:
        row.donation = offline_gifts.enter_gift(
            campaign=gift_import.campaign,
            gift=OfflineGift.from_json(row.gift or {}),
            form_key=row.key,
            actor=gift_import.confirmed_by,
            now=now,
        )
        row.state = _STATE.ENTERED
    except GiftEnteredBefore as error:
        row.donation, row.state = error.donation, _STATE.BEFORE
    row.last_error = ""
    row.save(update_fields=["donation", "state", "last_error"])


def _entered_before(rows: Iterable[JudgedRow]) -> dict[str, Donation]:
    """The gifts that rows with these keys have made; a row that now says something else gets a problem instead."""
    by_key = {row.key: row for row in rows if row.key}
    found: dict[str, Donation] = {}
    keys = list(by_key)
    for start in range(0, len(keys), _AT_ONCE):
        chunk = keys[start : start + _AT_ONCE]
        for donation in Donation.objects.filter(form_key__in=chunk).select_related("campaign"):
            found[donation.form_key] = donation
        said = ImportRow.objects.filter(key__in=chunk, state=_STATE.ENTERED).values_list("key", "gift")
        for key, gift in said:
            row = by_key[key]
            if row.gift is not None and not _says_the_same(row.gift, OfflineGift.from_json(gift or {}), found[key]):
                row.problems.append(["", str(_OTHERWISE) % {"reference": found[key].reference}])
                row.gift = None
                del found[key]
    return found


_OTHERWISE = gettext_lazy(
    "It was entered before as %(reference)s, but with another amount, day, fund or method. Correct that gift instead, "
    "or give this row a reference of its own if it is another gift."
)


def _says_the_same(gift: OfflineGift, then: OfflineGift, donation: Donation) -> bool:
    """Whether the money is what was entered, or what it was corrected to; names may be written better now."""
    zone = donation.campaign.tz
    days = [moment.astimezone(zone).date() for moment in (gift.received_at, then.received_at, donation.submitted_at)]
    as_entered = (gift.parts, gift.method, days[0]) == (then.parts, then.method, days[1])
    as_it_stands = (donation.amount_minor, donation.method, days[2])
    return as_entered or (gift.amount_minor, gift.method, days[0]) == as_it_stands


def _warn_of_twins(rows: Iterable[JudgedRow], *, campaign: Campaign) -> None:
    """A warning for each row that looks like a gift which is there already, entered by hand or from another file."""
    wanted = [(row, row.gift) for row in rows if row.gift is not None]
    if not wanted:
        return
    known = _offline_gifts_by_likeness(campaign)
    for row, gift in wanted:
        near = {twin.pk: twin for likeness in _likenesses(gift) for twin in known.get(likeness, ())}
        twin = next((twin for twin in near.values() if offline_gifts.is_twin(gift, of=twin)), None)
        if twin is not None:
            shown = format_amount(twin.amount_minor, currency=campaign.currency)
            what = gettext("%(reference)s, %(amount)s from %(donor)s, %(method)s") % {
                "reference": twin.reference,
                "amount": shown,
                "donor": twin.donor_name,
                "method": twin.method_text,
            }
            row.warnings.append(["", gettext("It looks like %(what)s, which is there already.") % {"what": what}])


def _offline_gifts_by_likeness(campaign: Campaign) -> dict[tuple[str, object], list[Donation]]:
    fields = ("pk", "donor_name", "amount_minor", "method", "method_label", "method_last4", "cheque_number")
    gifts = Donation.objects.filter(campaign=campaign, method__in=Donation.OFFLINE, refunded_minor=0).only(*fields)
    known: dict[tuple[str, object], list[Donation]] = defaultdict(list)
    for gift in gifts.order_by("-pk").iterator(chunk_size=_AT_ONCE):
        for likeness in _likenesses(gift):
            known[likeness].append(gift)
    return known


def _likenesses(gift: OfflineGift | Donation) -> list[tuple[str, object]]:
    """What a twin shares with it: is_twin() then compares in full."""
    found: list[tuple[str, object]] = [("gift", (folded(gift.donor_name), gift.amount_minor))]
    if gift.cheque_number:
        found.append(("check", gift.cheque_number))
    return found


def _same_file(campaign: Campaign, digest: str) -> list[str]:
    """A remark when this very file came before and was entered, wholly or in part."""
    earlier = campaign.gift_imports.filter(digest=digest, state__in=[GiftImport.State.RUNNING, GiftImport.State.DONE])
    found = earlier.order_by("-pk").first()
    if found is None or found.confirmed_at is None:
        return []
    day = found.confirmed_at.astimezone(campaign.tz)
    return [
        gettext("This very file was confirmed before, on %(day)s. Rows that were entered then stay as they are.")
        % {"day": day_text(day)}
    ]


def _outside(rows: Iterable[JudgedRow], *, campaign: Campaign) -> list[str]:
    """Remarks on gifts received before the campaign opens, or after it closed, with the rows they are in."""
    remarks = []
    for side in ("before", "after"):
        numbers = [row.number for row in rows if row.gift is not None and row.outside == side]
        if numbers:
            remarks.append(
                _outside_text(side)
                % {"campaign": campaign.name, "gifts": f"{len(numbers):,}", "rows": _rows_text(numbers)}
            )
    return remarks


def _outside_text(side: str) -> str:
    if side == "before":
        return gettext(
            "Received before %(campaign)s opens: they count, and only pools whose window reaches back to them match "
            "them. %(gifts)s of them: %(rows)s."
        )
    return gettext("Received after %(campaign)s closed: they count, and are not matched. %(gifts)s of them: %(rows)s.")


def _rows_text(numbers: list[int]) -> str:
    """`rows 4, 7, 9`, and how many more when there are many."""
    named, more = ", ".join(map(str, numbers[:_NAMED])), len(numbers) - _NAMED
    if more <= 0:
        return gettext("rows %(rows)s") % {"rows": named}
    return gettext("rows %(rows)s and %(more)s more") % {"rows": named, "more": f"{more:,}"}


def _as_row(made: GiftImport, row: JudgedRow, *, before: Donation | None) -> ImportRow:
    state = _STATE.BEFORE if before else _STATE.READY if row.gift else _STATE.BAD
    return ImportRow(
        gift_import=made,
        number=row.number,
        state=state,
        cells=row.cells,
        gift=row.gift.as_json() if row.gift and state == _STATE.READY else None,
        problems=row.problems if state == _STATE.BAD else [],
        warnings=row.warnings if state == _STATE.READY else [],
        key=row.key,
        amount_minor=row.gift.amount_minor if row.gift else None,
        received_at=row.gift.received_at if row.gift else None,
        donation=before,
    )
