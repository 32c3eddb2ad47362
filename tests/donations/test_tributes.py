"""Gifts in honor or in memory: what the form takes, who is told, once and on the day, and what is forgotten."""

from datetime import timedelta
from email.mime.image import MIMEImage
from io import BytesIO
from threading import Barrier, Thread

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone
from PIL import Image

from campaign.models import CardPicture
from donations import ecards, follow_ups, mail, payments, receipts, tributes
from donations.gateway import Payment
from donations.models import Donation, FollowUp, Tribute, TributeNotice
from donations.queries import recent_public_gifts
from donations.receipt_pdf import render_receipt
from tests import factories, staff
from tests.beside import PATIENCE_SECONDS
from tests.donations.give_form import error_beside, filled, give, open_campaign, words

pytestmark = pytest.mark.django_db

MEMORY = {"tribute_kind": "memory", "tribute_name": "Ana Ruiz"}
CARD = MEMORY | {
    "tell_way": "email",
    "tell_name": "Luis Ruiz",
    "tell_email": "luis@example.org",
    "tell_message": "With love.",
    "tell_consents": "on",
}
NOTE = MEMORY | {
    "tell_way": "post",
    "tell_name": "Luis Ruiz",
    "tell_address_line1": "5 Bay Road",
    "tell_city": "Boston",
    "tell_region": "MA",
    "tell_postal_code": "02110",
    "tell_country": "US",
    "tell_message": "With love.",
    "tell_consents": "on",
}
NOTES = "/staff/tributes/to-post/"
HOSTILE = '<b>Ana</b> ‘"&'


@pytest.fixture
def campaign():
    return open_campaign()


def part(html: str) -> str:
    """The opening tag of the form's part about tributes."""
    return html.partition('<details class="opens tribute"')[2].partition(">")[0]


def day(campaign, days=0) -> str:
    return str(timezone.now().astimezone(campaign.tz).date() + timedelta(days=days))


def pay(gift, now=None) -> Donation:
    payment = Payment(
        payment_intent=gift.payment_intent or f"pi_{gift.pk}",
        status="succeeded",
        amount_minor=gift.total_minor,
        currency=gift.currency,
        gift_key=str(gift.match_key),
        client_secret="",
    )
    return payments.settle(donation_id=gift.pk, payment=payment, now=now or timezone.now())


def work_off(gift, *, now=None) -> FollowUp:
    row = FollowUp.objects.get(donation=gift, kind="ecard")
    follow_ups.run(follow_up_id=row.pk, now=now or timezone.now() + timedelta(seconds=1))
    row.refresh_from_db()
    return row


def notice(gift) -> TributeNotice:
    return TributeNotice.objects.get(tribute__donation=gift)


