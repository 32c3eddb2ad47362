"""One e-mail when the campaign begins, to whoever asked for it and confirmed it.

A form costs nothing, and anybody may type a stranger's address into it. So what it sends is one short question, of
our own words; the news itself goes only to an address whose owner has answered it, by a signed link and a button: mail
programs open links by themselves. The question goes to one address three times at most, a day apart, and few go out
for one network and in all. Addresses go when the campaign is over, and those that nobody confirmed after a week.
"""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core import signing
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext, pgettext

from campaign.countdown import end_text, start_text
from campaign.models import Campaign, Organization
from donations import mail, work
from donations.models import Donor, OpeningMail, OpeningReminder
from donations.receipt_content import plain_line

MOST_OF_A_SOURCE = 30  # questions within WINDOW: a hospital's staff share an address
MOST_IN_ALL = 2_000  # within WINDOW
WINDOW = timedelta(hours=1)
ASKED_AGAIN_AFTER = timedelta(days=1)
MOST_QUESTIONS = 3
UNCONFIRMED_FOR = timedelta(days=7)
_FORGOTTEN_AT_ONCE = 1_000
_SALT = "donations.openings"


class TooManyAsk(Exception):
    """This network, or all of them together, asked for very many reminders within the hour."""


def token_of(reminder: OpeningReminder) -> str:
    return signing.Signer(salt=_SALT).sign(str(reminder.pk))


def reminder_of(token: str) -> OpeningReminder | None:
    """Whose link it is; None when it is not of our making, or its address is gone."""
    try:
        pk = int(signing.Signer(salt=_SALT).unsign(token[:200]))
    except (signing.BadSignature, ValueError):
        return None
    return OpeningReminder.objects.select_related("campaign").filter(pk=pk).first()


@transaction.atomic
def ask(*, campaign: Campaign, email: str, source: str, now: datetime) -> int | None:
    """Owe the question to an address; the mail's id, or None when it has its answer, or was asked lately or often.

    email: of any case. source: sources.source_of. The caller says the same in both cases: nobody learns who has asked.
    Raises TooManyAsk. Locks the address's row.
    """
    address = email.strip().lower()
    asked = {"asked_at": now, "source": source}
    _refuse_too_many(source=source, now=now)
    reminder, is_new = OpeningReminder.objects.select_for_update(no_key=True).get_or_create(
        campaign=campaign, email=address, defaults=asked
    )
    is_early = now - reminder.asked_at < ASKED_AGAIN_AFTER or reminder.times_asked >= MOST_QUESTIONS
    if not is_new and (reminder.confirmed_at or is_early):
        return None
    if not is_new:
        reminder.asked_at, reminder.source = now, source
        reminder.times_asked += 1
        reminder.save(update_fields=["asked_at", "source", "times_asked"])
    return _owe(reminder, OpeningMail.Kind.QUESTION, now=now)


@transaction.atomic
def confirm(*, reminder_id: int, now: datetime) -> bool:
    """The address's owner wants the mail; False when they had said so before. After a stop it is wanted again.

    Locks the row. An opening that has come is not told of any more: the caller says so.
    """
    reminder = OpeningReminder.objects.select_for_update(no_key=True).select_related("campaign").get(pk=reminder_id)
    if reminder.confirmed_at is not None:
        return False
    reminder.confirmed_at, reminder.stopped_at = now, None
    reminder.save(update_fields=["confirmed_at", "stopped_at"])
    _owe(reminder, OpeningMail.Kind.OPENING, now=max(now, reminder.campaign.opens_at))
    return True


def stop(*, reminder_id: int, now: datetime) -> None:
    """The address's owner wants no mail of this kind. A repeat changes nothing."""
    wanted = OpeningReminder.objects.filter(pk=reminder_id, stopped_at=None)
    wanted.update(stopped_at=now, confirmed_at=None)


def _owe(reminder: OpeningReminder, kind: OpeningMail.Kind, *, now: datetime) -> int:
    owed = {"state": OpeningMail.State.DUE, "attempts": 0, "due_at": now, "last_error": ""}
    found, _ = OpeningMail.objects.update_or_create(reminder=reminder, kind=kind, defaults=owed)
    return found.pk


def _refuse_too_many(*, source: str, now: datetime) -> None:
    lately = OpeningReminder.objects.filter(asked_at__gt=now - WINDOW)
    if lately.count() >= MOST_IN_ALL or (source and lately.filter(source=source).count() >= MOST_OF_A_SOURCE):
        raise TooManyAsk


