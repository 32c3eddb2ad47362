"""Spreadsheets of checks and cash: every problem said, nothing half done, each row exactly once."""

import io
import zipfile
from datetime import UTC, datetime, time, timedelta
from threading import Barrier, Thread

import openpyxl
import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from campaign.money import format_amount
from donations import import_sheets, imports, offline_gifts, tasks
from donations.import_columns import COLUMNS
from donations.import_sheets import FileProblem
from donations.models import Donation, Donor, FollowUp, GiftImport, GiftNote, ImportRow
from matching.checking import check_campaigns
from matching.ledger import PoolsBusy
from matching.models import Allocation, MatchPool
from tests import factories, staff
from tests.donations.import_file import HEADINGS, confirm, csv_of, people, read, run, upload, xlsx_of
from tests.donations.offline_form import entered
from tests.factories import GIFT_AT

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 12, 1, 20, tzinfo=UTC)  # 3 PM in Boston
ADDRESS = "/staff/gifts/imports/"
AT_MIDNIGHT = datetime(2026, 12, 1)  # noqa: DTZ001 - a spreadsheet's cell knows no zone


@pytest.fixture
def campaign():
    factories.organization()
    funds = [
        factories.fund("Education", slug="education", gl_code="4100-EDU"),
        factories.fund("Nursing", slug="nursing", gl_code="4200-NUR"),
    ]
    return factories.campaign(funds=funds)


def rows_of(made: GiftImport) -> list[ImportRow]:
    return list(made.rows.order_by("number"))


def problems(campaign, **changes) -> list[list[str]]:
    """What is wrong with the only row of a file."""
    (row,) = rows_of(read(campaign, csv_of(changes), now=NOW))
    assert (row.state == "bad") == bool(row.problems)
    return row.problems


def test_it_reads_a_row_whole_and_enters_nothing(campaign):
    made = read(
        campaign,
        csv_of(
            {
                "Reference": "LB-1",
                "Received on": "12/1/2026",
                "Time": "9:05 AM",
                "E-mail": "walter@example.org",
                "Street address": "12 Elm Street",
                "City": "Boston",
                "State": "MA",
                "ZIP": "2110",
                "Country": "canada",
                "Amount": "$1,250.50",
                "Fund": "Education: 1,000; 4200-NUR: 250.50",
                "Method": "Cheque",
                "Check number": "1042",
                "Hide name": "yes",
                "Note": "Kind letter",
            }
        ),
        now=NOW,
    )
    education, nursing = campaign.funds.order_by("slug")
    (row,) = rows_of(made)
    assert (row.number, row.state, row.problems, row.warnings, row.amount_minor) == (2, "ready", [], [], 125_050)
    assert offline_gifts.OfflineGift.from_json(row.gift) == offline_gifts.OfflineGift(
        parts=((education.pk, 100_000), (nursing.pk, 25_050)),
        method="cheque",
        received_at=datetime(2026, 12, 1, 14, 5, tzinfo=UTC),
        donor_name="Walter Finch",
        donor_email="walter@example.org",
        address_line1="12 Elm Street",
        city="Boston",
        region="MA",
        postal_code="2110",  # not an American ZIP
        country="CA",
        hides_name=True,
        cheque_number="1042",
        staff_note="Kind letter",
    )
    assert (made.state, made.uploaded_by, Donation.objects.count(), Donor.objects.count()) == (
        "preview",
        "staff:7",
        0,
        0,
    )