class TestTheForm:
    def test_it_is_closed_and_asks_nothing(self, client, campaign):
        assert part(client.get("/give/").content.decode()) == ""
        assert tributes.asked_of(give(client)) is None

    def test_a_tribute_is_kept_and_comes_back(self, client, campaign):
        gift = give(client, **MEMORY, tribute_is_public="on", tell_country="US")
        assert tributes.asked_of(gift) == tributes.TributeRequest("memory", "Ana Ruiz", is_public=True)
        html = client.get("/give/").content.decode()
        assert part(html) == " open"
        assert 'value="Ana Ruiz"' in html
        assert 'name="tribute_kind" value="memory" checked' in html

    def test_an_e_card_is_kept_with_its_day_and_the_moment_of_consent_and_comes_back(self, client, campaign):
        gift = give(client, **CARD, tell_on=day(campaign, 30))
        kept = notice(gift)
        assert (kept.way, kept.recipient_name, kept.recipient_email) == ("email", "Luis Ruiz", "luis@example.org")
        assert (str(kept.send_on), kept.message, kept.picture) == (day(campaign, 30), "With love.", None)
        assert kept.consented_at == gift.submitted_at
        html = client.get("/give/").content.decode()
        for text in ('value="luis@example.org"', f'value="{day(campaign, 30)}"', "With love.</textarea>"):
            assert text in html
        assert give(client, **CARD, tell_on=day(campaign, 30)).pk == gift.pk
        assert give(client, **CARD, tell_on=day(campaign, 31)).pk != gift.pk

    def test_without_a_day_it_is_today(self, client, campaign):
        assert str(notice(give(client, **CARD)).send_on) == day(campaign)

    def test_a_note_by_post_takes_no_notice_of_what_is_for_e_cards(self, client, campaign):
        kept = notice(give(client, **NOTE, tell_email="nonsense", tell_on="never", tell_picture="77"))
        assert (kept.way, kept.recipient_email, kept.send_on) == ("post", "", None)
        assert kept.address_lines == ["5 Bay Road", "Boston, MA 02110"]

    @pytest.mark.parametrize(
        ("sent", "field", "says"),
        [
            ({"tribute_name": "Ana"}, "kind", "Choose “in honor of” or “in memory of”, or empty what you wrote here."),
            (MEMORY | {"tribute_name": " "}, "tribute_name", "Write the name of the person."),
            (MEMORY | {"tribute_name": "see www.bad.example"}, "tribute_name", "Write it without web addresses."),
            (MEMORY | {"tribute_name": "A" * 121}, "tribute_name", "Use at most 120 characters. You have 121."),
            (MEMORY | {"tell_name": "Luis"}, "way", "Choose whether we tell them by e-card or by mail, or empty"),
            (CARD | {"tell_name": ""}, "tell_name", "Write who should get it."),
            (CARD | {"tell_email": ""}, "tell_email", "Write the e-mail address the card goes to."),
            (CARD | {"tell_email": "luis@"}, "tell_email", "That is not a whole e-mail address."),
            (CARD | {"tell_on": "soon"}, "tell_on", "Write the day like 2026-12-24."),
            (CARD | {"tell_on": "2020-01-01"}, "tell_on", "Choose a day from today on, at most a year away."),
            (CARD | {"tell_on": "9999-12-31"}, "tell_on", "Choose a day from today on, at most a year away."),
            (CARD | {"tell_message": "buy: http://x"}, "words", "Write it without web addresses."),
            (CARD | {"tell_message": "x" * 301}, "words", "Use at most 300 characters. You have 301."),
            (CARD | {"tell_consents": ""}, "tell_consents", "Tick this, or choose to tell nobody"),
            (NOTE | {"tell_address_line1": ""}, "tell_address_line1", "Write the street address the note goes to."),
            (NOTE | {"tell_city": ""}, "tell_city", "Write the city."),
        ],
    )
    def test_an_error_opens_the_part_stands_beside_its_field_and_loses_nothing(
        self, client, campaign, sent, field, says
    ):
        html = client.post("/give/", filled(client, **sent)).content.decode()
        assert part(html) == " open"
        assert says in (error_beside(html, field) if field in sent and field != "words" else html)
        for typed in sent.values():
            assert typed in html
        assert not Donation.objects.exists()

    def test_a_made_up_picture_is_the_plain_card(self, client, campaign):
        assert notice(give(client, **CARD, tell_picture="999999")).picture is None

    def test_hostile_names_stay_text_on_every_page(self, client, campaign):
        gift = give(client, **NOTE | {"tribute_name": HOSTILE, "tell_name": HOSTILE, "tribute_is_public": "on"})
        pay(gift)
        dana = staff.dana()
        pages = [
            client.get(f"/gifts/{gift.token}/"),
            dana.get(NOTES),
            dana.get(f"/staff/gifts/{gift.pk}/"),
            Client().get("/wall/?part"),
        ]
        for answer in pages:
            html = answer.content.decode()
            assert "&lt;b&gt;Ana&lt;/b&gt;" in html
            assert "<b>Ana" not in html


