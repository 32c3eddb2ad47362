"""The words of the campaign's pages can be translated, all of them; what staff and donors wrote stays as it is."""

import json
import re

import pytest
import time_machine
from django.test import Client, RequestFactory
from django.utils import translation
from django.views import defaults

from campaign import sharing
from campaign.countdown import unit_words
from campaign.models import Campaign, Fund, Milestone, Organization, Section, SectionItem, Story, Team
from campaign.money import InvalidAmount, parse_amount
from donations.models import Donation, GiftMessage, Tribute
from matching import heads
from matching.models import LedgerKey, MatchPool, Reservation, SignedHead, Sponsor
from tests import factories
from tests.campaign.everything import CHANGING, LASTING, MOMENTS, everything, looked_up
from tests.campaign.pages import DURING
from tests.marks import CLOSE, OPEN, ROOT, content_of, unmarked, unmarked_in
from tests.staff import dana

TEMPLATES = sorted((ROOT / "templates").glob("*.html")) + sorted((ROOT / "templates/campaign").rglob("*.html"))
WRITTEN = (
    Campaign,
    Fund,
    MatchPool,
    Milestone,
    Organization,
    Section,
    SectionItem,
    Story,
    Team,
    Sponsor,
    Donation,
    GiftMessage,
)
RECORDS = (Tribute, Reservation, SignedHead, LedgerKey)
NAMES = ["UTC", "EST", "Vimeo", "Massachusetts", "New York"]  # the same in every language
ASKED = ["M-7K3QX9AB2C", "/match/ledger.jsonl?pool=3&after=1200", "pool"]  # by a visitor, or named as an example


@pytest.fixture
def content(settings, tmp_path, db):
    """What was written in a campaign in which everything has something to say."""
    settings.LEDGER_SIGNING_KEY, settings.MEDIA_ROOT = "11" * 32, tmp_path
    everything()
    heads.publish_head(now=DURING)
    return [*NAMES, *ASKED[:2], *content_of(*(row for model in (*WRITTEN, *RECORDS) for row in model.objects.all()))]


def said(url, moment="open", *, statuses=(200,)):
    with time_machine.travel(MOMENTS[moment], tick=False):
        answer = Client(raise_request_exception=False).get(url)
        assert answer.status_code in statuses
        return answer.content.decode()


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_every_word_of_a_template_is_marked(template):
    assert unmarked(template) == []


def test_every_page_speaks_the_language_that_is_spoken(content, laid_open_language):
    pages = [(url, moment) for moment in MOMENTS for url in CHANGING]
    pages += [(url, "open") for url in (*LASTING, looked_up())]
    left = {page: unmarked_in(said(*page), content=content) for page in pages}
    preview = (
        dana().get("/staff/preview/", {"page": "/live/", "pools": "last", "at": "x", "pool": "x"}).content.decode()
    )
    assert "preview-bar" in preview
    left["preview"] = unmarked_in(preview, content=content)
    assert len(left) == 35
    assert {page: words for page, words in left.items() if words} == {}


def test_what_machines_read_aloud_speaks_it_too(content, laid_open_language, monkeypatch):
    feed = "\n".join(re.findall("<(?:title|description)>(.*?)</", said("/feed.xml")))
    described = json.loads(re.findall('<script type="application/ld.json">(.*?)</script>', said("/"))[0])
    names = [row["name"] for row in described["@graph"] if row["@type"] == "DonateAction"]
    appointment = re.findall("(?:SUMMARY|DESCRIPTION):(.*)", said("/remind-me.ics", "before").replace("\r\n ", ""))
    drawn = []
    monkeypatch.setattr(sharing, "share_picture", lambda **words: drawn.append(words["beside_text"]) or b"")
    said("/share/campaign.png")
    said("/share/funds/nursing.png")
    for text in (feed, *names, *appointment, *drawn):
        assert unmarked_in(text.replace("http://127.0.0.1:8000/", ""), content=content) == []
    assert len(drawn) == len(appointment) - 1 == 2
    assert names == [f"{OPEN}Give to {CLOSE}Harborview Hospital{OPEN}{CLOSE}"]


def test_refusals_speak_it_too(settings, db, laid_open_language):
    factories.organization()
    campaign = factories.campaign()
    factories.pool(campaign=campaign)
    content = [*NAMES, *ASKED, *content_of(*Organization.objects.all(), campaign)]
    request = RequestFactory().get("/")
    pages = [
        said("/no/such/page/", statuses=(404,)),
        Client(enforce_csrf_checks=True).post("/give/", {}).content.decode(),
        *(
            view(request, *problem).content.decode()
            for view, *problem in (
                (defaults.server_error,),
                (defaults.bad_request, ValueError()),
                (defaults.permission_denied, PermissionError()),
            )
        ),
        *(
            said(f"/match/{address}", statuses=(400, 404))
            for address in (
                *("ledger.jsonl?after=1", "ledger.jsonl?pool=x", "ledger.jsonl?pool=999", "ledger/999/1-2.jsonl"),
                *("ledger/1/2-1.jsonl", "ledger/1/1-9999.jsonl", "heads/2-1.jsonl", "heads/1-9999.jsonl"),
                *("heads/1-2.jsonl", "heads/latest.json", "heads/0123456789abcdef.json"),
            )
        ),
    ]
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1
    pages.append(Client().post("/give/", {"a": "long"}).content.decode())
    for typed in ("", "what", "0.005", "0", "1000000"):
        with pytest.raises(InvalidAmount) as refused:
            parse_amount(typed, currency="USD")
        pages.append(str(refused.value).replace("what", ""))
    assert [words for page in pages for words in unmarked_in(page, content=content)] == []
    assert all(OPEN in page for page in pages)


def test_the_countdown_has_a_word_for_every_plural_of_a_language():
    assert unit_words("days", language="en-us") == {"other": "days", "one": "day"}
    with translation.override("ru"):
        assert set(unit_words("hours", language="ru")) == {"one", "few", "many"}