LIKE = "Write it like 2026-12-01 or 12/01/2026, the month first."
BAD_CELLS = [
    ("Amount", "", "The amount is missing."),
    ("Amount", "1.000,50", "“1.000,50” is not an amount we can read. Write it like 50 or 1,000.50."),
    ("Amount", "(50.00)", "“(50.00)” is not an amount we can read. Write it like 50 or 1,000.50."),
    ("Amount", "-50", "“-50” is not an amount we can read. Write it like 50 or 1,000.50."),
    ("Amount", "5e3", "“5e3” is not an amount we can read. Write it like 50 or 1,000.50."),
    ("Amount", "fifty", "“fifty” is not an amount we can read. Write it like 50 or 1,000.50."),
    ("Amount", "€50", "“€50” is not an amount we can read. Write it like 50 or 1,000.50."),
    ("Amount", "0", "Enter an amount above zero."),
    ("Amount", "33.333", "That has a fraction of a cent. Use at most two decimals."),
    ("Amount", "200,000,000", "Enter at most $100,000,000.00."),
    ("Amount", "=SUM(A1:A9)", "There is a formula. Write the value itself."),
    ("Amount", "#REF!", "There is the error #REF! instead of a value."),
    ("Fund", "", "The fund is missing."),
    ("Fund", "Yachts", "Giving Tuesday has no fund called “Yachts”."),
    ("Fund", "Education: 100; Nursing: 100", "The parts add up to $200.00, the amount is $250.00."),
    ("Fund", "Education: 100; Education: 150", "Education is named twice."),
    ("Fund", "Education: lots", "“Education: lots” has no amount we can read. Write it like Education: 100.50."),
    ("Donor name", "", "The donor’s name is missing."),
    ("Donor name", "x" * 121, "It has 121 characters; there is room for 120."),
    ("Donor name", "x" * 90_000, "It has 90,000 characters; there is room for 120."),
    ("Donor name", "=HYPERLINK(1)", "There is a formula. Write the value itself."),
    ("E-mail", "walter@", "“walter@” is not a whole e-mail address."),
    ("Received on", "", "The day is missing."),
    ("Received on", "13/12/2026", "“13/12/2026” is not a day we can read. " + LIKE),
    ("Received on", "46357", "“46357” is not a day we can read. " + LIKE),
    ("Received on", "2026-12-02", "2026-12-02 is still to come."),
    ("Received on", "2025-12-01", "2025-12-01 is more than half a year from Giving Tuesday. Is the year right?"),
    ("Time", "15:30", "15:30 is still to come."),
    ("Time", "noonish", "“noonish” is not a time we can read. Write it like 14:30."),
    ("Method", "", "The method is missing. Write check or cash."),
    ("Method", "Visa", "“Visa” is neither check nor cash. Write check or cash."),
    ("Check number", "1042", "Cash has no check number."),
    ("Country", "Atlantis", "“Atlantis” is no country we know. Write two letters such as US or CA."),
    ("Hide name", "maybe", "“maybe” is neither yes nor no."),
]  # fmt: skip


@pytest.mark.parametrize(
    ("column", "cell", "sentence"), BAD_CELLS, ids=[f"{column} {cell[:12]}" for column, cell, _ in BAD_CELLS]
)
def test_it_says_what_is_wrong_with_a_cell(campaign, column, cell, sentence):
    assert problems(campaign, **{column: cell}) == [[column, sentence]]


def test_it_reads_the_department_or_team_where_the_campaign_has_some(campaign):
    assert problems(campaign, Team="7 West") == []
    west = campaign.teams.create(name="7 West", slug="7-west")
    made = read(campaign, csv_of({"Team": "7 west"}, {"Team": "", "Donor name": "Ana"}), now=NOW)
    assert [row.gift["team_id"] for row in rows_of(made)] == [west.pk, None]
    assert "Departments and teams: 7 West." in staff.text_of(staff.dana().get(ADDRESS))
    assert problems(campaign, Team="8 East") == [["Team", "Giving Tuesday has no department or team called “8 East”."]]


def test_it_says_everything_that_is_wrong_with_a_row_at_once(campaign):
    found = problems(campaign, **{"Amount": "x", "Fund": "Yachts", "Donor name": "", "Method": "barter", "E-mail": "@"})
    assert [column for column, _ in found] == ["Method", "Amount", "Fund", "Donor name", "E-mail"]


@pytest.mark.parametrize(
    ("cell", "minor"),
    [("250", 25_000), ("$250.5", 25_050), (" 1,250.50 USD", 125_050), (".5", 50), ("1 250", 125_000)],
)
def test_it_reads_amounts_as_people_write_them(campaign, cell, minor):
    (row,) = rows_of(read(campaign, csv_of({"Amount": cell}), now=NOW))
    assert (row.problems, row.amount_minor) == ([], minor)