class TestTheCard:
    def test_it_goes_once_the_gift_is_paid_and_only_once(self, client, campaign, mailoutbox):
        gift = give(client, **CARD)
        assert not FollowUp.objects.filter(kind="ecard").exists()
        pay(gift)
        pay(gift)
        assert work_off(gift).state == "done"
        FollowUp.objects.filter(kind="ecard").update(state="due", due_at=timezone.now())
        assert work_off(gift).state == "done"
        [message] = mailoutbox
        assert (message.to, message.subject) == (
            ["luis@example.org"],
            "A gift in memory of Ana Ruiz: Harborview Hospital",
        )
        html = message.alternatives[0][0]
        for text in (
            "Dear Luis Ruiz",
            "Marta Reyes made a gift to Harborview Hospital in memory of Ana Ruiz",
            "With love.",
        ):
            assert text in message.body
            assert text in html
        assert "one card" in message.body
        for secret in ("$", "100.00", gift.token, "marta@example.org"):
            assert secret not in message.body + message.subject
        assert notice(gift).outcome == "sent"
        assert gift.notes.filter(text="Sent the e-card about the tribute.").count() == 1

    @pytest.mark.parametrize(
        ("company", "giver"), [("Pier Bank", "Marta Reyes of Pier Bank"), ("marta reyes", "Marta Reyes")]
    )
    def test_of_a_companys_gift_it_names_who_made_it_too(self, client, campaign, company, giver):
        gift = give(client, **CARD, company=company)
        letter = ecards.message(notice(gift))
        assert f"\n{giver} made a gift to Harborview Hospital" in letter.body
        assert f"{giver} gave us your address" in " ".join(letter.body.split())

    def test_it_waits_for_its_day_by_the_campaigns_clock(self, client, campaign, mailoutbox):
        gift = give(client, **CARD, tell_on=day(campaign, 30))
        pay(gift)
        row = FollowUp.objects.get(kind="ecard")
        local = row.due_at.astimezone(campaign.tz)
        assert (str(local.date()), local.hour, local.minute) == (day(campaign, 30), 9, 0)
        assert work_off(gift, now=row.due_at - timedelta(seconds=1)).state == "due"
        assert mailoutbox == []
        assert work_off(gift, now=row.due_at).state == "done"
        assert len(mailoutbox) == 1

    def test_for_today_it_goes_at_once_also_in_the_small_hours(self, campaign):
        night = factories.GIFT_AT.replace(hour=5, minute=30)  # half past midnight in Boston
        gift = factories.donation(campaign=campaign, at=night)
        made = Tribute.objects.create(donation=gift, kind="honor", name="Ana")
        TributeNotice.objects.create(
            tribute=made, way="email", recipient_email="l@example.org", send_on=night.date(), consented_at=night
        )
        tributes.owe(gift, now=night)
        assert FollowUp.objects.get(kind="ecard").due_at == night

    @pytest.mark.parametrize(("refunded_minor", "count"), [(9_999, 1), (10_000, 0)])
    def test_of_a_gift_that_went_back_in_full_none_goes(self, client, campaign, mailoutbox, refunded_minor, count):
        gift = give(client, **CARD)
        pay(gift)
        Donation.objects.filter(pk=gift.pk).update(refunded_minor=refunded_minor)
        assert work_off(gift).state == "done"
        assert len(mailoutbox) == count
        assert notice(gift).outcome == ("sent" if count else "returned")

    def test_while_its_payment_is_disputed_it_waits(self, client, campaign, mailoutbox):
        gift = give(client, **CARD)
        pay(gift)
        Donation.objects.filter(pk=gift.pk).update(disputed_at=timezone.now())
        row = work_off(gift)
        assert (row.state, row.attempts, mailoutbox) == ("due", 0, [])
        Donation.objects.filter(pk=gift.pk).update(disputed_at=None)
        assert work_off(gift, now=row.due_at).state == "done"
        assert len(mailoutbox) == 1

    def test_whoever_wants_no_cards_gets_none(self, client, campaign, mailoutbox):
        dana = staff.dana()
        assert dana.post("/admin/donations/nocardsaddress/add/", {"email": " Luis@Example.org"}).status_code == 302
        gift = give(client, **CARD)
        pay(gift)
        assert work_off(gift).state == "done"
        assert (mailoutbox, notice(gift).outcome) == ([], "unwanted")
        assert "E-card to Luis Ruiz: not sent" in words(client.get(gift.get_absolute_url()).content.decode())
        assert "they asked for no cards" in staff.text_of(dana.get(f"/staff/gifts/{gift.pk}/"))

    @pytest.mark.parametrize(
        ("most", "same"),
        [
            ("MOST_OF_A_DONOR", {}),
            ("MOST_TO_A_RECIPIENT", {"donor": "other", "source": "elsewhere"}),
            ("MOST_OF_A_PLACE", {"donor": "other", "email": "x@example.org"}),
        ],
    )
    def test_one_too_many_in_a_day_waits_and_is_not_lost(self, campaign, mailoutbox, monkeypatch, most, same):
        """Of one donor to one address, to one address from anywhere, to any address from one network."""
        monkeypatch.setattr(ecards, most, 2)

        def paid_card(number: int, *, email="luis@example.org", source="here", donor="same"):
            address = f"{donor}{number if donor == 'other' else ''}@example.org"
            gift = factories.donation(
                campaign=campaign, source=source, donor=factories.donor(email=address), at=timezone.now()
            )
            made = Tribute.objects.create(donation=gift, kind="honor", name="Ana")
            TributeNotice.objects.create(
                tribute=made, way="email", recipient_name="L", recipient_email=email, send_on=day(campaign),
                consented_at=gift.submitted_at,
            )  # fmt: skip
            tributes.owe(gift, now=gift.submitted_at)
            return gift

        for number in range(2):
            paid_card(number, **same)
        late = paid_card(2)
        states = [work_off(gift).state for gift in Donation.objects.order_by("pk")]
        assert states == ["done", "done", "due"]
        tomorrow = timezone.now() + timedelta(days=1, minutes=1)
        assert work_off(late, now=tomorrow).state == "done"
        assert len(mailoutbox) == 3

    def test_a_mail_server_that_is_away_is_tried_again_and_a_bad_address_waits_for_staff(
        self, client, campaign, mailoutbox, monkeypatch
    ):
        gift = give(client, **CARD)
        pay(gift)
        with monkeypatch.context() as away:
            away.setattr(mail, "deliver", lambda _: (_ for _ in ()).throw(mail.MailServerUnreachable("away")))
            assert work_off(gift).state == "due"
        assert notice(gift).outcome == ""
        refused = mail.MailRefused("550 5.1.1 no such user", permanent=True)
        with monkeypatch.context() as bad:
            bad.setattr(mail, "deliver", lambda _: (_ for _ in ()).throw(refused))
            assert work_off(gift, now=timezone.now() + timedelta(minutes=1)).state == "failed"
        assert "E-card refused by the mailbox" in staff.text_of(staff.dana().get("/staff/attention/"))
        assert (mailoutbox, notice(gift).outcome) == ([], "")

    @pytest.mark.parametrize("dies", ["before the mail server has it", "afterwards"])
    def test_a_worker_that_dies_loses_no_card(self, client, campaign, mailoutbox, monkeypatch, dies):
        """One that went already goes again under the same Message-ID, which mail programs show once."""
        gift = give(client, **CARD)
        pay(gift)
        deliver = mail.deliver

        def die(card):
            if dies == "afterwards":
                deliver(card)
            raise SystemExit

        with monkeypatch.context() as dying:
            dying.setattr(mail, "deliver", die)
            with pytest.raises(SystemExit):
                work_off(gift)
        assert notice(gift).outcome == ""
        assert work_off(gift, now=timezone.now() + timedelta(hours=1)).state == "done"
        assert notice(gift).outcome == "sent"
        assert len(mailoutbox) == (2 if dies == "afterwards" else 1)
        assert len({card.extra_headers["Message-ID"] for card in mailoutbox}) == 1

    def test_it_carries_the_picture_made_small(self, client, campaign, mailoutbox, settings, tmp_path):
        settings.MEDIA_ROOT = tmp_path
        large = BytesIO()
        Image.new("RGBA", (3000, 1500), "#14305c").save(large, "PNG")
        picture = CardPicture.objects.create(
            campaign=campaign, picture=SimpleUploadedFile("lilies.png", large.getvalue()), picture_alt="White lilies"
        )
        assert 'alt="White lilies"' in client.get("/give/").content.decode()
        gift = give(client, **CARD, tell_picture=str(picture.pk))
        assert notice(gift).picture == picture
        pay(gift)
        work_off(gift)
        [image] = [part for part in mailoutbox[0].attachments if isinstance(part, MIMEImage)]
        assert image["Content-ID"] == "<card>"
        assert Image.open(BytesIO(image.get_payload(decode=True))).size == (1056, 528)
        assert '<img src="cid:card" alt="White lilies"' in mailoutbox[0].alternatives[0][0]

    def test_a_picture_that_cannot_be_read_leaves_the_plain_card(self, client, campaign, mailoutbox):
        picture = CardPicture.objects.create(campaign=campaign, picture="cards/gone.jpg", picture_alt="Gone")
        gift = give(client, **CARD, tell_picture=str(picture.pk))
        pay(gift)
        assert work_off(gift).state == "done"
        assert mailoutbox[0].attachments == []
        assert "cid:card" not in mailoutbox[0].alternatives[0][0]

    def test_hostile_words_stay_text_in_it(self, client, campaign, mailoutbox):
        gift = give(client, **CARD | {"tribute_name": HOSTILE, "tell_message": "<script>x</script>\r\nBcc: a at b"})
        pay(gift)
        work_off(gift)
        html = mailoutbox[0].alternatives[0][0]
        assert "&lt;b&gt;Ana&lt;/b&gt;" in html
        assert "<script>" not in html
        assert "<script>x</script> Bcc: a at b" in mailoutbox[0].body
        assert mailoutbox[0].recipients() == ["luis@example.org"]


