"""The books agree to the cent: staff page, public page, files, receipts, match ledger and Stripe, after a mixed lot."""

import csv
import io
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal

import openpyxl
import pytest

from campaign.money import format_amount_short
from donations import corrections, exports, queries, scheduling, strays, stripe_days
from donations.models import Donation, PeriodLine, Reversal
from donations.offline_gifts import OfflineGift
from donations.periods import closing
from donations.search import Days, midnight
from matching.checking import check_campaigns
from matching.models import MatchPool
from tests import factories, staff
from tests.campaign.pages import get
from tests.donations.books import CARD_FEE, DISPUTE_FEE, MINUTE, Books
from tests.donations.offline_form import entered
from tests.factories import GIFT_AT, OPENS_AT

pytestmark = pytest.mark.django_db
FIRST, LAST = date(2026, 11, 29), date(2027, 1, 3)
EVENING, DAY_AFTER = GIFT_AT + timedelta(hours=8), GIFT_AT + timedelta(days=1)
WEEK_AFTER, JANUARY, SPRING = (GIFT_AT + timedelta(days=days) for days in (7, 31, 100))
PERIODS = [  # whole days that follow each other, as books are closed
    (FIRST, date(2026, 11, 30)),
    (date(2026, 12, 1), date(2026, 12, 1)),
    (date(2026, 12, 2), date(2026, 12, 7)),
    (date(2026, 12, 8), date(2026, 12, 31)),
    (date(2027, 1, 1), LAST),
]
WAYS = {"one-time": 21, "monthly": 4, "scheduled": 1, "offline": 4}


@pytest.fixture
def funds():
    return factories.fund("Education", slug="education"), factories.fund("Nursing", slug="nursing")


@pytest.fixture
def books(funds, monkeypatch):
    """Pools that run out, cap, double and unlock; then gifts of every kind, and all that can happen to them."""
    factories.organization()
    campaign = factories.campaign(funds=funds)
    education, nursing = funds
    factories.pool(campaign=campaign, limit_minor=90_000, now=OPENS_AT - timedelta(days=2), priority=1)
    factories.pool(campaign=campaign, limit_minor=60_000, ratio_gift=2, priority=2)
    factories.pool(campaign=campaign, limit_minor=9_000, layer="bonus", cap_per_gift_minor=777, fund_ids=(nursing.pk,))
    factories.pool(campaign=campaign, limit_minor=5_000, layer="award", award_minor=5_000, unlock_donors=5)
    made = Books(campaign, monkeypatch)
    planned, called_off = made.schedule((education, 4_000), (nursing, 1_001)), made.schedule((education, 3_000))
    scheduling.cancel(donation_id=called_off.pk, now=OPENS_AT - timedelta(hours=3))
    made.charge(planned)
    _on_the_day(made, education, nursing)
    _afterwards(made, campaign, education, nursing)
    made.catch_up(now=JANUARY + timedelta(hours=1))
    made.compared(now=JANUARY + timedelta(hours=2))
    return made


def _on_the_day(made, education, nursing):
    """Gifts online, those too that never were paid; refunds of one kind and another the same evening."""
    small = [made.give((nursing, 501 + n), fee_minor=45 * (n % 2)) for n in range(10)]
    split = [made.give((education, 3_333), (nursing, 6_667), fee_minor=320) for _ in range(3)]
    plain = [made.give((education, 10_000 + n)) for n in range(6)]
    made.give((nursing, 9_000), method="us_bank_account", days=3)
    made.form((education, 7_000), now=made.at)
    made.catch_up(now=EVENING)
    made.back(split[0], "refund", 3_334, "succeeded", now=EVENING)
    made.back(split[0], "refund", 1_111, "pending", "succeeded", now=DAY_AFTER)
    made.back(split[1], "refund", 10_320, "succeeded", now=EVENING)
    made.back(split[2], "refund", 10_100, "succeeded", now=EVENING)
    made.back(plain[0], "refund", 1_999, "succeeded", "failed", now=DAY_AFTER)
    made.back(plain[1], "dispute", 5_500, "needs_response", now=DAY_AFTER)
    made.back(plain[2], "dispute", 10_002, "needs_response", "lost", now=DAY_AFTER)
    made.back(plain[3], "dispute", 4_321, "needs_response", "lost", "won", now=DAY_AFTER)
    made.back(plain[4], "refund", 500, "succeeded", now=EVENING)
    made.back(plain[4], "dispute", 9_504, "needs_response", "under_review", "lost", now=WEEK_AFTER)
    made.back(small[3], "dispute", 200, "needs_response", "won", now=DAY_AFTER)


