"""The one e-mail to a donor who asked for it and did not finish: when it goes out, when never, and where it leads."""

import threading
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from donations import follow_ups, gateway, giving, mail, payments, reminders
from donations.gateway import Payment
from donations.models import Donation, Donor, FollowUp
from matching import holds
from tests import factories
from tests.beside import PATIENCE_SECONDS
from tests.donations.give_form import filled, give, hidden, open_campaign, post, words
from tests.paying import started_gift

pytestmark = pytest.mark.django_db

AFTER = timedelta(seconds=900 + 3600)
EMAIL = "marta@example.org"


@pytest.fixture
def campaign(settings):
    settings.REMINDER_SECONDS = 3600
    made = open_campaign()
    factories.pool(campaign=made)
    return made


def asked(campaign, **changes):
    """A gift whose form asked for a reminder."""
    return started_gift(campaign, **{"donor_email": EMAIL, "wants_reminder": True} | changes)


def work_off(gift, *, now):
    """What a worker does with the reminder at that moment; how the row stands then."""
    row = FollowUp.objects.get(donation=gift, kind="reminder")
    follow_ups.run(follow_up_id=row.pk, now=now)
    row.refresh_from_db()
    return row


def later(gift, after=AFTER):
    return gift.submitted_at + after


def payment_of(gift, status):
    return Payment(
        payment_intent=gift.payment_intent or f"pi_{gift.pk}",
        status=status,
        amount_minor=gift.total_minor,
        currency=gift.currency,
        gift_key=str(gift.match_key),
        client_secret="",
    )


class TestAsking:
    def test_the_box_is_there_and_not_ticked(self, client, campaign):
        html = client.get("/give/").content.decode()
        assert '<input type="checkbox" name="wants_reminder">' in html

    def test_nobody_who_did_not_ask_is_owed_one(self, client, campaign):
        gift = give(client)
        assert (gift.wants_reminder, gift.follow_ups.count()) == (False, 0)

    def test_who_asks_is_owed_one_after_the_hold_and_an_hour(self, client, campaign):
        gift = give(client, wants_reminder="on")
        assert list(gift.follow_ups.values_list("kind", "state", "due_at")) == [("reminder", "due", later(gift))]

    def test_it_stays_ticked_when_the_form_comes_back(self, client, campaign):
        html = client.post("/give/", filled(client, wants_reminder="on", donor_name="")).content.decode()
        assert 'name="wants_reminder" checked' in html

    @pytest.mark.parametrize("off", ["setting", "campaign over"])
    def test_it_is_not_offered_nor_owed_where_it_could_not_be_sent(self, client, campaign, settings, off):
        if off == "setting":
            settings.REMINDER_SECONDS = 0
        else:
            campaign.closes_at = timezone.now() - timedelta(minutes=1)
            campaign.save()
        assert "wants_reminder" not in client.get("/give/").content.decode()
        assert give(client, wants_reminder="on").follow_ups.count() == 0

    def test_it_is_not_sent_after_it_was_switched_off(self, campaign, settings, mailoutbox):
        gift = asked(campaign)
        settings.REMINDER_SECONDS = 0
        assert (work_off(gift, now=later(gift)).state, mailoutbox) == ("done", [])