@pytest.mark.django_db(transaction=True)
def test_of_two_workers_at_once_one_sends_it(client, mailoutbox):
    open_campaign()
    gift = give(client, **CARD)
    pay(gift)
    start = Barrier(2)
    assert notice(gift).outcome == ""  # the control: both would find it unsent

    def work():
        start.wait(PATIENCE_SECONDS)
        work_off(gift)
        connection.close()

    workers = [Thread(target=work) for _ in range(2)]
    [worker.start() for worker in workers]
    [worker.join(10) for worker in workers]
    assert len(mailoutbox) == 1


class TestNotesByPost:
    def test_it_waits_until_the_gift_is_paid_and_somebody_posted_it(self, client, campaign):
        gift, dana = give(client, **NOTE), staff.dana()
        assert "Nothing to post." in staff.text_of(dana.get(NOTES))
        pay(gift)
        page = staff.text_of(dana.get(NOTES))
        for text in (
            "1 note about",
            "Luis Ruiz",
            "5 Bay Road",
            "Marta Reyes made a gift in memory of Ana Ruiz.",
            "With love.",
        ):
            assert text in page
        assert "$" not in page
        waiting = notice(gift)
        assert dana.post(NOTES, {"notice": [waiting.pk, "nonsense"]}).status_code == 302
        assert "Tick the notes that were posted first" in staff.text_of(
            dana.post(NOTES, {"notice": [waiting.pk]}, follow=True)
        )
        assert notice(gift).outcome == "posted"
        assert gift.notes.filter(text="The note about the tribute was posted.").count() == 1
        assert not FollowUp.objects.filter(kind="ecard").exists()

    def test_of_a_gift_that_went_back_none_is_listed(self, client, campaign):
        gift = give(client, **NOTE)
        pay(gift)
        Donation.objects.filter(pk=gift.pk).update(refunded_minor=gift.amount_minor)
        assert not tributes.to_post(campaign=campaign).exists()
        assert tributes.mark_posted(campaign=campaign, notice_ids=[notice(gift).pk], actor="a", now=timezone.now()) == 0

    def test_strangers_do_not_see_it(self, client, campaign):
        assert staff.olga().get(NOTES).status_code == 403
        assert client.get(NOTES).status_code == 302
        assert client.post(NOTES, {"notice": ["1"]}).status_code == 302


