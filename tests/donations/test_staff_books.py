"""/staff/books/: the months, what closing one would write and what stands in the way, and the closed month's file."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta

import openpyxl
import pytest
import time_machine
from django.contrib.auth.models import Permission, User
from django.test import Client

from campaign.models import Campaign
from donations.models import FollowUp, Period, Reversal, StrayPayment, StripeEvent, StripeMovement, StripeRun
from donations.views import books as views
from tests import factories, staff
from tests.donations.offline_form import entered
from tests.donations.test_periods import JANUARY, back, close, on

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 4, 15, tzinfo=UTC)


@pytest.fixture(autouse=True)
def january(monkeypatch):
    """It is January 4, for the views' clock and the database's."""
    monkeypatch.setattr(views, "database_now", lambda: NOW)
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def campaign():
    education = factories.fund("Education", gl_code="4000-10")
    return factories.campaign(funds=(education, factories.fund("Nursing", gl_code="4000-20")))


@pytest.fixture
def gifts(campaign):
    """Two by card, one of them refunded in part in a payout, and a check; all of December."""
    education, nursing = campaign.funds.order_by("name")
    split = factories.donation(campaign=campaign, parts=[(education, 3_333), (nursing, 6_667)], fee_minor=320)
    plain = factories.donation(campaign=campaign, parts=[(nursing, 5_000)], at=on(12, 9))
    back(split, 3_334, at=on(12, 10), stripe_id="re_1")
    check = entered(campaign, now=on(12, 11), amount_minor=7_000)
    for source, minor in ((split.charge, 10_320), ("re_1", -3_334), (plain.charge, 5_000)):
        StripeMovement.objects.create(
            stripe_id=f"txn_{source}", category="refund" if minor < 0 else "charge", source=source, charge=source,
            amount_minor=minor, fee_minor=59, currency="USD", moved_at=on(12, 10),
            payout="po_1" if minor != 5_000 else "",
        )  # fmt: skip
    StripeMovement.objects.create(
        stripe_id="txn_po", category="payout", source="po_1", amount_minor=-6_868, fee_minor=0, currency="USD",
        moved_at=on(12, 12), payout="po_1",
    )  # fmt: skip
    FollowUp.objects.all().delete()
    return split, plain, check


@pytest.fixture
def run():
    return StripeRun.objects.create(
        started_at=on(1, 2), started_by="system", since=on(12, 1), step="days", finished_at=NOW
    )


@pytest.fixture
def farid():
    return staff.farid()


def rows_of(client, slug="2026-12"):
    """The rows of the page's tables, as words."""
    page = client.get(f"/staff/books/{slug}/").content.decode()
    return [" ".join(re.sub("<[^>]+>", " ", row).split()) for row in re.findall("<tr>(.*?)</tr>", page, re.DOTALL)]


SUMS = [
    "Fund GL code Gifts Refunds Adjustments Net",
    "Education 4000-10 $103.33 -$11.12 $0.00 $92.21",
    "Nursing 4000-20 $116.67 -$22.22 $0.00 $94.45",
    "Covered fees $3.20 $0.00 $0.00 $3.20",
    "Total $223.20 -$33.34 $0.00 $189.86",
]
WAYS = [
    "With covered fees Gifts Refunds Adjustments Net",
    "Through Stripe $153.20 -$33.34 $0.00 $119.86",
    "Checks $70.00 $0.00 $0.00 $70.00",
]
DEPOSITS = [
    "Payout Of these lines Arrived",
    "po_1 $69.86 $68.68",
    "In no payout yet, or adjustments $50.00",
]


def test_it_shows_what_closing_would_book_closes_once_and_shows_the_same_afterwards(farid, gifts, run):
    assert rows_of(farid) == SUMS + WAYS + DEPOSITS
    answer = farid.post("/staff/books/2026-12/close/", follow=True)
    assert answer.redirect_chain == [("/staff/books/2026-12/", 302)]
    page = staff.text_of(answer)
    assert "December 2026 is closed. Its file is below, and stays as it is." in page
    assert "Closed on January 4, 2027, 10:00 AM by Farid." in page
    assert "Close December 2026" not in page
    assert rows_of(farid) == SUMS + WAYS + DEPOSITS
    assert Period.objects.get().closed_at == NOW

    again = staff.text_of(farid.post("/staff/books/2026-12/close/", follow=True))
    assert "December 2026 is closed already, by Farid." in again
    listed = staff.text_of(farid.get("/staff/books/"))
    assert listed.index("January 2027</a>") < listed.index("December 2026</a>")
    assert '<span class="pill good">Closed</span><small>Jan 4, 2027, Farid</small>' in listed
    assert "<b>$189.86</b>" in listed


