"""The empty spreadsheet that staff fill in: our columns, and what goes into each."""

import csv
import io

import xlsxwriter

from campaign.models import Campaign
from donations.import_columns import COLUMNS

__all__ = ["COLUMNS", "csv_text", "workbook"]

_WIDTHS = {"donor_name": 26, "donor_email": 28, "address_line1": 26, "fund": 30, "staff_note": 30}


def csv_text() -> str:
    """One line: the headings."""
    buffer = io.StringIO("\ufeff", newline="")
    buffer.seek(1)
    csv.writer(buffer).writerow([column.title for column in COLUMNS])
    return buffer.getvalue()


def workbook(campaign: Campaign) -> bytes:
    """A sheet with the headings alone, and one that explains them. Numbers and ZIPs are kept as text."""
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer, {"in_memory": True})
    heading = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
    as_text, as_day = book.add_format({"num_format": "@"}), book.add_format({"num_format": "yyyy-mm-dd"})
    gifts, guide = book.add_worksheet("Gifts"), book.add_worksheet("How to fill it in")
    gifts.freeze_panes(1, 0)
    for index, column in enumerate(COLUMNS):
        style = {"cheque_number": as_text, "postal_code": as_text, "reference": as_text, "received_on": as_day}
        gifts.set_column(index, index, _WIDTHS.get(column.name, 14), style.get(column.name))
        gifts.write_string(0, index, column.title, heading)
    guide.set_column(0, 0, 24)
    guide.set_column(1, 1, 80)
    guide.set_column(2, 2, 24)
    for place, title in enumerate(("Column", "What goes into it", "Example")):
        guide.write_string(0, place, title, heading)
    for number, column in enumerate(COLUMNS, 1):
        for place, text in enumerate((column.title, str(column.said), column.example)):
            guide.write_string(number, place, text)
    place = len(COLUMNS) + 2
    for title, names in (("Funds", campaign.funds), ("Departments and teams", campaign.teams)):
        for number, name in enumerate(names.values_list("name", flat=True)):
            if number == 0:
                guide.write_string(place, 0, title, heading)
            guide.write_string(place + number, 1, name)
        place += names.count() + 1
    book.close()
    return buffer.getvalue()