class TestInPublicAndOnPaper:
    @pytest.mark.parametrize(("is_public", "shown"), [(True, "in honor of Ana Ruiz"), (False, "")])
    def test_the_wall_says_it_only_if_the_donor_allows(self, client, campaign, is_public, shown):
        gift = factories.donation(campaign=campaign, at=campaign.opens_at)
        Tribute.objects.create(donation=gift, kind="honor", name="Ana Ruiz", is_public=is_public)
        assert [row.tribute for row in recent_public_gifts(campaign_id=campaign.pk)] == [shown]
        assert ("Ana Ruiz" in client.get("/wall/?part").content.decode()) is is_public

    def test_the_receipt_names_it_and_others_stay_as_they_were(self, campaign, mailoutbox):
        gift = factories.donation(campaign=campaign, at=campaign.opens_at)
        Tribute.objects.create(donation=gift, kind="memory", name="Ana Ruiz")
        receipt = receipts.issue_receipt(donation_id=gift.pk, now=timezone.now())
        assert receipt.content["tribute"] == "Given in memory of Ana Ruiz."
        assert render_receipt(receipt).startswith(b"%PDF")
        mail.send_receipt(receipt_id=receipt.pk, now=timezone.now())
        assert "Given in memory of Ana Ruiz." in mailoutbox[0].body
        assert "Given in memory of Ana Ruiz." in mailoutbox[0].alternatives[0][0]
        plain = receipts.issue_receipt(donation_id=factories.donation(campaign=campaign).pk, now=timezone.now())
        assert "tribute" not in plain.content

    def test_the_donors_page_says_what_became_of_it(self, client, campaign, mailoutbox):
        gift = give(client, **CARD)
        pay(gift)
        assert "E-card to Luis Ruiz, goes on" in words(client.get(f"/gifts/{gift.token}/").content.decode())
        work_off(gift)
        html = words(client.get(f"/gifts/{gift.token}/").content.decode())
        assert "E-card to Luis Ruiz: sent" in html
        assert "luis@example.org" not in html


