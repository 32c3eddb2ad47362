"""The admin: a newcomer publishes a page, and is told beside the field what is missing."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client

from campaign.models import Campaign, Fund, Organization, Section, Story
from tests import factories
from tests.campaign.pages import get, picture, text

pytestmark = pytest.mark.django_db
INLINE = {"presets-TOTAL_FORMS": 0, "presets-INITIAL_FORMS": 0, "sections-TOTAL_FORMS": 0, "sections-INITIAL_FORMS": 0}
NO_PICTURES = {"card_pictures-TOTAL_FORMS": 0, "card_pictures-INITIAL_FORMS": 0}
NO_TEAMS = {"teams-TOTAL_FORMS": 0, "teams-INITIAL_FORMS": 0}
NO_MILESTONES = {"milestones-TOTAL_FORMS": 0, "milestones-INITIAL_FORMS": 0} | NO_PICTURES | NO_TEAMS
NO_ITEMS = {"items-TOTAL_FORMS": 0, "items-INITIAL_FORMS": 0}
FUND = {
    "name": "Nursing",
    "slug": "nursing",
    "summary": "They stay.",
    "gl_code": "4500",
    "is_open": "on",
    "is_published": "on",
    "position": 1,
}


@pytest.fixture
def admin(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    client = Client()
    client.force_login(User.objects.create_superuser("admin", "admin@example.org", "a long enough one"))
    return client


def fields(client: Client, url: str) -> dict:
    """What the form at this address would send if nothing were changed."""
    form = client.get(url).context["adminform"].form
    found = {}
    for bound in form:
        value = bound.value()
        widget = bound.field.widget
        if hasattr(widget, "widgets"):
            parts = widget.decompress(value)
            found |= {f"{bound.html_name}_{number}": str(part) for number, part in enumerate(parts)}
        elif value not in (None, False, ""):
            found[bound.html_name] = bound.field.prepare_value(value)
    return found


def errors(answer) -> dict:
    assert answer.status_code == 200, answer.headers
    return dict(answer.context["adminform"].form.errors)


def test_a_fund_is_made_with_its_parts_and_each_part_is_written_on_its_own_page(admin):
    begun = INLINE | {"sections-TOTAL_FORMS": 2}
    begun |= {"sections-0-kind": "picture", "sections-0-position": 1, "sections-1-kind": "imagine"}
    begun |= {"sections-1-position": 2, "sections-1-heading": "Imagine"}
    assert admin.post("/admin/campaign/fund/add/", FUND | begun).status_code == 302
    part = Section.objects.get(kind="picture")
    written = {"fund": part.fund_id, "kind": "picture", "position": 1, "picture": picture(), "picture_alt": "A ward"}
    answer = admin.post(f"/admin/campaign/section/{part.pk}/change/", written | NO_ITEMS)
    assert answer.status_code == 302
    assert 'alt="A ward"' in text("/funds/nursing/")


def test_a_picture_without_its_description_is_refused_beside_the_field(admin):
    answer = admin.post("/admin/campaign/fund/add/", FUND | INLINE | {"picture": picture()})
    assert errors(answer) == {"picture_alt": ["Describe the picture for people who cannot see it."]}
    story = {"title": "T", "slug": "t", "summary": "s", "body": "b", "position": 0, "picture": picture()} | INLINE
    answer = admin.post("/admin/campaign/story/add/", story)
    assert errors(answer) == {"picture_alt": ["Describe the picture for people who cannot see it."]}
    assert not Fund.objects.exists()
    assert not Story.objects.exists()


@pytest.mark.parametrize(
    ("kind", "field", "words"),
    [
        ("picture", "picture", "Choose the picture."),
        ("beside", "body", "Write the words beside the picture."),
        ("quotation", "closing", "Write who said it."),
        ("video", "video_link", "Paste the video’s address at YouTube or Vimeo."),
        ("story", "featured", "Choose the story that this part features."),
    ],
)
def test_a_part_says_what_its_kind_needs(admin, kind, field, words):
    written = {"fund": factories.fund().pk, "kind": kind, "position": 1}
    assert errors(admin.post("/admin/campaign/section/add/", written | NO_ITEMS))[field] == [words]


def test_a_part_is_of_one_page_and_its_video_of_a_host_that_may_be_framed(admin):
    story = Story.objects.create(slug="s", title="t", summary="s")
    both = {"fund": factories.fund().pk, "story": story.pk, "kind": "text", "position": 1}
    one = "Choose the fund or the story that this is a part of, and only one of them."
    assert errors(admin.post("/admin/campaign/section/add/", both | NO_ITEMS)) == {"__all__": [one]}
    neither = {"kind": "text", "position": 1}
    assert errors(admin.post("/admin/campaign/section/add/", neither | NO_ITEMS)) == {"__all__": [one]}
    video = {
        "story": story.pk,
        "kind": "video",
        "position": 1,
        "heading": "Rounds",
        "video_link": "https://evil.example/x",
    }
    video |= {"picture": picture(), "picture_alt": "A ward"}
    found = errors(admin.post("/admin/campaign/section/add/", video | NO_ITEMS))
    assert list(found) == ["video_link"]
    assert found["video_link"][0].endswith("Videos of other sites are not played here.")
    video |= {"video_link": "https://youtu.be/aqz-KE-bpKQ?t=3", "picture": picture()}
    assert admin.post("/admin/campaign/section/add/", video | NO_ITEMS).status_code == 302
    assert story.sections.get().video.page == "https://www.youtube.com/watch?v=aqz-KE-bpKQ"


def test_a_story_is_made_of_parts_too_and_appears_at_its_moment(admin):
    factories.campaign()
    begun = {"title": "T", "slug": "t", "summary": "s", "body": "", "position": 0, "is_published": "on"}
    begun |= {"publish_at_0": "2026-12-01", "publish_at_1": "09:30"}  # in Boston
    begun |= {"sections-TOTAL_FORMS": 1, "sections-INITIAL_FORMS": 0}
    begun |= {"sections-0-kind": "text", "sections-0-position": 1, "sections-0-heading": "How it began"}
    assert admin.post("/admin/campaign/story/add/", begun).status_code == 302
    opens = datetime(2026, 12, 1, 14, 30, tzinfo=UTC)
    get("/stories/t/", at=opens - timedelta(seconds=1), status=404)
    assert "How it began" in text("/stories/t/", at=opens)


def test_a_campaign_is_written_in_its_own_time_zone_and_in_plain_amounts(admin):
    campaign = factories.campaign()
    url = f"/admin/campaign/campaign/{campaign.pk}/change/"
    shown = fields(admin, url) | NO_MILESTONES
    html = admin.get(url).content.decode()
    assert 'name="opens_at_0" value="2026-12-01"' in html
    assert 'name="opens_at_1" value="00:00:00"' in html
    assert shown["goal_minor"] == "250000.00"
    assert shown["presets_minor"] == "$50; $100; $250; $500; $1,000"
    changed = shown | {"opens_at_0": "2026-12-01", "opens_at_1": "09:30", "closes_at_0": "2026-12-02"}
    changed |= {"closes_at_1": "00:00", "goal_minor": "$300,000", "presets_minor": "25; $75.50 ;1,000"}
    assert admin.post(url, changed).status_code == 302
    campaign.refresh_from_db()
    assert campaign.opens_at.isoformat() == "2026-12-01T14:30:00+00:00"
    assert campaign.goal_minor == 30_000_000
    assert campaign.presets_minor == [2_500, 7_550, 100_000]


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"goal_minor": "a lot"}, "goal_minor", "“a lot” is not an amount we can read."),
        ({"presets_minor": "50; 2"}, "presets_minor", "Below the smallest or above the largest gift: $2."),
        ({"presets_minor": "50; many"}, "presets_minor", "“many” is not an amount we can read."),
        ({"fee_basis_points": 10_000}, "fee_basis_points", "Write at most 1000, which is 10 %."),
        ({"time_zone": "Boston"}, "time_zone", "Write a time zone such as America/New_York."),
        ({"min_gift_minor": "0.10"}, "__all__", "The smallest gift is at least 50 cents and at most the largest."),
    ],
)
def test_a_campaign_with_a_mistake_is_refused_with_a_sentence(admin, change, field, words):
    url = f"/admin/campaign/campaign/{factories.campaign().pk}/change/"
    moments = {"opens_at_0": "2026-12-01", "opens_at_1": "00:00", "closes_at_0": "2026-12-02", "closes_at_1": "00:00"}
    found = errors(admin.post(url, fields(admin, url) | NO_MILESTONES | moments | change))
    assert words in " ".join(found[field])


def test_the_currency_stays_once_there_is_a_pool(admin):
    campaign = factories.campaign()
    url = f"/admin/campaign/campaign/{campaign.pk}/change/"
    moments = {"opens_at_0": "2026-12-01", "opens_at_1": "00:00", "closes_at_0": "2026-12-02", "closes_at_1": "00:00"}
    assert admin.post(url, fields(admin, url) | NO_MILESTONES | moments | {"currency": "CAD"}).status_code == 302
    factories.pool(campaign=Campaign.objects.get())
    found = errors(admin.post(url, fields(admin, url) | NO_MILESTONES | moments | {"currency": "EUR"}))
    assert "its currency stays" in found["currency"][0]


@pytest.mark.parametrize("name", ["ward.pdf", "ward.eps", "ward.bmp"])
def test_a_file_that_browsers_do_not_show_as_a_picture_is_refused(admin, name):
    answer = admin.post(
        "/admin/campaign/fund/add/", FUND | INLINE | {"picture": picture(name), "picture_alt": "A ward"}
    )
    assert errors(answer) == {"picture": ["Choose a picture whose name ends in .jpg, .png, .webp, .avif or .gif."]}


def test_there_is_one_organization(admin):
    assert admin.get("/admin/campaign/organization/add/").status_code == 200
    factories.organization()
    assert admin.get("/admin/campaign/organization/add/").status_code == 403
    answer = admin.get("/admin/campaign/organization/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/campaign/organization/1/change/")
    assert admin.post("/admin/campaign/organization/1/delete/", {"post": "yes"}).status_code == 403
    assert Organization.objects.count() == 1


def test_it_leads_to_the_page_on_the_site(admin):
    campaign = factories.campaign()
    section = Section.objects.create(fund=campaign.funds.get(), kind="text")
    draft = Story.objects.create(slug="d", title="t", summary="s", body="b", is_published=False)
    assert (
        'href="/" class="viewsitelink"' in admin.get(f"/admin/campaign/campaign/{campaign.pk}/change/").content.decode()
    )
    page = admin.get(f"/admin/campaign/section/{section.pk}/change/").content.decode()
    assert f'href="{section.fund.get_absolute_url()}" class="viewsitelink"' in page
    Campaign.objects.update(is_current=False)
    assert "viewsitelink" not in admin.get(f"/admin/campaign/campaign/{campaign.pk}/change/").content.decode()
    shown = admin.get(f"/admin/campaign/story/{draft.pk}/change/").content.decode()
    assert 'href="/staff/preview/?page=%2Fstories%2Fd%2F" class="viewsitelink"' in shown


def test_a_stranger_is_sent_to_the_log_in(client):
    answer = client.get("/admin/campaign/fund/add/")
    assert answer.status_code == 302
    assert "login" in answer.headers["Location"]


def test_staff_write_milestones_and_the_sites_that_may_show_the_campaign(admin):
    campaign = factories.campaign()
    url = f"/admin/campaign/campaign/{campaign.pk}/change/"
    moments = {"opens_at_0": "2026-12-01", "opens_at_1": "00:00", "closes_at_0": "2026-12-02", "closes_at_1": "00:00"}
    row = {"milestones-TOTAL_FORMS": 1, "milestones-INITIAL_FORMS": 0, "milestones-0-text": "A new simulator"}
    row |= {"teams-TOTAL_FORMS": 1, "teams-INITIAL_FORMS": 0, "teams-0-name": "7 West", "teams-0-slug": "7-west"}
    written = fields(admin, url) | moments | NO_PICTURES | row | {"embed_hosts": "www.harborview.org\n*.harborview.org"}
    answer = admin.post(url, written | {"milestones-0-amount_minor": "a lot"})
    assert "“a lot” is not an amount we can read." in answer.content.decode()
    assert admin.post(url, written | {"milestones-0-amount_minor": "$100,000"}).status_code == 302
    assert list(campaign.milestones.values_list("amount_minor", "text")) == [(10_000_000, "A new simulator")]
    assert Campaign.objects.get().embed_hosts.split() == ["www.harborview.org", "*.harborview.org"]


@pytest.mark.parametrize(
    "hosts", ["a; script-src *", "'self'", "javascript:x", "*", "http://", "www.a.org/path", "a.org,b.org", "x" * 201]
)
def test_what_is_no_host_never_gets_into_the_policy(admin, hosts):
    campaign = factories.campaign()
    url = f"/admin/campaign/campaign/{campaign.pk}/change/"
    moments = {"opens_at_0": "2026-12-01", "opens_at_1": "00:00", "closes_at_0": "2026-12-02", "closes_at_1": "00:00"}
    found = errors(admin.post(url, fields(admin, url) | NO_MILESTONES | moments | {"embed_hosts": hosts}))
    assert "Write one host a line" in found["embed_hosts"][0]


def test_a_fund_has_suggested_gifts_of_its_own_with_what_they_do(admin):
    fund = factories.fund("Nursing", slug="nursing")
    factories.campaign(funds=[fund])
    url = f"/admin/campaign/fund/{fund.pk}/change/"
    rows = {"presets-TOTAL_FORMS": 3, "presets-0-amount_minor": "$40", "presets-0-does": "pays a night’s coffee"}
    rows |= {"presets-1-amount_minor": "1,000", "presets-1-does": "trains a nurse for a week"}
    rows |= {"presets-2-amount_minor": "2", "presets-2-does": "is below the smallest gift"}
    assert admin.post(url, FUND | INLINE | rows).status_code == 302
    assert list(fund.presets.values_list("amount_minor", "does")) == [
        (200, "is below the smallest gift"),
        (4_000, "pays a night’s coffee"),
        (100_000, "trains a nurse for a week"),
    ]
    box = text("/funds/nursing/").split('class="give-box"')[1].split("</aside>")[0]
    assert "<b>$40</b> <small>pays a night’s coffee</small>" in box
    assert 'value="1000.00" checked><span><b>$1,000</b> <small>trains a nurse for a week</small>' in box
    assert "below the smallest" not in box
    assert "$250" not in box


def test_a_suggested_gift_is_an_amount_and_says_what_it_does(admin):
    fund = factories.fund("Nursing", slug="nursing")
    rows = {"presets-TOTAL_FORMS": 1, "presets-0-amount_minor": "much", "presets-0-does": ""}
    answer = admin.post(f"/admin/campaign/fund/{fund.pk}/change/", FUND | INLINE | rows)
    assert answer.status_code == 200
    found = answer.context["inline_admin_formsets"][0].formset.errors[0]
    assert found["does"] == ["This field is required."]
    assert "“much” is not an amount we can read." in found["amount_minor"][0]
    assert not fund.presets.exists()
