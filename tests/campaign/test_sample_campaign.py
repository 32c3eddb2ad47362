"""`manage.py load_sample_campaign`: loaded once for the tests that look at it, and rolled back after the last."""

import html
import io
import re
from datetime import UTC, datetime

import pytest
import time_machine
from django.apps import apps
from django.contrib.auth.models import User
from django.core import mail
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import Client, override_settings
from PIL import Image

from campaign import photographs
from campaign.models import Campaign, Fund, Organization, Section, SectionItem, Story
from donations.came_from import origins
from donations.models import Donation, FollowUp, Receipt
from donations.queries import totals
from matching.models import MatchPool, Reservation
from matching.queries import pool_figures
from tests import factories
from tests.campaign.pages import QUICK_FORMATS
from tests.staff import text_of

NOW = datetime(2026, 11, 22, 18, tzinfo=UTC)
PASSWORD = "sample password for tests"
_OURS = ("campaign", "matching", "donations", "auth")


@pytest.fixture(scope="module")
def _loaded(django_db_setup, django_db_blocker, tmp_path_factory):
    media = tmp_path_factory.mktemp("media")
    with (
        pytest.MonkeyPatch.context() as patch,
        override_settings(MEDIA_ROOT=media),
        django_db_blocker.unblock(),
        transaction.atomic(),
    ):
        patch.setenv("DEMO_PASSWORD", PASSWORD)
        patch.setattr(photographs, "FORMATS", QUICK_FORMATS)
        with time_machine.travel(NOW, tick=False):
            said = load()
        yield said
        transaction.set_rollback(True)


@pytest.fixture
def loaded(_loaded, django_db_blocker):
    """What the command said; whatever a test changes is undone after it."""
    with django_db_blocker.unblock():
        mark = transaction.savepoint()
        yield _loaded
        transaction.savepoint_rollback(mark)


def load():
    said = io.StringIO()
    call_command("load_sample_campaign", stdout=said)
    return said.getvalue()


def every_row():
    models = [model for model in apps.get_models() if model._meta.app_label in _OURS]
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in models}


def gift_of(name):
    return Donation.objects.filter(donor_name=name).order_by("pk").first()


def match_of(donation):
    return Reservation.objects.get(key=donation.match_key).match_minor


def test_it_says_what_it_loaded(loaded):
    assert loaded.splitlines() == [
        "log-ins made: development, finance, admin",
        "loaded Giving Tuesday: 6 funds, 6 match pools, 84 gifts",
    ]


def test_a_second_load_writes_nothing(loaded):
    before = every_row()
    assert load() == "the sample campaign is there already; nothing was changed\n"
    assert every_row() == before


def test_a_second_load_keeps_what_people_changed_and_deleted(loaded):
    Campaign.objects.update(heading="Ours now")
    Organization.objects.update(phone="617-555-0199")
    Story.objects.get(slug="the-sixth-night").delete()
    load()
    assert Campaign.objects.get().heading == "Ours now"
    assert Organization.objects.get().phone == "617-555-0199"
    assert not Story.objects.filter(slug="the-sixth-night").exists()


def test_the_campaign_is_giving_tuesday_in_boston(loaded):
    campaign = Campaign.objects.current()
    assert (campaign.opens_at, campaign.closes_at) == (
        datetime(2026, 12, 1, 5, tzinfo=UTC),
        datetime(2026, 12, 2, 5, tzinfo=UTC),
    )
    assert (campaign.time_zone, campaign.time_zone_label, campaign.goal_minor) == (
        "America/New_York",
        "Boston time",
        40_000_000,
    )
    assert Organization.objects.get().ein == "00-0000000"


def test_the_ledger_agrees_and_pools_are_used_as_their_terms_say(loaded):
    said = io.StringIO()
    call_command("check_match_ledger", stdout=said)
    assert len(said.getvalue().splitlines()) == 6
    harbor, alumni, anonymous, ward, parents, bank = MatchPool.objects.order_by("pk")
    assert (harbor.limit_minor, alumni.limit_minor, anonymous.limit_minor) == (25_000_000, 6_000_000, 5_000_000)
    assert (ward.free_minor, ward.held_minor) == (735, 0)
    assert (alumni.matched_minor, alumni.terms.ratio_match, alumni.terms.layer) == (0, 2, "bonus")
    assert (alumni.terms.opens_at, alumni.terms.closes_at) == (
        datetime(2026, 12, 1, 17, tzinfo=UTC),
        datetime(2026, 12, 1, 18, tzinfo=UTC),
    )
    assert anonymous.sponsor.display_name == "an anonymous sponsor"
    assert (parents.unlocked_at, parents.terms.unlock_raised_minor, parents.terms.reaches_back) == (
        None,
        12_000_000,
        True,
    )
    assert parents.waiting.count() > 10
    assert (bank.matched_minor, bank.terms.award_minor, bank.terms.unlock_donors) == (0, 5_000_000, 500)
    slugs = {
        pool: set(Fund.objects.filter(pk__in=pool.terms.fund_ids).values_list("slug", flat=True))
        for pool in (harbor, ward)
    }
    assert slugs[harbor] == {"education", "childrens-care", "emergency", "community-health"}
    assert slugs[ward] == {"nursing"}