class TestSending:
    def test_it_is_sent_once(self, campaign, mailoutbox):
        gift = asked(campaign, donor_name="Buy now at http://bad.example")
        assert work_off(gift, now=later(gift)).state == "done"
        FollowUp.objects.update(state="due", due_at=later(gift))
        assert work_off(gift, now=later(gift)).state == "done"
        [message] = mailoutbox
        assert (message.to, message.subject) == ([EMAIL], "Your gift is not finished yet: Harborview Hospital")
        assert message.extra_headers["List-Unsubscribe"] == (
            "<mailto:giving@harborview.example?subject=No%20fundraising%20messages>"
        )
        html = message.alternatives[0][0]
        for text in (
            "You began a gift of $100.00 for Education and asked us for one e-mail",
            "Nothing was charged.",
            "The match of $100.00 that we held for you went back",
            f"http://127.0.0.1:8000/gifts/{gift.token}/finish/",
            "no other follows",
            "No fundraising messages",
        ):
            assert text in " ".join(message.body.split())
            assert text in html.replace("&#x27;", "'").replace("No%20fundraising%20messages", "")
        assert "bad.example" not in message.body + html
        assert [note.text for note in gift.notes.all()][-1] == "Reminded the donor by e-mail, as asked."

    def test_while_the_hold_stands_it_waits(self, campaign, mailoutbox):
        gift = asked(campaign)
        pressed = later(gift, timedelta(minutes=14))
        Donation.objects.filter(pk=gift.pk).update(pressed_at=pressed)
        holds.extend(key=gift.match_key, until=pressed + payments.WHILE_PAYING)
        row = work_off(gift, now=later(gift))
        assert (row.state, row.attempts, row.due_at) == ("due", 0, pressed + timedelta(minutes=70))
        assert mailoutbox == []
        assert work_off(gift, now=row.due_at).state == "done"
        assert len(mailoutbox) == 1

    def test_a_gift_that_was_left_is_reminded_of_an_hour_after(self, campaign, mailoutbox):
        gift = asked(campaign)
        left_at = later(gift, timedelta(minutes=50))
        giving.abandon_gift(donation_id=gift.pk, now=left_at, actor="donor")
        assert work_off(gift, now=later(gift)).due_at == left_at + timedelta(hours=1)
        work_off(gift, now=left_at + timedelta(hours=1))
        assert len(mailoutbox) == 1

    def test_a_mail_server_that_is_away_is_tried_again(self, campaign, mailoutbox, monkeypatch):
        gift = asked(campaign)
        with monkeypatch.context() as away:
            away.setattr(mail, "deliver", lambda message: (_ for _ in ()).throw(mail.MailServerUnreachable("away")))
            row = work_off(gift, now=later(gift))
        assert (row.state, Donation.objects.get().reminded_at) == ("due", None)
        assert work_off(gift, now=row.due_at).state == "done"
        assert len(mailoutbox) == 1

    def test_a_worker_that_dies_sends_none_rather_than_two(self, campaign, mailoutbox, monkeypatch):
        gift = asked(campaign)
        with monkeypatch.context() as dying:
            dying.setattr(mail, "deliver", lambda message: (_ for _ in ()).throw(SystemExit))
            with pytest.raises(SystemExit):
                work_off(gift, now=later(gift))
        assert work_off(gift, now=later(gift) + timedelta(hours=1)).state == "done"
        assert mailoutbox == []


NEVER = {
    "paid": lambda gift, now: payments.settle(donation_id=gift.pk, payment=payment_of(gift, "succeeded"), now=now),
    "being debited": lambda gift, now: payments.settle(
        donation_id=gift.pk, payment=payment_of(gift, "processing"), now=now
    ),
    "cancelled at Stripe": lambda gift, now: payments.settle(
        donation_id=gift.pk, payment=payment_of(gift, "canceled"), now=now
    ),
    "paid by another gift": lambda gift, now: factories.donation(
        campaign=gift.campaign, donor=gift.donor, donor_name="Marta", at=now
    ),
    "a newer gift that asks for none": lambda gift, now: started_gift(gift.campaign, donor_email=EMAIL.upper()),
    "over": lambda gift, now: type(gift.campaign).objects.update(closes_at=later(gift)),
    "another campaign is on": lambda gift, now: type(gift.campaign).objects.update(is_current=False),
    "no fundraising messages": lambda gift, now: Donor.objects.update(opted_out_at=now),
    "a robot's form": lambda gift, now: Donation.objects.update(suspicion="sent at once"),
    "a refused scheduled gift": lambda gift, now: Donation.objects.update(pay_by=now),
}


