"""The sentence that tells a donor, before paying, what the match would add to a gift sent now."""

from dataclasses import dataclass, replace
from datetime import datetime

from django.utils.translation import gettext

from campaign.models import Campaign
from campaign.money import format_amount_short
from matching import queries
from matching.wording import listed


@dataclass(frozen=True, slots=True)
class MatchLine:
    """tone: `full`, `part`, `none`, or `ask` while no amount is known. Both texts are whole sentences or empty."""

    tone: str
    headline: str
    detail: str
    match_minor: int = 0


def ask() -> MatchLine:
    """What stands there while no amount is known."""
    return MatchLine("ask", "", gettext("Choose an amount to see what the match adds to it."))


def match_line(*, campaign: Campaign, parts: tuple[tuple[int, int], ...], now: datetime, pools: str = "") -> MatchLine:
    """What a gift of these parts (fund id, amount in minor units) would be matched with: a forecast, said as one.

    What locked pools that reach back would add later is said too. No parts: the line asks for an amount. Reads only;
    two queries, three more when there is no match, and one for each challenge that was not counted lately.
    pools: a state to show the pools in (matching.shown_states), for staff who preview a page.
    """
    if not parts:
        return ask()
    quote = queries.quote(campaign=campaign, parts=parts, now=now, shown_as=pools)
    amount_minor = sum(amount for _, amount in parts)
    later = "".join(f" {_locked_text(row, currency=campaign.currency)}" for row in quote.locked)
    if not quote.match_minor:
        return _unmatched(campaign=campaign, amount_minor=amount_minor, later=later, now=now, pools=pools)
    gift, match, both = (
        format_amount_short(minor, currency=campaign.currency)
        for minor in (amount_minor, quote.match_minor, amount_minor + quote.match_minor)
    )
    is_part = quote.match_minor < amount_minor
    if is_part and not later:
        words = gettext(
            "Of that, {match}, all the match there is for this gift, comes from {sponsors}; we hold it for you while "
            "you pay."
        )
    else:
        words = gettext("Of that, {match} comes from {sponsors}; we hold it for you while you pay.")
    return MatchLine(
        tone="part" if is_part else "full",
        headline=gettext("{gift} becomes {both}.").format(gift=gift, both=both),
        detail=words.format(match=match, sponsors=listed(quote.sponsor_names)) + later,
        match_minor=quote.match_minor,
    )


def for_monthly(line: MatchLine, *, campaign: Campaign) -> MatchLine:
    """The same of a gift that comes each month: its first payment alone is matched, or none of them."""
    if not campaign.matches_first_monthly:
        return MatchLine(
            "none", gettext("Monthly gifts are not matched."), gettext("Each payment goes to work all the same.")
        )
    if not line.match_minor:
        return line
    return replace(
        line, detail=" ".join([line.detail, gettext("That is for the first payment; later ones are not matched.")])
    )


def _locked_text(locked: queries.LockedMatch, *, currency: str) -> str:
    """`$50 more from the Alumni is still locked. Unlocks when 500 people have given: 312 so far; the oldest gifts come
    first.`"""
    more = format_amount_short(locked.match_minor, currency=currency)
    # Translators: progress is such as: Unlocks when 500 people have given: 312 so far
    words = gettext("{more} more from {sponsor} is still locked. {progress}; the oldest gifts come first.")
    return words.format(more=more, sponsor=locked.sponsor_name, progress=locked.progress_text)


def _unmatched(*, campaign: Campaign, amount_minor: int, later: str, now: datetime, pools: str) -> MatchLine:
    gift = format_amount_short(amount_minor, currency=campaign.currency)
    headline, detail = _why_not(campaign=campaign, gift=gift, is_later=bool(later), now=now, shown_as=pools)
    same = gettext("Your {gift} goes to work all the same.").format(gift=gift)
    return MatchLine("none", headline, f"{detail}{later} {same}")


def _why_not(*, campaign: Campaign, gift: str, is_later: bool, now: datetime, shown_as: str) -> tuple[str, str]:
    """Headline and reason, the most useful first: a match that takes other gifts, one to come, one that ended.

    is_later: a locked pool that would match the gift afterwards is spoken of beside it.
    """
    pools = queries.pool_figures(campaign=campaign, now=now, shown_as=shown_as)
    found = {pool.state: pool for pool in reversed(pools) if not pool.is_award}
    if is_later:
        found["later"] = found["locked"]
    if campaign.phase(now=now) == "closed":
        return gettext("{campaign} has ended.").format(campaign=campaign.name), gettext("Gifts are no longer matched.")
    reasons = {
        "open": (gettext("{gift} would not be matched."), gettext("This is what is matched: {sentence}")),
        "later": (gettext("Your match is still locked."), gettext("A gift sent now has no match yet.")),
        "locked": (gettext("The match is still locked."), gettext("{progress}. A gift sent now has no match.")),
        "not_yet_open": (
            gettext("The match is not open yet."),
            # Translators: opens is such as: Opens December 1, 9:00 AM
            gettext("{opens}, {zone}. A gift sent now has no match."),
        ),
        "paused": (gettext("The match is paused."), gettext("A gift sent now has no match.")),
        "used_up": (
            gettext("The match is all taken."),
            gettext("Every dollar of it is given, or held for donors who are paying now."),
        ),
    }
    for state, (headline, detail) in reasons.items():
        if pool := found.get(state):
            words = {"sentence": pool.sentence, "progress": pool.progress_text, "opens": pool.state_text}
            return headline.format(gift=gift), detail.format(**words, zone=campaign.time_zone_label)
    return gettext("This gift has no match."), gettext("There is no match to hold at the moment.")
