"""What donors read about a challenge: what has to happen, how far it has come, what refunds undo."""

from campaign.money import format_amount_short
from matching.challenges import Progress
from matching.models import MatchPool, PoolTerms

LOCKED, RUNNING, MET, GIVEN = "locked", "running", "met", "given"


def award_sentence(*, pool: MatchPool, terms: PoolTerms, fund_words: str) -> str:
    """`When 500 people give, the Harbor Family will give $50,000`, without its full stop. fund_words: such as ` to X`.

    “Will give” is right for one sponsor and for many: the Friends of Ward 6, too.
    """
    award = format_amount_short(terms.award_minor or 0, currency=pool.currency)
    gives = f"{pool.sponsor.display_name} will give {award}"
    if not terms.award_every:
        return (
            f"When {_target(terms, currency=pool.currency, fund_words=fund_words, verb=('give', 'is raised'))}, {gives}"
        )
    whole_sums_minor = pool.limit_minor - pool.limit_minor % (terms.award_minor or 1)
    most = format_amount_short(whole_sums_minor, currency=pool.currency)
    if terms.unlock_donors is not None:
        each = f"For every {donors_text(terms.unlock_donors, noun='donor')}{fund_words}"
    else:
        target = format_amount_short(terms.unlock_raised_minor or 0, currency=pool.currency)
        each = f"For every {target} raised{_for(fund_words)}"
    return f"{each}, {gives}, up to {most}"


def once_unlocked(terms: PoolTerms, *, currency: str, fund_words: str) -> str:
    """`Once 500 people have given`, `Once $100,000 has been raised`: the start of a locked pool's sentence."""
    verb = ("has given", "has been raised") if terms.unlock_donors == 1 else ("have given", "has been raised")
    return f"Once {_target(terms, currency=currency, fund_words=fund_words, verb=verb)}"


def reach_sentence(terms: PoolTerms) -> str:
    """Whether gifts made before the unlocking are matched."""
    return "Earlier gifts are matched then, too." if terms.reaches_back else "It matches gifts made from then on."


def rule_sentence(terms: PoolTerms) -> str:
    """What refunds do to a sum that was given, for every page that speaks of it; empty for what matches gifts."""
    if terms.matches_gifts:
        return ""
    what = "the count" if terms.unlock_donors is not None else "what was raised"
    return f"If refunds bring {what} below the target before the campaign closes, the sum is taken back."


def leftover_sentence(pool: MatchPool, *, terms: PoolTerms) -> str:
    start = "What is not earned" if terms.award_every else "If the target is not reached, the money"
    if pool.leftover == MatchPool.Leftover.GIVEN:
        return f"{start} is given anyway."
    return f"{start} stays with the sponsor."


def progress_text(progress: Progress, *, terms: PoolTerms, currency: str) -> str:
    """How far it has come: `Unlocks when 500 people have given: 312 so far`, `312 of 500 people have given`.

    `503 people have given; the target was 500` when more came; of a challenge that gives again and again, how far the
    next sum is.
    """
    shown = progress.of_next_time if terms.award_every else progress
    if shown.target_donors is not None:
        so_far, target = f"{shown.donors:,}", donors_text(shown.target_donors)
        verb = "has given" if shown.target_donors == 1 else "have given"
    else:
        so_far = format_amount_short(shown.raised_minor, currency=currency)
        target, verb = format_amount_short(shown.target_minor or 0, currency=currency), "raised"
    if not terms.matches_gifts:
        if shown.is_exceeded and shown.target_donors is not None:
            return f"{donors_text(shown.donors)} have given; the target was {shown.target_donors:,}"
        if shown.is_exceeded:
            return f"{so_far} raised; the target was {target}"
        return f"{so_far} of {target} {verb}{' toward the next sum' if terms.award_every else ''}"
    return f"Unlocks when {target} {verb if shown.target_donors else 'has been raised'}: {so_far} so far"


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
    given = format_amount_short(pool.matched_minor, currency=pool.currency)
    if state == GIVEN:
        return f"Reached: {given} given"
    if state == RUNNING and pool.matched_minor:
        return f"Under way: {given} given so far"
    if state == "closed" and pool.matched_minor and not terms.matches_gifts:
        return f"Closed: {given} given"
    return {LOCKED: "Locked", RUNNING: "Under way", MET: "Reached"}.get(state, "")


def donors_text(count: int, *, noun: str = "person") -> str:
    """`1 person`, `500 people`, `50 donors`."""
    plural = {"person": "people"}.get(noun, f"{noun}s")
    return f"{count:,} {noun if count == 1 else plural}"


def _target(terms: PoolTerms, *, currency: str, fund_words: str, verb: tuple[str, str]) -> str:
    """verb: what people do, and what happens to a sum."""
    if terms.unlock_donors is not None:
        does = {"give": "gives"}.get(verb[0], verb[0]) if terms.unlock_donors == 1 else verb[0]
        return f"{donors_text(terms.unlock_donors)} {does}{fund_words}"
    return f"{format_amount_short(terms.unlock_raised_minor or 0, currency=currency)} {verb[1]}{_for(fund_words)}"


def _for(fund_words: str) -> str:
    """People give to a fund; a sum is raised for it."""
    return fund_words.replace(" to ", " for ", 1)
