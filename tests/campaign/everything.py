"""A campaign in which every part of every public page has something to say, and the moments at which pages differ."""

from datetime import timedelta

from django.core.files.storage import default_storage

from campaign.models import Campaign, Fund, Milestone, Section, SectionItem, Story
from donations.models import GiftMessage, Tribute
from matching import challenges
from matching.models import Reservation
from tests import factories
from tests.campaign.pages import AFTER, BEFORE, DURING, picture

HOUR = timedelta(hours=1)
MOMENTS = {"before": BEFORE, "open": DURING + 2 * HOUR, "last hour": factories.CLOSES_AT - HOUR / 2, "closed": AFTER}
# What is said of the moment itself, and what is the same at any.
CHANGING = ("/", "/funds/nursing/", "/match/", "/live/", "/embed/countdown/", "/embed/progress/")
LASTING = (
    *("/funds/", "/stories/", "/stories/call/", "/match/?reference=M-7K3QX9AB2C", "/wall/", "/wall/?page=2"),
    *("/funds/nursing/wall/", "/progress/?part=live", "/progress/?part=line&fund=nursing&amount=0.005"),
)


def everything() -> Campaign:
    """One call makes all of it."""
    factories.organization(phone="617-555-0142")
    education, nursing = factories.fund("Education"), factories.fund("Nursing", slug="nursing")
    campaign = factories.campaign(funds=[education, nursing])
    Milestone.objects.bulk_create(
        Milestone(campaign=campaign, amount_minor=amount_minor, text=f"Milestone {amount_minor}")
        for amount_minor in (10_000, 20_000_000, 30_000_000)
    )
    _pools(campaign, nursing)
    _gifts(campaign, nursing)
    _parts(nursing)
    return campaign


def looked_up() -> str:
    """The page on one match: its reference is made by chance."""
    return f"/match/?reference={Reservation.objects.latest('pk').reference}"


def _pools(campaign: Campaign, nursing: Fund) -> None:
    """Every kind of terms that has words of its own, before their time, open, locked, met and used up."""
    opens_at, noon = campaign.opens_at, campaign.opens_at + 12 * HOUR
    quiet = factories.sponsor("Ms Secret", is_anonymous=True)
    factories.pool(campaign=campaign, sponsor=quiet, min_gift_minor=2_500, cap_per_gift_minor=6_000, leftover="kept")
    for terms in (
        {"layer": "bonus", "ratio_gift": 2, "cap_per_donor_minor": 9_000, "fund_ids": [nursing.pk]},
        {"layer": "bonus", "opens_at": noon, "closes_at": noon + HOUR},
        {"ratio_match": 5, "opens_at": opens_at, "closes_at": opens_at + 24 * HOUR, "limit_minor": 2_000},
        {"unlock_donors": 50, "opens_at": noon},
        {"unlock_raised_minor": 90_000_000, "reaches_back": True},
        {"unlock_raised_minor": 90_000_000, "fund_ids": [nursing.pk], "closes_at": noon},
        {"layer": "award", "unlock_donors": 2, "award_minor": 5_000},
        {"layer": "award", "unlock_donors": 30, "award_minor": 5_000, "award_every": True},
        {"layer": "award", "unlock_raised_minor": 40_000, "award_minor": 5_000, "fund_ids": [nursing.pk]},
    ):
        factories.pool(campaign=campaign, now=opens_at - 48 * HOUR, **terms)


def _gifts(campaign: Campaign, nursing: Fund) -> None:
    many, one = (campaign.teams.create(name=f"Team {name}", slug=name.lower()) for name in ("Many", "One"))
    for number in range(14):
        gift = factories.donation(
            campaign=campaign,
            parts=[(nursing, 10_000)],
            at=factories.GIFT_AT + timedelta(minutes=number),
            donor_email=f"m{number}@example.org",
            team=many if number else one,
            hides_name=number == 11,
            hides_amount=number == 12,
            country="US",
            region="MA" if number % 2 else "NY",
        )
        factories.match(gift)
    Tribute.objects.create(donation=gift, kind="memory", name="Sam Poe", is_public=True)
    GiftMessage.objects.create(donation=gift, text="Well done", state="shown", decided_at=DURING, decided_by="joan")
    challenges.settle_challenges(campaign=campaign, now=DURING)


def _parts(nursing: Fund) -> None:
    """A part of each kind on the fund's page, and its story."""
    story = Story.objects.create(slug="call", title="The call", summary="It rang.", body="At nine.", fund=nursing)
    shown = default_storage.save("sections/ward.webp", picture())
    for position, kind in enumerate(Section.Kind.values):
        part = Section.objects.create(
            fund=nursing,
            kind=kind,
            position=position,
            heading="A heading",
            body="A body",
            closing="An end",
            featured=story,
            video_link="https://vimeo.com/76979871",
            picture=shown,
            picture_alt="A ward",
            picture_caption="At night",
        )
        SectionItem.objects.create(section=part, title="10,000", text="An item")