class TestForgetting:
    def personal(self, gift) -> set[str]:
        found = notice(gift)
        return {getattr(found, name) for name in TributeNotice.PERSONAL}

    def test_who_was_told_is_forgotten_after_three_months(self, client, campaign, mailoutbox):
        gift = give(client, **CARD)
        pay(gift)
        work_off(gift)
        done_at = notice(gift).done_at
        assert tributes.forget(now=done_at + tributes.KEPT_FOR) == 0
        later = done_at + tributes.KEPT_FOR + timedelta(seconds=1)
        assert tributes.forget(now=later) == 1
        assert tributes.forget(now=later) == 0
        assert self.personal(gift) == {""}
        assert (notice(gift).outcome, notice(gift).forgotten_at) == ("sent", later)
        assert gift.tribute.name == "Ana Ruiz"
        assert client.get(f"/gifts/{gift.token}/").status_code == 200
        assert staff.dana().get(f"/staff/gifts/{gift.pk}/").status_code == 200

    @pytest.mark.parametrize("end", ["left", "returned", "waits"])
    def test_a_gift_that_came_to_nothing_too_and_one_that_waits_not(self, client, campaign, end):
        gift = give(client, **NOTE)
        if end != "left":
            pay(gift)
        changes = {"left": {"state": "abandoned"}, "returned": {"refunded_minor": gift.amount_minor}, "waits": {}}[end]
        Donation.objects.filter(pk=gift.pk).update(**changes) if changes else None
        assert tributes.forget(now=timezone.now() + tributes.KEPT_FOR + timedelta(hours=1)) == (end != "waits")
        assert (self.personal(gift) == {""}) is (end != "waits")

    def test_the_database_wants_an_address_until_then(self, client, campaign):
        gift = give(client, **CARD)
        with pytest.raises(IntegrityError, match="notice_has_where_to_go"), transaction.atomic():
            TributeNotice.objects.update(recipient_email="")
        with pytest.raises(IntegrityError, match="notice_done_has_moment"), transaction.atomic():
            TributeNotice.objects.update(outcome="sent")
        assert notice(gift).outcome == ""
