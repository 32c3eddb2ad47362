"""`/remind-me.ics`: the opening in a donor's own calendar."""

from datetime import timedelta

import pytest
from django.test import Client

from tests import factories
from tests.campaign.pages import BEFORE, DURING, assert_shared, get, text

pytestmark = pytest.mark.django_db
URL = "/remind-me.ics"


def test_it_is_the_opening_in_utc_with_a_reminder(settings):
    settings.SITE_URL = "https://giving.example.org"
    campaign = factories.campaign(name="Giving; Tuesday, \\ours", slug="giving-tuesday")
    answer = get(URL)
    assert_shared(answer)
    assert answer.headers["Content-Type"] == "text/calendar; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="giving-tuesday.ics"'
    content = answer.content.decode()
    assert content.replace("\r\n ", "").split("\r\n") == [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Twofold//Giving day//EN",
        "METHOD:PUBLISH",
        "BEGIN:VEVENT",
        f"UID:campaign-{campaign.pk}@giving.example.org",
        "DTSTAMP:20261122T191833Z",
        "DTSTART:20261201T050000Z",
        "DTEND:20261202T050000Z",
        "SUMMARY:Giving\\; Tuesday\\, \\\\ours",
        "DESCRIPTION:It starts at 12:00 AM (midnight) on Tuesday\\, December 1\\, Boston time. https://giving.example.org/",
        "URL:https://giving.example.org/",
        "TRANSP:TRANSPARENT",
        "BEGIN:VALARM",
        "ACTION:DISPLAY",
        "DESCRIPTION:Giving\\; Tuesday\\, \\\\ours starts in 15 minutes",
        "TRIGGER:-PT15M",
        "END:VALARM",
        "END:VEVENT",
        "END:VCALENDAR",
        "",
    ]


def test_no_line_is_longer_than_calendars_read_and_no_letter_is_cut():
    factories.campaign(name="Für Ärztinnen und Ärzte: " + "ö" * 90)
    content = get(URL).content
    assert max(len(line) for line in content.split(b"\r\n")) <= 75
    assert "ö" * 90 in content.decode().replace("\r\n ", "")


def test_the_page_leads_to_it_until_the_opening():
    factories.campaign()
    assert f'href="{URL}"' in text("/", at=BEFORE)
    assert f'href="{URL}"' in text("/", at=factories.OPENS_AT - timedelta(seconds=1))
    assert f'href="{URL}"' not in text("/", at=DURING)
    get(URL, at=factories.OPENS_AT, status=404)


def test_it_is_only_read_and_not_there_without_a_campaign():
    assert Client().post(URL).status_code == 405
    get(URL, status=404)
