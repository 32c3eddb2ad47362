"""The columns of a spreadsheet of gifts: what each is called, how it is filled in, and where a file has it.

Their titles are the same in every language, since a file is read by them.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from donations.import_sheets import FileProblem
from donations.offline_forms import CHEQUE_NUMBER_LENGTH
from donations.offline_gifts import folded

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

SHOWN = 30  # characters of a cell, in a sentence about it


@dataclass(frozen=True)
class Column:
    """A column we read. title: as in the template; also: other headings taken for it; said: how to fill it in."""

    name: str
    title: str
    said: "StrOrPromise"
    also: tuple[str, ...] = ()
    longest: int = 0
    example: str = ""


COLUMNS = [
    Column("reference", "Reference", _("Optional. A name of your own for the gift; no two rows may have the same."),
           ("ref", "reference number", "gift id", "import id", "id"), 60, "LB-0417"),
    Column("received_on", "Received on", _("The day, such as 2026-12-01 or 12/01/2026 (month first)."),
           ("date", "date received", "received", "gift date", "paid on"), 40, "2026-12-01"),
    Column("received_time", "Time", _("Optional: 14:30 or 2:30 PM, on the campaign’s clocks. Without one it is noon."),
           ("received at", "time received"), 20, "10:30"),
    Column("donor_name", "Donor name", _("As the receipt should carry it."),
           ("name", "donor", "full name", "donor full name"), 120, "Walter Finch"),
    Column("donor_email", "E-mail", _("Optional. The receipt goes there; without one it is printed and posted."),
           ("email", "email address", "e mail address", "donor e mail", "donor email"), 254, "walter@example.org"),
    Column("address_line1", "Street address", _("Optional."), ("address", "address 1", "address line 1", "street"), 120,
           "12 Elm Street"),
    Column("address_line2", "Apartment, suite, unit", _("Optional."), ("address 2", "address line 2"), 120, "Apt 4"),
    Column("city", "City", _("Optional."), (), 80, "Boston"),
    Column("region", "State", _("Optional."), ("state or region", "region", "province"), 40, "MA"),
    Column("postal_code", "ZIP", _("Optional."), ("zip code", "postal code", "postcode"), 16, "02110"),
    Column("country", "Country", _("Optional: a name or two letters. Empty means the United States."), (), 60, "US"),
    Column("amount", "Amount", _("Such as 250 or 1,250.50."), ("gift amount", "gift", "amount usd"), 40, "250"),
    Column("fund", "Fund", _("Its name, or several with amounts: Education: 100; Nursing: 150."),
           ("funds", "designation", "fund name", "gl code"), 500, "Education"),
    Column("team", "Department or team",
           _("Optional: its name, as on the campaign’s list; not read where there is none."),
           ("team", "department", "counts for"), 80),
    Column("method", "Method", _("check or cash."), ("payment method", "payment type", "type"), 40, "check"),
    Column("cheque_number", "Check number", _("Optional, as printed on the check."),
           ("check no", "check num", "check", "cheque number", "cheque no", "cheque"), CHEQUE_NUMBER_LENGTH, "1042"),
    Column("hides_name", "Hide name", _("Optional: yes hides the donor’s name on public pages."),
           ("anonymous", "anonymous in public"), 10, "no"),
    Column("hides_amount", "Hide amount", _("Optional: yes hides the amount on public pages."), (), 10, "no"),
    Column("staff_note", "Note", _("Optional, for staff alone."), ("notes", "comment", "comments"), 500, ""),
]  # fmt: skip
ADDED = ("Row in the file", "What to correct")  # columns of the file of bad rows; read past when it comes back
TITLES = {column.name: column.title for column in COLUMNS}
_BY_HEADING = {folded(heading): column for column in COLUMNS for heading in (column.title, *column.also)}
_READ_PAST = set(map(folded, ADDED))


def is_known(heading: str) -> bool:
    return folded(heading) in _BY_HEADING


def places_of(headings: list[str], *, has_one_fund: bool) -> tuple[dict[str, int], list[str]]:
    """Where each of our columns stands, by its name, and a remark on those that are not read.

    Raises FileProblem when one is missing, or there twice.
    """
    places: dict[str, int] = {}
    for index, heading in enumerate(headings):
        column = _BY_HEADING.get(folded(heading))
        if column is None:
            continue
        if column.name in places:
            twin = headings[places[column.name]]
            raise FileProblem(
                gettext("Two columns say the same: “%(one)s” and “%(other)s”. Take one of them out.")
                % {"one": twin, "other": heading}
            )
        places[column.name] = index
    needed = ["donor_name", "amount", "received_on", *([] if has_one_fund else ["fund"])]
    missing = [TITLES[name] for name in needed if name not in places]
    if not {"method", "cheque_number"} & set(places):
        missing.append(TITLES["method"])
    if missing:
        found = ", ".join(f"“{heading}”" for heading in headings[:SHOWN] if heading) or gettext("none")
        raise FileProblem(
            gettext("These columns are missing: %(missing)s. The first row must name the columns; it names %(found)s.")
            % {"missing": ", ".join(missing), "found": found}
        )
    past = [heading for heading in headings if heading and not is_known(heading) and folded(heading) not in _READ_PAST]
    said = ", ".join(f"“{heading[:SHOWN]}”" for heading in past)
    return places, [gettext("Columns that are not read: %(columns)s.") % {"columns": said}] if past else []
