"""What each row of a spreadsheet of gifts says: a gift to enter, or everything that is wrong with it, in plain words.

A row is known again by its key. With a reference, that is what tells it; else the donor's name and the check's
number; else all that the row says of the gift, and for the second row that says the same, that it is the second.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any

from django import forms
from django.utils.translation import gettext

from campaign.models import Campaign, Fund, Team
from campaign.money import InvalidAmount, format_amount, parse_amount
from donations.countries import countries
from donations.import_columns import COLUMNS, SHOWN, TITLES, Column
from donations.models import Donation
from donations.offline_gifts import LARGEST_MINOR, NoSuchMoment, OfflineGift, day_problem, folded, moment_received
from donations.text_fields import one_line

_CHECK = {"check", "cheque", "chk", "ck", "checks", "personal check", "bank check"}
_CASH = {"cash", "coins", "cash gift"}
_YES, _NO = {"yes", "y", "x", "true", "1"}, {"", "no", "n", "false", "0"}
_DAYS = ("%Y-%m-%d", "%m/%d/%Y", "%m/%d/%y", "%B %d, %Y", "%b %d, %Y", "%B %d %Y", "%b %d %Y", "%d %B %Y", "%d %b %Y")
_TIMES = ("%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M:%S %p", "%I:%M%p", "%I %p", "%I%p")
_CELL_ERROR = re.compile(r"#(REF|VALUE|N/A|NAME\?|DIV/0|NUM|NULL|SPILL|GETTING_DATA)[!?]?")
_EMAIL = forms.EmailField(required=False, max_length=254)


@dataclass
class JudgedRow:
    """gift: None when there are problems. problems, warnings: [heading, sentence]. identity: what makes the key.

    outside: `before` or `after` the campaign, or empty.
    """

    number: int
    cells: list[str]
    gift: OfflineGift | None = None
    problems: list[list[str]] = field(default_factory=list)
    warnings: list[list[str]] = field(default_factory=list)
    identity: tuple[str, ...] = ()
    key: str = ""
    outside: str = ""


class RowJudge:
    """Reads rows of one file. now: aware; nothing is received later."""

    def __init__(self, *, campaign: Campaign, places: dict[str, int], headings: list[str], now: datetime) -> None:
        self.campaign, self.places, self.headings, self.now = campaign, places, headings, now
        self.today = now.astimezone(campaign.tz).date()
        funds = list(campaign.funds.all())
        self.only_fund = funds[0] if len(funds) == 1 else None
        self.funds: dict[str, Fund | None] = {}
        for fund in funds:
            for name in {folded(fund.name), folded(fund.slug), folded(fund.gl_code)} - {""}:
                self.funds[name] = None if name in self.funds else fund  # a name of two funds names neither

        self.teams: dict[str, Team] = {}
        for team in campaign.teams.all():
            self.teams |= {folded(team.slug): team, folded(team.name): team}

    def judge(self, rows: Iterable[tuple[int, list[str]]]) -> list[JudgedRow]:
        """Every row with its problems, warnings and key; rows of one file that say the same are told apart."""
        judged = [_Reading(self, number, cells).judged() for number, cells in rows]
        _tell_apart(judged)
        for row in judged:
            row.key = self._key(row.identity) if row.identity else ""
        return judged

    def _key(self, identity: tuple[str, ...]) -> str:
        text = "\x1f".join((str(self.campaign.pk), *identity))
        return f"row-{hashlib.sha256(text.encode()).hexdigest()[:48]}"


def _tell_apart(rows: list[JudgedRow]) -> None:
    """Rows that are the same gift twice get a problem, or a warning when nothing in them says that they are one."""
    first: dict[tuple[str, ...], JudgedRow] = {}
    count: Counter[tuple[str, ...]] = Counter()
    for row in rows:
        if not row.identity:
            continue
        count[row.identity] += 1
        before = first.setdefault(row.identity, row)
        if before is row:
            continue
        kind = row.identity[0]
        if kind == "reference":
            row.problems.append(
                [TITLES["reference"], gettext("Row %(number)s has the same reference.") % {"number": before.number}]
            )
        elif kind == "check":
            row.problems.append(
                [
                    TITLES["cheque_number"],
                    gettext("Row %(number)s has the same donor and check number. Take one out.")
                    % {"number": before.number},
                ]
            )
        else:
            row.warnings.append(
                [
                    "",
                    gettext("It says the same as row %(number)s. If they are one gift, take one of them out.")
                    % {"number": before.number},
                ]
            )
        if row.problems:
            row.gift = None
        row.identity = (*row.identity, str(count[row.identity]))


class _Reading:
    """One row on its way to a gift: each method reads a column and notes what is wrong with it."""

    def __init__(self, judge: RowJudge, number: int, cells: list[str]) -> None:
        self.judge, self.campaign = judge, judge.campaign
        self.row = JudgedRow(number, [cell[:500] for cell in cells])
        self.cells = cells

    def judged(self) -> JudgedRow:
        texts = {column.name: self._line(column) for column in COLUMNS}
        method = self._method(texts["method"], number=texts["cheque_number"])
        parts = self._parts(self._amount(texts["amount"]), texts["fund"])
        received_at = self._received_at(texts["received_on"], texts["received_time"])
        if not texts["donor_name"] and not self._complained("donor_name"):
            self._wrong("donor_name", gettext("The donor’s name is missing."))
        country = self._country(texts["country"])
        fields: dict[str, Any] = {
            "donor_email": self._email(texts["donor_email"]),
            "country": country,
            "postal_code": _zip(texts["postal_code"], country=country),
            "hides_name": self._yes("hides_name", texts["hides_name"]),
            "hides_amount": self._yes("hides_amount", texts["hides_amount"]),
            "team_id": self._team(texts["team"]),
            **{name: texts[name] for name in ("address_line1", "address_line2", "city", "region", "staff_note")},
        }
        if not self.row.problems and received_at is not None:
            self.row.gift = OfflineGift(
                parts=parts,
                method=method,
                received_at=received_at,
                donor_name=texts["donor_name"],
                cheque_number=texts["cheque_number"],
                **fields,
            )
        self.row.identity = self._identity(texts, parts=parts)
        return self.row

    def _wrong(self, name: str, sentence: str) -> None:
        place = self.judge.places.get(name)
        self.row.problems.append([TITLES[name] if place is None else self.judge.headings[place], sentence])

    def _line(self, column: Column) -> str:
        """The cell as one line; empty, with the problem noted, when it cannot be text that was typed."""
        place = self.judge.places.get(column.name)
        text = one_line(self.cells[place]) if place is not None else ""
        if text.startswith("="):
            self._wrong(column.name, gettext("There is a formula. Write the value itself."))
            return ""
        if _CELL_ERROR.fullmatch(text):
            self._wrong(column.name, gettext("There is the error %(text)s instead of a value.") % {"text": text})
            return ""
        if len(text) > column.longest:
            self._wrong(
                column.name,
                gettext("It has %(count)s characters; there is room for %(longest)s.")
                % {"count": f"{len(text):,}", "longest": column.longest},
            )
            return ""
        return text

    def _complained(self, *names: str) -> bool:
        headings = {self.judge.headings[self.judge.places[name]] for name in names if name in self.judge.places}
        return any(heading in headings for heading, _ in self.row.problems)

    def _amount(self, text: str) -> int:
        if self._complained("amount"):
            return 0
        if not text:
            self._wrong("amount", gettext("The amount is missing."))
            return 0
        try:
            return parse_amount(text, currency=self.campaign.currency, largest_minor=LARGEST_MINOR)
        except InvalidAmount as error:
            self._wrong("amount", str(error))
            return 0

    def _parts(self, amount_minor: int, text: str) -> tuple[tuple[int, int], ...]:
        if self._complained("fund"):
            return ()
        if ":" not in text:
            fund = self._fund(text)
            return ((fund.pk, amount_minor),) if fund and amount_minor else ()
        parts: dict[int, int] = {}
        for piece in filter(None, (piece.strip() for piece in text.split(";"))):
            name, _, amount_text = piece.rpartition(":")
            fund = self._fund(name.strip())
            try:
                part_minor = parse_amount(amount_text, currency=self.campaign.currency, largest_minor=LARGEST_MINOR)
            except InvalidAmount:
                self._wrong(
                    "fund",
                    gettext("“%(piece)s” has no amount we can read. Write it like Education: 100.50.")
                    % {"piece": piece[:SHOWN]},
                )
                return ()
            if fund is None:
                return ()
            if fund.pk in parts:
                self._wrong("fund", gettext("%(name)s is named twice.") % {"name": fund.name})
                return ()
            parts[fund.pk] = part_minor
        total = sum(parts.values())
        if amount_minor and total != amount_minor:
            shown, whole = (format_amount(minor, currency=self.campaign.currency) for minor in (total, amount_minor))
            self._wrong(
                "fund",
                gettext("The parts add up to %(shown)s, the amount is %(whole)s.") % {"shown": shown, "whole": whole},
            )
        return tuple(parts.items())

    def _fund(self, text: str) -> Fund | None:
        if not text and self.judge.only_fund:
            return self.judge.only_fund
        if not text:
            self._wrong("fund", gettext("The fund is missing."))
            return None
        fund = self.judge.funds.get(folded(text))
        if fund is None:
            self._wrong(
                "fund",
                gettext("%(name)s has no fund called “%(text)s”.") % {"name": self.campaign.name, "text": text[:SHOWN]},
            )
        return fund

    def _team(self, text: str) -> int | None:
        if not text or not self.judge.teams:
            return None
        team = self.judge.teams.get(folded(text))
        if team is None:
            self._wrong(
                "team",
                gettext("%(name)s has no department or team called “%(text)s”.")
                % {"name": self.campaign.name, "text": text[:SHOWN]},
            )
        return team.pk if team else None

    def _method(self, text: str, *, number: str) -> str:
        known = folded(text)
        if known in _CHECK or (not known and number):
            return Donation.Method.CHEQUE.value
        if known in _CASH:
            if number:
                self._wrong("cheque_number", gettext("Cash has no check number."))
            return Donation.Method.CASH.value
        if not self._complained("method", "cheque_number"):
            said = gettext("The method is missing. Write check or cash.")
            if text:
                said = gettext("“%(text)s” is neither check nor cash. Write check or cash.") % {"text": text[:SHOWN]}
            self._wrong("method", said)
        return ""

    def _received_at(self, text: str, time_text: str) -> datetime | None:
        if self._complained("received_on", "received_time"):
            return None
        day, at = read_day(text)
        if not text:
            self._wrong("received_on", gettext("The day is missing."))
        elif day is None:
            example = gettext("Write it like 2026-12-01 or 12/01/2026, the month first.")
            self._wrong(
                "received_on",
                gettext("“%(text)s” is not a day we can read. %(example)s")
                % {"text": text[:SHOWN], "example": example},
            )
        if time_text:
            at = read_time(time_text)
            if at is None:
                self._wrong(
                    "received_time",
                    gettext("“%(time_text)s” is not a time we can read. Write it like 14:30.")
                    % {"time_text": time_text},
                )
                return None
        return self._moment(day, at) if day else None

    def _moment(self, day: date, at: time | None) -> datetime | None:
        if day > self.judge.today:
            self._wrong("received_on", gettext("%(day)s is still to come.") % {"day": day})
            return None
        if problem := day_problem(day, campaign=self.campaign):
            self._wrong("received_on", problem)
            return None
        try:
            moment = moment_received(day=day, at=at, campaign=self.campaign, now=self.judge.now)
        except NoSuchMoment as error:
            self._wrong("received_time", str(error))
            return None
        if moment > self.judge.now:
            self._wrong("received_time", gettext("%(at)s is still to come.") % {"at": f"{at:%H:%M}"})
            return None
        if not self.campaign.opens_at <= moment < self.campaign.closes_at:
            self.row.outside = "before" if moment < self.campaign.opens_at else "after"
        return moment

    def _email(self, text: str) -> str:
        if self._complained("donor_email"):
            return ""
        try:
            return str(_EMAIL.clean(text))
        except forms.ValidationError:
            self._wrong("donor_email", gettext("“%(text)s” is not a whole e-mail address.") % {"text": text[:SHOWN]})
            return ""

    def _country(self, text: str) -> str:
        if not text:
            return "US"
        code = _countries().get(folded(text))
        if code is None:
            self._wrong(
                "country",
                gettext("“%(text)s” is no country we know. Write two letters such as US or CA.")
                % {"text": text[:SHOWN]},
            )
        return code or ""

    def _yes(self, name: str, text: str) -> bool:
        if folded(text) not in _YES | _NO:
            self._wrong(name, gettext("“%(text)s” is neither yes nor no.") % {"text": text})
        return folded(text) in _YES

    def _identity(self, texts: dict[str, str], *, parts: tuple[tuple[int, int], ...]) -> tuple[str, ...]:
        """What tells this row from others; empty for a row that says too little to be told."""
        if texts["reference"]:
            return ("reference", folded(texts["reference"]))
        name = folded(texts["donor_name"])
        if texts["cheque_number"] and name:
            return ("check", name, folded(texts["cheque_number"]))
        if self.row.problems:
            return ()
        day, at = read_day(texts["received_on"])
        said = [str(day), str(read_time(texts["received_time"]) or at), name, folded(texts["method"]), repr(parts)]
        return ("row", *said, texts["donor_email"].lower(), folded(texts["address_line1"]))


@lru_cache(maxsize=4096)
def read_day(text: str) -> tuple[date | None, time | None]:
    """`2026-12-01`, `12/1/26`, `Dec 1, 2026`, with the time that a workbook's cell may carry; None when unreadable."""
    match = re.fullmatch(r"(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}(:\d{2})?)", text)
    day_text, at = (match[1], read_time(match[2])) if match else (text, None)
    day = next(filter(None, (_parsed(day_text, form) for form in _DAYS)), None)
    return (day.date() if day else None), at


@lru_cache(maxsize=4096)
def read_time(text: str) -> time | None:
    found = next(filter(None, (_parsed(text.upper().replace(".", ""), form) for form in _TIMES)), None)
    return found.time() if found else None


def _parsed(text: str, form: str) -> datetime | None:
    try:
        return datetime.strptime(text, form)  # noqa: DTZ007 - a day and a time on the campaign's clocks
    except ValueError:
        return None


def _zip(text: str, *, country: str) -> str:
    """A ZIP whose first zeros a spreadsheet has eaten gets them back."""
    return text.zfill(5) if country == "US" and re.fullmatch(r"\d{3,4}", text) else text


@lru_cache(maxsize=1)
def _countries() -> dict[str, str]:
    found = {folded(name): code for code, name in countries()}
    return found | {code.casefold(): code for code, _ in countries()} | {"usa": "US", "united states of america": "US"}
