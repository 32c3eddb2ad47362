"""The sample's organization, campaign, funds and stories, as rows that the admin can edit."""

from typing import Any

from campaign.models import (
    Campaign,
    CardPicture,
    Fund,
    FundPreset,
    Milestone,
    Organization,
    Section,
    SectionItem,
    Story,
    Team,
)
from campaign.sample import content


def write_organization() -> Organization:
    """The sample's organization, unless somebody has filled in their own."""
    words = content.campaign_file()["organization"]
    organization, _ = Organization.objects.get_or_create(id=1, defaults=words)
    return organization


def write_campaign(funds: list[Fund], *, pictures: dict[str, str]) -> Campaign:
    """The campaign with these funds; the current one, unless another campaign is. pictures: as for write_funds()."""
    words = dict(content.campaign_file()["campaign"])
    words["goal_minor"] = content.minor(words.pop("goal"))
    words["currency"] = content.CURRENCY
    milestones, teams = words.pop("milestones"), words.pop("teams")
    cards = words.pop("cards")
    words["is_current"] = Campaign.objects.current() is None
    campaign = Campaign.objects.create(**words)
    campaign.funds.set(funds)
    for row in milestones:
        Milestone.objects.create(campaign=campaign, amount_minor=content.minor(row["amount"]), text=row["text"])
    Team.objects.bulk_create(Team(campaign=campaign, **row) for row in teams)
    for position, card in enumerate(cards, start=1):
        picture = {"picture": pictures[card["file"]], "picture_alt": card["alt"]}
        CardPicture.objects.create(campaign=campaign, position=position, **picture)
    return campaign


def write_funds(*, pictures: dict[str, str]) -> list[Fund]:
    """Funds, stories and the parts of each fund's page. pictures: stored names by the drawings' own.

    A fund or story of the same address that is there already is used as it is.
    """
    funds = [_fund(words, position, pictures=pictures) for position, words in enumerate(content.funds(), start=1)]
    for position, words in enumerate(content.stories(), start=1):
        _story(words, position, pictures=pictures)
    for fund, words in zip(funds, content.funds(), strict=True):
        if not fund.sections.exists():
            for position, part in enumerate(words["section"], start=1):
                _section(fund, part, position, pictures=pictures)
    return funds


def _fund(words: dict[str, Any], position: int, *, pictures: dict[str, str]) -> Fund:
    fields = {name: words[name] for name in ("name", "summary", "gl_code")}
    values = {**fields, "position": position, **_picture(words, pictures)}
    fund, is_new = Fund.objects.get_or_create(slug=words["slug"], defaults=values)
    for preset in words.get("presets", []) if is_new else []:
        FundPreset.objects.create(fund=fund, amount_minor=content.minor(preset["amount"]), does=preset["does"])
    return fund


def _story(words: dict[str, Any], position: int, *, pictures: dict[str, str]) -> Story:
    fields = {name: words[name] for name in ("title", "summary", "body")}
    fund = Fund.objects.get(slug=words["fund"])
    values = {**fields, "fund": fund, "position": position, **_picture(words, pictures)}
    story, _ = Story.objects.get_or_create(slug=words["slug"], defaults=values)
    return story


def _section(fund: Fund, words: dict[str, Any], position: int, *, pictures: dict[str, str]) -> None:
    section = Section.objects.create(
        fund=fund,
        kind=words["kind"],
        position=position,
        heading=words.get("heading", ""),
        body=words.get("body", "").strip(),
        closing=words.get("closing", ""),
        featured=Story.objects.get(slug=words["story"]) if "story" in words else None,
        **_picture(words, pictures),
    )
    for number, item in enumerate(words.get("items", []), start=1):
        picture = _picture(item, pictures)
        picture.pop("picture_caption", None)
        SectionItem.objects.create(
            section=section, position=number, title=item.get("title", ""), text=item.get("text", ""), **picture
        )


def _picture(words: dict[str, Any], pictures: dict[str, str]) -> dict[str, str]:
    """The picture's fields; nothing when there is none. A fund has no caption."""
    picture = words.get("picture")
    if picture is None:
        return {}
    fields = {"picture": pictures[picture["file"]], "picture_alt": picture["alt"]}
    return fields | ({"picture_caption": picture["caption"]} if "caption" in picture else {})