def test_gifts_show_the_rules_at_work(loaded):
    above_the_cap, below_the_minimum = gift_of("Thandiwe Mokoena"), gift_of("Wanda Kowalski")
    assert (above_the_cap.amount_minor, match_of(above_the_cap)) == (1_000_000, 500_000)
    assert (below_the_minimum.amount_minor, match_of(below_the_minimum)) == (2_000, 0)
    split = gift_of("Benjamin Katz")
    assert [part.amount_minor for part in split.designations.all()] == [250_000, 250_000]
    assert (split.public_name, split.hides_amount, match_of(split)) == ("Anonymous", True, 500_000)


def test_every_gift_is_paid_in_the_last_thirty_hours_and_has_its_receipt_without_gaps(loaded):
    gifts = Donation.objects.all()
    assert {gift.state for gift in gifts} == {"paid"}
    assert min(gift.paid_at for gift in gifts) > datetime(2026, 11, 21, 12, tzinfo=UTC)
    assert max(gift.paid_at for gift in gifts) < NOW
    numbers = sorted(Receipt.objects.values_list("number", flat=True))
    assert numbers == [f"2026-{count:06d}" for count in range(1, len(gifts) + 1)]
    assert {(r.donation_id, r.amount_minor) for r in Receipt.objects.all()} == {(g.pk, g.total_minor) for g in gifts}
    assert totals(campaign_id=Campaign.objects.get().pk).raised_minor == sum(gift.amount_minor for gift in gifts)


def test_no_mail_is_sent_to_people_who_do_not_exist(loaded):
    assert mail.outbox == []
    assert set(FollowUp.objects.values_list("kind", "state")) == {("receipt", "done"), ("email", "done")}
    assert all(gift.donor_email.endswith("@example.org") for gift in Donation.objects.all())
    assert all(gift.payment_intent.startswith("pi_sample_") for gift in Donation.objects.all())


def test_the_education_page_has_every_part_of_the_page_it_is_modelled_on(loaded):
    education = Fund.objects.get(slug="education")
    sections = list(education.sections.all())
    assert [section.kind for section in sections] == [
        "text", "text", "figures", "text", "picture", "text", "imagine", "story", "gallery", "appeal",
    ]  # fmt: skip
    figures, picture, imagine, story, gallery = (sections[index] for index in (2, 4, 6, 7, 8))
    assert [item.title for item in figures.items.all()] == ["9,400+", "2,600", "1,150"]
    assert picture.picture_caption
    assert imagine.closing
    assert imagine.items.count() == 3
    assert story.featured.slug == "the-call-before-the-visit"
    assert [bool(item.picture and item.text) for item in gallery.items.all()] == [True, True, True]


def test_the_education_page_shows_all_its_parts(loaded):
    response = Client().get("/funds/education/")
    assert response.status_code == 200
    page = html.unescape(text_of(response))
    for section in Section.objects.filter(fund__slug="education"):
        assert section.heading in page
        assert section.closing in page
        assert all(item.text in page for item in section.items.all())
    # Around them: the banner with its heading, words, button and countdown; the featured story; what a gift does.
    campaign = Campaign.objects.get()
    around = [campaign.heading, campaign.lead, campaign.action_label, f"{campaign.name} starts in", "Featured story"]
    places = [page.index(words) for words in around]
    assert places[:4] == sorted(places[:4])
    assert "Read more" in page
    assert "<b>$100</b> <small>buys an hour for one nurse in the practice rooms</small>" in page
    assert "too old to show this site well" in page


def test_suggested_gifts_and_where_gifts_came_from_are_in_it(loaded):
    told = {fund.slug: [preset.does for preset in fund.presets.all()] for fund in Fund.objects.all()}
    assert [len(told[slug]) for slug in ("education", "nursing", "childrens-care", "research")] == [4, 4, 3, 0]
    found = origins(campaign_id=Campaign.objects.get().pk)
    assert {row.source for row in found.rows} == {"newsletter", "instagram", "staff-intranet", "patients-letter"}
    assert (found.rest_count, sum(row.gift_count for row in found.rows) + found.without_count) == (0, 84)