class TestNever:
    @pytest.mark.parametrize("why", NEVER)
    def test_it_is_not_sent_when(self, campaign, mailoutbox, why):
        gift = asked(campaign)
        NEVER[why](gift, gift.submitted_at + timedelta(minutes=1))
        assert (work_off(gift, now=later(gift)).state, mailoutbox) == ("done", [])
        assert Donation.objects.get(pk=gift.pk).reminded_at is None

    def test_a_second_gift_of_a_reminded_donor_gets_none(self, campaign, mailoutbox):
        first = asked(campaign)
        work_off(first, now=later(first))
        second = asked(campaign, amount_minor=5_000)
        assert work_off(second, now=later(second)).state == "done"
        assert len(mailoutbox) == 1

    def test_the_database_itself_refuses_a_second_one(self, campaign):
        now = timezone.now()
        gifts = [asked(campaign), asked(campaign)]
        with pytest.raises(IntegrityError, match="one_reminder_per_donor"), transaction.atomic():
            Donation.objects.filter(pk__in=[gift.pk for gift in gifts]).update(reminded_at=now)
        unasked = started_gift(campaign)
        with pytest.raises(IntegrityError, match="reminder_was_asked_for"), transaction.atomic():
            Donation.objects.filter(pk=unasked.pk).update(reminded_at=now)

    def test_a_payment_that_no_event_spoke_of_is_asked_about_first(self, campaign, mailoutbox, monkeypatch):
        gift = asked(campaign)
        Donation.objects.update(payment_intent="pi_1")
        monkeypatch.setattr(gateway, "retrieve_payment", lambda _: payment_of(gift, "succeeded"))
        assert work_off(gift, now=later(gift)).due_at == later(gift) + timedelta(hours=1)
        monkeypatch.setattr(gateway, "retrieve_payment", lambda _: (_ for _ in ()).throw(gateway.GatewayUnavailable))
        row = work_off(gift, now=later(gift) + timedelta(hours=1))
        assert (row.state, row.attempts, mailoutbox) == ("due", 1, [])
        monkeypatch.setattr(gateway, "retrieve_payment", lambda _: payment_of(gift, "requires_payment_method"))
        work_off(gift, now=row.due_at)
        assert len(mailoutbox) == 1

    def test_another_gift_of_the_donor_that_may_be_being_paid_puts_it_off(self, campaign, mailoutbox):
        older = started_gift(campaign, donor_email=EMAIL)
        gift = asked(campaign)
        Donation.objects.filter(pk=older.pk).update(pressed_at=later(gift))
        assert work_off(gift, now=later(gift)).due_at == later(gift) + timedelta(hours=1)
        assert mailoutbox == []

    def test_one_network_cannot_have_many_strangers_written_to(self, campaign, mailoutbox, monkeypatch):
        monkeypatch.setattr(reminders, "MOST_FROM_A_SOURCE", 2)
        gifts = [asked(campaign, donor_email=f"stranger-{number}@example.org", source="one") for number in range(3)]
        for gift in gifts:
            work_off(gift, now=later(gifts[-1]))
        assert len(mailoutbox) == 2


@pytest.mark.django_db(transaction=True)
class TestRaces:
    def test_paid_in_the_same_second(self, campaign, mailoutbox):
        """The payment has the gift's lock: the reminder waits for it, and is not sent."""
        gift = asked(campaign)
        has_lock, reads = threading.Event(), threading.Event()

        def pay():
            with transaction.atomic():
                payments.settle(donation_id=gift.pk, payment=payment_of(gift, "succeeded"), now=timezone.now())
                has_lock.set()
                reads.wait(PATIENCE_SECONDS)
            connection.close()

        paying = threading.Thread(target=pay)
        paying.start()
        assert has_lock.wait(PATIENCE_SECONDS)
        # The control: without the lock the gift still looks unpaid.
        assert reminders._is_wanted(Donation.objects.get(pk=gift.pk), now=later(gift))
        threading.Timer(0.2, reads.set).start()
        work_off(gift, now=later(gift))
        paying.join()
        assert (Donation.objects.get(pk=gift.pk).state, mailoutbox) == ("paid", [])

    def test_of_two_gifts_of_a_donor_and_two_workers_for_each_one_is_sent(self, campaign, mailoutbox, monkeypatch):
        gifts = [asked(campaign), asked(campaign)]
        wanted, start = reminders._is_wanted, threading.Barrier(4)
        monkeypatch.setattr(
            reminders,
            "_is_wanted",
            lambda gift, *, now: (
                gift.reminded_at is None
                and not Donation.objects.filter(donor=gift.donor_id, reminded_at__isnull=False).exists()
            ),
        )
        assert wanted(gifts[1], now=later(gifts[1]))

        def work(gift):
            start.wait(PATIENCE_SECONDS)
            reminders.remind(donation_id=gift.pk, now=later(gifts[1]))
            connection.close()

        workers = [threading.Thread(target=work, args=(gift,)) for gift in gifts * 2]
        [worker.start() for worker in workers]
        [worker.join(10) for worker in workers]
        assert len(mailoutbox) == 1
        assert Donation.objects.filter(reminded_at__isnull=False).count() == 1


