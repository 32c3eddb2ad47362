"""A spreadsheet as rows of text, whatever made it: CSV in the usual encodings and separators, or an Excel workbook.

Every cell becomes the text a person would type for it: 1000.5, 2026-12-01, 14:30. What cannot be read as a whole
raises FileProblem with a sentence that says what to do. Nothing here knows what the columns mean.
"""

import csv
import io
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any

import openpyxl
from django.utils.translation import gettext, gettext_lazy

LARGEST_BYTES = 10 * 1024 * 1024
MOST_ROWS = 20_000
MOST_COLUMNS = 100
_MOST_EMPTY_ROWS = 10_000  # a workbook may carry a million formatted ones
_LARGEST_UNPACKED_BYTES = 80 * 1024 * 1024
# A few kilobytes may unpack to as many styles or texts as keep a processor for minutes: MOST_ROWS need far less.
_LARGEST_PART_BYTES = 1024 * 1024  # of the workbook's own parts, which are read whole: styles, names, relations
_LARGEST_TEXTS_BYTES = 16 * 1024 * 1024
_MOST_TEXTS = 400_000
_SEPARATOR_LINE = re.compile(r"\Asep=[^\r\n]*(\r\n|\r|\n)", re.IGNORECASE)  # a word to Excel
_SEPARATORS = (",", ";", "\t", "|")
_OTHER_KINDS = {
    b"\xd0\xcf\x11\xe0": gettext_lazy(
        "This is an old Excel file (.xls), or one with a password. Save it as .xlsx without one."
    ),
    b"%PDF": gettext_lazy("This is a PDF. Save the list as a spreadsheet: .xlsx or .csv."),
    b"{\\rtf": gettext_lazy("This is a text document. Save the list as a spreadsheet: .xlsx or .csv."),
}


class FileProblem(Exception):
    """The file cannot be read as a list of gifts at all; the message says what to do."""


@dataclass(frozen=True)
class Sheet:
    """headings: as the file has them. rows: (number in the spreadsheet, one text for each heading), empty rows left
    out. remarks: what a person should know of how the file was read."""

    headings: list[str]
    rows: list[tuple[int, list[str]]]
    remarks: list[str] = field(default_factory=list)


def too_large() -> str:
    return gettext("The file is larger than %(megabytes)s MB. Split it into smaller ones.") % {
        "megabytes": LARGEST_BYTES // 1024 // 1024
    }


def read_sheet(content: bytes, *, knows: Callable[[str], bool]) -> Sheet:
    """The sheet in a file of up to LARGEST_BYTES. knows: whether a heading is one of ours; it finds the separator.

    Raises FileProblem for what is no spreadsheet, has no headings, no rows, or more than MOST_ROWS of them.
    """
    if not content.strip():
        raise FileProblem(gettext("The file is empty."))
    if len(content) > LARGEST_BYTES:
        raise FileProblem(too_large())
    for start, sentence in _OTHER_KINDS.items():
        if content.startswith(start):
            raise FileProblem(sentence)
    if content.startswith(b"PK"):
        records, remarks = _workbook_records(content)
    else:
        records, remarks = _csv_records(content, knows=knows)
    return _sheet(records, remarks)


def _sheet(records: Iterable[tuple[int, list[str]]], remarks: list[str]) -> Sheet:
    filled = ((number, cells) for number, cells in records if any(cells))
    first = next(filled, None)
    if first is None:
        raise FileProblem(gettext("The file is empty."))
    headings = first[1]
    while headings and not headings[-1]:
        headings.pop()
    width = len(headings)
    rows: list[tuple[int, list[str]]] = []
    for number, cells in filled:
        if len(rows) == MOST_ROWS:
            raise FileProblem(
                gettext("The file has more than %(most)s rows. Split it into smaller ones.")
                % {"most": f"{MOST_ROWS:,}"}
            )
        rows.append((number, [*cells, *[""] * width][:width]))
    if not rows:
        raise FileProblem(gettext("The file has headings and no gifts below them."))
    return Sheet(headings, rows, remarks)


def _csv_records(content: bytes, *, knows: Callable[[str], bool]) -> tuple[Iterator[tuple[int, list[str]]], list[str]]:
    text, remarks = _decoded(content)
    if "\x00" in text:
        raise FileProblem(gettext("This is not a spreadsheet. Save the list as .xlsx, or as .csv in UTF-8."))
    text, first = _SEPARATOR_LINE.subn("", text)
    separator = max(_SEPARATORS, key=lambda mark: _known_headings(text, mark, knows=knows))
    return _numbered(text, separator, first=1 + first), remarks


