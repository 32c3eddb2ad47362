"""States in which staff can see the pools before they come: on the screen alone, never in a row.

What is shown is a state for all pools that match gifts, such as `used_up`, or for one alone: `used_up:12`, by its id.
`locked` and `unlocked` are shown of pools with a challenge only; those that give a sum of their own have these alone.
"""

import copy
from datetime import datetime, timedelta

from django.utils.translation import gettext_lazy

from matching.challenges import Progress
from matching.models import MatchPool

_LAST_MINOR = 735
_OPENS_IN = timedelta(hours=1)
# Each ends the sentence: This is how the page looks now, with the match money ...
STATES = {
    "": gettext_lazy("as it is"),
    "not_yet_open": gettext_lazy("not open yet"),
    "untouched": gettext_lazy("untouched"),
    "half": gettext_lazy("half taken"),
    "last": gettext_lazy("down to its last dollars"),
    "used_up": gettext_lazy("all taken"),
    "paused": gettext_lazy("paused"),
    "locked": gettext_lazy("locked, its challenge not reached yet"),
    "unlocked": gettext_lazy("unlocked, its challenge just reached"),
    "closed": gettext_lazy("closed"),
}
OF_CHALLENGES = ("locked", "unlocked")


def shown_as(state: str, *, pool_id: int | None = None) -> str:
    """What show() takes, for all pools or one."""
    return f"{state}:{pool_id}" if state and pool_id else state


def show(pool: MatchPool, shown: str, *, now: datetime) -> None:
    """Give this object, which must never be saved, the balances and terms of a state; balances add up to its limit.

    shown: as shown_as() makes it; an empty or unknown one changes nothing. now: aware, the moment that is shown.
    """
    state, _, only = shown.partition(":")
    if not state or state not in STATES or (only and only != str(pool.pk)):
        return
    if state in OF_CHALLENGES:
        if pool.terms.has_target:
            _show_challenge(pool, is_reached=state == "unlocked", now=now)
        return
    if not pool.terms.matches_gifts:
        return
    _show_window(pool, state=state, now=now)
    pool.is_paused, pool.halted_reason = state == "paused", ""
    if state in ("paused", "closed"):
        return
    if state != "not_yet_open" and pool.terms.has_target and only:
        pool.unlocked_at = now  # of this very pool staff want to see a state that comes after its challenge
    limit_minor = pool.limit_minor
    left = {"half": limit_minor // 2, "last": min(limit_minor, _LAST_MINOR), "used_up": 0}
    _balance(pool, free_minor=left.get(state, limit_minor))


def _balance(pool: MatchPool, *, free_minor: int) -> None:
    pool.free_minor = free_minor
    pool.held_minor = (pool.limit_minor - free_minor) // 20
    pool.matched_minor = pool.limit_minor - free_minor - pool.held_minor


def _show_challenge(pool: MatchPool, *, is_reached: bool, now: datetime) -> None:
    terms = pool.terms
    part = 1 if is_reached else 0.6
    donors, raised_minor = (int((target or 0) * part) for target in (terms.unlock_donors, terms.unlock_raised_minor))
    pool.shown_progress = Progress(donors, raised_minor, terms.unlock_donors, terms.unlock_raised_minor)
    pool.is_paused, pool.halted_reason = False, ""
    if terms.matches_gifts:
        pool.unlocked_at = now if is_reached else None
        _balance(pool, free_minor=pool.limit_minor)
    else:
        given_minor = min(terms.award_minor or 0, pool.limit_minor) if is_reached else 0
        pool.free_minor, pool.held_minor, pool.matched_minor = pool.limit_minor - given_minor, 0, given_minor


def _show_window(pool: MatchPool, *, state: str, now: datetime) -> None:
    """Terms under which the state is true at that moment; those remembered for everybody stay as they are."""
    terms = pool.terms
    if state == "not_yet_open" and not (terms.opens_at and now < terms.opens_at):
        pool.shown_terms = copy.copy(terms)
        pool.shown_terms.opens_at = now + _OPENS_IN
    if state == "closed":
        pool.shown_terms = copy.copy(terms)
        pool.shown_terms.closes_at = min(terms.closes_at or now, now)