@pytest.mark.parametrize(
    "cell",
    ["2026-11-30", "11/30/2026", "11/30/26", "Nov 30, 2026", "November 30, 2026", "30 November 2026", "30 Nov 2026"],
)
def test_it_reads_days_as_people_write_them(campaign, cell):
    (row,) = rows_of(read(campaign, csv_of({"Received on": cell}), now=NOW))
    assert (row.problems, row.received_at) == ([], datetime(2026, 11, 30, 17, tzinfo=UTC))


def test_it_counts_the_gifts_received_outside_the_campaign(campaign):
    later = NOW + timedelta(days=9)
    days = ["2026-11-30", "2026-12-01", "2026-12-05", *["2026-11-29"] * 6]
    made = read(
        campaign, csv_of(*[row | {"Received on": day} for row, day in zip(people(9), days, strict=True)]), now=later
    )
    assert made.remarks == [
        "Received before Giving Tuesday opens: they count, and only pools whose window reaches back to them match "
        "them. 7 of them: rows 2, 5, 6, 7, 8 and 2 more.",
        "Received after Giving Tuesday closed: they count, and are not matched. 1 of them: rows 4.",
    ]
    assert {row.state for row in rows_of(made)} == {"ready"}


def test_it_finds_rows_that_are_one_gift_twice(campaign):
    made = read(
        campaign,
        csv_of(
            {"Reference": "A"},
            {"Reference": "a", "Donor name": "Joan Reed"},
            {"Method": "check", "Check number": "7"},
            {"Method": "check", "Check number": "7", "Donor name": "WALTER FINCH", "Amount": "10"},
            {"Method": "check", "Check number": "7", "Donor name": "Joan Reed"},
            {},
            {},
        ),
        now=NOW,
    )
    assert [(row.number, row.state, row.problems, row.warnings) for row in rows_of(made)] == [
        (2, "ready", [], []),
        (3, "bad", [["Reference", "Row 2 has the same reference."]], []),
        (4, "ready", [], []),
        (5, "bad", [["Check number", "Row 4 has the same donor and check number. Take one out."]], []),
        (6, "ready", [], []),
        (7, "ready", [], []),
        (8, "ready", [], [["", "It says the same as row 7. If they are one gift, take one of them out."]]),
    ]


def test_it_warns_of_gifts_that_are_there_already(campaign):
    before = entered(campaign)
    made = read(campaign, csv_of({"Method": "check", "Check number": "1042"}, {"Donor name": "Joan Reed"}), now=NOW)
    said = f"It looks like {before.reference}, $250.00 from Walter Finch, Check no. 1042, which is there already."
    assert [row.warnings for row in rows_of(made)] == [[["", said]], []]


FILES = [
    (b"", "The file is empty."),
    (b" \r\n\r\n", "The file is empty."),
    (b"%PDF-1.7 ...", "This is a PDF."),
    (b"\xd0\xcf\x11\xe0....", "This is an old Excel file (.xls), or one with a password."),
    (b"PK\x03\x04 not really", "The workbook is damaged, or has a password."),
    (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "This is not a spreadsheet."),
    (b"Donor name,Amount\n\x81\x8d\x8f,5", "The file’s letters cannot be read."),
    (b"a\x00b\x00c", "This is not a spreadsheet."),
    (",".join(HEADINGS).encode(), "The file has headings and no gifts below them."),
    (b"Donor name,Amount\nWalter,5\n", "These columns are missing: Received on, Fund, Method. The first row must name"),
    (b"Walter Finch,50,2026-12-01\nJoan,5,2026-12-01", "it names “Walter Finch”, “50”, “2026-12-01”."),
    (csv_of({}, headings=[*HEADINGS, "Donor"]).encode(), "Two columns say the same: “Donor name” and “Donor”."),
    ((",".join(HEADINGS) + '\n"Walter" Finch,50').encode(), "Row 2 cannot be read: it has a quotation mark"),
    ((",".join(HEADINGS) + '\n"Walter,50\n').encode(), "Row 2 cannot be read: it has a quotation mark"),
]


@pytest.mark.parametrize(("content", "sentence"), FILES)
def test_it_says_what_is_wrong_with_a_file(campaign, content, sentence):
    with pytest.raises(FileProblem) as caught:
        read(campaign, content)
    assert sentence in str(caught.value)
    assert not GiftImport.objects.exists()


