"""Tables as files: CSV line by line, XLSX through a temporary file. Neither keeps the rows in memory.

A table's last line holds its totals, summed from the very rows above it. A file without that line is incomplete.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import IO, Any

import xlsxwriter

from campaign.money import decimal_amount

# What a spreadsheet takes for a formula (OWASP, CSV injection), full-width forms included.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_SHEET_ROWS = 1_048_576 - 2  # Excel's own limit, less the heading and the totals
_LINES_AT_ONCE = 200

TEXT, MONEY, DAY, MOMENT, COUNT = "text", "money", "day", "moment", "count"


@dataclass(frozen=True)
class Column:
    """kind: TEXT; MONEY (minor units); DAY (date); MOMENT (datetime in the table's zone); COUNT (whole number)."""

    title: str
    kind: str = TEXT
    is_summed: bool = False
    width: int = 14


@dataclass
class Table:
    """rows: tuples as long as columns, each value of its column's kind or None; read once. noun: `gift`, `receipt`."""

    name: str
    noun: str
    columns: Sequence[Column]
    rows: Iterable[tuple[Any, ...]]
    currency: str
    row_count: int = 0
    sums_minor: list[int] = field(default_factory=list)

    def counted(self) -> Iterator[tuple[Any, ...]]:
        """The rows, adding them up on the way."""
        self.row_count, self.sums_minor = 0, [0] * len(self.columns)
        summed = [index for index, column in enumerate(self.columns) if column.is_summed]
        for row in self.rows:
            self.row_count += 1
            for index in summed:
                self.sums_minor[index] += row[index] or 0
            yield row

    def totals(self) -> tuple[Any, ...]:
        """The last line, once all rows were read: `Total of 2 gifts` and the sums under their columns."""
        said = f"Total of {self.row_count:,} {self.noun}{'' if self.row_count == 1 else 's'}"
        sums = [
            self.sums_minor[index] if column.is_summed else None for index, column in enumerate(self.columns) if index
        ]
        return (said, *sums)


def safe_text(text: str) -> str:
    """Text that no spreadsheet runs as a formula: a leading quote before what looks like one, behind blanks too."""
    return f"'{text}" if text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA) else text


def csv_lines(table: Table) -> Iterator[str]:
    """The table as CSV for Excel and others: UTF-8 with its mark, comma, CRLF, all text quoted, plain decimals.

    Days are ISO 8601, moments too with their offset from UTC.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_NONNUMERIC)
    kinds = [column.kind for column in table.columns]
    buffer.write("\ufeff")
    writer.writerow([column.title for column in table.columns])
    for number, row in enumerate(table.counted(), 1):
        writer.writerow([_csv_value(value, kind, table.currency) for value, kind in zip(row, kinds, strict=True)])
        if number % _LINES_AT_ONCE == 0:
            yield _taken(buffer)
    writer.writerow(
        [_csv_value(value, kind, table.currency) for value, kind in zip(table.totals(), kinds, strict=True)]
    )
    yield _taken(buffer)


def write_xlsx(
    tables: Sequence[Table], *, about: Sequence[tuple[str, str]], to: IO[bytes], made_at: datetime | None = None
) -> None:
    """Write a workbook: a sheet for each table, then one that says what the file is. `to` is left open at its end.

    Amounts are numbers, days and moments are dates, all text is text, whatever it looks like. Excel's rows end at
    1,048,576: a longer table goes on in a further sheet, its totals at the end of the last.
    made_at: what the file says of when it was made, now if not given; the same rows then make the same bytes.
    """
    book = xlsxwriter.Workbook(
        to,
        {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False},
    )
    if made_at is not None:
        book.set_properties({"created": made_at.astimezone(UTC)})
    formats = {
        DAY: book.add_format({"num_format": "yyyy-mm-dd", "align": "left"}),
        MOMENT: book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss", "align": "left"}),
        MONEY: book.add_format({"num_format": "#,##0.00"}),
        COUNT: book.add_format({"num_format": "#,##0"}),
        TEXT: None,
    }
    heading = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
    total = book.add_format({"bold": True, "top": 1, "num_format": "#,##0.00"})
    for table in tables:
        _write_sheets(book, table, formats=formats, heading=heading, total=total)
    sheet = book.add_worksheet("About")
    sheet.set_column(0, 0, 24)
    sheet.set_column(1, 1, 90)
    for row, (name, said) in enumerate(about):
        sheet.write_string(row, 0, name, heading)
        sheet.write_string(row, 1, said)
    book.close()


def _write_sheets(book: Any, table: Table, *, formats: dict[str, Any], heading: Any, total: Any) -> None:
    sheet, row_at, part = None, 0, 0
    for row in table.counted():
        if sheet is None or row_at > _SHEET_ROWS:
            part += 1
            sheet, row_at = _new_sheet(book, table, part=part, heading=heading), 1
        for column_at, (value, column) in enumerate(zip(row, table.columns, strict=True)):
            _write_cell(sheet, row_at, column_at, value, kind=column.kind, style=formats[column.kind], table=table)
        row_at += 1
    if sheet is None:
        sheet, row_at = _new_sheet(book, table, part=1, heading=heading), 1
    for column_at, (value, column) in enumerate(zip(table.totals(), table.columns, strict=True)):
        _write_cell(sheet, row_at, column_at, value, kind=column.kind, style=total, table=table)


def _new_sheet(book: Any, table: Table, *, part: int, heading: Any) -> Any:
    sheet = book.add_worksheet(table.name if part == 1 else f"{table.name} {part}")
    sheet.freeze_panes(1, 1)
    for column_at, column in enumerate(table.columns):
        sheet.set_column(column_at, column_at, column.width)
        sheet.write_string(0, column_at, column.title, heading)
    return sheet


def _write_cell(sheet: Any, row: int, column: int, value: Any, *, kind: str, style: Any, table: Table) -> None:
    if value is None or value == "":
        sheet.write_blank(row, column, None, style)
    elif isinstance(value, str):
        sheet.write_string(row, column, value, style)
    elif kind == MONEY:
        sheet.write_number(row, column, decimal_amount(value, currency=table.currency), style)
    elif kind == MOMENT:
        sheet.write_datetime(row, column, value.replace(tzinfo=None, microsecond=0), style)
    elif kind == DAY:
        sheet.write_datetime(row, column, value, style)
    else:
        sheet.write_number(row, column, value, style)


def _csv_value(value: Any, kind: str, currency: str) -> Any:
    if value is None:
        return ""
    if isinstance(value, str):
        return safe_text(value)
    if kind == MONEY:
        return decimal_amount(value, currency=currency)
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    return value.isoformat() if isinstance(value, date) else value


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text
