"""What donors read about a pool: its terms in one sentence, its state in words, the reason for a match."""

from datetime import datetime, time, timedelta

from campaign import moments
from campaign.models import Campaign, Fund
from campaign.moments import clock_text, day_text
from campaign.money import format_amount_short, parse_amount
from matching import challenge_wording
from matching.allocation import Bound
from matching.challenges import Progress
from matching.models import MatchPool, PoolTerms

_TIMES = {2: "doubled", 3: "tripled", 4: "quadrupled"}


def terms_sentence(*, pool: MatchPool, terms: PoolTerms, campaign: Campaign, funds: dict[int, Fund]) -> str:
    """Such as “Every dollar to Education is doubled, up to $5,000 of match a donor, until $250,000 is used.”

    A locked pool begins with its target, a challenge says what it gives (challenge_wording.py).
    funds: every fund that the terms could name, by id.
    """
    named = listed([funds[pk].name for pk in terms.fund_ids if pk in funds])
    fund_words = f" to {named}" if named else ""
    window = window_text(opens_at=terms.opens_at, closes_at=terms.closes_at, campaign=campaign)
    end = f", {window}." if window else "."
    if not terms.matches_gifts:
        return _with_capital(challenge_wording.award_sentence(pool=pool, terms=terms, fund_words=fund_words)) + end
    match = _match_words(pool, terms, fund_words=fund_words) + end
    if not terms.has_target:
        return match
    once = challenge_wording.once_unlocked(terms, currency=pool.currency, fund_words=fund_words)
    return f"{once}, {match[0].lower()}{match[1:]} {challenge_wording.reach_sentence(terms)}"


def leftover_sentence(pool: MatchPool, *, terms: PoolTerms) -> str:
    if not terms.matches_gifts:
        return challenge_wording.leftover_sentence(pool, terms=terms)
    if pool.leftover == MatchPool.Leftover.GIVEN:
        return "What is left over is given anyway."
    return "What is left over stays with the sponsor, so each gift decides."


def state_of(
    *,
    pool: MatchPool,
    terms: PoolTerms,
    campaign: Campaign,
    free_minor: int,
    now: datetime,
    progress: Progress | None = None,
) -> str:
    """`not_yet_open`, `locked`, `open`, `paused`, `used_up` or `closed`; of a challenge also `running`, `met`, `given`.

    free_minor: with lapsed holds. progress: of a challenge that gives a sum of its own.
    """
    is_over = now >= terms.ends_at(campaign_closes_at=campaign.closes_at)
    is_early = terms.opens_at is not None and now < terms.opens_at
    if not terms.matches_gifts:
        return challenge_wording.state_of_award(
            pool=pool, terms=terms, progress=progress, is_over=is_over, is_early=is_early, free_minor=free_minor
        )
    if is_over:
        return "closed"
    if pool.is_stopped:
        return "paused"
    if is_early:
        return "not_yet_open"
    if terms.has_target and pool.unlocked_at is None:
        return challenge_wording.LOCKED
    return "open" if free_minor > 0 else "used_up"


def state_text(*, state: str, pool: MatchPool, terms: PoolTerms, campaign: Campaign) -> str:
    if state == "not_yet_open" and terms.opens_at:
        return f"Opens {moment_text(terms.opens_at, campaign=campaign)}"
    if of_challenge := challenge_wording.state_text(state=state, pool=pool, terms=terms):
        return of_challenge
    return {"open": "Open", "paused": "Paused", "used_up": "Used up", "closed": "Closed"}.get(state, "")


def reason_text(*, bound: str, sponsor_name: str, fund_name: str, terms: PoolTerms, campaign: Campaign) -> str:
    """Why one pool gave what it gave to one part of a gift, as one sentence."""
    return f"{sponsor_name}: {bound_text(bound=bound, fund_name=fund_name, terms=terms, campaign=campaign)}."


def bound_text(*, bound: str, fund_name: str, terms: PoolTerms, campaign: Campaign) -> str:
    """What kept a pool from giving more to one part of a gift, without its full stop."""
    currency = campaign.currency
    gift_cap = format_amount_short(terms.cap_per_gift_minor or 0, currency=currency)
    donor_cap = format_amount_short(terms.cap_per_donor_minor or 0, currency=currency)
    least = format_amount_short(terms.min_gift_minor, currency=currency)
    return {
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
        Bound.RAN_OUT: "the sponsor’s money had run out",
    }[Bound(bound)]


def window_text(*, opens_at: datetime | None, closes_at: datetime | None, campaign: Campaign) -> str:
    """`noon to 1:00 PM on December 1, Boston time`; whole days as days; empty without bounds."""
    if opens_at and closes_at:
        span = _span_text(opens_at.astimezone(campaign.tz), closes_at.astimezone(campaign.tz))
        return f"{span}, {campaign.time_zone_label}"
    if opens_at:
        return f"from {moment_text(opens_at, campaign=campaign)}, {campaign.time_zone_label}"
    if closes_at:
        return f"before {moment_text(closes_at, campaign=campaign)}, {campaign.time_zone_label}"
    return ""


def _span_text(opening: datetime, closing: datetime) -> str:
    if opening.date() == closing.date():
        return f"{clock_text(opening)} to {clock_text(closing)} on {day_text(opening)}"
    if opening.time() == closing.time() == time(0):
        last = closing - timedelta(days=1)
        return f"on {day_text(opening)}" if last == opening else f"{day_text(opening)} to {day_text(last)}"
    return f"from {day_text(opening)}, {clock_text(opening)} until {day_text(closing)}, {clock_text(closing)}"


def moment_text(moment: datetime, *, campaign: Campaign) -> str:
    """`December 1, 12:00 PM` in the campaign's time zone; midnight and noon by name."""
    return moments.moment_text(moment.astimezone(campaign.tz))


def listed(names: list[str]) -> str:
    """`A`, `A and B`, `A, B and C`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


def _match_words(pool: MatchPool, terms: PoolTerms, *, fund_words: str) -> str:
    """`Every dollar to Education is doubled, up to $500 of match a donor, until $250,000 is used`."""
    currency = pool.currency
    words = f"Every dollar{fund_words}"
    if terms.min_gift_minor:
        words += f" in gifts of {format_amount_short(terms.min_gift_minor, currency=currency)} or more"
    words += f" {_effect(terms, currency=currency)}"
    caps = [
        f"{format_amount_short(minor, currency=currency)}{unit}"
        for minor, unit in (
            (terms.cap_per_gift_minor, " of match a gift"),
            (terms.cap_per_donor_minor, " a donor" if terms.cap_per_gift_minor is not None else " of match a donor"),
        )
        if minor is not None
    ]
    if caps:
        words = f"{words.removesuffix(',')}, up to {' and '.join(caps)},"
    return f"{words} until {format_amount_short(pool.limit_minor, currency=currency)} is used"


def _with_capital(text: str) -> str:
    return text[:1].upper() + text[1:]


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
