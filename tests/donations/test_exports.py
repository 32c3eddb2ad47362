"""Files for finance: totals as on the page, rows that are safe, days of the campaign, memory that stays flat."""

import csv
import io
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from decimal import Decimal

import openpyxl
import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from donations import exports, queries, receipts, spreadsheets
from donations.models import Designation, Donation, Donor
from donations.search import Days
from donations.spreadsheets import DAY, MOMENT, MONEY, Column, Table
from matching import challenges, holds, refunds
from tests import factories, staff
from tests.donations.books import Books
from tests.donations.offline_form import entered
from tests.factories import CLOSES_AT, GIFT_AT, OPENS_AT

pytestmark = pytest.mark.django_db

FIRST = Days(date(2026, 12, 1), date(2026, 12, 1))
QUERY = "?first=2026-12-01&last=2026-12-01"


@pytest.fixture
def funds():
    return factories.fund("Education", gl_code="4000-10"), factories.fund("Nursing", gl_code="4000-20")


@pytest.fixture
def campaign(funds):
    return factories.campaign(funds=funds)


@pytest.fixture
def farid():
    return staff.farid()


@pytest.fixture
def a_day(campaign, funds):
    """Five paid gifts: plain, split with fee, refunded in part, refunded wholly with its fee, disputed; and noise."""
    education, nursing = funds
    factories.pool(campaign=campaign, limit_minor=1_000_000, now=OPENS_AT)
    gifts = [
        factories.donation(campaign=campaign, parts=[(education, 10_000)], at=OPENS_AT, donor_name="Ana"),
        factories.donation(campaign=campaign, parts=[(education, 3_333), (nursing, 6_667)], fee_minor=320, at=GIFT_AT),
        factories.donation(campaign=campaign, parts=[(nursing, 5_001)], at=GIFT_AT),
        factories.donation(campaign=campaign, parts=[(education, 2_000), (nursing, 500)], fee_minor=100, at=GIFT_AT),
        factories.donation(
            campaign=campaign, parts=[(education, 700)], at=CLOSES_AT - timedelta(microseconds=1), disputed_at=CLOSES_AT
        ),
    ]
    for gift in gifts:
        factories.match(gift, at=gift.submitted_at)
        receipts.issue_receipt(donation_id=gift.pk, now=GIFT_AT)
    for gift, refunded_minor in ((gifts[2], 2_000), (gifts[3], 2_600)):
        Donation.objects.filter(pk=gift.pk).update(refunded_minor=refunded_minor)
        refunds.settle_refund(key=gift.match_key, refunded_minor=min(refunded_minor, gift.amount_minor), now=GIFT_AT)
        receipts.replace_receipt(donation_id=gift.pk, reason="Refunded.", now=GIFT_AT)
    factories.donation(campaign=campaign, parts=[(education, 90_000)], at=OPENS_AT - timedelta(microseconds=1))
    factories.donation(campaign=campaign, parts=[(education, 90_000)], at=CLOSES_AT)
    factories.donation(campaign=campaign, parts=[(education, 90_000)], at=GIFT_AT, state="failed")
    factories.donation(campaign=factories.campaign(funds=funds), parts=[(education, 90_000)], at=GIFT_AT)
    return [Donation.objects.get(pk=gift.pk) for gift in gifts]


def csv_of(client, name: str, query: str = QUERY) -> list[dict[str, str]]:
    response = client.get(f"/staff/exports/{name}.csv{query}")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    body = b"".join(response.streaming_content)
    assert body.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"))))


def workbook_of(client, name: str, query: str = QUERY) -> openpyxl.Workbook:
    response = client.get(f"/staff/exports/{name}.xlsx{query}")
    assert response.status_code == 200
    return openpyxl.load_workbook(io.BytesIO(b"".join(response.streaming_content)))


def sheet_rows(sheet) -> list[dict[str, object]]:
    heading, *rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
    return [dict(zip(heading, row, strict=True)) for row in rows]


def money(minor: int) -> Decimal:
    return Decimal(minor).scaleb(-2)