def test_it_refuses_other_archives_bombs_and_definitions(campaign):
    def packed(**parts: bytes) -> bytes:
        to = io.BytesIO()
        with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in parts.items():
                archive.writestr(name.replace("__", "/") + ".xml", content)
        return to.getvalue()

    bomb = packed(xl__workbook=b"<x/>", xl__big=b"0" * (import_sheets._LARGEST_UNPACKED_BYTES + 1))
    cases = [
        (packed(content=b"<office/>"), "This is not an Excel workbook."),
        (bomb, "The workbook is too large."),
        (packed(xl__workbook=b"<x/>", xl__styles=b"<xf/>" * 300_000), "The workbook is too large."),
        (packed(xl__workbook=b"<x/>", xl__sharedStrings=b"<si/>" * 400_001), "The workbook is too large."),
        (packed(xl__workbook=b'<!DOCTYPE x [<!ENTITY a "b">]><x/>'), "The workbook was not made by Excel."),
        (packed(xl__workbook=b"<x/>"), "The workbook cannot be opened."),
    ]
    for content, sentence in cases:
        with pytest.raises(FileProblem, match=sentence):
            read(campaign, content)


def test_it_refuses_too_many_rows(campaign, monkeypatch):
    monkeypatch.setattr(import_sheets, "MOST_ROWS", 3)
    assert read(campaign, csv_of(*people(3))).rows.count() == 3
    with pytest.raises(FileProblem, match="more than 3 rows"):
        read(campaign, csv_of(*people(4)))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_it_reads_encodings_and_separators(campaign, encoding, delimiter):
    text = csv_of({"Donor name": "Zoë Núñez", "Amount": "1,250.50"}, delimiter=delimiter)
    made = read(campaign, text.encode(encoding), now=NOW)
    (row,) = rows_of(made)
    assert (row.problems, row.gift["donor_name"], row.amount_minor) == ([], "Zoë Núñez", 125_050)
    assert [remark[:28] for remark in made.remarks] == (
        ["The file is not in UTF-8; it"] if encoding == "cp1252" else []
    )


def test_it_reads_line_ends_blank_lines_and_headings_of_any_spelling(campaign):
    lines = [
        "sep=;",
        "",
        ";;;",
        "DATE;  donor  NAME ;gift amount;GL-Code;check #;Mood",
        "2026-12-01;Walter Finch;5;4100-EDU;9;fine",
    ]
    text = "\r".join([*lines, ""])
    made = read(campaign, text, now=NOW)
    (row,) = rows_of(made)
    found = (row.number, row.state, row.gift["method"], row.gift["cheque_number"], row.amount_minor)
    assert found == (5, "ready", "cheque", "9", 500)
    assert made.remarks == ["Columns that are not read: “Mood”."]


def test_it_needs_no_fund_where_there_is_one_alone():
    campaign = factories.campaign(funds=[factories.fund("Education")])
    made = read(campaign, "Date,Name,Amount,Method\n2026-12-01,Walter Finch,5,cash\n", now=NOW)
    assert rows_of(made)[0].gift["parts"] == [[campaign.funds.get().pk, 500]]


def test_it_reads_a_workbook_by_the_kinds_of_its_cells(campaign):
    content = xlsx_of(
        [
            ["Received on", "Time", "Donor name", "Amount", "Fund", "Method", "Check number", "ZIP", "Hide name"],
            [AT_MIDNIGHT, time(9, 5), "Walter Finch", 250.5, "Education", "check", 1042, 2110, True],
            [None, None, None, None, None, None, None, None, None],
            [
                AT_MIDNIGHT.replace(hour=14, minute=30),
                None,
                "Joan Reed",
                0.1 + 0.2,
                "Nursing",
                "cash",
                None,
                "02110-1234",
                "no",
            ],
            ["2026-12-01", None, "Ann Lee", "=1+1", "Nursing", "cash", None, None, None],
            [46357, None, "Bo Lin", True, "Nursing", "cash", None, None, None],
        ],
        other_sheets=("Totals",),
    )
    made = read(campaign, content, now=NOW, name="checks.xlsx")
    first, second, third, fourth = rows_of(made)
    assert (first.number, first.amount_minor, first.gift["cheque_number"], first.gift["postal_code"]) == (
        2,
        25_050,
        "1042",
        "02110",
    )
    assert (first.received_at, first.gift["hides_name"]) == (datetime(2026, 12, 1, 14, 5, tzinfo=UTC), True)
    assert (second.number, second.amount_minor, second.received_at) == (
        4,
        30,
        datetime(2026, 12, 1, 19, 30, tzinfo=UTC),
    )
    assert third.problems == [["Amount", "There is a formula. Write the value itself."]]
    assert [column for column, _ in fourth.problems] == ["Amount", "Received on"]
    assert made.remarks == ["Only the first sheet, “Sheet”, was read; the workbook has 2."]


