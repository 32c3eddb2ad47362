"""What donors read about a pool: its terms in one sentence, its state in words, the reason for a match.

A sentence about terms has parts that come or go. Each part that a translator meets is a clause of its own, named where
it is put in; none begins or ends in the middle of a phrase.
"""

from datetime import datetime, time, timedelta
from functools import reduce

from django.utils.text import capfirst
from django.utils.translation import gettext, gettext_lazy, pgettext_lazy

from campaign import moments
from campaign.models import Campaign, Fund
from campaign.moments import clock_text, day_text
from campaign.money import format_amount_short, parse_amount
from matching import challenge_wording
from matching.allocation import Bound
from matching.challenges import Progress
from matching.models import MatchPool, PoolTerms

_STATES = {
    "open": pgettext_lazy("sponsor’s money", "Open"),
    "paused": pgettext_lazy("sponsor’s money", "Paused"),
    "used_up": pgettext_lazy("sponsor’s money", "Used up"),
    "closed": pgettext_lazy("sponsor’s money", "Closed"),
}
_BOUNDS = {
    # Translators: this and the next ones end a line such as: $50 from the Harbor Family: this match was paused.
    Bound.GIFT: gettext_lazy("all of the part for %(fund)s that was left to match"),
    Bound.RATIO: gettext_lazy("the part left to match is too small for a cent at this ratio"),
    Bound.COVERED: gettext_lazy("other sponsors had covered all of it"),
    Bound.WINDOW: gettext_lazy("the gift was sent outside the hours of this match"),
    Bound.MINIMUM: gettext_lazy("this match begins with gifts of %(least)s"),
    Bound.OTHER_FUND: gettext_lazy("this match is not for %(fund)s"),
    Bound.OFFLINE: gettext_lazy("this match is for gifts made on the site"),
    Bound.PAUSED: gettext_lazy("this match was paused"),
    Bound.LOCKED: gettext_lazy("this match was not yet unlocked"),
    Bound.CAP_PER_GIFT: gettext_lazy("the match is limited to %(gift_cap)s a gift"),
    Bound.CAP_PER_DONOR: gettext_lazy("the match is limited to %(donor_cap)s a donor"),
    Bound.RAN_OUT: gettext_lazy("the sponsor’s money had run out"),
}
# What is matched, where a sentence begins with it, and where it stands in the middle of one. By whether it is for some
# funds only, and for gifts from some amount on.
_EVERY_DOLLAR = {
    # Translators: the second one stands in: Once 500 people have given, every dollar is doubled until $250,000 is used
    (False, False): (gettext_lazy("Every dollar"), gettext_lazy("every dollar")),
    (True, False): (gettext_lazy("Every dollar to %(funds)s"), gettext_lazy("every dollar to %(funds)s")),
    (False, True): (
        gettext_lazy("Every dollar in gifts of %(least)s or more"),
        gettext_lazy("every dollar in gifts of %(least)s or more"),
    ),
    (True, True): (
        gettext_lazy("Every dollar to %(funds)s in gifts of %(least)s or more"),
        gettext_lazy("every dollar to %(funds)s in gifts of %(least)s or more"),
    ),
}
# Translators: effect is such as: Every dollar to Education is doubled
_UNTIL = gettext_lazy("%(effect)s until %(limit)s is used")
# Translators: effect is such as: Every dollar earns $2 more on top of any other match
_BONUS_UNTIL = gettext_lazy("%(effect)s, until %(limit)s is used")
# By whether there is a limit for a gift, and one for a donor.
_CAPPED_UNTIL = {
    # Translators: effect is such as: Every dollar to Education is doubled
    (True, False): gettext_lazy("%(effect)s, up to %(gift_cap)s of match a gift, until %(limit)s is used"),
    (False, True): gettext_lazy("%(effect)s, up to %(donor_cap)s of match a donor, until %(limit)s is used"),
    (True, True): gettext_lazy(
        "%(effect)s, up to %(gift_cap)s of match a gift and %(donor_cap)s a donor, until %(limit)s is used"
    ),
}
_TIMES = {
    # Translators: every is such as: Every dollar to Education
    2: gettext_lazy("%(every)s is doubled"),
    3: gettext_lazy("%(every)s is tripled"),
    4: gettext_lazy("%(every)s is quadrupled"),
}