def test_it_adds_up_the_same_on_the_page_in_csv_and_in_xlsx(farid, campaign, a_day):
    totals = exports.gift_totals(campaign=campaign, days=FIRST)
    assert totals == exports.GiftTotals(
        count=5,
        refunded_count=1,
        gift_minor=28_201,
        fee_minor=420,
        paid_minor=28_621,
        refunded_minor=4_600,
        net_minor=24_021,
        raised_minor=23_701,
        matched_minor=23_701,
    )
    columns = {
        "Gift amount": totals.gift_minor,
        "Covered fee": totals.fee_minor,
        "Total paid": totals.paid_minor,
        "Refunded": totals.refunded_minor,
        "Net paid": totals.net_minor,
        "Raised": totals.raised_minor,
        "Match (sponsors' money)": totals.matched_minor,
    }
    *rows, last = csv_of(farid, "gifts")
    *cells, bottom = sheet_rows(workbook_of(farid, "gifts")["Gifts"])
    assert last["Gift"] == bottom["Gift"] == "Total of 5 gifts"
    for title, minor in columns.items():
        assert Decimal(last[title]) == sum(Decimal(row[title]) for row in rows) == money(minor)
        assert round(Decimal(bottom[title]), 2) == sum(round(Decimal(row[title]), 2) for row in cells) == money(minor)
    page = staff.text_of(farid.get("/staff/exports/" + QUERY))
    for words in (
        "$282.01",
        "$4.20",
        "$286.21",
        "−$46.00",
        "$240.21",
        "$237.01",
        "1 of them with the whole gift",
    ):
        assert words in page


def test_it_agrees_with_the_days_page_over_the_whole_campaign(farid, campaign, a_day):
    everything = Days(date(2026, 11, 1), date(2026, 12, 31))
    files, figures = exports.gift_totals(campaign=campaign, days=everything), queries.totals(campaign_id=campaign.pk)
    assert files.raised_minor == figures.raised_minor
    assert files.count - files.refunded_count == figures.gift_count
    assert files.matched_minor == sum(pool.matched_minor for pool in campaign.match_pools.all())
    by_fund = queries.fund_totals(campaign_id=campaign.pk)
    *rows, _ = csv_of(farid, "gift-parts", "?first=2026-11-01&last=2026-12-31")
    for fund in campaign.funds.all():
        assert sum(Decimal(row["Raised"]) for row in rows if row["Fund"] == fund.name) == money(
            by_fund[fund.pk].raised_minor
        )


def test_it_counts_a_gift_whose_fee_alone_is_left_as_the_days_page_does(campaign, a_day):
    Donation.objects.filter(pk=a_day[1].pk).update(refunded_minor=10_000)
    files, figures = exports.gift_totals(campaign=campaign, days=Days()), queries.totals(campaign_id=campaign.pk)
    assert (files.refunded_count, files.count - files.refunded_count) == (2, figures.gift_count)


def test_it_names_the_bank_debits_that_will_still_join_these_days(farid, campaign, funds):
    factories.donation(campaign=campaign, parts=[(funds[0], 10_000)], fee_minor=80, state="processing")
    factories.donation(campaign=campaign, parts=[(funds[0], 500)], state="processing", at=CLOSES_AT)
    page = staff.text_of(farid.get("/staff/exports/" + QUERY))
    assert "1 gift by bank debit, $100.80, is still under way. Paid, it belongs to these days" in page
    assert "bank debit" not in staff.text_of(farid.get("/staff/exports/?first=2026-11-30&last=2026-11-30"))


