"""What a donor may add to who they are: a company, a phone number, and no fundraising messages."""

import csv
import io
from datetime import timedelta

import pytest

from donations import receipts
from donations.models import Donation, Donor
from donations.queries import recent_public_gifts
from donations.receipt_pdf import render_receipt
from tests import factories, staff
from tests.donations.give_form import error_beside, filled, give, open_campaign, words
from tests.factories import GIFT_AT

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign():
    return open_campaign()


def section(html: str) -> str:
    """The part of the form that holds company, phone and address."""
    return html.partition("Company, phone or mailing address")[0].rpartition("<details")[2]


def test_the_part_is_closed_and_asks_for_nothing(client, campaign):
    html = client.get("/give/").content.decode()
    assert " open" not in section(html)
    gift = give(client)
    assert (gift.company, gift.phone, gift.opted_out_at, gift.donor.opted_out_at) == ("", "", None, None)


def test_company_and_phone_are_kept_and_come_back(client, campaign):
    gift = give(client, company=" Pier  Bank & Co. ", phone="(617) 555-0142 ext. 7")
    assert (gift.company, gift.phone) == ("Pier Bank & Co.", "(617) 555-0142 ext. 7")
    html = client.get("/give/").content.decode()
    assert 'value="Pier Bank &amp; Co."' in html
    assert " open" in section(html)


@pytest.mark.parametrize(
    ("field", "typed", "says"),
    [
        ("phone", "555", "Write the number with its area code, such as 617-555-0142."),
        ("phone", "<script>6175550142", "Write the number with its area code, such as 617-555-0142."),
        ("phone", "617-555-0142" + "." * 29, "Use at most 40 characters. You have 41."),
        ("company", "x" * 121, "Use at most 120 characters. You have 121."),
        ("company", "Cheap pills www.spam.com", "Write it without web addresses."),
        ("company", "spam.shop", "Write it without web addresses."),
    ],
)
def test_an_error_opens_the_part_and_loses_nothing(client, campaign, field, typed, says):
    html = client.post("/give/", filled(client, **{field: typed})).content.decode()
    assert error_beside(html, field) == says
    assert " open" in section(html)
    assert typed.replace("<", "&lt;").replace(">", "&gt;") in html
    assert Donation.objects.count() == 0


def test_another_company_in_the_same_form_is_another_gift(client, campaign):
    first = give(client)
    second = give(client, company="Pier Bank")
    first.refresh_from_db()
    assert (first.state, second.state, second.company) == ("abandoned", "started", "Pier Bank")


def test_a_companys_receipt_is_made_out_to_it():
    gift = factories.donation(company="Pier Bank <b>& Co.", donor_name="Marta Reyes")
    receipt = receipts.issue_receipt(donation_id=gift.pk, now=GIFT_AT)
    assert (receipt.content["donor"]["name"], receipt.content["donor"]["contact"]) == (
        "Pier Bank <b>& Co.",
        "Marta Reyes",
    )
    assert render_receipt(receipt).startswith(b"%PDF")
    plain = receipts.issue_receipt(donation_id=factories.donation().pk, now=GIFT_AT)
    assert "contact" not in plain.content["donor"]


def test_the_pages_say_that_it_is_the_companys(client, campaign):
    now = campaign.opens_at
    gift = factories.donation(campaign=campaign, company="Pier Bank", donor_name="Marta Reyes", at=now)
    hidden = factories.donation(campaign=campaign, company="Pier Bank", hides_name=True, at=now)
    assert [row.name for row in recent_public_gifts(campaign_id=campaign.pk)] == ["Anonymous", "Pier Bank"]
    assert "Receipt made out to Pier Bank" in words(client.get(gift.get_absolute_url()).content.decode())
    dana = staff.dana()
    page = staff.text_of(dana.get(f"/staff/gifts/{gift.pk}/"))
    assert "from Pier Bank</h1>" in page
    assert "<dd>Pier Bank<small>the gift is the company’s, and so is its receipt</small></dd>" in page
    found = staff.text_of(dana.get("/staff/gifts/?q=pier+bank"))
    assert gift.reference in found
    assert hidden.reference in found


class TestOptingOut:
    def test_it_is_kept_with_the_gift_and_the_donor_from_the_first_time_on(self, client, campaign):
        first = give(client, opts_out="on")
        assert first.opted_out_at == first.donor.opted_out_at == first.submitted_at
        second = give(client, opts_out="on", other_amount="70")
        assert second.opted_out_at == second.submitted_at > first.submitted_at
        third = give(client, other_amount="80")
        assert third.opted_out_at is None
        assert Donor.objects.get().opted_out_at == first.opted_out_at

    def test_it_comes_back_ticked_and_unticked_as_it_was_sent(self, client, campaign):
        ticked, plain = 'name="opts_out" checked', 'name="opts_out">'
        assert plain in client.get("/give/").content.decode()
        assert ticked in client.post("/give/", filled(client, opts_out="on", donor_name="")).content.decode()
        give(client, opts_out="on")
        assert ticked in client.get("/give/").content.decode()

    def test_the_organization_may_have_it_ticked_at_first(self, client, campaign):
        factories.organization(opts_out_first=True)
        assert 'name="opts_out" checked' in client.get("/give/").content.decode()
        html = client.post("/give/", filled(client, donor_name="")).content.decode()
        assert 'name="opts_out">' in html
        give(client)
        assert 'name="opts_out">' in client.get("/give/").content.decode()

    def test_staff_and_exports_say_it(self, campaign):
        gift = factories.donation(campaign=campaign, at=campaign.opens_at)
        Donor.objects.filter(pk=gift.donor_id).update(opted_out_at=campaign.opens_at - timedelta(days=1))
        assert "<dd><b>None</b><small>asked before" in staff.text_of(staff.dana().get(f"/staff/gifts/{gift.pk}/"))
        day = campaign.opens_at.astimezone(campaign.tz).date()
        answer = staff.farid().get(f"/staff/exports/gifts.csv?first={day}&last={day}")
        row = next(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
        moment = (campaign.opens_at - timedelta(days=1)).astimezone(campaign.tz).isoformat(timespec="seconds")
        titles = ("Company", "Phone", "No fundraising messages since (America/New_York)")
        assert [row[title] for title in titles] == ["", "", moment]
