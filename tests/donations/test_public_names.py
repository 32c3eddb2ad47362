"""Names on public pages: staff take those of a gift off with one press, and nothing brings them back."""

import pytest
from django.core.cache import cache

from campaign import copies
from donations import public_names
from donations.models import Donation, MonthlyGift, Tribute
from tests import factories, staff
from tests.donations.give_form import open_campaign, words
from tests.factories import GIFT_AT

pytestmark = pytest.mark.django_db
PUBLIC = ["/", "/wall/", "/wall/?part", "/funds/education/", "/live/", "/progress/?part=screen", "/feed.xml"]


@pytest.fixture
def gift() -> Donation:
    campaign = open_campaign()
    made = factories.donation(
        campaign=campaign, at=campaign.opens_at, donor_name="Rude Words", company="Rude Words Inc."
    )
    Tribute.objects.create(donation=made, kind="memory", name="Ruder Words", is_public=True)
    return made


def seen(client, address: str) -> bool:
    return "Rude" in client.get(address).content.decode()


def press(who, gift, decision, **sent):
    return who.post(f"/staff/gifts/{gift.pk}/names/{decision}/", sent, follow=True)


def test_one_press_takes_them_off_every_public_page_at_once(client, gift, django_capture_on_commit_callbacks):
    dana = staff.dana()
    assert [seen(client, address) for address in PUBLIC] == [True] * 6 + [False]
    assert "Rude Words Inc.</b>, in memory of Ruder Words" in staff.text_of(dana.get("/staff/messages/names/"))
    with django_capture_on_commit_callbacks(execute=True):
        answer = press(dana, gift, "hide", **{"from": "list"})
    assert "The gift is “Anonymous” on public pages" in staff.text_of(answer)
    assert not any(seen(client, address) for address in PUBLIC)
    assert "Anonymous" in client.get("/wall/").content.decode()
    assert "On public pages Anonymous" in words(client.get(gift.get_absolute_url()).content.decode())
    assert "Off the public pages since" in staff.text_of(dana.get("/staff/messages/names/"))
    assert "Somebody else has done that already" in staff.text_of(press(dana, gift, "hide"))
    with django_capture_on_commit_callbacks(execute=True):
        press(dana, gift, "show")
    cache.clear()
    assert seen(client, "/wall/")
    told = ["Its names were taken off the public pages.", "Its names may stand on the public pages again."]
    assert list(gift.notes.values_list("text", flat=True)) == told


def test_who_hides_the_own_name_is_not_named_by_staff_either(gift):
    Donation.objects.update(hides_name=True)
    assert list(public_names.shown(campaign=gift.campaign)) == [gift]  # for its tribute
    Tribute.objects.update(is_public=False)
    assert not public_names.shown(campaign=gift.campaign).exists()
    public_names.hide(donation_id=gift.pk, actor="staff:7", now=GIFT_AT)
    public_names.show(donation_id=gift.pk, actor="staff:7", now=GIFT_AT)
    gift.refresh_from_db()
    assert gift.public_name == "Anonymous"


def test_finance_looks_and_does_not_press_and_strangers_do_neither(client, gift):
    farid = staff.farid()
    assert "Hide the names" not in staff.text_of(farid.get("/staff/messages/names/"))
    assert press(farid, gift, "hide").status_code == 403
    assert staff.olga().get("/staff/messages/names/").status_code == 403
    assert client.post(f"/staff/gifts/{gift.pk}/names/hide/").status_code == 302
    dana = staff.dana()
    assert press(dana, gift, "burn").status_code == 404
    assert dana.get(f"/staff/gifts/{gift.pk}/names/hide/").status_code == 405
    gift.refresh_from_db()
    assert gift.names_hidden_at is None


@pytest.mark.parametrize("mark", ["", copies.CLEARED])
def test_a_page_that_was_being_made_while_they_were_hidden_does_not_bring_them_back(gift, mark):
    """The control is the copy without a mark: a slow page, begun before, is finished and kept after a quick one."""
    pages = {"page": "Rude Words"}

    def quick():
        return copies.fresh("wall-page", now=GIFT_AT, make=lambda: pages["page"], mark=mark)[1]

    def slow():
        read = pages["page"]
        pages["page"] = "Anonymous"
        copies.change_mark(copies.CLEARED)
        assert quick() == "Anonymous"
        return read

    copies.fresh("wall-page", now=GIFT_AT, make=slow, mark=mark)
    assert quick() == ("Anonymous" if mark else "Rude Words")


def test_all_payments_of_a_monthly_gift_go_together(gift):
    monthly = MonthlyGift.objects.create(
        campaign=gift.campaign, donor=gift.donor, amount_minor=10_000, currency="USD", parts=[], created_at=GIFT_AT
    )
    Donation.objects.update(monthly=monthly, way="monthly")
    later = factories.donation(
        campaign=gift.campaign, monthly=monthly, way="monthly", renews=True, invoice="in_2", donor=gift.donor
    )
    public_names.hide(donation_id=later.pk, actor="staff:7", now=GIFT_AT)
    assert set(Donation.objects.values_list("names_hidden_at", flat=True)) == {GIFT_AT}
    public_names.show(donation_id=gift.pk, actor="staff:7", now=GIFT_AT)
    assert set(Donation.objects.values_list("names_hidden_at", flat=True)) == {None}
