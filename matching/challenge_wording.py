"""What donors read about a challenge: what has to happen, how far it has come, what refunds undo."""

from django.utils.translation import gettext, gettext_lazy, ngettext, pgettext, pgettext_lazy

from campaign.counts import count_text
from campaign.money import format_amount_short
from matching.challenges import Progress
from matching.models import MatchPool, PoolTerms

LOCKED, RUNNING, MET, GIVEN = "locked", "running", "met", "given"
_STATES = {
    LOCKED: pgettext_lazy("sponsor’s money", "Locked"),
    RUNNING: pgettext_lazy("challenge", "Under way"),
    MET: pgettext_lazy("challenge", "Reached"),
}
# By whether it is for some funds only.
_WHEN_RAISED = {
    # Translators: such as: When $100,000 is raised, the Harbor Family will give $50,000
    False: gettext_lazy("When %(target)s is raised, %(sponsor)s will give %(award)s"),
    True: gettext_lazy("When %(target)s is raised for %(funds)s, %(sponsor)s will give %(award)s"),
}
_EVERY_TIME_RAISED = {
    False: gettext_lazy("For every %(target)s raised, %(sponsor)s will give %(award)s, up to %(most)s"),
    True: gettext_lazy("For every %(target)s raised for %(funds)s, %(sponsor)s will give %(award)s, up to %(most)s"),
}


def award_sentence(*, pool: MatchPool, terms: PoolTerms, funds: str) -> str:
    """`When 500 people give, the Harbor Family will give $50,000`, without its full stop. funds: their names, or empty.

    “Will give” is right for one sponsor and for many: the Friends of Ward 6, too.
    """
    award = format_amount_short(terms.award_minor or 0, currency=pool.currency)
    whole_sums_minor = pool.limit_minor - pool.limit_minor % (terms.award_minor or 1)
    words = _target_words(terms, currency=pool.currency, funds=funds) | {
        "sponsor": pool.sponsor.display_name,
        "award": award,
        "most": format_amount_short(whole_sums_minor, currency=pool.currency),
    }
    if terms.unlock_donors is None:
        return (_EVERY_TIME_RAISED if terms.award_every else _WHEN_RAISED)[bool(funds)] % words
    if terms.award_every:
        return _every_time_given(terms.unlock_donors, has_funds=bool(funds)) % words
    return _when_given(terms.unlock_donors, has_funds=bool(funds)) % words


def _when_given(donors: int, *, has_funds: bool) -> str:
    if has_funds:
        return ngettext(
            "When %(target)s person gives to %(funds)s, %(sponsor)s will give %(award)s",
            "When %(target)s people give to %(funds)s, %(sponsor)s will give %(award)s",
            donors,
        )
    return ngettext(
        "When %(target)s person gives, %(sponsor)s will give %(award)s",
        "When %(target)s people give, %(sponsor)s will give %(award)s",
        donors,
    )


def _every_time_given(donors: int, *, has_funds: bool) -> str:
    if has_funds:
        return ngettext(
            "For every %(target)s donor to %(funds)s, %(sponsor)s will give %(award)s, up to %(most)s",
            "For every %(target)s donors to %(funds)s, %(sponsor)s will give %(award)s, up to %(most)s",
            donors,
        )
    return ngettext(
        "For every %(target)s donor, %(sponsor)s will give %(award)s, up to %(most)s",
        "For every %(target)s donors, %(sponsor)s will give %(award)s, up to %(most)s",
        donors,
    )


def once_unlocked(terms: PoolTerms, *, currency: str, funds: str, match: str) -> str:
    """`Once 500 people have given, every dollar is doubled until $250,000 is used`: of a locked pool.

    funds: their names, or empty. match: what happens then, as the middle of a sentence.
    """
    words = _target_words(terms, currency=currency, funds=funds) | {"match": match}
    if terms.unlock_donors is None:
        if funds:
            return gettext("Once %(target)s has been raised for %(funds)s, %(match)s") % words
        return gettext("Once %(target)s has been raised, %(match)s") % words
    if funds:
        given = ngettext(
            "Once %(target)s person has given to %(funds)s, %(match)s",
            "Once %(target)s people have given to %(funds)s, %(match)s",
            terms.unlock_donors,
        )
    else:
        # Translators: match is such as: every dollar is doubled until $250,000 is used
        given = ngettext(
            "Once %(target)s person has given, %(match)s",
            "Once %(target)s people have given, %(match)s",
            terms.unlock_donors,
        )
    return given % words


def reach_sentence(terms: PoolTerms) -> str:
    """Whether gifts made before the unlocking are matched."""
    if terms.reaches_back:
        return gettext("Earlier gifts are matched then, too.")
    return gettext("It matches gifts made from then on.")


