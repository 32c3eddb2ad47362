"""The sentence that tells a donor, before paying, what the match would add to a gift sent now."""

from dataclasses import dataclass
from datetime import datetime

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


ASK = MatchLine("ask", "", "Choose an amount to see what the match adds to it.")


def match_line(*, campaign: Campaign, parts: tuple[tuple[int, int], ...], now: datetime) -> MatchLine:
    """What a gift of these parts (fund id, amount in minor units) would be matched with: a forecast, said as one.

    No parts: the line asks for an amount. Reads only; two queries, three more when there is no match.
    """
    if not parts:
        return ASK
    quote = queries.quote(campaign=campaign, parts=parts, now=now)
    amount_minor = sum(amount for _, amount in parts)
    if not quote.match_minor:
        return _unmatched(campaign=campaign, amount_minor=amount_minor, now=now)
    gift, match, both = (
        format_amount_short(minor, currency=campaign.currency)
        for minor in (amount_minor, quote.match_minor, amount_minor + quote.match_minor)
    )
    adds = f"{sponsors_text(quote.sponsor_names)} {match}"
    is_part = quote.match_minor < amount_minor
    return MatchLine(
        tone="part" if is_part else "full",
        headline=f"{gift} becomes {both}.",
        detail=f"{adds}, which is all the match there is for this gift; we hold it for you while you pay."
        if is_part
        else f"{adds}; we hold it for you while you pay.",
        match_minor=quote.match_minor,
    )


def sponsors_text(names: list[str]) -> str:
    """`The Harbor Family adds`, `The Harbor Family and Pier Bank add`: the start of a sentence."""
    text = f"{listed(names)} {'adds' if len(names) == 1 else 'add'}"
    return text[:1].upper() + text[1:]


def _unmatched(*, campaign: Campaign, amount_minor: int, now: datetime) -> MatchLine:
    gift = format_amount_short(amount_minor, currency=campaign.currency)
    headline, detail = _why_not(campaign=campaign, gift=gift, now=now)
    return MatchLine("none", headline, f"{detail} Your {gift} goes to work all the same.")


def _why_not(*, campaign: Campaign, gift: str, now: datetime) -> tuple[str, str]:
    """Headline and reason, the most useful first: a match that takes other gifts, one to come, one that ended."""
    pools = queries.pool_figures(campaign=campaign, now=now)
    found = {pool.state: pool for pool in reversed(pools)}
    if campaign.phase(now=now) == "closed":
        return f"{campaign.name} has ended.", "Gifts are no longer matched."
    if "open" in found:
        return f"{gift} would not be matched.", f"This is what is matched: {found['open'].sentence}"
    if "not_yet_open" in found:
        opening = found["not_yet_open"].state_text
        moment = opening[:1].lower() + opening[1:]
        return "The match is not open yet.", f"It {moment}, {campaign.time_zone_label}; a gift sent now has no match."
    if "paused" in found:
        return "The match is paused.", "A gift sent now has no match."
    if "used_up" in found:
        return "The match is all taken.", "Every dollar of it is given, or held for donors who are paying now."
    return "This gift has no match.", "There is no match to hold at the moment."
