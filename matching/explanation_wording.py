"""The explanation of a match in a donor's words, such as “The match of Pier Bank had $7.35 left when you gave.”"""

from datetime import datetime

from campaign.models import Campaign
from campaign.moments import when_text
from campaign.money import format_amount_short
from matching.allocation import Bound
from matching.explanation import Explanation, Line

_WAITS = {
    "money": "Your gift is in line for money that comes free.",
    "unlock": "Your gift is in line for when it unlocks.",
}


def donor_sentences(explanation: Explanation, *, at: datetime) -> list[str]:
    """A sentence or two for each pool that had a part in the match or may still have one; of a gift without any
    match, for each pool that was asked. at: when the gift was sent, so that the same day is not named again."""
    telling = [line for line in explanation.lines if line.tells] or explanation.lines
    last = {line.pool.pk: line for line in telling}  # what a pool may still give is said once, not for each part
    return [_told(line, explanation, at=at, is_last=last[line.pool.pk] is line) for line in telling]


def _told(line: Line, explanation: Explanation, *, at: datetime, is_last: bool) -> str:
    campaign = explanation.campaign
    part = f" of your {_money(line.part_minor, campaign)} for {line.fund_name}" if explanation.has_parts else ""
    words = [_first(line, campaign=campaign, part=part)] if line.bound else []
    for added in line.added:
        why = "when it was unlocked" if line.bound == Bound.LOCKED else "when money came free"
        whose = "more" if line.gave_minor else f"from {line.sponsor_name}"
        when = _when(added.at, campaign=campaign, at=at)
        words.append(f"{_money(added.amount_minor, campaign)} {whose} came {when} {why}.")
    if line.taken_back_minor:
        words.append(f"{_money(line.taken_back_minor, campaign)} of it went back for what was refunded.")
    if is_last and campaign.offers_freed_match:
        words.append(_WAITS.get(line.waits_for, ""))
    return " ".join(word for word in words if word)


def _first(line: Line, *, campaign: Campaign, part: str) -> str:
    """What the pool gave when the gift was sent, and why not more."""
    gave = _money(line.gave_minor, campaign)
    whose = f"{line.sponsor_name}’s match"
    matched = f"{line.sponsor_name} matched {gave}{part}"
    gift_cap, donor_cap, least = (
        format_amount_short(minor or 0, currency=campaign.currency)
        for minor in (line.terms.cap_per_gift_minor, line.terms.cap_per_donor_minor, line.terms.min_gift_minor)
    )
    told = {
        Bound.GIFT: f"{matched}, all that there was to match",
        Bound.RATIO: f"{matched}: the part left to match was too small for a cent",
        Bound.COVERED: f"{matched}, since other sponsors covered the rest" if line.gave_minor else "",
        Bound.WINDOW: f"{whose} was not open when you gave",
        Bound.MINIMUM: f"{whose} is for gifts of {least} or more",
        Bound.OTHER_FUND: f"{whose} is not for {line.fund_name}",
        Bound.OFFLINE: f"{whose} is for gifts made on this site",
        Bound.PAUSED: f"{whose} was paused when you gave",
        Bound.LOCKED: f"{whose} was still locked when you gave",
        Bound.CAP_PER_GIFT: f"{matched}, the most for one gift ({gift_cap})",
        Bound.CAP_PER_DONOR: f"{matched}, the most for one donor ({donor_cap})"
        if line.gave_minor
        else f"{whose} gives at most {donor_cap} to one donor, and your earlier gifts had it",
        Bound.RAN_OUT: f"{whose} had {gave} left when you gave{part and f' to {line.fund_name}'}"
        if line.gave_minor
        else f"{whose} was used up when you gave",
    }
    sentence = told[Bound(line.bound)] or f"Other sponsors had matched all of it before {line.sponsor_name}’s turn"
    return f"{sentence[:1].upper()}{sentence[1:]}."


def _when(moment: datetime, *, campaign: Campaign, at: datetime) -> str:
    """`at 10:14 AM`, with the day unless it is the gift's own."""
    return when_text(moment.astimezone(campaign.tz), seen_on=at.astimezone(campaign.tz).date())


def _money(minor: int, campaign: Campaign) -> str:
    return format_amount_short(minor, currency=campaign.currency)