def terms_sentence(*, pool: MatchPool, terms: PoolTerms, campaign: Campaign, funds: dict[int, Fund]) -> str:
    """Such as “Every dollar to Education is doubled, up to $5,000 of match a donor, until $250,000 is used.”

    A locked pool begins with its target, a challenge says what it gives (challenge_wording.py).
    funds: every fund that the terms could name, by id.
    """
    named = listed([funds[pk].name for pk in terms.fund_ids if pk in funds])
    window = window_text(opens_at=terms.opens_at, closes_at=terms.closes_at, campaign=campaign)
    if not terms.matches_gifts:
        award = challenge_wording.award_sentence(pool=pool, terms=terms, funds=named)
        return _ended(capfirst(award), window=window)
    match = _match_words(pool, terms, every=_every_dollar(terms, funds=named, currency=pool.currency))
    if not terms.has_target:
        return _ended(match, window=window)
    once = challenge_wording.once_unlocked(terms, currency=pool.currency, funds=named, match=match)
    return f"{_ended(once, window=window)} {challenge_wording.reach_sentence(terms)}"


def leftover_sentence(pool: MatchPool, *, terms: PoolTerms) -> str:
    if not terms.matches_gifts:
        return challenge_wording.leftover_sentence(pool, terms=terms)
    if pool.leftover == MatchPool.Leftover.GIVEN:
        return gettext("What is left over is given anyway.")
    return gettext("What is left over stays with the sponsor, so each gift decides.")


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
        # Translators: of the money of a sponsor: Opens December 1, noon
        return gettext("Opens %(moment)s") % {"moment": moment_text(terms.opens_at, campaign=campaign)}
    if of_challenge := challenge_wording.state_text(state=state, pool=pool, terms=terms):
        return of_challenge
    return str(_STATES.get(state, ""))


def reason_text(
    *, gave_minor: int, bound: str, sponsor_name: str, fund_name: str, terms: PoolTerms, campaign: Campaign
) -> str:
    """What one pool gave to one part of a gift, and why: `$50 from the Harbor Family: this match was paused.`"""
    return gettext("%(amount)s from %(sponsor)s: %(why)s.") % {
        "amount": format_amount_short(gave_minor, currency=campaign.currency),
        "sponsor": sponsor_name,
        "why": bound_text(bound=bound, fund_name=fund_name, terms=terms, campaign=campaign),
    }


def bound_text(*, bound: str, fund_name: str, terms: PoolTerms, campaign: Campaign) -> str:
    """What kept a pool from giving more to one part of a gift, without its full stop."""
    currency = campaign.currency
    return _BOUNDS[Bound(bound)] % {
        "fund": fund_name,
        "least": format_amount_short(terms.min_gift_minor, currency=currency),
        "gift_cap": format_amount_short(terms.cap_per_gift_minor or 0, currency=currency),
        "donor_cap": format_amount_short(terms.cap_per_donor_minor or 0, currency=currency),
    }


def window_text(*, opens_at: datetime | None, closes_at: datetime | None, campaign: Campaign) -> str:
    """`noon to 1:00 PM on December 1, Boston time`; whole days as days; empty without bounds."""
    zone = campaign.time_zone_label
    if opens_at and closes_at:
        span = _span_text(opens_at.astimezone(campaign.tz), closes_at.astimezone(campaign.tz))
        # Translators: hours or days, such as: noon to 1:00 PM on December 1, Boston time
        return gettext("%(span)s, %(zone)s") % {"span": span, "zone": zone}
    if opens_at:
        # Translators: such as: from December 1, noon, Boston time
        words = gettext("from %(moment)s, %(zone)s")
        return words % {"moment": moment_text(opens_at, campaign=campaign), "zone": zone}
    if closes_at:
        # Translators: such as: before December 1, noon, Boston time
        words = gettext("before %(moment)s, %(zone)s")
        return words % {"moment": moment_text(closes_at, campaign=campaign), "zone": zone}
    return ""


