"""/staff/attention/: everything that needs a person, ticked off with a reason, tried again, or listed anew."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from donations import tasks, tick_offs
from donations.models import Donation, FollowUp, FraudWarning, OpeningMail, Reversal, StripeEvent, TickOff
from tests import factories, staff
from tests.factories import GIFT_AT

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 12, 1, 14, 14, 7, tzinfo=UTC)


@pytest.fixture
def gift():
    return factories.donation(campaign=factories.campaign(), payment_intent="pi_1")


@pytest.fixture
def one_of_each(gift):
    """A thing of every kind; the events' version tells a thing from what it becomes."""
    Donation.objects.update(match_shortfall_minor=4_000)
    reversal = {"donation": gift, "amount_minor": 2_500, "created_at": GIFT_AT, "changed_at": GIFT_AT}
    failed = {"donation": gift, "state": "failed", "due_at": GIFT_AT, "last_error": "Oh: no"}
    event = {"state": "failed", "payload": {}, "created_at": GIFT_AT, "due_at": GIFT_AT, "last_error": "Oh: no"}
    return {
        "event": StripeEvent.objects.create(event_id="evt_1", type="refund.updated", payment_intent="pi_1", **event),
        "dispute": Reversal.objects.create(kind="dispute", stripe_id="du_1", status="needs_response", **reversal),
        "refund": Reversal.objects.create(kind="refund", stripe_id="re_1", status="failed", **reversal),
        "warning": FraudWarning.objects.create(
            donation=gift, stripe_id="issfr_1", fraud_type="made_with_stolen_card", created_at=GIFT_AT
        ),
        "short": gift,
        **{kind: FollowUp.objects.create(kind=kind, **failed) for kind in ("receipt", "email", "match", "ecard")},
        "news": FollowUp.objects.create(kind="refused", **failed),
        "opening": failed_opening(gift.campaign, "opening", attempts=1),
    }


def failed_opening(campaign, kind, *, attempts):
    """A mail about the opening that is not tried any more."""
    email = f"{kind}-{attempts}@example.org"
    reminder = campaign.opening_reminders.create(email=email, asked_at=GIFT_AT, confirmed_at=GIFT_AT)
    return reminder.mails.create(
        kind=kind, state="failed", attempts=attempts, due_at=GIFT_AT, last_error="MailNotSent: no such mailbox"
    )


def version_of(kind, row):
    return tick_offs.open_rows(kind).get(pk=row.pk).version


def tick(person, kind, row, *, reason="Called the donor.", version=None):
    sent = {"reason": reason, "version": version_of(kind, row) if version is None else version}
    return person.post(f"/staff/attention/{kind}/{row.pk}/", sent, follow=True)


def test_every_kind_is_listed_with_what_to_do(one_of_each):
    assert set(one_of_each) == set(tick_offs.KINDS)
    page = staff.text_of(staff.dana().get("/staff/attention/"))
    for kind in tick_offs.KINDS.values():
        assert str(kind.title) in page
    for words in (
        "opening-1@example.org: MailNotSent: no such mailbox",
        "refund.updated: Oh: no",
        "$40.00 short of what was held",
        "made with stolen card",
        "$25.00",
    ):
        assert words in page


@pytest.mark.parametrize("kind", tick_offs.KINDS)
def test_each_is_ticked_off_with_who_when_and_why(one_of_each, kind, gift):
    dana = staff.dana()
    page = staff.text_of(tick(dana, kind, one_of_each[kind]))
    ticked = TickOff.objects.get()
    assert (ticked.kind, ticked.subject_id, ticked.reason, ticked.actor.startswith("staff:")) == (
        kind, one_of_each[kind].pk, "Called the donor.", True,
    )  # fmt: skip
    assert f"{tick_offs.KINDS[kind].title}: Called the donor." in page
    assert "Dana" in page
    assert list(tick_offs.open_rows(kind)) == []
    noted = gift.notes.filter(text=f"{tick_offs.KINDS[kind].title}: ticked off. Called the donor.").count()
    assert noted == (0 if kind == "opening" else 1)
    other = next(key for key in tick_offs.KINDS if key != kind)
    assert tick_offs.open_rows(other).count() == 1


def test_it_needs_a_reason_and_keeps_what_was_typed(one_of_each):
    page = staff.text_of(tick(staff.dana(), "email", one_of_each["email"], reason="  "))
    assert "Write in a few words what came of it" in page
    page = staff.text_of(tick(staff.farid(), "email", one_of_each["email"], reason="x" * 201))
    assert ("At most 200 characters" in page, "x" * 201 in page, TickOff.objects.count()) == (True, True, 0)


def test_of_two_people_one_ticks_it_off(one_of_each):
    row = one_of_each["short"]
    version = version_of("short", row)
    tick(staff.dana(), "short", row)
    page = staff.text_of(tick(staff.farid(), "short", row, version=version))
    assert ("somebody else was quicker" in page, TickOff.objects.count()) == (True, 1)