def _decoded(content: bytes) -> tuple[str, list[str]]:
    encodings = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
    named = next((name for mark, name in encodings.items() if content.startswith(mark)), "utf-8")
    try:
        return content.decode(named), []
    except UnicodeDecodeError:
        pass
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError as error:
        raise FileProblem(
            gettext("The file’s letters cannot be read. Save it as .xlsx, or as .csv in UTF-8.")
        ) from error
    remark = gettext(
        "The file is not in UTF-8; it was read as Windows text. Look at names with accents before you go on."
    )
    return text, [remark]


def _known_headings(text: str, separator: str, *, knows: Callable[[str], bool]) -> int:
    try:
        first = next((cells for _, cells in _numbered(text[:20_000], separator) if any(cells)), [])
    except FileProblem:
        return 0
    return sum(map(knows, first))


def _numbered(text: str, separator: str, *, first: int = 1) -> Iterator[tuple[int, list[str]]]:
    """Records and their numbers from `first` on, as spreadsheet programs count rows."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True)
    number = first - 1
    try:
        for number, cells in enumerate(reader, first):
            yield number, [cell.strip() for cell in cells[:MOST_COLUMNS]]
    except csv.Error as error:
        what = gettext("a quotation mark that is not closed, or text after a closing one")
        raise FileProblem(
            gettext("Row %(number)s cannot be read: it has %(what)s. Correct it, or save the list as .xlsx.")
            % {"number": number + 1, "what": what}
        ) from error


def _workbook_records(content: bytes) -> tuple[Iterator[tuple[int, list[str]]], list[str]]:
    _refuse_strange_zip(content)
    try:
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, keep_links=False)
        sheets = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"] or book.worksheets
        first = sheets[0]
        first.reset_dimensions()  # what the file says of its own size is often wrong
    except Exception as error:  # whatever a broken workbook does, its person needs the same answer
        raise FileProblem(
            gettext("The workbook cannot be opened. Open it in Excel, save it anew as .xlsx, and try again.")
        ) from error
    remarks = (
        [
            gettext("Only the first sheet, “%(title)s”, was read; the workbook has %(sheets)s.")
            % {"title": first.title, "sheets": len(sheets)}
        ]
        if sheets[1:]
        else []
    )
    return _sheet_records(first), remarks


def _refuse_strange_zip(content: bytes) -> None:
    """Only workbooks, and none that unpacks to more than it should or brings definitions of its own."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            parts = packed.infolist()
            if "xl/workbook.xml" not in packed.namelist():
                raise FileProblem(gettext("This is not an Excel workbook. Save the list as .xlsx or .csv."))
            if sum(part.file_size for part in parts) > _LARGEST_UNPACKED_BYTES:
                raise FileProblem(gettext("The workbook is too large. Copy the list into a new one and save that."))
            for part in parts:
                if part.filename.endswith((".xml", ".rels")):
                    _refuse_strange_part(packed, part)
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError) as error:
        raise FileProblem(
            gettext("The workbook is damaged, or has a password. Save it anew as .xlsx or .csv.")
        ) from error


def _refuse_strange_part(packed: zipfile.ZipFile, part: zipfile.ZipInfo) -> None:
    is_texts = part.filename.casefold().endswith("sharedstrings.xml")
    largest = _LARGEST_TEXTS_BYTES if is_texts else _LARGEST_PART_BYTES
    if part.file_size > largest and not part.filename.startswith("xl/worksheets/"):
        raise FileProblem(gettext("The workbook is too large. Copy the list into a new one and save that."))
    with packed.open(part) as opened:
        content = opened.read() if is_texts else opened.read(1024)
    if b"<!DOCTYPE" in content[:1024]:
        raise FileProblem(gettext("The workbook was not made by Excel. Save it anew as .xlsx or .csv."))
    if is_texts and content.count(b"<si") > _MOST_TEXTS:
        raise FileProblem(gettext("The workbook is too large. Copy the list into a new one and save that."))


def _sheet_records(sheet: Any) -> Iterator[tuple[int, list[str]]]:
    empty = 0
    try:
        for number, cells in enumerate(sheet.iter_rows(max_col=MOST_COLUMNS, values_only=True), 1):
            texts = [_text(value) for value in cells]
            empty = 0 if any(texts) else empty + 1
            if empty > _MOST_EMPTY_ROWS:
                return
            yield number, texts
    except FileProblem:
        raise
    except Exception as error:  # as above: the file is broken somewhere in its middle
        raise FileProblem(
            gettext("The workbook is damaged. Open it in Excel, save it anew as .xlsx, and try again.")
        ) from error


def _text(value: Any) -> str:
    """A cell as a person would type it. Numbers to fifteen digits, as Excel itself keeps them."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.15g}"
    if isinstance(value, datetime):
        value = value.replace(microsecond=0)
        return f"{value.date()}" if value.time() == time() else f"{value.date()} {value:%H:%M:%S}"
    if not isinstance(value, str | int | date | time):
        return "="  # a formula over several cells comes as an object
    return str(value).strip()