def test_its_own_template_comes_back_read(campaign):
    dana = staff.dana()
    answer = dana.get(ADDRESS + "template.xlsx")
    book = openpyxl.load_workbook(io.BytesIO(answer.content))
    assert [cell.value for cell in book["Gifts"][1]] == [column.title for column in COLUMNS]
    book["Gifts"].append([column.example or None for column in COLUMNS])
    to = io.BytesIO()
    book.save(to)
    (row,) = rows_of(read(campaign, to.getvalue(), now=NOW))
    assert (row.state, row.problems, row.gift["cheque_number"], row.gift["postal_code"]) == (
        "ready",
        [],
        "1042",
        "02110",
    )
    assert dana.get(ADDRESS + "template.csv").content.decode("utf-8-sig").split(",")[0] == "Reference"
    assert dana.get(ADDRESS + "template.pdf").status_code == 404


def test_it_enters_each_row_once_the_earliest_first(campaign):
    pool = factories.pool(campaign=campaign, limit_minor=30_000)
    made = read(
        campaign, csv_of({"Time": "12:00", "Donor name": "Late"}, {"Time": "09:00", "Donor name": "Early"}), now=NOW
    )
    assert confirm(made, now=NOW)
    run(made, now=NOW)
    gifts = {gift.donor_name: gift for gift in Donation.objects.all()}
    given = {
        name: sum(Allocation.objects.filter(reservation__key=gift.match_key).values_list("amount_minor", flat=True))
        for name, gift in gifts.items()
    }
    assert given == {"Early": 25_000, "Late": 5_000}
    pool.refresh_from_db()
    made.refresh_from_db()
    assert (pool.matched_minor, made.state, made.finished_at, made.confirmed_by) == (30_000, "done", NOW, "staff:8")
    assert [(row.state, row.donation) for row in rows_of(made)] == [
        ("entered", gifts["Late"]),
        ("entered", gifts["Early"]),
    ]
    assert set(GiftNote.objects.values_list("actor", flat=True)) == {"staff:8"}
    assert FollowUp.objects.filter(kind="receipt", state="due").count() == 2


def test_the_same_file_twice_changes_nothing(campaign):
    factories.pool(campaign=campaign)
    content = csv_of(*people(2), {}, {}, {"Amount": "x"})
    first = read(campaign, content)
    confirm(first)
    run(first)
    before = list(Donation.objects.order_by("pk").values())
    assert len(before) == 4
    second = read(campaign, content)
    assert [row.state for row in rows_of(second)] == ["before"] * 4 + ["bad"]
    assert [row.donation_id for row in rows_of(second)][:4] == [row.donation_id for row in rows_of(first)][:4]
    assert second.remarks == [
        "This very file was confirmed before, on December 1. Rows that were entered then stay as they are."
    ]
    assert not confirm(second)
    assert list(Donation.objects.order_by("pk").values()) == before


def test_rows_sorted_renamed_and_mended_are_known_again(campaign):
    first = read(campaign, csv_of(*people(3)))
    confirm(first)
    run(first)
    rows = [row | {"Donor name": row["Donor name"].upper(), "ZIP": "02110"} for row in reversed(people(4))]
    second = read(campaign, csv_of(*rows, delimiter=";"))
    assert [row.state for row in rows_of(second)] == ["ready", "before", "before", "before"]


def test_a_row_that_came_before_with_another_sum_is_no_new_gift(campaign):
    first = read(campaign, csv_of({"Reference": "A"}))
    confirm(first)
    run(first)
    gift = Donation.objects.get()
    (row,) = rows_of(read(campaign, csv_of({"Reference": "A", "Amount": "300"})))
    assert (row.state, row.problems[0][1][:40]) == (
        "bad",
        f"It was entered before as {gift.reference}, but with another"[:40],
    )


