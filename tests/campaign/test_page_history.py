"""The history of a page: every save keeps the whole page, and any version can be had back."""

from datetime import UTC, datetime

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone
from django.utils.formats import date_format
from reversion.models import Version

from campaign.models import Campaign, Fund, FundPreset, Milestone, Section, SectionItem, Story
from tests import factories
from tests.campaign.pages import DURING, text
from tests.staff import dana, farid

pytestmark = pytest.mark.django_db


def sent_back(answer) -> dict:
    """What the form on this page sends when nothing is changed in it."""
    forms = [answer.context["adminform"].form]
    for inline in answer.context["inline_admin_formsets"]:
        forms += [inline.formset.management_form, *inline.formset.forms]
    found = {}
    for form in forms:
        for bound in form:
            value = bound.value()
            if hasattr(bound.field.widget, "widgets"):
                with timezone.override("America/New_York"):  # as the page shows them
                    parts = bound.field.widget.decompress(value)
                found |= {f"{bound.html_name}_{number}": str(part or "") for number, part in enumerate(parts)}
            elif value is not None and value is not False and value != "":
                found[bound.html_name] = bound.field.prepare_value(value)
    return found


def save(client: Client, url: str, **changes):
    answer = client.post(url, sent_back(client.get(url)) | changes)
    assert answer.status_code == 302, answer.context["errors"]


@pytest.fixture
def fund(settings, tmp_path):
    """A page as it was saved first, with one figure in one part."""
    settings.MEDIA_ROOT = tmp_path
    made = factories.fund("Education", slug="education", summary="The first words.")
    factories.campaign(funds=[made])
    part = Section.objects.create(fund=made, kind="figures", heading="A first year", position=1)
    SectionItem.objects.create(section=part, title="9,400", text="clinicians")
    return made


def test_a_version_restores_the_page_with_all_its_parts(fund):
    client, url = dana(), f"/admin/campaign/fund/{fund.pk}/change/"
    save(client, url, publish_at_0="2026-11-01", publish_at_1="09:30:00")
    part = fund.sections.get()
    save(client, f"/admin/campaign/section/{part.pk}/change/", heading="A second year")
    save(client, url, summary="The second words.")
    client.post(f"/admin/campaign/section/{part.pk}/delete/", {"post": "yes"})
    Section.objects.create(fund=fund, kind="text", heading="Added later")
    assert "A first year" not in text("/funds/education/")

    versions = Version.objects.get_for_object(fund)
    assert len(versions) == 3, "each save, that of a part too, keeps the page"
    shown = client.get(f"/admin/campaign/fund/{fund.pk}/history/").content.decode()
    first = f"/admin/campaign/fund/{fund.pk}/history/{versions[2].pk}/"
    assert f'href="{first}"' in shown
    before = list(Fund.objects.values())
    form = client.get(first)
    assert list(Fund.objects.values()) == before, "looking at a version restores nothing"
    assert client.post(first, sent_back(form)).status_code == 302

    page = text("/funds/education/", at=DURING)  # not the copy that was kept a second ago
    assert [words for words in ("The first words.", "A first year", "9,400", "clinicians") if words not in page] == []
    assert "Added later" not in page
    assert Fund.objects.get().publish_at.isoformat() == "2026-11-01T14:30:00+00:00"


def test_a_version_is_for_people_who_write_pages(fund):
    client, url = dana(), f"/admin/campaign/fund/{fund.pk}/change/"
    save(client, url, summary="The second words.")
    version = Version.objects.get_for_object(fund).get()
    address = f"/admin/campaign/fund/{fund.pk}/history/{version.pk}/"
    Fund.objects.update(summary="The third words.")
    assert farid().post(address, {}).status_code == 403
    assert Client().post(address, {}).headers["Location"].startswith("/admin/login/")
    assert Fund.objects.get().summary == "The third words."


def history_of(kind: str, row) -> list[str]:
    found = LogEntry.objects.filter(content_type__model=kind, object_id=str(row.pk)).order_by("pk")
    return [entry.get_change_message() for entry in found]


def test_a_save_that_changes_nothing_is_no_change_of_amounts(fund):
    campaign = Campaign.objects.get()
    FundPreset.objects.create(fund=fund, amount_minor=5_000, does="buys a book")
    FundPreset.objects.create(fund=fund, amount_minor=12_550, does="buys two")
    Milestone.objects.create(campaign=campaign, amount_minor=10_000_000, text="Half way")
    story = Story.objects.create(slug="s", title="A call", summary="s", body="<p>They <b>stay</b>.</p>")
    client = dana()
    for kind, row in (("campaign", campaign), ("story", story), ("section", fund.sections.get())):
        save(client, f"/admin/campaign/{kind}/{row.pk}/change/")
        assert history_of(kind, row) == ["No fields changed."]
    url = f"/admin/campaign/fund/{fund.pk}/change/"
    save(client, url, summary="Other words.")
    save(client, url, **{"presets-1-amount_minor": "$125.50", "presets-0-amount_minor": "$60"})
    assert history_of("fund", fund) == [
        "Changed Summary.",
        "Changed Amount for suggested gift “$60 buys a book”.",
    ]


def test_the_campaigns_history_says_what_stood_there_before(fund):
    campaign, client = Campaign.objects.get(), dana()
    url = f"/admin/campaign/campaign/{campaign.pk}"
    assert "Nobody has changed this here since it was set up." in client.get(f"{url}/history/").content.decode()
    sent = {"goal_minor": "300,000", "opens_at_1": "01:00:00", "presets_minor": "$50; $100"}
    save(client, f"{url}/change/", **sent, takes_monthly="")
    assert history_of("campaign", campaign) == [
        "Changed Opens at (was 2026-12-01 00:00), Takes monthly gifts (was on), Goal (was 250000.00) and "
        "Suggested gifts (was $50; $100; $250; $500; $1,000)."
    ]


def test_the_admin_shows_the_campaigns_time_and_says_so(fund):
    Fund.objects.update(publish_at=datetime(2026, 11, 30, 7, 29, tzinfo=UTC))
    client = dana()
    listed = client.get("/admin/campaign/fund/").content.decode()
    assert "Nov. 30, 2026, 2:29 a.m." in listed
    assert "Times are those of America/New_York" in listed
    save(client, f"/admin/campaign/fund/{fund.pk}/change/", summary="Other words.")
    made_at = Version.objects.get_for_object(fund).get().revision.date_created
    shown = client.get(f"/admin/campaign/fund/{fund.pk}/history/").content.decode()
    with timezone.override("America/New_York"):
        assert date_format(timezone.localtime(made_at), "DATETIME_FORMAT") in shown
