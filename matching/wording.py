"""What donors read about a pool: its terms in one sentence, its state in words, the reason for a match."""

from datetime import datetime

from campaign.models import Campaign, Fund
from campaign.money import format_amount_short, parse_amount
from matching.allocation import Bound
from matching.models import MatchPool, PoolTerms

_TIMES = {2: "doubled", 3: "tripled", 4: "quadrupled"}


def terms_sentence(*, pool: MatchPool, terms: PoolTerms, campaign: Campaign, funds: dict[int, Fund]) -> str:
    """Such as “Every dollar to Education up to $5,000 a donor is doubled until $250,000 is used, through December 1.”

    funds: every fund that the terms could name, by id.
    """
    currency = pool.currency
    words = ["Every dollar"]
    if terms.fund_ids:
        words.append("to " + listed([funds[pk].name for pk in terms.fund_ids if pk in funds]))
    if terms.min_gift_minor:
        words.append(f"in gifts of {format_amount_short(terms.min_gift_minor, currency=currency)} or more")
    words.append(_effect(terms, currency=currency))
    if terms.cap_per_gift_minor is not None:
        words.append(f"up to {format_amount_short(terms.cap_per_gift_minor, currency=currency)} of match a gift")
    if terms.cap_per_donor_minor is not None:
        words.append(f"up to {format_amount_short(terms.cap_per_donor_minor, currency=currency)} of match a donor")
    words.append(f"until {format_amount_short(pool.limit_minor, currency=currency)} is used")
    sentence = " ".join(words)
    window = window_text(opens_at=terms.opens_at, closes_at=terms.closes_at, campaign=campaign)
    return f"{sentence}, {window}." if window else f"{sentence}."


def leftover_sentence(pool: MatchPool) -> str:
    if pool.leftover == MatchPool.Leftover.GIVEN:
        return "What is left over is given anyway."
    return "What is left over stays with the sponsor, so each gift decides."


def state_of(*, pool: MatchPool, terms: PoolTerms, campaign: Campaign, free_minor: int, now: datetime) -> str:
    """`not_yet_open`, `open`, `paused`, `used_up` or `closed`."""
    if now >= terms.ends_at(campaign_closes_at=campaign.closes_at):
        return "closed"
    if pool.is_stopped:
        return "paused"
    if terms.opens_at and now < terms.opens_at:
        return "not_yet_open"
    return "open" if free_minor > 0 else "used_up"


def state_text(*, state: str, terms: PoolTerms, campaign: Campaign) -> str:
    if state == "not_yet_open" and terms.opens_at:
        return f"Opens {moment_text(terms.opens_at, campaign=campaign)}"
    return {"open": "Open", "paused": "Paused", "used_up": "Used up", "closed": "Closed"}.get(state, "")


def reason_text(*, bound: str, sponsor_name: str, fund_name: str, terms: PoolTerms, campaign: Campaign) -> str:
    """Why one pool gave what it gave to one part of a gift, as one sentence for staff and donors."""
    currency = campaign.currency
    gift_cap = format_amount_short(terms.cap_per_gift_minor or 0, currency=currency)
    donor_cap = format_amount_short(terms.cap_per_donor_minor or 0, currency=currency)
    least = format_amount_short(terms.min_gift_minor, currency=currency)
    reasons = {
        Bound.GIFT: f"all of the part for {fund_name} that was left to match",
        Bound.RATIO: "the part left to match is too small for a cent at this ratio",
        Bound.COVERED: "other sponsors had covered all of it",
        Bound.WINDOW: "the gift was sent outside the hours of this match",
        Bound.MINIMUM: f"this match begins with gifts of {least}",
        Bound.OTHER_FUND: f"this match is not for {fund_name}",
        Bound.OFFLINE: "this match is for gifts made on the site",
        Bound.PAUSED: "this match was paused",
        Bound.LOCKED: "this match was not yet unlocked",
        Bound.CAP_PER_GIFT: f"the match is limited to {gift_cap} a gift",
        Bound.CAP_PER_DONOR: f"the match is limited to {donor_cap} a donor",
        Bound.RAN_OUT: "the sponsor's money had run out",
    }
    return f"{sponsor_name}: {reasons[Bound(bound)]}."


def window_text(*, opens_at: datetime | None, closes_at: datetime | None, campaign: Campaign) -> str:
    if opens_at and closes_at:
        opening, closing = opens_at.astimezone(campaign.tz), closes_at.astimezone(campaign.tz)
        if opening.date() == closing.date():
            day = f"{opening:%B} {opening.day}"
            return f"{clock_text(opening)} to {clock_text(closing)} on {day}, {campaign.time_zone_label}"
        return (
            f"from {moment_text(opens_at, campaign=campaign)} "
            f"until {moment_text(closes_at, campaign=campaign)}, {campaign.time_zone_label}"
        )
    if opens_at:
        return f"from {moment_text(opens_at, campaign=campaign)}, {campaign.time_zone_label}"
    if closes_at:
        return f"before {moment_text(closes_at, campaign=campaign)}, {campaign.time_zone_label}"
    return ""


def moment_text(moment: datetime, *, campaign: Campaign) -> str:
    """`December 1, 12:00 PM` in the campaign's time zone; midnight and noon by name."""
    local = moment.astimezone(campaign.tz)
    return f"{local:%B} {local.day}, {clock_text(local)}"


def clock_text(local: datetime) -> str:
    """`9:14 AM`, `noon`, `midnight`; local: in the zone it is to be read in."""
    if (local.hour, local.minute) in ((0, 0), (12, 0)):
        return "midnight" if local.hour == 0 else "noon"
    return f"{local.hour % 12 or 12}:{local:%M} {local:%p}"


def listed(names: list[str]) -> str:
    """`A`, `A and B`, `A, B and C`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


def _effect(terms: PoolTerms, *, currency: str) -> str:
    match, left = divmod(terms.ratio_match, terms.ratio_gift)
    if terms.layer == PoolTerms.Layer.BASE and not left and match + 1 in _TIMES:
        return f"is {_TIMES[match + 1]}"
    unit = parse_amount("1", currency=currency)
    more = format_amount_short(terms.ratio_match * unit, currency=currency)
    earns = f"earns {more} more"
    if terms.ratio_gift > 1:
        earns += f" for each {format_amount_short(terms.ratio_gift * unit, currency=currency)}"
    return f"{earns} on top of any other match," if terms.layer == PoolTerms.Layer.BONUS else earns