def test_it_gives_one_row_for_each_fund_of_each_gift(farid, campaign, a_day):
    *rows, last = csv_of(farid, "gift-parts")
    assert [(row["Gift"], row["Fund"], row["GL code"], row["Part of the gift"], row["Raised"]) for row in rows] == [
        (a_day[0].reference, "Education", "4000-10", "100.00", "100.00"),
        (a_day[1].reference, "Education", "4000-10", "33.33", "33.33"),
        (a_day[1].reference, "Nursing", "4000-20", "66.67", "66.67"),
        (a_day[2].reference, "Nursing", "4000-20", "50.01", "30.01"),
        (a_day[3].reference, "Education", "4000-10", "20.00", "0.00"),
        (a_day[3].reference, "Nursing", "4000-20", "5.00", "0.00"),
        (a_day[4].reference, "Education", "4000-10", "7.00", "7.00"),
    ]
    assert (last["Part of the gift"], last["Raised"]) == ("282.01", "237.01")
    assert last["Match for this fund (sponsors' money)"] == "237.01"
    book = workbook_of(farid, "gifts")
    assert book.sheetnames == ["Gifts", "By fund", "About"]
    assert round(sheet_rows(book["By fund"])[-1]["Raised"], 2) == 237.01


def test_it_writes_a_gift_in_full(farid, campaign, a_day):
    row = csv_of(farid, "gifts")[1]
    gift = a_day[1]
    receipt = gift.receipts.get()
    match = holds.Reservation.objects.get(key=gift.match_key)
    assert row == {
        "Gift": gift.reference,
        "Paid on (America/New_York)": "2026-12-01",
        "Paid at (America/New_York)": "2026-12-01T10:30:00-05:00",
        "State": "Paid",
        "Disputed": "no",
        "Donor name": "Maria Alvarez",
        "Donor e-mail": gift.donor_email,
        "Address": "",
        "City": "",
        "State or region": "",
        "ZIP": "",
        "Country": "US",
        "Anonymous in public": "no",
        "Funds": "Education: 33.33; Nursing: 66.67",
        "Gift amount": "100.00",
        "Covered fee": "3.20",
        "Total paid": "103.20",
        "Refunded": "0.00",
        "Net paid": "103.20",
        "Raised": "100.00",
        "Currency": "USD",
        "Method": "Visa",
        "Last four": "4242",
        "Check number": "",
        "Receipt": receipt.number,
        "Stripe PaymentIntent": gift.payment_intent,
        "Stripe charge": gift.charge,
        "Match reference": match.reference,
        "Match (sponsors' money)": "100.00",
        "Campaign": "Giving Tuesday",
        "Monthly gift": "",
        "Monthly payment": "",
        "How it was given": "one-time",
        "Stripe's fees": "",
        "Stripe payout": "",
        "Company": "",
        "Phone": "",
        "No fundraising messages since (America/New_York)": "",
        "Message": "",
        "Message is": "",
        "Tribute": "",
        "Telling of the tribute": "",
        **dict.fromkeys(Donation.SOURCE_CODES, ""),
        "Department or team": "",
    }
    states = [(line["State"], line["Disputed"]) for line in csv_of(farid, "gifts")[:-1]]
    assert states == [("Paid", "no"), ("Paid", "no"), ("Partly refunded", "no"), ("Refunded", "no"), ("Paid", "yes")]


def test_it_writes_real_numbers_and_dates_into_workbooks(farid, campaign, a_day):
    first = sheet_rows(workbook_of(farid, "gifts")["Gifts"])[0]
    assert first["Gift amount"] == 100
    assert first["Paid on (America/New_York)"] == datetime(2026, 12, 1)  # noqa: DTZ001 - a cell has no zone
    assert first["Paid at (America/New_York)"] == datetime(2026, 12, 1, 0, 0)  # noqa: DTZ001
    about = dict(row[:2] for row in workbook_of(farid, "gifts")["About"].iter_rows(values_only=True))
    assert about["Days"] == "2026-12-01 to 2026-12-01, both included"
    assert about["Monthly gifts"].startswith("Later payments count in the campaign in which the monthly gift began")
    assert about["Time zone"].startswith("America/New_York (Boston time)")


