"""Spreadsheets of checks and cash as people make them."""

import csv
import io
from datetime import datetime
from typing import Any

import openpyxl
from django.core.files.uploadedfile import SimpleUploadedFile

from campaign.models import Campaign
from donations import imports
from donations.models import GiftImport
from tests.factories import GIFT_AT

HEADINGS = ["Reference", "Received on", "Donor name", "E-mail", "ZIP", "Amount", "Fund", "Method", "Check number"]
GOOD = {
    "Received on": "2026-12-01",
    "Donor name": "Walter Finch",
    "Amount": "250",
    "Fund": "Education",
    "Method": "cash",
}


def csv_of(*rows: dict[str, Any], headings: list[str] | None = None, delimiter: str = ",") -> str:
    """The rows under HEADINGS and every other heading that a row names; each row is GOOD but for what it says."""
    titles = headings or [*HEADINGS, *sorted({title for row in rows for title in row} - set(HEADINGS))]
    text = io.StringIO()
    writer = csv.DictWriter(text, titles, delimiter=delimiter, extrasaction="ignore", restval="")
    writer.writeheader()
    for row in rows:
        writer.writerow(GOOD | row)
    return text.getvalue()


def xlsx_of(rows: list[list[Any]], *, other_sheets: tuple[str, ...] = ()) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    for row in rows:
        sheet.append(row)
    for name in other_sheets:
        book.create_sheet(name)
    to = io.BytesIO()
    book.save(to)
    return to.getvalue()


def people(count: int, **changes: Any) -> list[dict[str, Any]]:
    """Rows of as many donors, each with a reference and a check of their own."""
    return [
        {"Reference": f"R-{n}", "Donor name": f"Donor {n}", "Method": "check", "Check number": f"{n + 100}"} | changes
        for n in range(count)
    ]


def read(campaign: Campaign, content: str | bytes, *, now: datetime = GIFT_AT, name: str = "checks.csv") -> GiftImport:
    body = content.encode() if isinstance(content, str) else content
    return imports.read_upload(campaign=campaign, file_name=name, content=body, actor="staff:7", now=now)


def upload(content: str | bytes, name: str = "checks.csv") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content.encode() if isinstance(content, str) else content)


def confirm(made: GiftImport, *, now: datetime = GIFT_AT) -> bool:
    return imports.confirm(import_id=made.pk, actor="staff:8", now=now, despite_bad=True, despite_warnings=True)


def run(made: GiftImport, *, now: datetime = GIFT_AT) -> None:
    """What the task does, to the end."""
    lease = imports.claim(import_id=made.pk, now=now)
    while lease is not None:
        lease = imports.enter_some(import_id=made.pk, lease=lease, now=now)