def _afterwards(made, campaign, education, nursing):
    """Months later, checks and cash, and payments that fitted no gift."""
    monthly = [made.monthly((education, 1_500), (nursing, 500), fee_minor=88), made.monthly((education, 1_000))]
    later = [made.renew(first, now=JANUARY) for first in monthly]
    made.back(later[0], "refund", 1_234, "succeeded", now=JANUARY + MINUTE)
    checks = [
        entered(campaign, now=GIFT_AT + MINUTE * n, amount_minor=4_000 + n, cheque_number=f"10{n}") for n in range(4)
    ]
    again = OfflineGift.of(checks[0]).as_json() | {"parts": [[education.pk, 2_000], [nursing.pk, 2_555]]}
    again |= {"received_at": (GIFT_AT - timedelta(days=1)).isoformat()}
    made.catch_up(now=DAY_AFTER)
    corrections.correct_gift(
        donation_id=checks[0].pk, gift=OfflineGift.from_json(again), corrections_seen=0, reason="Misread",
        actor="staff:9", now=WEEK_AFTER,
    )  # fmt: skip
    corrections.cancel_gift(
        donation_id=checks[1].pk, cause="returned_unpaid", reason="The bank says so", actor="staff:9", now=WEEK_AFTER
    )
    meant = made.form((education, 2_500), (nursing, 2_500), now=made.at)
    odd = made.stray(meant, amount_minor=4_321)
    strays.accept(stray_id=odd.pk, actor="staff:9", reason="The donor confirms it", now=WEEK_AFTER)
    made.stray(made.form((education, 800), now=made.at), amount_minor=999)


@pytest.fixture
def farid():
    return staff.farid()


def file_of(client, name, *, first=FIRST, last=LAST):
    answer = client.get(f"/staff/exports/{name}.csv?first={first}&last={last}")
    *rows, total = csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig")))
    return rows, total


def minor(text):
    return int(Decimal(text).scaleb(2)) if text else 0


def column(rows, title):
    return sum(minor(row[title]) for row in rows)


def every_reversal():
    """Each refund, dispute and cancellation once, in the order in which they were made."""
    found = Reversal.objects.select_related("donation").order_by("created_at", "pk")
    return [row.donation.reference if row.kind == "offline" else row.stripe_id for row in found]


def stripe_in(campaign, period):
    first, last = period
    start, end = midnight(first, campaign.tz), midnight(last + timedelta(days=1), campaign.tz)
    return stripe_days.compare(start=start, end=end, currency="USD")


def bytes_of(client, name):
    return b"".join(client.get(f"/staff/exports/{name}?first={FIRST}&last={LAST}").streaming_content)


def sheet_of(client, name):
    sheet = openpyxl.load_workbook(io.BytesIO(bytes_of(client, f"{name}.xlsx"))).worksheets[0]
    return [["" if value is None else value for value in row] for row in sheet.iter_rows(min_row=2, values_only=True)]