class TestLink:
    def test_a_gift_whose_hold_ended_leads_to_its_payment_step(self, client, campaign):
        gift = give(client)
        answer = Client().get(f"/gifts/{gift.token}/finish/")
        assert (answer.status_code, answer["Location"]) == (303, f"/gifts/{gift.token}/pay/")

    @pytest.mark.parametrize("days", [0, 5])
    def test_a_gift_that_was_left_leads_to_the_form_filled_in_however_late(self, client, campaign, days):
        gift = give(client, other_amount="70", city="Boston", wants_reminder="on")
        post(client, gift, "change/")
        Donation.objects.update(submitted_at=gift.submitted_at - timedelta(days=days))
        other = Client()
        answer = other.get(f"/gifts/{gift.token}/finish/")
        html = other.get(answer["Location"]).content.decode()
        assert answer["Location"] == "/give/"
        for text in ('value="Marta Reyes"', 'value="Boston"', 'value="70.00"', 'name="wants_reminder" checked'):
            assert text in html

    def test_a_mail_program_that_looks_changes_nothing(self, client, campaign):
        gift = give(client)
        before = Donation.objects.values().get()
        for _ in range(2):
            Client().get(f"/gifts/{gift.token}/finish/")
        assert Donation.objects.values().get() == before
        assert Client().post(f"/gifts/{gift.token}/finish/").status_code == 405

    @pytest.mark.parametrize("state", ["paid", "processing"])
    def test_a_gift_that_was_finished_leads_to_its_page(self, client, campaign, state):
        gift = give(client)
        Donation.objects.update(state=state, paid_at=timezone.now() if state == "paid" else None)
        assert Client().get(f"/gifts/{gift.token}/finish/")["Location"] == f"/gifts/{gift.token}/"

    def test_a_stranger_finds_nothing(self, client, campaign):
        assert client.get("/gifts/made-up/finish/").status_code == 404


class TestComingBack:
    """What the form says to a browser that began a gift: also when the answer to the form never came."""

    def test_the_answer_to_the_form_was_lost(self, client, campaign):
        before = client.get("/give/").cookies["gift_form"].value
        give(client, city="Boston")
        client.cookies["gift_form"] = before
        html = client.get("/give/").content.decode()
        gift = Donation.objects.get()
        assert "Your gift of $100.00 is not paid yet. Continue to payment or change it here." in words(html)
        assert f'href="/gifts/{gift.token}/pay/"' in html
        assert 'value="Boston"' in html

    def test_give_was_pressed_and_its_answer_was_lost(self, client, campaign):
        gift = give(client)
        Donation.objects.update(tries=1, payment_intent="pi_1")
        html = client.get("/give/").content.decode()
        assert "You began to pay $100.00. See first whether it went through" in words(html)
        assert f'href="/gifts/{gift.token}/?look=1"' in html

    @pytest.mark.parametrize(
        ("state", "says"),
        [("processing", "is being paid: please do not give it again"), ("scheduled", "is scheduled. See it")],
    )
    def test_it_is_on_its_way(self, client, campaign, state, says):
        gift = give(client)
        changes = {"way": "scheduled", "charge_at": timezone.now(), "scheduled_at": timezone.now()}
        more = changes | {"payment_method": "pm_1"} if state == "scheduled" else {}
        Donation.objects.update(state=state, **more)
        html = client.get("/give/").content.decode()
        assert says in words(html)
        assert f'href="/gifts/{gift.token}/"' in html
        assert "Marta" not in html
        key = hidden(html, "form_key")
        assert hidden(client.get("/give/?new=1", follow=True).content.decode(), "form_key") != key

    def test_a_browser_is_somebody_elses_an_hour_later(self, client, campaign):
        gift = give(client)
        Donation.objects.update(submitted_at=gift.submitted_at - timedelta(hours=2))
        html = client.get("/give/").content.decode()
        assert "Marta" not in html
        assert gift.token not in html