def test_it_names_what_stands_open_and_keeps_it_with_the_closing(farid, campaign, gifts, run):
    split, *_ = gifts
    factories.donation(campaign=campaign, amount_minor=9_000, state="processing", at=on(12, 30))
    Reversal.objects.create(
        donation=split, kind="dispute", stripe_id="dp_1", amount_minor=500, status="needs_response",
        created_at=on(12, 20), changed_at=on(12, 20),
    )  # fmt: skip
    StrayPayment.objects.create(
        payment_intent="pi_odd", why="no_gift", amount_minor=900, currency="USD", made_at=on(12, 3), found_at=on(12, 4)
    )
    said = [
        "One gift by bank debit is not paid yet, $90.00 in all: booked in the month that closes after the bank paid.",
        "Stripe’s balance and our books differ in this month, by $5.00 in all.",
        "3 gifts of this month have no receipt yet, and will be booked without its number.",
        "A payment fits no gift.",
        "A donor’s bank disputes a gift.",
    ]
    page = staff.text_of(farid.get("/staff/books/2026-12/"))
    assert [text for text in said if f"<b>{text}</b>" not in page] == []
    for address in ("/staff/gifts/?state=open", "/staff/stripe/?day=2026-12-20", "/staff/attention/#dispute"):
        assert f'href="{address}"' in page
    farid.post("/staff/books/2026-12/close/")
    assert Period.objects.get().warnings == said
    assert all(f"<li>{text}</li>" in staff.text_of(farid.get("/staff/books/2026-12/")) for text in said)


def test_it_does_not_close_while_news_of_the_month_are_on_their_way(farid, gifts):
    event = StripeEvent.objects.create(
        event_id="evt_1", type="charge.refunded", payload={}, created_at=on(12, 31), due_at=on(12, 31)
    )
    run = StripeRun.objects.create(
        started_at=on(12, 30), started_by="system", since=on(12, 1), step="days", finished_at=on(12, 30)
    )
    page = staff.text_of(farid.get("/staff/books/2026-12/"))
    assert "Stripe’s lists have not been gone through since the month ended" in page
    assert "One of Stripe’s events is still being applied." in page
    assert "Close December 2026" not in page
    refused = staff.text_of(farid.post("/staff/books/2026-12/close/", follow=True))
    assert "December 2026 was not closed: see below what has to be done first." in refused
    StripeEvent.objects.filter(pk=event.pk).update(state="applied")
    StripeRun.objects.filter(pk=run.pk).update(started_at=on(1, 1))
    assert "Close December 2026" in staff.text_of(farid.get("/staff/books/2026-12/"))


@pytest.mark.parametrize(
    ("slug", "says"),
    [
        ("2027-01", "January 2027 was not closed: months close in order, and an earlier one is open."),
        ("2026-11", "There are no books of “2026-11”. Choose one of the months below."),
        ("2026-13", "There are no books of “2026-13”. Choose one of the months below."),
        ("never", "There are no books of “never”. Choose one of the months below."),
    ],
)
def test_it_says_why_a_month_cannot_be_closed(farid, gifts, run, slug, says):
    assert says in staff.text_of(farid.post(f"/staff/books/{slug}/close/", follow=True))
    assert says in staff.text_of(farid.get(f"/staff/books/{slug}/", follow=True)) or slug == "2027-01"
    assert Period.objects.count() == 0


def test_it_waits_until_the_month_is_over(farid, gifts, run):
    close()
    said = staff.text_of(farid.post("/staff/books/2027-01/close/", follow=True))
    assert "January 2027 was not closed: it is not over yet." in said
    assert "It can be closed from February 1, 2027 on." in said
    assert "comes first" not in said
    assert Period.objects.count() == 1


def test_only_those_with_the_right_close_a_month(gifts, run):
    address = "/staff/books/2026-12/close/"
    refused = staff.dana().post(address)
    assert (refused.status_code, Client().post(address).status_code) == (403, 302)
    assert "It has no right to close a month of the books." in staff.text_of(refused)
    reader = staff.person("rita")
    reader.user_permissions.add(Permission.objects.get(codename="view_period"))
    rita = staff.client_of(reader)
    assert "Close December 2026" not in staff.text_of(rita.get("/staff/books/2026-12/"))
    assert (rita.post(address).status_code, rita.get("/staff/books/2026-12/USD.csv").status_code) == (403, 302)
    assert Period.objects.count() == 0


def bytes_of(client, kind):
    answer = client.get(f"/staff/books/2026-12/USD.{kind}")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="books-2026-12-USD.{kind}"'
    return b"".join(answer.streaming_content)