@pytest.mark.parametrize("version", ["", "x", "9" * 30, "-1", "0"])
def test_a_version_that_nobody_saw_writes_nothing(one_of_each, version):
    page = staff.text_of(tick(staff.dana(), "email", one_of_each["email"], version=version))
    assert ("nothing was written" in page, TickOff.objects.count()) == (True, 0)


def test_what_changed_since_is_listed_again(one_of_each, gift):
    dana = staff.dana()
    tick(dana, "short", gift)
    Donation.objects.update(match_shortfall_minor=6_000)
    tick(dana, "email", one_of_each["email"])
    FollowUp.objects.filter(kind="email").update(due_at=GIFT_AT + timedelta(microseconds=1))
    assert (tick_offs.open_rows("short").count(), tick_offs.open_rows("email").count()) == (1, 1)


def test_todays_page_counts_each_kind_and_leads_here(one_of_each):
    dana = staff.dana()
    today, all_of_it = (dana.get(address).content.decode() for address in ("/staff/", "/staff/attention/"))
    for kind in tick_offs.KINDS:
        assert f'href="/staff/attention/#{kind}"' in today
        assert f'id="{kind}"' in all_of_it


def test_an_event_is_tried_again_at_once_and_it_is_noted_who_asked(one_of_each, gift, monkeypatch):
    woken = []
    monkeypatch.setattr(tasks.apply_event, "apply_async", lambda args, **_: woken.extend(args))
    event = one_of_each["event"]
    dana = staff.dana()
    assert dana.get(f"/staff/events/{event.pk}/again/").status_code == 405
    answer = dana.post(f"/staff/events/{event.pk}/again/", follow=True)
    event.refresh_from_db()
    assert "It is tried again now" in staff.text_of(answer)
    assert (event.state, event.attempts, woken, event.due_at <= timezone.now()) == ("received", 0, [event.pk], True)
    assert gift.notes.filter(text="Asked to try again: Stripe's event refund.updated.").count() == 1
    assert LogEntry.objects.get().change_message == "Asked to try again on the staff pages."
    again = dana.post(f"/staff/events/{event.pk}/again/", follow=True)
    assert "Somebody else has asked" in staff.text_of(again)


def test_an_event_of_no_gift_can_be_tried_again_too(one_of_each, monkeypatch):
    monkeypatch.setattr(tasks.apply_event, "apply_async", lambda args, **_: None)
    StripeEvent.objects.update(payment_intent="")
    staff.dana().post(f"/staff/events/{one_of_each['event'].pk}/again/")
    assert (StripeEvent.objects.get().state, LogEntry.objects.count()) == ("received", 1)


def test_a_question_is_listed_only_when_no_mailbox_refused_it(gift):
    """Anybody may type an address that is none; a mail server that was away is somebody's to mend."""
    failed_opening(gift.campaign, "question", attempts=1)
    away = failed_opening(gift.campaign, "question", attempts=12)
    assert [row.pk for row in tick_offs.open_rows("opening")] == [away.pk]


def test_a_reminder_is_sent_again_and_the_log_keeps_who_asked(one_of_each, monkeypatch):
    woken = []
    monkeypatch.setattr(tasks.send_opening_mail, "apply_async", lambda args, **_: woken.extend(args))
    mail, dana = one_of_each["opening"], staff.dana()
    address = f"/staff/opening-mails/{mail.pk}/again/"
    assert f'action="{address}"' in dana.get("/staff/attention/").content.decode()
    assert (dana.get(address).status_code, staff.olga().post(address).status_code) == (405, 403)
    assert Client().post(address).status_code == 302
    assert "It is tried again now" in staff.text_of(dana.post(address, follow=True))
    mail.refresh_from_db()
    assert (mail.state, mail.attempts, woken) == ("due", 0, [mail.pk])
    assert LogEntry.objects.get().change_message == "Asked to try again on the staff pages."
    assert "Somebody else has asked" in staff.text_of(dana.post(address, follow=True))
    assert OpeningMail.objects.filter(state="failed").count() == 0


def test_strangers_and_those_without_the_right_change_nothing(one_of_each):
    row = one_of_each["email"]
    address = f"/staff/attention/email/{row.pk}/"
    sent = {"reason": "x", "version": version_of("email", row)}
    assert Client().post(address, sent).status_code == 302
    olga = staff.olga()
    assert (olga.post(address, sent).status_code, olga.get("/staff/attention/").status_code) == (403, 403)
    dana = staff.dana()
    assert (dana.get(address).status_code, dana.post("/staff/attention/nothing/1/", sent).status_code) == (405, 404)
    assert TickOff.objects.count() == 0


def test_with_nothing_to_do_it_says_so(gift):
    assert "Nothing waits for you" in staff.text_of(staff.dana().get("/staff/attention/"))


def test_a_long_list_shows_the_newest_and_says_how_many_more(gift):
    for number in range(53):
        FollowUp.objects.create(donation=gift, kind="email", subject_id=number, state="failed", due_at=NOW)
    page = staff.text_of(staff.dana().get("/staff/attention/"))
    assert "The 50 newest are shown; 3 more follow" in page
