"""States in which staff can see the pools before they come: on the screen alone, never in a row.

Only pools that match gifts are shown otherwise; a pool's window and what it waits for stay as they are.
"""

from django.utils.translation import gettext_lazy

from matching.models import MatchPool

_LAST_MINOR = 735
STATES = {
    "": gettext_lazy("as they are"),
    "untouched": gettext_lazy("nothing taken yet"),
    "half": gettext_lazy("half taken"),
    "last": gettext_lazy("the last dollars"),
    "used_up": gettext_lazy("all taken"),
    "paused": gettext_lazy("paused"),
}


def show(pool: MatchPool, state: str) -> None:
    """Give this object, which must never be saved, the balances of a state; they add up to the pool's limit.

    state: one of STATES; an empty or unknown one changes nothing.
    """
    if not state or state not in STATES or not pool.terms.matches_gifts:
        return
    limit_minor = pool.limit_minor
    pool.is_paused = state == "paused"
    pool.halted_reason = ""
    if state == "paused":
        return
    pool.free_minor = {
        "untouched": limit_minor,
        "half": limit_minor // 2,
        "last": min(limit_minor, _LAST_MINOR),
        "used_up": 0,
    }[state]
    pool.held_minor = (limit_minor - pool.free_minor) // 20
    pool.matched_minor = limit_minor - pool.free_minor - pool.held_minor
