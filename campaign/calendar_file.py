"""The campaign as an appointment for any calendar (RFC 5545), which reminds by itself a quarter of an hour before.

Moments are written in UTC, which every calendar turns into its owner's own time: the right one wherever they are.
"""

from datetime import UTC, datetime

from django.utils.translation import gettext

from campaign.countdown import start_text
from campaign.models import Campaign

_OCTETS = 75  # of a line at most; longer ones go on in the next, after a space


def calendar_file(*, campaign: Campaign, site_url: str, now: datetime) -> str:
    """now: when it is made, aware. site_url: without a slash at its end; the appointment leads there."""
    # Translators: such as: It starts Tuesday, December 1, at 9:00 AM, Boston time.
    starts = gettext("It starts %(moment)s.") % {"moment": start_text(campaign.opens_at, campaign=campaign)}
    soon = gettext("%(campaign)s starts in 15 minutes") % {"campaign": campaign.name}
    host = site_url.split("//", 1)[-1].split("/", 1)[0]
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Twofold//Giving day//EN",
        "METHOD:PUBLISH",
        "BEGIN:VEVENT",
        f"UID:campaign-{campaign.pk}@{host}",
        f"DTSTAMP:{_moment(now)}",
        f"DTSTART:{_moment(campaign.opens_at)}",
        f"DTEND:{_moment(campaign.closes_at)}",
        f"SUMMARY:{_text(campaign.name)}",
        f"DESCRIPTION:{_text(f'{starts} {site_url}/')}",
        f"URL:{site_url}/",
        "TRANSP:TRANSPARENT",
        "BEGIN:VALARM",
        "ACTION:DISPLAY",
        f"DESCRIPTION:{_text(soon)}",
        "TRIGGER:-PT15M",
        "END:VALARM",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    return "".join(f"{_folded(line)}\r\n" for line in lines)


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _text(words: str) -> str:
    """Words with the marks that would end them written as the format asks."""
    escaped = words.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    return "\\n".join(escaped.splitlines())


def _folded(line: str) -> str:
    """The line in pieces of at most _OCTETS bytes, cut between letters."""
    pieces, piece = [], ""
    for letter in line:
        if len(f"{piece}{letter}".encode()) > _OCTETS:
            pieces.append(piece)
            piece = " "
        piece += letter
    return "\r\n".join([*pieces, piece])
