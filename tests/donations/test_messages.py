"""What donors say in public: never shown before staff have read it, and gone within seconds when they hide it."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.test import Client

from campaign import copies, figures
from donations import public_messages
from donations.models import Donation, GiftMessage
from donations.queries import recent_public_gifts
from tests import factories, staff
from tests.donations.give_form import error_beside, filled, give, open_campaign, words
from tests.factories import GIFT_AT

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script> \u202e‘=cmd’"
LIST = "/staff/messages/"


@pytest.fixture
def campaign():
    return open_campaign()


def said(campaign, text="For the night nurses.", **changes) -> GiftMessage:
    """A message with a paid gift."""
    gift = factories.donation(campaign=campaign, at=campaign.opens_at, **changes)
    return GiftMessage.objects.create(donation=gift, text=text)


def wall(campaign) -> list[str]:
    return [row.message for row in recent_public_gifts(campaign_id=campaign.pk)]


def decide(message, decision, at=GIFT_AT) -> bool:
    return public_messages.decide(message_id=message.pk, decision=decision, actor="staff:7", now=at)


class TestTheForm:
    def test_it_is_kept_as_one_line_and_comes_back(self, client, campaign):
        gift = give(client, message=" For the\r\nnight   nurses. ")
        assert (gift.message.text, gift.message.state) == ("For the night nurses.", "waiting")
        html = client.get("/give/").content.decode()
        assert "For the night nurses.</textarea>" in html

    def test_without_one_nothing_is_kept_and_the_part_is_closed(self, client, campaign):
        give(client, message="  \n ")
        assert not GiftMessage.objects.exists()
        html = Client().get("/give/").content.decode()
        assert " open" not in html.partition("Say something in public")[0].rpartition("<details")[2]

    def test_too_long_says_so_opens_the_part_and_loses_nothing(self, client, campaign):
        html = client.post("/give/", filled(client, message="é" * 281)).content.decode()
        assert "Use at most 280 characters. You have 281." in html
        assert "é" * 281 in html
        assert " open" in html.partition("Say something in public")[0].rpartition("<details")[2]
        assert 'aria-invalid="true"' in html.partition('<textarea name="message"')[2].partition(">")[0]
        assert error_beside(html, "donor_name") == ""

    def test_another_message_in_the_same_form_replaces_the_gift(self, client, campaign):
        first = give(client, message="One")
        second = give(client, message="Two")
        first.refresh_from_db()
        assert (first.state, second.message.text) == ("abandoned", "Two")

    def test_where_no_page_would_show_it_nobody_is_asked(self, client):
        open_campaign(shows_wall=False)
        assert "Say something in public" not in client.get("/give/").content.decode()
        give(client, message="Sent all the same")
        assert not GiftMessage.objects.exists()


class TestTheWall:
    def test_it_is_shown_only_while_staff_show_it(self, campaign):
        message = said(campaign)
        assert wall(campaign) == [""]
        for decision, shown in (("decline", ""), ("approve", message.text), ("hide", ""), ("approve", message.text)):
            assert decide(message, decision)
            assert wall(campaign) == [shown]
        told = list(message.donation.notes.values_list("actor", "text"))
        assert told == [
            ("staff:7", "The donor's message was declined; it is not shown."),
            ("staff:7", "The donor's message is shown."),
            ("staff:7", "The donor's message was hidden again."),
            ("staff:7", "The donor's message is shown."),
        ]

    @pytest.mark.parametrize("url", ["/wall/", "/wall/?part", "/", "/live/"])
    def test_what_waits_or_was_declined_is_on_no_page(self, client, campaign, url):
        decide(said(campaign, text="Not to be seen"), "decline")
        said(campaign, text="Not to be seen either")
        cache.clear()
        assert "Not to be seen" not in client.get(url).content.decode()

    def test_it_is_harmless_text_on_the_wall(self, client, campaign):
        decide(said(campaign, text=HOSTILE), "approve")
        cache.clear()
        html = client.get("/wall/?part").content.decode()
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
        assert "<script>" not in html

    def test_hiding_throws_away_copies_that_a_slow_database_would_keep(self, campaign):
        message = said(campaign)
        decide(message, "approve")
        cache.clear()

        def shown(after: timedelta):
            campaign.refresh_from_db()
            rows = figures.recent_gifts(campaign=campaign, fund=None, limit=13, now=GIFT_AT + after)
            return [row.message for row in rows or []]

        assert shown(timedelta()) == [message.text]
        cache.set(f"recent:{figures._SHAPE}:{campaign.pk}:0:None:13:rest", 1, 30)
        Donation.objects.filter(pk=message.donation_id).update(hides_name=True)
        assert shown(timedelta(seconds=20)) == [message.text]  # the control: this copy rests, and is shown on
        decide(message, "hide")
        assert shown(timedelta(seconds=21)) == [""]
        assert copies.SPARED_KEPT_SECONDS > 21


class TestDeciding:
    def test_only_messages_of_paid_gifts_are_listed_and_decided(self, client, campaign):
        unpaid = give(client, message="Never paid").message
        paid = said(campaign)
        assert list(public_messages.listed_as("waiting", campaign=campaign)) == [paid]
        assert not decide(unpaid, "approve")
        page = staff.text_of(staff.dana().get(LIST))
        assert "Never paid" not in page
        assert "“For the night nurses.”" in page
        assert "To be read (1)" in page

    def test_of_two_who_press_one_decides(self, campaign):
        message = said(campaign)
        assert decide(message, "decline")
        assert not decide(message, "decline")
        assert not decide(message, "hide")
        assert message.donation.notes.count() == 1

    def test_the_page_decides_and_says_who_and_when(self, campaign):
        message, dana = said(campaign, text=HOSTILE), staff.dana()
        answer = dana.post(f"{LIST}{message.pk}/approve/", {"show": "waiting"}, follow=True)
        assert "The message is shown with its gift within seconds." in staff.text_of(answer)
        page = staff.text_of(dana.get(f"{LIST}?show=shown"))
        assert "&lt;script&gt;" in page
        assert "Shown by Dana" in page
        again = dana.post(f"{LIST}{message.pk}/approve/", {"show": "nonsense"}, follow=True)
        assert "Somebody else has decided about that message already" in staff.text_of(again)
        dana.post(f"{LIST}{message.pk}/hide/", {"show": "shown"})
        message.refresh_from_db()
        assert message.state == "hidden"
        assert "Hidden again by Dana" in staff.text_of(dana.get(f"{LIST}?show=not-shown"))

    def test_finance_reads_and_does_not_decide_and_strangers_do_neither(self, client, campaign):
        message, farid = said(campaign), staff.farid()
        page = staff.text_of(farid.get(LIST))
        assert "Show it" not in page
        assert farid.post(f"{LIST}{message.pk}/approve/").status_code == 403
        assert staff.olga().get(LIST).status_code == 403
        assert client.get(LIST).status_code == 302
        assert client.post(f"{LIST}{message.pk}/approve/").status_code == 302
        message.refresh_from_db()
        assert message.state == "waiting"

    @pytest.mark.parametrize("address", ["?show=all", "999999/approve/", "1/burn/"])
    def test_what_there_is_not_is_not_found(self, campaign, address):
        dana = staff.dana()
        answer = dana.get(LIST + address) if "?" in address else dana.post(LIST + address)
        assert answer.status_code == 404
        assert dana.get(f"{LIST}1/approve/").status_code == 405

    def test_the_donor_sees_how_it_stands(self, client, campaign):
        message = said(campaign)
        address = message.donation.get_absolute_url()
        assert "not shown yet: we read it first" in words(client.get(address).content.decode())
        decide(message, "approve")
        assert "“For the night nurses.” shown with your gift" in words(client.get(address).content.decode())

    def test_the_database_wants_to_know_who_decided(self, campaign):
        message = said(campaign)
        with pytest.raises(IntegrityError, match="message_is_decided_by_somebody"), transaction.atomic():
            GiftMessage.objects.filter(pk=message.pk).update(state="shown")