def test_all_its_pages_answer_and_their_pictures_are_there(loaded):
    addresses = ["/", "/funds/", "/stories/", "/match/"]
    addresses += [row.get_absolute_url() for model in (Fund, Story) for row in model.objects.all()]
    pictures = set()
    for address in addresses:
        response = Client().get(address)
        assert response.status_code == 200, address
        pictures |= set(re.findall(r'src="/media/([^"]+)"', response.content.decode()))
    assert len(pictures) == 13 + 2, "the illustrations and two sponsors' logos"
    assert all(default_storage.exists(picture) for picture in pictures)


def test_every_fund_has_a_page_and_every_story_paragraphs(loaded):
    assert Fund.objects.count() == 6
    for fund in Fund.objects.all():
        assert fund.picture
        assert 3 <= fund.sections.count() <= 10
        assert fund.sections.last().kind == Section.Kind.APPEAL
    assert Story.objects.count() == 4
    assert all(story.picture and story.body.count("\n\n") >= 4 for story in Story.objects.all())


def test_its_donors_can_choose_a_picture_for_a_card(loaded):
    cards = Campaign.objects.get().card_pictures.all()
    assert len(cards) == 2
    assert all(card.picture_alt and default_storage.exists(card.picture.name) for card in cards)


def test_its_pictures_are_small_and_described(loaded):
    shown = [*Fund.objects.all(), *Story.objects.all(), *Section.objects.all(), *SectionItem.objects.all()]
    named = {row.picture.name: row.picture_alt for row in shown if row.picture}
    assert len(named) == 13
    for name, alt in named.items():
        assert len(alt) > 40
        with default_storage.open(name) as stored, Image.open(stored) as picture:
            assert (picture.format, picture.size) == ("JPEG", (1200, 800))
        assert max(default_storage.size(file) for file in photographs.files_of(name)) < 100_000


def test_its_log_ins_work_and_belong_to_their_groups(loaded):
    people = {user.username: user for user in User.objects.all()}
    assert set(people) == {"development", "finance", "admin"}
    assert all(user.is_staff and user.check_password(PASSWORD) for user in people.values())
    groups = {name: [group.name for group in user.groups.all()] for name, user in people.items()}
    assert groups == {"development": ["development"], "finance": ["finance"], "admin": []}
    assert [name for name, user in people.items() if user.is_superuser] == ["admin"]


def test_it_makes_no_log_ins_without_a_password(loaded, monkeypatch):
    User.objects.all().delete()
    monkeypatch.delenv("DEMO_PASSWORD")
    load()
    assert not User.objects.exists()


def test_it_leaves_a_changed_password_alone_and_makes_only_who_is_missing(loaded):
    changed = User.objects.get(username="finance")
    changed.set_password("my own")
    changed.save()
    User.objects.filter(username="development").delete()
    assert load().splitlines()[0] == "log-ins made: development"
    assert User.objects.get(username="finance").check_password("my own")


# pytest-django runs tests with this mark before those without, so the sample is not loaded yet.
@pytest.mark.django_db
def test_it_refuses_a_database_with_gifts_of_its_own():
    factories.donation()
    before = every_row()
    with pytest.raises(CommandError, match="gifts of its own"):
        load()
    assert every_row() == before


@pytest.mark.django_db
def test_it_refuses_where_real_money_moves(settings):
    settings.STRIPE_SECRET_KEY = "sk_live_" + "0" * 8
    with pytest.raises(CommandError, match="real money"):
        load()
    assert not Campaign.objects.exists()


def test_its_challenges_are_on_their_way(loaded):
    campaign = Campaign.objects.get()
    figures = {row.pool.sponsor.public_name: row for row in pool_figures(campaign=campaign, now=NOW)}
    parents, bank = figures["the Parents’ Circle"], figures["Wharf Savings Bank"]
    assert parents.sentence == (
        "Once $120,000 has been raised for Children’s Care, every dollar to Children’s Care earns $1 more on top of "
        "any other match, up to $250 of match a gift, until $20,000 is used. Earlier gifts are matched then, too."
    )
    assert bank.sentence == "When 500 people give, Wharf Savings Bank will give $50,000."
    assert (parents.state, bank.state) == ("locked", "running")
    assert 0.05 < parents.progress_share < 0.9
    assert 0.05 < bank.progress_share < 0.9
