"""Part 7: a spreadsheet of checks read, and its gifts entered by one worker."""

import time
from datetime import timedelta

from django.utils import timezone

from donations import imports
from donations.models import Donation, GiftImport
from matching.checking import check_pool
from tests import factories
from tests.benchmarks import tables
from tests.donations.import_file import csv_of, people

GIFTS = 10_000


def show() -> None:
    factories.organization_is_there()
    now = timezone.now()
    campaign = factories.open_campaign(is_current=False, opens_at=now - timedelta(days=3))
    pool = factories.pool(campaign=campaign, limit_minor=25_000 * GIFTS // 2, now=now - timedelta(days=3))
    day = (now - timedelta(days=1)).astimezone(campaign.tz)
    content = csv_of(*people(GIFTS, **{"Received on": f"{day:%Y-%m-%d}"})).encode()
    read_cost, made = _timed(
        lambda: imports.read_upload(campaign=campaign, file_name="b.csv", content=content, actor="staff:1", now=now)
    )
    again_cost, again = _timed(
        lambda: imports.read_upload(campaign=campaign, file_name="b.csv", content=content, actor="staff:1", now=now)
    )
    imports.confirm(import_id=made.pk, actor="staff:1", now=now, despite_bad=False, despite_warnings=False)
    enter_cost, longest = _timed(lambda: _enter(made))
    imports.confirm(import_id=again.pk, actor="staff:1", now=now, despite_bad=False, despite_warnings=False)
    second_cost, _ = _timed(lambda: _enter(again))
    _refuse_half(made, pool_findings=check_pool(pool).findings, campaign_id=campaign.pk)
    tables.show(
        f"Import of {GIFTS:,} offline gifts",
        heads=["step", "took", "rows a second", "Python a row"],
        rows=[
            [name, f"{took:.1f} s", tables.rate(GIFTS / took), tables.ms(used * 1000 / GIFTS)]
            for name, (took, used) in (
                ("read and judged, for the preview", read_cost),
                ("the same file read again", again_cost),
                ("entered and matched, one worker", enter_cost),
                ("the same file entered again: nothing", second_cost),
            )
        ],
        notes=[
            f"The longest batch of {imports.BATCH} rows took {longest * 1000:.0f} ms; pools are locked gift by gift.",
            f"Checked afterwards: {GIFTS:,} gifts, each row once; the pool ran dry half way, its books are whole.",
        ],
    )


def _timed(step):
    """How long a step took, with Python's part of the processor's seconds, and its result."""
    began, used = time.monotonic(), time.process_time()
    result = step()
    return (time.monotonic() - began, time.process_time() - used), result


def _enter(made: GiftImport) -> float:
    """The whole import as the task does it; the seconds of its slowest batch."""
    longest, lease = 0.0, imports.claim(import_id=made.pk, now=timezone.now())
    while lease is not None:
        began = time.monotonic()
        lease = imports.enter_some(import_id=made.pk, lease=lease, now=timezone.now())
        longest = max(longest, time.monotonic() - began)
    return longest


def _refuse_half(made: GiftImport, *, pool_findings: list[str], campaign_id: int) -> None:
    """RuntimeError if a row is missing or the ledger is not whole: then no rate counts."""
    entered = made.rows.filter(state="entered").count()
    gifts = Donation.objects.filter(campaign_id=campaign_id).count()
    if (entered, gifts) != (GIFTS, GIFTS) or pool_findings:
        raise RuntimeError(f"{entered} rows, {gifts} gifts of {GIFTS}; {pool_findings}")
