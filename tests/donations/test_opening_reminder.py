"""`/remind-me/`: one e-mail when the campaign begins, only to who asked for it and said so twice."""

from datetime import timedelta

import pytest
from django.core import mail as outbox
from django.utils import timezone

from campaign.countdown import end_text
from donations import openings, tasks
from donations.models import Donor, OpeningMail, OpeningReminder
from tests import factories
from tests.donations.give_form import error_beside, words

pytestmark = pytest.mark.django_db
EMAIL = "marta@example.org"


@pytest.fixture
def campaign():
    factories.organization()
    opens_at = timezone.now() + timedelta(days=2)
    return factories.campaign(opens_at=opens_at, closes_at=opens_at + timedelta(days=1))


@pytest.fixture(autouse=True)
def woken(monkeypatch):
    """Ids that workers were sent, instead of messages to a broker."""
    sent: list[int] = []
    for module in ("donations.views.opening.wake", "donations.tasks.wake"):
        monkeypatch.setattr(module, lambda task, row_id, **options: sent.append(row_id))
    return sent


def asked(client, email: str = EMAIL) -> OpeningReminder:
    """Somebody asks on the page, and the question goes out."""
    assert client.post("/remind-me/", {"email": email}).status_code == 200
    reminder = OpeningReminder.objects.get(email=email.lower())
    assert openings.run(mail_id=reminder.mails.get().pk, now=timezone.now())
    return reminder


def confirmed(client, email: str = EMAIL) -> OpeningReminder:
    reminder = asked(client, email)
    client.post(address(reminder), {"do": "confirm"})
    outbox.outbox.clear()
    return reminder


def address(reminder: OpeningReminder) -> str:
    return f"/remind-me/{openings.token_of(reminder)}/"


def news(reminder: OpeningReminder) -> OpeningMail:
    return reminder.mails.get(kind="opening")


def heading(answer) -> str:
    return answer.content.decode().partition("<h1>")[2].partition("</h1>")[0]


class TestAsking:
    def test_the_announcement_asks_for_an_address_and_sets_no_cookie(self, client, campaign):
        page = client.get("/")
        assert '<form class="remind" method="post" action="/remind-me/">' in page.content.decode()
        assert (page.cookies, "csrf" in page.content.decode()) == ({}, False)

    def test_the_question_goes_to_the_address_once(self, client, campaign, woken):
        answer = client.post("/remind-me/", {"email": " Marta@Example.org "})
        assert (heading(answer), answer.cookies) == ("Please check your inbox", {})
        reminder = OpeningReminder.objects.get()
        assert (reminder.email, reminder.confirmed_at, woken) == (EMAIL, None, [reminder.mails.get().pk])
        assert openings.run(mail_id=woken[0], now=timezone.now())
        assert not openings.run(mail_id=woken[0], now=timezone.now())
        [letter] = outbox.outbox
        assert (letter.to, letter.subject) == ([EMAIL], "Shall we remind you of Giving Tuesday?")
        assert f"http://testserver{address(reminder)}".rpartition("testserver")[2] in letter.body
        assert letter.extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert address(reminder) in letter.extra_headers["List-Unsubscribe"]

    @pytest.mark.parametrize(
        ("typed", "said"),
        [
            ("", "Write your e-mail address."),
            ("marta@", "That is not a whole e-mail address. Write it like name@example.org."),
            ("a@b.org\nBcc: x@y.org", "That is not a whole e-mail address. Write it like name@example.org."),
            ("x" * 250 + "@example.org", "An e-mail address has at most 254 characters. Please check it."),
        ],
    )
    def test_what_is_no_address_is_said_beside_the_field_and_kept(self, client, campaign, typed, said):
        html = client.post("/remind-me/", {"email": typed}).content.decode()
        assert error_beside(html, "email") == said
        assert not OpeningReminder.objects.exists()
        assert typed.partition("\n")[0] in html

    def test_asking_again_says_the_same_and_sends_nothing_within_a_day_nor_a_fourth_time(self, client, campaign):
        reminder = asked(client)
        for day in (1, 1, 2, 3, 4):
            now = reminder.asked_at + timedelta(hours=20 * day)
            openings.ask(campaign=campaign, email=EMAIL, source="", now=now)
        reminder.refresh_from_db()
        assert reminder.times_asked == 3
        assert heading(client.post("/remind-me/", {"email": EMAIL})) == "Please check your inbox"

    def test_one_network_and_all_together_ask_only_so_often(self, client, campaign, monkeypatch):
        monkeypatch.setattr(openings, "MOST_OF_A_SOURCE", 2)
        for name in ("a", "b"):
            asked(client, f"{name}@example.org")
        refused = client.post("/remind-me/", {"email": EMAIL})
        assert refused.status_code == 429
        assert "Please try again in an hour." in words(refused.content.decode())
        assert f'value="{EMAIL}"' in refused.content.decode()
        now = timezone.now()
        assert openings.ask(campaign=campaign, email="c@example.org", source="elsewhere", now=now)
        assert openings.ask(campaign=campaign, email=EMAIL, source="elsewhere2", now=now + openings.WINDOW)
        monkeypatch.setattr(openings, "MOST_IN_ALL", 1)
        with pytest.raises(openings.TooManyAsk):
            openings.ask(campaign=campaign, email="d@example.org", source="", now=now)

    def test_a_robot_is_told_what_everybody_is_and_causes_no_mail(self, client, campaign):
        answer = client.post("/remind-me/", {"email": EMAIL, "website": "x"})
        assert heading(answer) == "Please check your inbox"
        assert not OpeningReminder.objects.exists()

    def test_nothing_is_asked_once_it_has_begun_or_without_a_campaign(self, client, campaign):
        campaign.opens_at = timezone.now() - timedelta(minutes=1)
        campaign.save()
        answer = client.post("/remind-me/", {"email": EMAIL})
        assert (answer.status_code, heading(answer)) == (409, "There is nothing to wait for")
        campaign.delete()
        assert heading(client.get("/remind-me/")) == "There is nothing to wait for"
        assert not OpeningReminder.objects.exists()


