"""Where gifts came from: the codes of a link reach the gift without a cookie, and staff see them added up."""

import pytest

from donations.came_from import Origin, Origins, origins
from donations.models import Donation
from donations.source_codes import code
from tests import factories, staff
from tests.donations.give_form import filled, hidden, open_campaign

pytestmark = pytest.mark.django_db

CODES = "utm_source=Newsletter&utm_medium=email&utm_campaign=two+days+before&utm_content=top&utm_term=x"
KEPT = ["newsletter", "email", "two days before", "top", "x"]


@pytest.fixture
def campaign():
    return open_campaign()


def sent(client, address: str, **changes: str) -> Donation:
    """A gift through the form at this address, with the codes that its hidden fields carry."""
    html = client.get(address).content.decode()
    codes = {name: hidden(html, name) for name in Donation.SOURCE_CODES if f'name="{name}"' in html}
    assert client.post("/give/", filled(client, **(codes | changes))).status_code == 303
    return Donation.objects.get()


def test_the_form_carries_the_codes_of_its_address_to_the_gift(client, campaign):
    assert sent(client, f"/give/?{CODES}").came_from == KEPT


def test_the_form_reads_the_codes_of_the_page_of_ours_that_led_to_it(client, campaign):
    before = {"referer": f"http://testserver/funds/education/?{CODES}"}
    html = client.get("/give/?fund=education", headers=before).content.decode()
    assert [hidden(html, name) for name in Donation.SOURCE_CODES] == KEPT
    for other in (f"https://elsewhere.example/?{CODES}", "http://[", f"http://testserver/?{'a&' * 50}utm_source=x"):
        assert "utm_" not in client.get("/give/", headers={"referer": other}).content.decode()


def test_another_gift_and_a_changed_gift_keep_the_codes(client, campaign):
    sent(client, f"/give/?{CODES}")
    html = client.get("/give/").content.decode()
    assert [hidden(html, name) for name in Donation.SOURCE_CODES] == KEPT
    assert client.get("/give/?new=1&utm_source=Letter")["Location"] == "/give/?utm_source=letter"
    assert client.get("/give/?new=1")["Location"] == "/give/"


def test_a_form_with_a_mistake_keeps_the_codes(client, campaign):
    html = client.post("/give/", filled(client, donor_email="", utm_source="Newsletter")).content.decode()
    assert hidden(html, "utm_source") == "Newsletter"


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Spring  Mail\n", "spring mail"),
        ("a\x00b\u202ec", "a b c"),
        ("x" * 1_000, "x" * 60),
        ("<script>", "<script>"),
        ("   ", ""),
    ],
)
def test_a_code_is_cleaned_and_never_refused(client, campaign, typed, kept):
    assert code(typed) == kept
    assert sent(client, "/give/", utm_source=typed).utm_source == kept


def test_pages_stay_the_same_for_everybody(client, campaign):
    plain, coded = client.get("/"), client.get(f"/?{CODES}")
    assert "utm_" not in coded.content.decode()
    assert (coded.cookies, coded["Cache-Control"]) == ({}, plain["Cache-Control"])
    assert "public" in coded["Cache-Control"]


def test_staff_see_what_each_link_raised(campaign, monkeypatch):
    def gift(amount_minor: int, **changes: object) -> Donation:
        return factories.donation(campaign=campaign, amount_minor=amount_minor, **changes)

    letter = {"utm_source": "letter", "utm_medium": "email"}
    first = gift(5_000, **letter, utm_content="=1+1")
    gift(7_000, **letter, refunded_minor=2_000)
    gift(9_000, utm_source="post<b>")
    gift(4_000)
    gift(4_000, **letter, refunded_minor=4_000)
    gift(4_000, **letter, state="failed")
    rows = [Origin("letter", "email", "", 2, 10_000), Origin("post<b>", "", "", 1, 9_000)]
    assert origins(campaign_id=campaign.pk) == Origins(rows, 0, 0, 1, 4_000)
    dana = staff.dana()
    page = staff.text_of(dana.get("/staff/came-from/"))
    assert "post&lt;b&gt;" in page
    assert "$100.00" in page
    assert "letter / email / =1+1" in staff.text_of(dana.get(f"/staff/gifts/{first.pk}/"))
    monkeypatch.setattr("donations.came_from.MOST_ROWS", 1)
    assert origins(campaign_id=campaign.pk) == Origins(rows[:1], 1, 9_000, 1, 4_000)