def test_every_total_of_a_mixed_campaign_agrees_to_the_cent(books, farid, funds):
    campaign = books.campaign
    start, end = midnight(FIRST, campaign.tz), midnight(LAST, campaign.tz)
    matched = sum(pool.matched_minor for pool in MatchPool.objects.all())
    awarded = exports.awarded_minor(campaign=campaign, days=Days())
    expected = {
        "Gift amount": 135_953,
        "Covered fee": 1_361,
        "Total paid": 137_314,
        "Refunded": 50_106,
        "Net paid": 87_208,
        "Raised": 86_267,
        "Match (sponsors' money)": matched - awarded,
    }
    assert (awarded, check_campaigns()) == (5_000, [])

    paid = Donation.objects.filter(campaign=campaign, state="paid")
    gifts, total = file_of(farid, "gifts")
    assert len(gifts) == 30
    assert sorted(row["Gift"] for row in gifts) == sorted(gift.reference for gift in paid)  # none twice, none missing
    assert {name: minor(total[name]) for name in expected} == expected
    assert {name: column(gifts, name) for name in expected} == expected
    assert Counter(row["How it was given"] for row in gifts) == WAYS

    figures = queries.totals(campaign_id=campaign.pk)
    assert (figures.raised_minor, figures.gift_count) == (expected["Raised"], 25)
    parts, _ = file_of(farid, "gift-parts")
    totals = queries.fund_totals(campaign_id=campaign.pk)
    by_fund = {fund.name: totals[fund.pk].raised_minor for fund in funds}
    assert {name: column([row for row in parts if row["Fund"] == name], "Raised") for name in by_fund} == by_fund
    assert sum(by_fund.values()) == expected["Raised"]
    hours = queries.gifts_by_hour(campaign_id=campaign.pk, start=start, end=end)
    assert sum(hour.raised_minor for hour in hours) == expected["Raised"]
    assert sum(hour.matched_minor for hour in hours) == matched - awarded
    assert column(parts, "Match for this fund (sponsors' money)") == matched - awarded

    receipts, _ = file_of(farid, "receipts")
    valid = {row["Gift"]: minor(row["Amount if valid"]) for row in receipts if row["State"] == "valid"}
    assert valid == {gift.reference: gift.net_minor for gift in paid if gift.net_minor}
    assert column(receipts, "Amount if valid") == expected["Net paid"]

    refunds, gone = file_of(farid, "refunds")
    assert minor(gone["Refunded"]) == column(refunds, "Refunded") == expected["Refunded"]
    assert minor(gone["Of the gift"]) == expected["Gift amount"] - expected["Raised"]
    assert [row["Stripe refund or dispute"] or row["Gift"] for row in refunds] == every_reversal()

    for name in ("gifts", "gift-parts", "receipts", "refunds"):
        in_parts = [row for first, last in PERIODS for row in file_of(farid, name, first=first, last=last)[0]]
        assert sorted(in_parts, key=str) == sorted(file_of(farid, name)[0], key=str)
        assert bytes_of(farid, f"{name}.csv") == bytes_of(farid, f"{name}.csv")
    assert sheet_of(farid, "gifts") == sheet_of(farid, "gifts")

    stripe = [stripe_in(campaign, period) for period in PERIODS]
    assert [(part.difference_minor, part.differences) for part in stripe] == [(0, [])] * len(PERIODS)
    fees = column(gifts, "Stripe's fees")
    assert fees == sum(part.fees_minor for part in stripe) - CARD_FEE  # but the payment that fits no gift
    assert fees == 26 * CARD_FEE + 5 * DISPUTE_FEE

    for month in (11, 12, 1):
        closing.close(first_day=date(2027 if month == 1 else 2026, month, 1), actor="staff:9", now=SPRING)
    booked = [(line.fund_name, line.amount_minor, line.fee_minor) for line in PeriodLine.objects.all()]
    assert {name: sum(minor for fund, minor, _ in booked if fund == name) for name in by_fund} == by_fund
    assert sum(fee_minor for *_, fee_minor in booked) == expected["Net paid"] - expected["Raised"]

    pages = [staff.text_of(farid.get("/staff/?live=0")), get("/", at=JANUARY + MINUTE).content.decode()]
    shown = [format_amount_short(sum_minor, currency="USD") for sum_minor in (expected["Raised"], matched)]
    assert [[words in text for words in shown] for text in pages] == [[True, True], [True, True]]
    exported = staff.text_of(farid.get(f"/staff/exports/?first={FIRST}&last={LAST}"))
    assert "<dt>Net paid less receipts</dt><dd>$0.00<small>they tie</small>" in exported
