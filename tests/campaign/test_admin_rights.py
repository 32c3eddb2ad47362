"""Who may write the pages: development publishes every part of one; finance and strangers change none of it."""

import pytest
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from campaign.models import Campaign, Fund, Section, Story
from tests import factories
from tests.campaign.pages import picture, text
from tests.staff import dana, farid

pytestmark = pytest.mark.django_db
MODELS = ["campaign", "fund", "section", "story"]
NO_PARTS = {
    "presets-TOTAL_FORMS": 0,
    "presets-INITIAL_FORMS": 0,
    "sections-TOTAL_FORMS": 0,
    "sections-INITIAL_FORMS": 0,
}


@pytest.fixture(autouse=True)
def _own_folder(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def pages():
    """One of each, as addresses to add and to change."""
    factories.organization()
    campaign = factories.campaign()
    fund = campaign.funds.get()
    rows = {
        "campaign": campaign,
        "fund": fund,
        "section": Section.objects.create(fund=fund, kind="text", body="Words."),
        "story": Story.objects.create(slug="s", title="t", summary="s", body="b"),
    }
    added = [f"/admin/campaign/{name}/add/" for name in MODELS]
    changed = [f"/admin/campaign/{name}/{rows[name].pk}/change/" for name in MODELS]
    return [*added, *changed, "/admin/campaign/organization/1/change/"]


def answers(client, pages):
    return {page: client.get(page).status_code for page in pages}


def test_development_may_add_and_change_every_page(pages):
    assert set(answers(dana(), pages).values()) == {200}


def test_finance_may_change_no_page(pages):
    client = farid()
    assert set(answers(client, pages).values()) == {403}
    before = list(Fund.objects.values())
    page = f"/admin/campaign/fund/{Fund.objects.get().pk}/change/"
    assert client.post(page, {"name": "Ours", **NO_PARTS}).status_code == 403
    assert list(Fund.objects.values()) == before


def test_a_stranger_is_sent_to_the_log_in_from_every_page(pages):
    for page in pages:
        response = Client().get(page)
        assert (response.status_code, response.headers["Location"]) == (302, f"/admin/login/?next={page}")


def test_development_deletes_no_fund_and_no_campaign_but_a_part(pages):
    client = dana()
    assert client.post(f"/admin/campaign/fund/{Fund.objects.get().pk}/delete/", {"post": "yes"}).status_code == 403
    gone = f"/admin/campaign/campaign/{Campaign.objects.get().pk}/delete/"
    assert client.post(gone, {"post": "yes"}).status_code == 403
    part = f"/admin/campaign/section/{Section.objects.get().pk}/delete/"
    assert client.post(part, {"post": "yes"}).status_code == 302
    assert not Section.objects.exists()


def test_a_newcomer_publishes_every_part_of_a_page():
    factories.campaign()
    client = dana()

    def add(model, **sent):
        response = client.post(f"/admin/campaign/{model}/add/", sent)
        assert response.status_code == 302, dict(response.context["adminform"].form.errors)

    def add_part(kind, *items, **sent):
        lines = {f"items-{number}-{name}": value for number, item in enumerate(items) for name, value in item.items()}
        places = {f"items-{number}-position": number for number in range(len(items))}
        count = {"items-TOTAL_FORMS": len(items), "items-INITIAL_FORMS": 0}
        position = Section.objects.count() + 1
        add("section", fund=fund.pk, kind=kind, position=position, **sent, **lines, **places, **count)

    add("story", title="The call", slug="the-call", summary="A list of questions.", body="Once.", position=0,
        is_published="on", picture=picture(), picture_alt="A caller with a headset", **NO_PARTS)  # fmt: skip
    add(
        "fund",
        name="Learning",
        slug="learning",
        summary="We teach.",
        gl_code="4100",
        is_open="on",
        is_published="on",
        position=1,
        **NO_PARTS,
    )
    fund = Fund.objects.get(slug="learning")
    add_part("text", heading="Since 1821", body="The first paragraph.\n\nThe second paragraph.")
    add_part("figures", {"title": "9,400+", "text": "clinicians"}, {"title": "2,600", "text": "students"})
    add_part("picture", picture=picture(), picture_alt="A lecture", picture_caption="On Wednesdays")
    add_part("imagine", {"text": "time to learn"}, heading="Imagine", body="It needs time.", closing="Help us.")
    add_part("story", featured=Story.objects.get().pk)
    gallery = {"text": "Rounds", "picture": picture(), "picture_alt": "Doctors at a bed"}
    add_part("gallery", gallery, heading="We invest in")
    add_part("appeal", heading="Teach someone", body="Today.")

    page = text("/funds/learning/")
    published = [
        "Since 1821", "<p>The first paragraph.", "<p>The second paragraph.", "9,400+", "clinicians", "2,600",
        'alt="A lecture"', "On Wednesdays", "It needs time.", "time to learn", "Help us.", "The call",
        "A list of questions.", 'href="/stories/the-call/"', "We invest in", 'alt="Doctors at a bed"', "Rounds",
        "Teach someone", "Today.",
    ]  # fmt: skip
    where = [page.find(words) for words in published]
    assert [words for words, at in zip(published, where, strict=True) if at < 0] == []
    headings = [
        "Since 1821",
        "9,400+",
        "On Wednesdays",
        "It needs time.",
        "A list of questions.",
        "We invest in",
        "Today.",
    ]
    order = [page.find(words) for words in headings]
    assert order == sorted(order)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"closes_at": factories.OPENS_AT}, "The closing moment must come after the opening moment."),
        ({"is_current": True}, "Another campaign is the current one; take that mark off it first."),
        ({"min_gift_minor": 49}, "The smallest gift is at least 50 cents and at most the largest."),
        ({"max_gift_minor": 100}, "The smallest gift is at least 50 cents and at most the largest."),
        ({"time_zone": "Boston/Harbor"}, "Write a time zone such as America/New_York."),
    ],
)
def test_the_rules_of_a_campaign_say_what_to_do(change, words):
    factories.campaign()
    campaign = factories.campaign(funds=[])
    for name, value in change.items():
        setattr(campaign, name, value)
    with pytest.raises(ValidationError) as refused:
        campaign.full_clean()
    assert refused.value.messages == [words]


@pytest.mark.parametrize("ein", ["123456789", "12-345678", "AB-1234567"])
def test_an_ein_is_written_as_the_tax_office_writes_it(ein):
    with pytest.raises(ValidationError) as refused:
        factories.organization(ein=ein).full_clean()
    assert refused.value.message_dict == {"ein": ["Write the EIN as 12-3456789."]}


def test_a_picture_straight_from_a_camera_is_refused_with_what_to_do(monkeypatch):
    monkeypatch.setattr("campaign.page_admin.LARGEST_PICTURE_BYTES", 10)
    sent = {"title": "T", "slug": "t", "summary": "s", "body": "b", "position": 0, "picture_alt": "A ward"}
    response = dana().post("/admin/campaign/story/add/", sent | {"picture": picture()})
    (refusal,) = response.context["adminform"].form.errors["picture"]
    assert "Make it smaller" in refusal
    assert not Story.objects.exists()


@pytest.mark.parametrize("name", ["ward.svg", "ward.webp"])
def test_what_is_no_picture_is_refused(name):
    sent = {"title": "T", "slug": "t", "summary": "s", "body": "b", "position": 0, "picture_alt": "A ward"}
    response = dana().post("/admin/campaign/story/add/", sent | {"picture": SimpleUploadedFile(name, b"<svg></svg>")})
    assert "Upload a valid image" in response.context["adminform"].form.errors["picture"][0]
    assert not Story.objects.exists()
