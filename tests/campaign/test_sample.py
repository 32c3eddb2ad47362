"""`manage.py load_sample_campaign`: a campaign to look at, written once and never over anybody's edits."""

import io
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db.models import Count, Sum
from django.utils import timezone

from campaign.models import Campaign, Fund, Organization, Section, SectionItem, Story
from donations.models import Donation, FollowUp, Receipt
from donations.queries import totals
from matching.checking import check_campaigns
from matching.models import MatchPool
from tests import factories
from tests.campaign.pages import get

pytestmark = pytest.mark.django_db
COUNTED = [Campaign, Fund, Section, SectionItem, Story, MatchPool, Donation, Receipt, User]


@pytest.fixture(autouse=True)
def _password(monkeypatch):
    monkeypatch.setenv("DEMO_PASSWORD", "demo-only-password")


def load() -> str:
    said = io.StringIO()
    call_command("load_sample_campaign", stdout=said)
    return said.getvalue()


def counts() -> dict[str, int]:
    return {model.__name__: model.objects.count() for model in COUNTED}


def test_a_second_run_adds_nothing_and_keeps_what_staff_changed():
    load()
    before = counts()
    Organization.objects.update(phone="617-555-0199")
    Fund.objects.filter(slug="education").update(summary="Our own words.")
    Story.objects.filter(slug="the-sixth-night").delete()
    said = load()
    assert "nothing was changed" in said
    assert counts() == before | {"Story": before["Story"] - 1}
    assert Organization.objects.get().phone == "617-555-0199"
    assert Fund.objects.get(slug="education").summary == "Our own words."


def test_it_is_a_whole_campaign_that_adds_up():
    load()
    campaign = Campaign.objects.get()
    assert campaign.is_current
    assert campaign.funds.count() >= 5
    assert Story.objects.count() >= 3
    kinds = set(Fund.objects.get(slug="education").sections.values_list("kind", flat=True))
    assert kinds == set(Section.Kind.values)
    assert MatchPool.objects.filter(free_minor=735).count() == 1
    assert check_campaigns() == []
    gifts = Donation.objects.all()
    assert gifts.count() >= 60
    assert set(gifts.values_list("state", flat=True)) == {"paid"}
    assert totals(campaign_id=campaign.pk).raised_minor == gifts.aggregate(sum=Sum("amount_minor"))["sum"]
    assert Receipt.objects.count() == gifts.count()
    assert not Receipt.objects.values("donation").annotate(n=Count("pk")).filter(n__gt=1).exists()
    assert not FollowUp.objects.exclude(state=FollowUp.State.DONE).exists()
    assert gifts.filter(paid_at__gt=timezone.now() - timedelta(hours=31)).count() == gifts.count()


def test_every_page_of_it_shows_its_pictures():
    load()
    urls = ["/", "/funds/", "/stories/", "/match/"]
    urls += [row.get_absolute_url() for model in (Fund, Story) for row in model.objects.all()]
    for url in urls:
        html = get(url, at=timezone.now()).content.decode()
        for address in {part.split('"')[0] for part in html.split('<img class="pic" src="')[1:]}:
            answer = get(address, at=timezone.now())
            assert answer.headers["Content-Type"] == "image/webp"


def test_the_log_ins_are_made_only_with_a_password(monkeypatch):
    monkeypatch.delenv("DEMO_PASSWORD")
    load()
    assert not User.objects.exists()
    monkeypatch.setenv("DEMO_PASSWORD", "demo-only-password")
    assert "log-ins made: development, finance, admin" in load()
    assert {user.username: user.is_superuser for user in User.objects.all()} == {
        "development": False,
        "finance": False,
        "admin": True,
    }


def test_it_is_never_mixed_with_real_gifts_or_real_money(settings):
    factories.donation()
    with pytest.raises(CommandError, match="This database has gifts of its own"):
        load()
    settings.STRIPE_SECRET_KEY = "sk_live_twofold_never"
    with pytest.raises(CommandError, match="not loaded where real money moves"):
        load()