def _span_text(opening: datetime, closing: datetime) -> str:
    if opening.date() == closing.date():
        hours = {"opens": clock_text(opening), "closes": clock_text(closing), "day": day_text(opening)}
        # Translators: noon to 1:00 PM on December 1
        return gettext("%(opens)s to %(closes)s on %(day)s") % hours
    if opening.time() == closing.time() == time(0):
        last = closing - timedelta(days=1)
        if last == opening:
            # Translators: on December 1
            return gettext("on %(day)s") % {"day": day_text(opening)}
        # Translators: December 1 to December 3
        return gettext("%(first)s to %(last)s") % {"first": day_text(opening), "last": day_text(last)}
    # Translators: from December 1, noon until December 2, 1:00 PM
    words = gettext("from %(opens)s until %(closes)s")
    return words % {"opens": moments.moment_text(opening), "closes": moments.moment_text(closing)}


def moment_text(moment: datetime, *, campaign: Campaign) -> str:
    """`December 1, 12:00 PM` in the campaign's time zone; midnight and noon by name."""
    return moments.moment_text(moment.astimezone(campaign.tz))


def listed(names: list[str]) -> str:
    """`A`, `A and B`, `A, B and C`."""
    if len(names) < 2:
        return "".join(names)
    first = reduce(_and_next, names[:-1])
    # Translators: the end of a list of names: Education and Nursing
    return gettext("%(names)s and %(last)s") % {"names": first, "last": names[-1]}


def _and_next(names: str, name: str) -> str:
    # Translators: the middle of a list of names: Education, Nursing
    return gettext("%(names)s, %(next)s") % {"names": names, "next": name}


def _ended(sentence: str, *, window: str) -> str:
    """With its hours or days, if it has any, and its full stop."""
    if not window:
        return gettext("%(sentence)s.") % {"sentence": sentence}
    # Translators: … until $250,000 is used, noon to 1:00 PM on December 1, Boston time.
    return gettext("%(sentence)s, %(window)s.") % {"sentence": sentence, "window": window}


def _every_dollar(terms: PoolTerms, *, funds: str, currency: str) -> str:
    """`Every dollar to Education`; `every dollar` of a pool that has a target, whose sentence begins with that."""
    words = _EVERY_DOLLAR[bool(funds), bool(terms.min_gift_minor)][terms.has_target]
    return words % {"funds": funds, "least": format_amount_short(terms.min_gift_minor, currency=currency)}


def _match_words(pool: MatchPool, terms: PoolTerms, *, every: str) -> str:
    """`Every dollar to Education is doubled, up to $500 of match a donor, until $250,000 is used`."""
    has_caps = (terms.cap_per_gift_minor is not None, terms.cap_per_donor_minor is not None)
    without_caps = _BONUS_UNTIL if terms.layer == PoolTerms.Layer.BONUS else _UNTIL
    return _CAPPED_UNTIL.get(has_caps, without_caps) % {
        "effect": _effect(terms, every=every, currency=pool.currency),
        "gift_cap": format_amount_short(terms.cap_per_gift_minor or 0, currency=pool.currency),
        "donor_cap": format_amount_short(terms.cap_per_donor_minor or 0, currency=pool.currency),
        "limit": format_amount_short(pool.limit_minor, currency=pool.currency),
    }


def _effect(terms: PoolTerms, *, every: str, currency: str) -> str:
    """`Every dollar is doubled`, `Every dollar earns $1 more for each $2`."""
    match, left = divmod(terms.ratio_match, terms.ratio_gift)
    is_bonus = terms.layer == PoolTerms.Layer.BONUS
    if not is_bonus and not left and match + 1 in _TIMES:
        return _TIMES[match + 1] % {"every": every}
    unit = parse_amount("1", currency=currency)
    words = {
        "every": every,
        "more": format_amount_short(terms.ratio_match * unit, currency=currency),
        "each": format_amount_short(terms.ratio_gift * unit, currency=currency),
    }
    if terms.ratio_gift > 1:
        if is_bonus:
            return gettext("%(every)s earns %(more)s more for each %(each)s on top of any other match") % words
        return gettext("%(every)s earns %(more)s more for each %(each)s") % words
    if is_bonus:
        return gettext("%(every)s earns %(more)s more on top of any other match") % words
    return gettext("%(every)s earns %(more)s more") % words