def test_the_file_of_a_closed_month_is_the_same_for_ever(farid, campaign, gifts):
    split, plain, check = gifts
    close(now=NOW)
    files = {kind: bytes_of(farid, kind) for kind in ("csv", "xlsx")}
    *rows, total = csv.DictReader(io.StringIO(files["csv"].decode("utf-8-sig")))
    assert rows[2] == {
        "Line": "2026-12/3", "Day": "2026-12-09", "Kind": "Gift", "Gift": plain.reference, "Fund": "Nursing",
        "GL code": "4000-20", "Amount": "50.00", "Covered fee": "0.00", "Total": "50.00", "Currency": "USD",
        "Method": "Card", "Check number": "", "Receipt": "", "Stripe PaymentIntent": plain.payment_intent,
        "Stripe charge": plain.charge, "Stripe refunds and disputes": "", "Stripe payout": "",
        "Campaign": campaign.name,
    }  # fmt: skip
    assert [(row["Kind"], row["Gift"], row["Total"], row["Stripe payout"]) for row in rows] == [
        ("Gift", split.reference, "36.53", "po_1"),
        ("Gift", split.reference, "66.67", "po_1"),
        ("Gift", plain.reference, "50.00", ""),
        ("Refund", split.reference, "-11.12", "po_1"),
        ("Refund", split.reference, "-22.22", "po_1"),
        ("Gift", check.reference, "70.00", ""),
    ]
    assert (total["Line"], total["Amount"], total["Covered fee"], total["Total"]) == (
        *("Total of 6 lines", "186.66", "3.20", "189.86"),
    )
    sheet = openpyxl.load_workbook(io.BytesIO(files["xlsx"]))["December 2026"]
    assert [f"{cell.value}" for cell in sheet[3]][:7] == [
        *("2026-12/2", "2026-12-01 00:00:00", "Gift", split.reference, "Nursing", "4000-20", "66.67"),
    ]
    back(plain, 5_000, at=on(12, 30))
    campaign.funds.update(name="Renamed", gl_code="9999")
    Campaign.objects.update(name="Another")
    later = NOW + timedelta(days=40)
    with time_machine.travel(later, tick=False):
        farid = staff.client_of(User.objects.get(username="farid"))
        assert {kind: bytes_of(farid, kind) for kind in files} == files
        assert close(JANUARY, now=later).line_count == 1
        assert {kind: bytes_of(farid, kind) for kind in files} == files


@pytest.mark.parametrize("address", ["2026-12/USD.pdf", "2026-12/EUR.csv"])
def test_it_has_no_other_files(farid, gifts, address):
    close(now=NOW)
    assert farid.get(f"/staff/books/{address}").status_code == 404


def test_it_has_no_file_of_an_open_month(farid, gifts):
    said = staff.text_of(farid.get("/staff/books/2026-12/USD.csv", follow=True))
    assert "December 2026 is not closed yet, so it has no file." in said
    assert "There are no books of “x”." in staff.text_of(farid.get("/staff/books/x/USD.csv", follow=True))


def test_it_keeps_currencies_apart(farid, gifts, run):
    euros = factories.campaign(funds=(factories.fund("Lyon", gl_code="4100"),), slug="lyon", currency="EUR")
    factories.donation(campaign=euros, amount_minor=4_000, at=on(12, 3))
    close(now=NOW)
    page = staff.text_of(farid.get("/staff/books/2026-12/"))
    assert "By fund, EUR" in page
    assert "/staff/books/2026-12/EUR.csv" in page
    assert farid.get("/staff/books/2026-12/EUR.csv").status_code == 200
    assert "€40.00<br>$223.20" in staff.text_of(farid.get("/staff/books/"))


def test_it_says_so_when_there_is_nothing_yet(farid):
    assert "No campaign" in staff.text_of(farid.get("/staff/books/"))
    factories.campaign()
    assert "No books yet" in staff.text_of(farid.get("/staff/books/"))


def test_pages_that_change_a_gift_say_when_its_month_is_closed(farid, gifts):
    split, _, check = gifts
    pages = [
        f"/staff/gifts/{split.pk}/refund/",
        *(f"/staff/gifts/{check.pk}/{name}/" for name in ("correct", "cancel")),
    ]
    said = (
        "The books of December 2026, this gift’s month, are closed and stay as they are: "
        "what you change here is booked in a later month."
    )
    assert [said in staff.text_of(farid.get(address)) for address in pages] == [False] * 3
    close(now=NOW)
    assert [said in staff.text_of(farid.get(address)) for address in pages] == [True] * 3


def test_it_names_the_adjustments_before_and_after(farid, campaign, gifts):
    _, plain, _ = gifts
    close(now=NOW)
    back(plain, 1_000, at=on(12, 30))
    later = NOW + timedelta(days=30)
    expected = ["Gift Its day Fund Sum", f"{plain.reference} Dec 9, 2026 Nursing -$10.00"]
    with time_machine.travel(later, tick=False):
        farid = staff.client_of(User.objects.get(username="farid"))
        assert rows_of(farid, "2027-01")[-2:] == expected
        close(JANUARY, now=later)
        assert rows_of(farid, "2027-01")[-2:] == expected


def test_the_exports_say_which_of_the_days_are_closed(farid, gifts):
    address = "/staff/exports/?first=2026-12-31&last=2027-01-03"
    said = (
        'Closed months: <a href="/staff/books/2026-12/">December 2026</a>. What was booked is in the file of the '
        "month. The files here show gifts as they are now."
    )
    assert said not in staff.text_of(farid.get(address))
    close(now=NOW)
    assert said in staff.text_of(farid.get(address))
    assert "Closed months:" not in staff.text_of(farid.get("/staff/exports/?first=2027-01-01&last=2027-01-03"))