def test_two_previews_of_one_file_enter_it_once(campaign):
    content = csv_of(*people(3), {}, {})
    first, second = read(campaign, content), read(campaign, content)
    assert confirm(first)
    assert confirm(second)
    run(first)
    run(second)
    assert Donation.objects.count() == 5
    assert [row.state for row in rows_of(second)] == ["before"] * 5


@pytest.mark.parametrize(
    ("rows", "said_yes_to", "is_entered"),
    [
        ([{}], {}, True),
        ([{}, {"Amount": ""}], {}, False),
        ([{}, {"Amount": ""}], {"despite_bad": "on"}, True),
        ([{}, {}], {}, False),
        ([{}, {}], {"despite_bad": "on"}, False),
        ([{}, {}], {"despite_warnings": "on"}, True),
        ([{"Amount": ""}], {"despite_bad": "on"}, False),
    ],
)
def test_it_enters_nothing_before_a_person_said_yes_to_all_of_it(campaign, monkeypatch, rows, said_yes_to, is_entered):
    monkeypatch.setattr(tasks, "wake", lambda task, row_id: None)
    made = read(campaign, csv_of(*rows))
    staff.dana().post(f"{ADDRESS}{made.pk}/confirm/", said_yes_to)
    made.refresh_from_db()
    assert made.state == ("running" if is_entered else "preview")
    assert Donation.objects.count() == 0


def test_it_discards_a_file_with_its_rows(campaign):
    made = read(campaign, csv_of({}))
    dana = staff.dana()
    assert dana.post(f"{ADDRESS}{made.pk}/discard/").headers["Location"] == ADDRESS
    made.refresh_from_db()
    assert (made.state, made.rows.count(), confirm(made)) == ("discarded", 0, False)
    dana.post(f"{ADDRESS}{made.pk}/discard/")
    assert "was discarded" in staff.text_of(dana.get(f"{ADDRESS}{made.pk}/"))


def test_it_gives_the_bad_rows_as_a_file_that_can_come_back(campaign):
    made = read(campaign, csv_of({"Reference": "A"}, {"Reference": "B", "Amount": "x", "Donor name": "=1+1"}))
    body = b"".join(staff.dana().get(f"{ADDRESS}{made.pk}/rows-to-correct.csv").streaming_content).decode("utf-8-sig")
    heads, bad = (line for line in body.splitlines())
    assert heads.split(",")[-2:] == ["Row in the file", "What to correct"]
    assert bad.startswith("B,2026-12-01,'=1+1,")
    assert ",3," in bad
    assert "Amount: “x” is not an amount we can read." in bad
    mended = body.replace(",x,", ",75,").replace("'=1+1", "Joan Reed")
    again = read(campaign, mended)
    assert ([row.state for row in rows_of(again)], again.remarks) == (["ready"], [])


def test_a_row_that_goes_wrong_is_put_aside_and_the_others_go_on(campaign, monkeypatch):
    made = read(campaign, csv_of(*people(4)))
    confirm(made)
    enter = offline_gifts.enter_gift

    def fails_for_one(**asked):
        if asked["gift"].donor_name == "Donor 1":
            raise RuntimeError("no such thing")
        return enter(**asked)

    monkeypatch.setattr(offline_gifts, "enter_gift", fails_for_one)
    run(made)
    made.refresh_from_db()
    assert [row.state for row in rows_of(made)] == ["entered", "failed", "entered", "entered"]
    assert (made.state, rows_of(made)[1].last_error) == ("done", "RuntimeError: no such thing")
    page = staff.text_of(staff.dana().get(f"{ADDRESS}{made.pk}/"))
    assert "1 row could not be entered" in page
    monkeypatch.setattr(offline_gifts, "enter_gift", enter)
    assert imports.try_failed_again(import_id=made.pk, now=GIFT_AT)
    run(made)
    assert Donation.objects.count() == 4
    assert not imports.try_failed_again(import_id=made.pk, now=GIFT_AT)