def test_it_exports_receipts_with_the_voided_ones_outside_the_sum(farid, campaign, a_day):
    *rows, last = csv_of(farid, "receipts")
    assert last["Receipt"] == "Total of 6 receipts"
    shown = [(row["State"], row["Amount on receipt"], row["Amount if valid"]) for row in rows]
    assert shown == [
        ("valid", "100.00", "100.00"),
        ("valid", "103.20", "103.20"),
        ("voided", "50.01", "0.00"),
        ("voided", "26.00", "0.00"),
        ("valid", "7.00", "7.00"),
        ("valid", "30.01", "30.01"),
    ]
    assert last["Amount if valid"] == "240.21"
    assert last["Amount on receipt"] == ""
    replaced, replacing = rows[2], rows[5]
    assert (replaced["Replaced by"], replacing["Replaces"]) == (replacing["Receipt"], replaced["Receipt"])
    assert (replacing["Version"], replaced["Void reason"], replacing["Refunded"]) == ("2", "Refunded.", "20.00")
    assert replaced["Match (sponsors' money, information)"] == "50.01"
    assert replacing["Match (sponsors' money, information)"] == "30.01"
    assert rows[1]["Funds"] == "Education: 33.33; Nursing: 66.67"
    assert rows[1]["Stripe PaymentIntent"] == a_day[1].payment_intent
    totals = exports.receipt_totals(campaign=campaign, days=FIRST)
    assert totals == exports.ReceiptTotals(valid_count=4, voided_count=2, valid_minor=24_021, waiting_count=0)
    page = staff.text_of(farid.get("/staff/exports/" + QUERY))
    assert "<dt>Net paid less receipts</dt><dd>$0.00<small>they tie</small>" in page
    bottom = sheet_rows(workbook_of(farid, "receipts")["Receipts"])[-1]
    assert round(bottom["Amount if valid"], 2) == 240.21


def test_it_writes_each_refund_on_its_own_day_with_what_it_took(farid, campaign, funds, monkeypatch):
    made, (education, nursing) = Books(campaign, monkeypatch), funds
    gift = made.give((education, 3_333), (nursing, 6_667), fee_minor=320, donor_name="=Ana")
    next_day = CLOSES_AT + timedelta(hours=1)
    made.back(gift, "refund", 5_000, "succeeded", now=CLOSES_AT)
    made.back(gift, "refund", 100, "succeeded", "failed", now=next_day)
    made.back(gift, "dispute", 5_320, "needs_response", "lost", now=next_day)
    *rows, last = csv_of(farid, "refunds", "?first=2026-12-02&last=2026-12-02")
    titles = ("What", "How it stands", "Sum", "Refunded", "Of the gift", "Of the covered fee", "Funds")
    assert [tuple(row[title] for title in titles) for row in rows] == [
        ("Refund", "succeeded", "50.00", "50.00", "50.00", "0.00", "Education: 16.67; Nursing: 33.33"),
        ("Refund", "failed", "1.00", "0.00", "0.00", "0.00", ""),
        ("Dispute", "lost", "53.20", "53.20", "50.00", "3.20", "Education: 16.66; Nursing: 33.34"),
    ]
    assert (last["On (America/New_York)"], last["Refunded"], last["Sum"]) == ("Total of 3 rows", "103.20", "")
    assert rows[0] == {
        **{title: rows[0][title] for title in titles},
        "On (America/New_York)": "2026-12-02",
        "At (America/New_York)": "2026-12-02T00:00:00-05:00",
        "Gift": gift.reference,
        "Gift paid on (America/New_York)": "2026-12-01",
        "Donor name": "'=Ana",
        "Currency": "USD",
        "Method": "Visa",
        "Stripe refund or dispute": gift.reversals.first().stripe_id,
        "Stripe charge": Donation.objects.get(pk=gift.pk).charge,
        "Stripe payout": "",
        "Newest report at (America/New_York)": "2026-12-02T00:00:00-05:00",
    }
    sheet = sheet_rows(workbook_of(farid, "refunds", "?first=2026-12-02&last=2026-12-02")["Refunds"])
    assert [(row["Donor name"], row["Refunded"]) for row in sheet[:3]] == [("=Ana", 50), ("=Ana", 0), ("=Ana", 53.2)]
    assert csv_of(farid, "refunds")[0]["On (America/New_York)"] == "Total of 0 rows"
    page = staff.text_of(farid.get("/staff/exports/?first=2026-12-02&last=2026-12-02"))
    assert "by the day of the refund</small></dt><dd>$103.20</dd>" in page