class TestAnswering:
    def test_looking_at_the_link_changes_nothing_and_a_button_confirms_once(self, client, campaign):
        reminder = asked(client)
        assert heading(client.get(address(reminder))) == "Shall we remind you?"
        reminder.refresh_from_db()
        assert reminder.confirmed_at is None
        assert heading(client.post(address(reminder), {"do": "confirm"})) == "We will remind you"
        assert heading(client.post(address(reminder), {"do": "confirm"})) == "You are on the list already"
        assert heading(client.get(address(reminder))) == "You are on the list already"
        assert (news(reminder).state, news(reminder).due_at) == ("due", campaign.opens_at)

    @pytest.mark.parametrize("sent", [{"do": "stop"}, {"List-Unsubscribe": "One-Click"}])
    def test_one_click_stops_it_and_it_can_be_had_after_all(self, client, campaign, sent):
        reminder = confirmed(client)
        assert heading(client.post(address(reminder), sent)) == "You get no reminder"
        assert heading(client.get(address(reminder))) == "You get no reminder"
        assert openings.run(mail_id=news(reminder).pk, now=campaign.opens_at)
        assert outbox.outbox == []
        assert heading(client.post(address(reminder), {"do": "confirm"})) == "We will remind you"
        assert news(reminder).state == "due"

    @pytest.mark.parametrize("token", ["1", "1:forged", "x" * 300, "%00"])
    def test_a_link_that_is_not_ours_says_so(self, client, campaign, token):
        answer = client.get(f"/remind-me/{token}/")
        assert (answer.status_code, heading(answer)) == (404, "This link does not work")
        assert client.post(f"/remind-me/{token}/", {"do": "confirm"}).status_code == 404

    def test_nobody_else_may_keep_or_frame_its_page(self, client, campaign):
        answer = client.get(address(asked(client)))
        assert answer["Cache-Control"] == "private, no-store"
        assert answer["X-Robots-Tag"] == "noindex, nofollow"
        assert client.put("/remind-me/").status_code == 405


class TestTheMail:
    def test_it_goes_out_at_the_opening_and_once(self, client, campaign, woken):
        reminder = confirmed(client)
        woken.clear()
        before, at = campaign.opens_at - timedelta(seconds=1), campaign.opens_at
        assert not openings.run(mail_id=news(reminder).pk, now=before)
        assert outbox.outbox == []
        assert openings.run(mail_id=news(reminder).pk, now=at)
        assert not openings.run(mail_id=news(reminder).pk, now=at)
        [letter] = outbox.outbox
        assert letter.subject == "Giving Tuesday has begun"
        assert f"It ends {end_text(campaign.closes_at, campaign=campaign)}." in letter.body
        assert "Dear" not in letter.body

    def test_the_sweep_wakes_it_also_when_the_opening_was_moved(self, client, campaign, woken):
        reminder = confirmed(client)
        woken.clear()
        campaign.opens_at = timezone.now() - timedelta(hours=1)
        campaign.save()
        tasks._wake_opening_mails()
        assert news(reminder).due_at <= timezone.now() + timedelta(seconds=5)
        OpeningMail.objects.update(due_at=timezone.now() - timedelta(minutes=1))
        OpeningMail.objects.filter(kind="question").update(state="done")
        tasks._wake_opening_mails()
        assert woken == [news(reminder).pk]
        later = timezone.now() + timedelta(days=1)
        campaign.opens_at, campaign.closes_at = later, later + timedelta(days=1)
        campaign.save()
        assert not openings.run(mail_id=news(reminder).pk, now=timezone.now())
        assert (news(reminder).due_at, news(reminder).attempts) == (later, 0)

    def test_who_asked_for_no_fundraising_messages_since_gets_none(self, client, campaign):
        reminder = confirmed(client)
        Donor.objects.create(email=EMAIL, name="Marta", opted_out_at=timezone.now())
        assert openings.run(mail_id=news(reminder).pk, now=campaign.opens_at)
        assert outbox.outbox == []

    def test_a_mail_server_that_is_away_is_tried_again(self, client, campaign, settings):
        reminder = confirmed(client)
        settings.EMAIL_BACKEND, settings.EMAIL_PORT = "django.core.mail.backends.smtp.EmailBackend", 1
        assert not openings.run(mail_id=news(reminder).pk, now=campaign.opens_at)
        row = news(reminder)
        assert (row.state, row.attempts, row.due_at) == ("due", 1, campaign.opens_at + timedelta(seconds=15))
        assert row.last_error.startswith("MailServerUnreachable")

    def test_addresses_go_after_the_campaign_or_a_week_without_an_answer(self, client, campaign):
        kept, asked_only, stopped = (confirmed(client, "a@b.org"), asked(client, "b@b.org"), asked(client, "c@b.org"))
        openings.stop(reminder_id=stopped.pk, now=timezone.now())
        assert openings.forget(now=timezone.now()) == 0
        OpeningReminder.objects.update(asked_at=timezone.now() - timedelta(days=8))
        assert openings.forget(now=timezone.now()) == 1
        assert list(OpeningReminder.objects.values_list("pk", flat=True)) == [kept.pk, stopped.pk]
        assert openings.reminder_of(openings.token_of(asked_only)) is None
        assert openings.forget(now=campaign.closes_at) == 2
        assert not OpeningMail.objects.exists()