def test_it_rests_while_the_pools_are_busy_and_fails_no_row(campaign, monkeypatch):
    made = read(campaign, csv_of(*people(2)))
    confirm(made)
    enter = offline_gifts.enter_gift

    def busy(**_):
        raise PoolsBusy("locked")

    monkeypatch.setattr(offline_gifts, "enter_gift", busy)
    now = GIFT_AT
    for _ in range(imports.MOST_DEATHS + 2):
        run(made, now=now)
        assert imports.claim(import_id=made.pk, now=now) is None  # it rests
        now += imports.REST
    monkeypatch.setattr(offline_gifts, "enter_gift", enter)
    run(made, now=now)
    assert [row.state for row in rows_of(made)] == ["entered", "entered"]


def test_a_row_that_kills_its_worker_is_tried_alone_and_put_aside(campaign, monkeypatch):
    made = read(campaign, csv_of(*people(6)))
    confirm(made)
    enter = offline_gifts.enter_gift

    def kills(**asked):
        if asked["gift"].donor_name == "Donor 2":
            raise Killed
        return enter(**asked)

    monkeypatch.setattr(offline_gifts, "enter_gift", kills)
    now = GIFT_AT
    for _ in range(imports.MOST_DEATHS + 1):
        try:
            run(made, now=now)
        except Killed:
            now += timedelta(minutes=5)  # the lease ends
    assert [row.state for row in rows_of(made)] == ["entered", "entered", "failed", "entered", "entered", "entered"]


class Killed(BaseException):
    """What a worker that is killed leaves behind: nothing of the transaction it was in."""


def test_it_goes_on_wherever_its_worker_was_killed(campaign):
    """Killed before each statement of the whole import in turn, then run again to its end."""
    factories.pool(campaign=campaign)
    count, statement, was_killed = 0, 0, True
    while was_killed:
        statement += 1
        made = read(
            campaign,
            csv_of(
                *[
                    row | {"Reference": f"{statement}-{row['Reference']}"}
                    for row in people(2, **{"Check number": "", "Method": "cash"})
                ]
            ),
        )
        confirm(made)
        was_killed = _killed_before(statement, made)
        later = GIFT_AT + timedelta(minutes=5)
        run(made, now=later)
        run(made, now=later)
        count += 2
        assert [row.state for row in rows_of(made)] == ["entered"] * 2, statement
        assert (Donation.objects.count(), MatchPool.objects.get().matched_minor) == (
            count,
            min(count * 25_000, 1_000_000),
        )
        made.refresh_from_db()
        assert made.state == "done"
    assert statement > 60
    assert FollowUp.objects.count() == GiftNote.objects.count() == count
    assert check_campaigns() == []


def _killed_before(statement: int, made: GiftImport) -> bool:
    seen = 0

    def count(execute, sql, params, many, context):
        nonlocal seen
        seen += 1
        if seen == statement:
            raise Killed
        return execute(sql, params, many, context)

    try:
        with connection.execute_wrapper(count):
            run(made)
    except Killed:
        return True
    return False


@pytest.mark.django_db(transaction=True)
def test_many_workers_at_once_enter_each_row_once():
    campaign = factories.campaign()
    factories.organization()
    factories.pool(campaign=campaign, limit_minor=100_000)
    made = read(campaign, csv_of(*people(40)))
    confirm(made)
    barrier = Barrier(4)

    def work(number: int) -> None:
        barrier.wait()
        for attempt in range(60):  # each as if the others' leases had lapsed
            run(made, now=GIFT_AT + timedelta(minutes=5 * attempt + number))
        connection.close()

    workers = [Thread(target=work, args=(number,)) for number in range(4)]
    for thread in workers:
        thread.start()
    for thread in workers:
        thread.join()
    assert [row.state for row in rows_of(made)] == ["entered"] * 40
    assert (Donation.objects.count(), MatchPool.objects.get().matched_minor) == (40, 100_000)
    assert check_campaigns() == []


def test_the_task_enters_all_and_the_sweep_finds_what_no_message_woke(campaign, monkeypatch):
    woken = []
    monkeypatch.setattr(tasks, "wake", lambda task, row_id, **_: woken.append((task.name, row_id)))
    made = read(campaign, csv_of(*people(60)))
    confirm(made, now=timezone.now() - timedelta(hours=1))
    tasks.wake_due_work()
    assert woken == [("donations.tasks.enter_import", made.pk)]
    monkeypatch.setattr(tasks, "_IMPORT_SECONDS", 0)
    tasks.enter_import(made.pk)
    assert (Donation.objects.count(), woken[-1]) == (0, ("donations.tasks.enter_import", made.pk))
    monkeypatch.setattr(tasks, "_IMPORT_SECONDS", 20)
    tasks.enter_import(made.pk)
    assert Donation.objects.count() == 60
    assert imports.progress_of(made.pk) == imports.Progress(entered=60, entered_minor=60 * 25_000)