def test_it_says_how_a_gift_came_and_what_stripe_kept(farid, campaign, funds, monkeypatch):
    made = Books(campaign, monkeypatch)
    scheduled = made.schedule((funds[0], 1_000))
    made.charge(scheduled)
    gift = made.give((funds[0], 2_000))
    made.back(gift, "dispute", 2_000, "needs_response", now=CLOSES_AT)
    entered(campaign)
    rows = csv_of(farid, "gifts")
    assert [(row["How it was given"], row["Stripe's fees"]) for row in rows] == [
        ("scheduled", "0.59"),
        ("offline", ""),
        ("one-time", "15.59"),
        ("", "16.18"),
    ]


def test_it_names_what_challenges_gave_apart_from_the_match_of_gifts(farid, campaign, a_day):
    award = {"layer": "award", "award_minor": 5_000, "unlock_donors": 2}
    pool = factories.pool(campaign=campaign, limit_minor=5_000, now=OPENS_AT, **award)
    before = exports.gift_totals(campaign=campaign, days=FIRST)
    challenges.settle_challenges(campaign=campaign, now=GIFT_AT)
    assert exports.gift_totals(campaign=campaign, days=FIRST) == before
    assert exports.awarded_minor(campaign=campaign, days=FIRST) == 5_000
    assert exports.awarded_minor(campaign=campaign, days=Days(date(2026, 12, 2), date(2026, 12, 2))) == 0
    page = staff.text_of(farid.get("/staff/exports/" + QUERY))
    assert "not in “Matched”</small></dt><dd>$50.00</dd>" in page
    rows = list(
        csv.reader(io.StringIO(b"".join(farid.get(f"/staff/exports/challenges.csv{QUERY}")).decode("utf-8-sig")))
    )
    assert rows[1:] == [
        [
            "2026-12-01",
            "2026-12-01T10:30:00-05:00",
            "The Harbor Family",
            pool.name,
            "Target reached: given",
            "50.00",
            "USD",
            str(pool.pk),
            "2",
        ],
        ["Total of 1 sum", "", "", "", "", "50.00", "", "", ""],
    ]


def test_it_says_which_gifts_still_lack_a_receipt(farid, campaign, funds):
    factories.donation(campaign=campaign, parts=[(funds[0], 1_000)])
    page = staff.text_of(farid.get("/staff/exports/" + QUERY))
    assert "$10.00<small>1 gift still without a receipt</small>" in page


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", " =", "＝", "\n="])
def test_it_writes_nothing_that_a_spreadsheet_would_run(farid, campaign, funds, start):
    evil = f"{start}cmd|' /C calc'!A1,\"x\";=1+1"
    factories.donation(campaign=campaign, parts=[(funds[0], 1_000)], donor_name=evil, city=evil)
    row = csv_of(farid, "gifts")[0]
    assert row["Donor name"] == "'" + evil
    assert row["City"] == "'" + evil
    cell = next(cell for cell in workbook_of(farid, "gifts")["Gifts"][2] if str(cell.value).endswith("=1+1"))
    assert cell.data_type == "s"


def test_it_quotes_all_text_so_that_no_separator_splits_it(farid, campaign, funds):
    factories.donation(campaign=campaign, parts=[(funds[0], 1_000)], donor_name="Ana;=1+1")
    body = b"".join(farid.get("/staff/exports/gifts.csv" + QUERY).streaming_content).decode()
    assert '"Ana;=1+1"' in body
    assert body.splitlines()[0].count('"') == 2 * 48