def rule_sentence(terms: PoolTerms) -> str:
    """What refunds do to a sum that was given, for every page that speaks of it; empty for what matches gifts."""
    if terms.matches_gifts:
        return ""
    if terms.unlock_donors is not None:
        return gettext("If refunds bring the count below the target before the campaign closes, the sum is taken back.")
    return gettext(
        "If refunds bring what was raised below the target before the campaign closes, the sum is taken back."
    )


def leftover_sentence(pool: MatchPool, *, terms: PoolTerms) -> str:
    is_given = pool.leftover == MatchPool.Leftover.GIVEN
    if terms.award_every:
        if is_given:
            return gettext("What is not earned is given anyway.")
        return gettext("What is not earned stays with the sponsor.")
    if is_given:
        return gettext("If the target is not reached, the money is given anyway.")
    return gettext("If the target is not reached, the money stays with the sponsor.")


def progress_text(progress: Progress, *, terms: PoolTerms, currency: str) -> str:
    """How far it has come: `Unlocks when 500 people have given: 312 so far`, `312 of 500 people have given`.

    `503 people have given; the target was 500` when more came; of a challenge that gives again and again, how far the
    next sum is.
    """
    shown = progress.of_next_time if terms.award_every else progress
    if shown.target_donors is not None:
        words = {"so_far": count_text(shown.donors), "target": count_text(shown.target_donors)}
        return _donors_so_far(shown, shown.target_donors, terms=terms) % words
    words = {
        "so_far": format_amount_short(shown.raised_minor, currency=currency),
        "target": format_amount_short(shown.target_minor or 0, currency=currency),
    }
    return _raised_so_far(shown, terms=terms) % words


def _donors_so_far(shown: Progress, target: int, *, terms: PoolTerms) -> str:
    if terms.matches_gifts:
        return ngettext(
            "Unlocks when %(target)s person has given: %(so_far)s so far",
            "Unlocks when %(target)s people have given: %(so_far)s so far",
            target,
        )
    if shown.is_exceeded:
        return ngettext(
            "%(so_far)s person has given; the target was %(target)s",
            "%(so_far)s people have given; the target was %(target)s",
            shown.donors,
        )
    if terms.award_every:
        return ngettext(
            "%(so_far)s of %(target)s person has given toward the next sum",
            "%(so_far)s of %(target)s people have given toward the next sum",
            target,
        )
    return ngettext("%(so_far)s of %(target)s person has given", "%(so_far)s of %(target)s people have given", target)


def _raised_so_far(shown: Progress, *, terms: PoolTerms) -> str:
    if terms.matches_gifts:
        return gettext("Unlocks when %(target)s has been raised: %(so_far)s so far")
    if shown.is_exceeded:
        return gettext("%(so_far)s raised; the target was %(target)s")
    if terms.award_every:
        return gettext("%(so_far)s of %(target)s raised toward the next sum")
    return gettext("%(so_far)s of %(target)s raised")


def state_of_award(
    *, pool: MatchPool, terms: PoolTerms, progress: Progress | None, is_over: bool, is_early: bool, free_minor: int
) -> str:
    """`given`, `closed`, `paused`, `not_yet_open`, `met` or `running`, the first that fits."""
    award_minor = terms.award_minor or 0
    if pool.matched_minor and (not terms.award_every or free_minor < award_minor):
        return GIVEN
    if is_over:
        return "closed"
    if pool.is_stopped:
        return "paused"
    if is_early:
        return "not_yet_open"
    earned = award_minor * (progress.times if progress else 0)
    return MET if pool.matched_minor < (earned if terms.award_every else min(earned, award_minor)) else RUNNING


def state_text(*, state: str, pool: MatchPool, terms: PoolTerms) -> str:
    """The states that only challenges have, in words; empty for others."""
    given = {"given": format_amount_short(pool.matched_minor, currency=pool.currency)}
    if state == GIVEN:
        return pgettext("challenge", "Reached: %(given)s given") % given
    if state == RUNNING and pool.matched_minor:
        return pgettext("challenge", "Under way: %(given)s given so far") % given
    if state == "closed" and pool.matched_minor and not terms.matches_gifts:
        return pgettext("challenge", "Closed: %(given)s given") % given
    return str(_STATES.get(state, ""))


def donors_text(count: int) -> str:
    """`1 person`, `500 people`."""
    return ngettext("%(count)s person", "%(count)s people", count) % {"count": count_text(count)}


def _target_words(terms: PoolTerms, *, currency: str, funds: str) -> dict[str, str]:
    """What a sentence says of the target: so many people, or so much money; and the funds it is for."""
    if terms.unlock_donors is not None:
        return {"target": count_text(terms.unlock_donors), "funds": funds}
    return {"target": format_amount_short(terms.unlock_raised_minor or 0, currency=currency), "funds": funds}