def test_it_shows_the_file_from_upload_to_end(campaign, monkeypatch):
    monkeypatch.setattr(tasks, "wake", lambda task, row_id: None)
    dana = staff.dana()
    today = timezone.now().astimezone(campaign.tz).date().isoformat()
    campaign.opens_at, campaign.closes_at = timezone.now() - timedelta(days=2), timezone.now() + timedelta(days=2)
    campaign.save()
    content = csv_of(*[row | {"Received on": today} for row in people(3)], {"Amount": "x", "Received on": today})
    answer = dana.post(ADDRESS, {"file": upload(content, "checks & <i>cash.csv")})
    made = GiftImport.objects.get()
    assert answer.headers["Location"] == f"{ADDRESS}{made.pk}/"
    page = staff.text_of(dana.get(f"{ADDRESS}{made.pk}/"))
    for words in (
        "checks &amp; &lt;i&gt;cash.csv",
        "1 row to be corrected",
        "“x” is not an amount",
        "Enter 3 gifts, $750.00",
    ):
        assert words in page
    dana.post(f"{ADDRESS}{made.pk}/confirm/", {"despite_bad": "on"})
    moving = dana.get(f"{ADDRESS}{made.pk}/progress/")
    assert (moving.status_code, "0%" in staff.text_of(moving), 'hx-trigger="every 2s"' in moving.content.decode()) == (
        200,
        True,
        True,
    )
    run(made, now=timezone.now())
    over = dana.get(f"{ADDRESS}{made.pk}/progress/")
    assert (over.status_code, "3 gifts entered" in staff.text_of(over)) == (286, True)
    assert "hx-get" not in over.content.decode()
    assert f'3 of 4</td><td class="r">{format_amount(75_000, currency="USD")}' in staff.text_of(dana.get(ADDRESS))
    again = dana.post(f"{ADDRESS}{made.pk}/confirm/", {"despite_bad": "on"})
    assert "was decided on already" in staff.text_of(dana.get(again.headers["Location"]))


def test_it_says_so_when_nothing_or_too_much_was_sent(campaign, monkeypatch):
    dana = staff.dana()
    assert "Choose a file first" in staff.text_of(dana.post(ADDRESS))
    assert "Choose a file first" in staff.text_of(dana.post(ADDRESS, {"file": "text"}))
    monkeypatch.setattr("donations.views.imports.LARGEST_BYTES", 10)
    answer = dana.post(ADDRESS, {"file": upload(csv_of({}))})
    assert (answer.status_code, "larger than" in staff.text_of(answer)) == (200, True)
    assert not GiftImport.objects.exists()


def test_it_lets_in_only_those_with_the_right_by_the_right_method(campaign):
    made = read(campaign, csv_of({}))
    olga, farid, strict = staff.olga(), staff.farid(), Client(enforce_csrf_checks=True)
    strict.force_login(staff.person("dora", "development"))
    here = f"{ADDRESS}{made.pk}/"
    for address in (ADDRESS, here, here + "progress/", here + "rows-to-correct.csv", ADDRESS + "template.csv"):
        assert (olga.get(address).status_code, Client().get(address).status_code) == (403, 302)
        assert farid.get(address).status_code in (200, 286)
        assert farid.put(address).status_code == 405
    for address in (ADDRESS, here + "confirm/", here + "discard/", here + "again/"):
        assert (olga.post(address).status_code, Client().post(address).status_code) == (403, 302)
        assert strict.post(address).status_code == 403
    for address in (here + "confirm/", here + "discard/", here + "again/"):
        assert farid.get(address).status_code == 405
        assert farid.post(address.replace(f"{made.pk}", "999")).status_code == 404
    made.refresh_from_db()
    assert (made.state, Donation.objects.count()) == ("preview", 0)