@pytest.mark.parametrize(
    "name",
    [
        "李小龍 " * 20,
        'Anselm "Pip" O\'Reilly, Sr.',
        "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 😀",
        "عمر",
        "http://example.org/x",
        "{=1}",
        "00123",
        "1e5",
    ],
)
def test_it_keeps_names_as_they_are(farid, campaign, funds, name):
    name = name[:120]
    factories.donation(campaign=campaign, parts=[(funds[0], 1_000)], donor_name=name)
    assert csv_of(farid, "gifts")[0]["Donor name"] == name
    assert sheet_rows(workbook_of(farid, "gifts")["Gifts"])[0]["Donor name"] == name
    assert sheet_rows(workbook_of(farid, "gifts")["By fund"])[0]["Donor name"] == name


def test_it_exports_an_empty_day_as_a_heading_and_a_total_of_nothing(farid, campaign):
    (only,) = csv_of(farid, "gifts")
    assert (only["Gift"], only["Gift amount"]) == ("Total of 0 gifts", "0.00")
    assert sheet_rows(workbook_of(farid, "receipts")["Receipts"])[0]["Receipt"] == "Total of 0 receipts"


def test_it_takes_days_of_the_campaigns_zone_with_the_hour_that_comes_twice(farid, campaign, funds):
    moments = {"2026-11-01T01:30:00-04:00": None, "2026-11-01T01:30:00-05:00": None, "2026-11-01T23:59:59-05:00": None}
    for text in moments:
        factories.donation(campaign=campaign, parts=[(funds[0], 100)], at=datetime.fromisoformat(text))
    factories.donation(
        campaign=campaign, parts=[(funds[0], 100)], at=datetime.fromisoformat("2026-11-02T00:00:00-05:00")
    )
    *rows, _ = csv_of(farid, "gifts", "?first=2026-11-01&last=2026-11-01")
    assert [row["Paid at (America/New_York)"] for row in rows] == list(moments)
    assert {row["Paid on (America/New_York)"] for row in rows} == {"2026-11-01"}


def test_it_exports_the_campaign_that_was_chosen(farid, campaign, funds):
    other = factories.campaign(funds=funds, name="Last year", time_zone="Asia/Kolkata")
    factories.donation(campaign=other, parts=[(funds[0], 100)], at=GIFT_AT)
    rows = csv_of(farid, "gifts", f"{QUERY}&campaign={other.pk}")
    assert rows[0]["Paid at (Asia/Kolkata)"] == "2026-12-01T21:00:00+05:30"
    assert "Last year" in staff.text_of(farid.get(f"/staff/exports/{QUERY}&campaign={other.pk}"))


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?first=2026-12-02&last=2026-12-01", "The last day is before the first."),
        ("?first=soon&last=2026-12-01", "Write a day such as 2026-12-01."),
        ("?first=&last=2026-12-01", "This field is required."),
        ("?first=1999-01-01&last=2026-12-01", "That is more than ten years."),
    ],
)
def test_it_says_what_is_wrong_with_the_days_instead_of_exporting(farid, campaign, query, words):
    sent_back = farid.get("/staff/exports/gifts.csv" + query)
    assert sent_back.status_code == 302
    page = staff.text_of(farid.get(sent_back.headers["Location"]))
    assert words in page
    assert "Gifts, CSV" not in page


def test_it_knows_no_other_kind_of_file(farid, campaign):
    assert farid.get("/staff/exports/gifts.pdf" + QUERY).status_code == 404


def test_it_names_the_file_after_its_days(farid, campaign):
    for kind in ("csv", "xlsx"):
        response = farid.get(f"/staff/exports/receipts.{kind}{QUERY}")
        said = response.headers["Content-Disposition"]
        assert said == f'attachment; filename="receipts-2026-12-01-to-2026-12-01.{kind}"'
        assert b"".join(response.streaming_content)