def run(*, mail_id: int, now: datetime) -> bool:
    """Send one owed mail if it is due and nobody else has it; whether it is now done.

    A failure stays on the row and is tried again later; it is not raised. A repeat carries the same Message-ID.
    """
    row = work.claim(OpeningMail, pk=mail_id, now=now)
    if row is None:
        return False
    reminder = OpeningReminder.objects.select_related("campaign").get(pk=row.reminder_id)
    if row.kind == OpeningMail.Kind.OPENING and now < reminder.campaign.opens_at:
        work.put_off(row, until=reminder.campaign.opens_at)  # the opening was moved
        return False
    if _is_wanted(row, reminder, now=now):
        try:
            mail.deliver(message(reminder, kind=row.kind))
        except mail.MailNotSent as error:
            work.note_failure(row, error=error, now=now, permanent=error.permanent)
            return False
    return work.note_success(row, state=OpeningMail.State.DONE)


def _is_wanted(row: OpeningMail, reminder: OpeningReminder, *, now: datetime) -> bool:
    """Whether the mail still makes sense; not after "no fundraising messages" that came after the confirmation."""
    campaign = reminder.campaign
    if row.kind == OpeningMail.Kind.QUESTION:
        is_stopped = reminder.stopped_at is not None and reminder.stopped_at >= reminder.asked_at
        return reminder.confirmed_at is None and not is_stopped and now < campaign.opens_at
    if reminder.confirmed_at is None or now >= campaign.closes_at or not campaign.is_current:
        return False
    return not Donor.objects.filter(email=reminder.email, opted_out_at__gt=reminder.confirmed_at).exists()


def message(reminder: OpeningReminder, *, kind: str) -> EmailMultiAlternatives:
    """The mail, ready to send, with the links by which its reader stops it at once (RFC 8058)."""
    campaign, organization = reminder.campaign, Organization.objects.get()
    answer_url = settings.SITE_URL + reverse("opening-reminder-answer", args=[token_of(reminder)])
    words = _question(campaign, answer_url) if kind == OpeningMail.Kind.QUESTION else _news(campaign)
    made = mail.news(
        "opening",
        words | {"stop_url": answer_url},
        subject=plain_line(words["heading"]),
        to=reminder.email,
        organization=organization,
        key=f"opening-{reminder.pk}-{kind}-{reminder.times_asked}",
    )
    made.extra_headers["List-Unsubscribe"] = f"<{answer_url}>"
    made.extra_headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return made


def _question(campaign: Campaign, answer_url: str) -> dict[str, Any]:
    asked = gettext(
        "You, or someone who typed your address, asked us for one e-mail when it starts: %(moment)s. Please open the "
        "page below and say whether you want it."
    )
    return {
        "heading": gettext("Shall we remind you of %(campaign)s?") % {"campaign": campaign.name},
        "sentences": [
            asked % {"moment": start_text(campaign.opens_at, campaign=campaign)},
            gettext("If it was not you, just ignore this message: without your yes we do not write again."),
        ],
        "button": pgettext("a button: to answer a question", "Answer"),
        "url": answer_url,
        "why": gettext("You get this one question because this address was typed into our page."),
    }


def _news(campaign: Campaign) -> dict[str, Any]:
    ends = end_text(campaign.closes_at, campaign=campaign)
    return {
        "heading": gettext("%(campaign)s has begun") % {"campaign": campaign.name},
        "sentences": [
            gettext("You asked us to tell you. It ends %(moment)s.") % {"moment": ends},
            gettext("The form says what the match adds to your gift before you pay."),
        ],
        "button": gettext("Go to the page"),
        "url": f"{settings.SITE_URL}/",
        "why": gettext("You asked for this one e-mail on our page and confirmed it. No other follows."),
    }


def bring_forward(*, now: datetime) -> int:
    """Make the news due whose campaign was moved to an earlier moment, and has begun; how many. One update."""
    early = OpeningMail.objects.filter(
        state=OpeningMail.State.DUE,
        kind=OpeningMail.Kind.OPENING,
        attempts=0,
        due_at__gt=now,
        reminder__campaign__opens_at__lte=now,
    )
    return early.update(due_at=now)


def forget(*, now: datetime) -> int:
    """Delete the addresses of campaigns that are over, and those that nobody confirmed; how many. 1,000 at a time."""
    over = OpeningReminder.objects.filter(campaign__closes_at__lte=now)
    unanswered = OpeningReminder.objects.filter(confirmed_at=None, stopped_at=None, asked_at__lte=now - UNCONFIRMED_FOR)
    ids = (over | unanswered).values_list("pk", flat=True)[:_FORGOTTEN_AT_ONCE]
    gone = OpeningReminder.objects.filter(pk__in=list(ids))
    count = gone.count()
    gone.delete()
    return count