@transaction.atomic
def many_gifts(campaign, fund, count, first=0):
    donor, _ = Donor.objects.get_or_create(email="many@example.org", defaults={"name": "Many"})
    made = Donation.objects.bulk_create(
        Donation(
            campaign=campaign, donor=donor, form_key=f"bulk-{number}", state="paid", amount_minor=1_000, currency="USD",
            donor_name="Many", donor_email=donor.email, submitted_at=GIFT_AT, paid_at=GIFT_AT,
            payment_intent=f"pi_bulk_{number}",
        )
        for number in range(first, first + count)
    )  # fmt: skip
    Designation.objects.bulk_create(Designation(donation=gift, fund=fund, amount_minor=1_000) for gift in made)


def test_it_exports_thousands_of_gifts_with_flat_memory_and_few_queries(campaign, funds, monkeypatch):
    monkeypatch.setattr(exports.rows, "BATCH", 100)
    many_gifts(campaign, funds[0], 500)

    def peak() -> tuple[int, int, int]:
        table = exports.gifts_table(campaign=campaign, days=FIRST)
        tracemalloc.start()
        size = sum(len(text) for text in spreadsheets.csv_lines(table))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return table.row_count, size, most

    small_count, small_size, small_peak = peak()
    many_gifts(campaign, funds[0], 2_500, first=500)
    count, size, large_peak = peak()
    assert (small_count, count) == (500, 3_000)
    assert size > 5.9 * small_size
    assert large_peak < 1.3 * small_peak  # six times the rows; the rest is the allocator's
    with CaptureQueriesContext(connection) as seen:
        assert sum(1 for _ in exports.gifts_table(campaign=campaign, days=FIRST).rows) == 3_000
    assert len(seen) <= 2 + 30 * 4  # for each batch its parts, receipts, matches, refunds; none for a single gift


def test_it_splits_sheets_at_the_limit_of_excel(monkeypatch):
    monkeypatch.setattr(spreadsheets, "_SHEET_ROWS", 3)
    columns = [Column("Name"), Column("Sum", MONEY, is_summed=True), Column("Day", DAY), Column("At", MOMENT)]
    rows = [(f"r{n}", n, date(2026, 12, 1), None) for n in range(7)]
    to = io.BytesIO()
    spreadsheets.write_xlsx([Table("Many", "row", columns, rows, "USD")], about=[("a", "b")], to=to)
    book = openpyxl.load_workbook(to)
    assert book.sheetnames == ["Many", "Many 2", "Many 3", "About"]
    assert [row[0].value for row in book["Many 3"].iter_rows()] == ["Name", "r6", "Total of 7 rows"]
    assert book["Many 3"]["B3"].value == pytest.approx(0.21)


@pytest.mark.django_db(transaction=True)
def test_it_exports_one_moment_although_gifts_come_in_meanwhile():
    fund = factories.fund("Education")
    campaign = factories.campaign(funds=[fund])
    many_gifts(campaign, fund, 1_500)
    response = staff.farid().get("/staff/exports/gifts.csv" + QUERY)
    lines = iter(response.streaming_content)
    first = next(lines)

    def give_and_refund():
        factories.donation(campaign=campaign, parts=[(fund, 500)], at=GIFT_AT)
        Donation.objects.filter(form_key__startswith="bulk-").update(refunded_minor=1_000)
        connection.close()

    with ThreadPoolExecutor(1) as elsewhere:
        elsewhere.submit(give_and_refund).result()
    rows = list(csv.DictReader(io.StringIO((first + b"".join(lines)).decode("utf-8-sig"))))
    response.close()
    assert (rows[-1]["Gift"], rows[-1]["Net paid"]) == ("Total of 1,500 gifts", "15000.00")
    assert {row["Refunded"] for row in rows} == {"0.00"}
    assert exports.gift_totals(campaign=campaign, days=FIRST).net_minor == 500


@pytest.mark.django_db(transaction=True)
def test_it_lets_go_of_the_database_when_the_reader_goes_away():
    fund = factories.fund("Education")
    campaign = factories.campaign(funds=[fund])
    many_gifts(campaign, fund, 1_500)
    response = staff.farid().get("/staff/exports/gifts.csv" + QUERY)
    next(iter(response.streaming_content))
    response.close()
    assert not connection.in_atomic_block
